//! Headers that every answer has, whatever it is, and what may be kept by a cache.

use http::{Method, header};

use crate::{
    common::TestNode,
    site::{Answer, Site},
};

const ALWAYS: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// One answer of each kind: pages, errors, the API, files, what machines ask, and what is refused
/// before a handler sees it.
fn answers() -> Vec<(Method, String, u16)> {
    let get = |path: &str, status| (Method::GET, path.to_owned(), status);
    let large = "x".repeat(2000);
    vec![
        get("/sign-in", 200),
        get("/account", 303),
        get("/nowhere", 404),
        get("/ui", 200),
        get("/v1/agents", 401),
        get("/v1/nowhere", 404),
        get(&ui::assets::url("app.js"), 200),
        get("/assets/0/nothing.js", 404),
        get("/healthz", 200),
        get("/openapi.json", 200),
        get("/.well-known/jwks.json", 200),
        get("/docs/api/", 200),
        get(&format!("/app/{large}"), 303),
        (Method::DELETE, "/sign-in".to_owned(), 405),
        (Method::POST, "/sign-in".to_owned(), 422),
        (Method::POST, "/v1/auth/sign-in".to_owned(), 415),
        (Method::POST, "/hooks/nobody/twilio".to_owned(), 401),
        (Method::HEAD, "/sign-in".to_owned(), 200),
        (Method::OPTIONS, "/sign-in".to_owned(), 405),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_protects_who_reads_it() {
    for public_url in ["http://freehold.example", "https://freehold.example"] {
        let node = TestNode::configured(|config| config.public_url = public_url.to_owned()).await;
        let mut faults = Vec::new();
        for (method, path, status) in answers() {
            let name = format!("{method} {}", &path[..path.len().min(40)]);
            let request = node.client.request(method, format!("{}{path}", node.url));
            let answer = Answer::to(request.header(header::ACCEPT, "text/html")).await;
            if answer.status != status {
                faults.push(format!("{name}: {}", answer.status));
            }
            for (header, value) in ALWAYS {
                if answer.header(header) != value {
                    faults.push(format!("{name}: {header}: {}", answer.header(header)));
                }
            }
            let policy = answer.header("content-security-policy");
            if !policy.contains("frame-ancestors 'none'") || !policy.contains("default-src 'none'")
            {
                faults.push(format!("{name}: {policy}"));
            }
            // RFC 6797: by http it says nothing, and says so wrongly in front of a loopback address.
            let strict = answer.header("strict-transport-security");
            let seconds = strict
                .strip_prefix("max-age=")
                .and_then(|rest| rest.split(';').next()?.parse::<u32>().ok());
            match public_url.starts_with("https:") {
                true if seconds.is_some_and(|seconds| seconds >= 365 * 24 * 3600) => {}
                false if strict.is_empty() => {}
                _ => faults.push(format!("{name}: strict-transport-security: {strict}")),
            }
        }
        assert_eq!(faults, Vec::<String>::new(), "{public_url}");
        node.stop().await;
    }
}

/// Only what is the same for everybody may be kept by anybody.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_private_is_not_kept() {
    let site = Site::new().await;
    let mut kept = Vec::new();
    for path in site.paths() {
        for (who, cookie) in site.visitors() {
            let answer = site.visit(&site.address(&path), cookie).await;
            let caching = answer.header("cache-control");
            if caching != "no-store" {
                kept.push(format!("{path} for {who}: {caching}"));
            }
        }
    }
    for operation in crate::routes::documented() {
        if operation.method != "GET" {
            continue;
        }
        let request = site.request(Method::GET, &site.address(&operation.path));
        let answer = Answer::to(request.bearer_auth(site.key.expose())).await;
        let caching = answer.header("cache-control");
        if caching != "no-store" {
            kept.push(format!("{}: {caching}", operation.path));
        }
    }
    let public = kept
        .iter()
        .filter(|line| !line.starts_with("/.well-known/jwks.json for "));
    assert_eq!(public.collect::<Vec<_>>(), Vec::<&String>::new());

    for name in ["ui.css", "app.js", "palette.js", "chart.js", "icon.svg"] {
        let answer = site.visit(&ui::assets::url(name), None).await;
        assert_eq!(
            answer.header("cache-control"),
            "public, max-age=31536000, immutable",
            "{name}"
        );
        assert!(answer.set_cookies().is_empty(), "{name}");
    }
    let other = site.visit("/assets/0/app.js", None).await;
    assert_eq!(other.header("cache-control"), "no-cache");
    site.node.stop().await;
}
