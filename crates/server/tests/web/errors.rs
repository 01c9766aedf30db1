//! What nobody routed, and methods that nobody takes: a page for browsers, a problem document for
//! programs, and no word on what exists.

use http::{Method, header};
use serde_json::Value;

use crate::site::{Answer, Site};

/// Without what differs from answer to answer, and the address that was asked for.
fn bare(page: &Answer, slug: &str) -> String {
    let nonce = page.header("content-security-policy");
    let nonce = nonce
        .split("'nonce-")
        .nth(1)
        .and_then(|rest| rest.split('\'').next())
        .unwrap_or("no nonce");
    let correlation = page.header("x-correlation-id");
    page.text
        .replace(nonce, "")
        .replace(correlation, "")
        .replace(slug, "")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_answered_as_it_was_asked() {
    let site = Site::new().await;
    for path in [
        "/nowhere",
        "/app/acme/nowhere",
        "/admin/nowhere",
        "/account/nowhere",
        "/v1",
        "/v2/x",
    ] {
        for (who, cookie) in site.visitors() {
            let page = site.visit(path, cookie).await;
            assert_eq!(page.status, 404, "{path} for {who}");
            assert!(page.is_page(), "{path} for {who}");
            assert!(
                page.text.contains("There is nothing here"),
                "{path} for {who}"
            );
        }
    }
    for path in [
        "/nowhere",
        "/app/acme/nowhere",
        "/admin/nowhere",
        "/account/nowhere",
        "/v1/nowhere",
        "/admin/v1/nowhere",
    ] {
        // A program asks for anything, or for JSON.
        for accept in ["*/*", "application/json"] {
            for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS] {
                let request = site.request(method, path).header(header::ACCEPT, accept);
                let answer = Answer::to(request).await;
                assert_eq!(answer.status, 404, "{path}");
                assert_eq!(answer.header("content-type"), "application/problem+json");
                assert_eq!(answer.code(), "not_found", "{path}");
            }
        }
    }
    // What is for programs stays so, whoever asks.
    let answer = site.visit("/v1/nowhere", Some(&site.owner)).await;
    assert_eq!(answer.header("content-type"), "application/problem+json");
    site.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_are_not_taken_are_named() {
    let site = Site::new().await;
    for path in ["/sign-in", "/app/acme/team", "/v1/agents", "/healthz"] {
        for method in [Method::OPTIONS, Method::TRACE, Method::PUT] {
            let answer = Answer::to(site.request(method.clone(), path)).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.code(), "method_not_allowed", "{method} {path}");
            let allowed = answer.header("allow");
            assert!(
                allowed.contains("GET") && allowed.contains("HEAD"),
                "{allowed}"
            );
            // No answer gives leave to scripts of other origins.
            assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
        }
    }
    for path in [
        "/sign-in",
        "/app/acme/team",
        "/admin",
        "/account",
        "/nowhere",
    ] {
        let whole = site.visit(path, Some(&site.owner)).await;
        let head = Answer::to(site.browser(Method::HEAD, path, Some(&site.owner))).await;
        assert_eq!(head.status, whole.status, "{path}");
        assert_eq!(head.text, "", "{path}");
        assert_eq!(
            head.header("content-type"),
            whole.header("content-type"),
            "{path}"
        );
    }
    let page = Answer::to(site.browser(Method::PUT, "/sign-in", None)).await;
    assert!(page.is_page() && page.status == 405, "{page:?}");
    site.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_which_tenants_there_are() {
    let site = Site::new().await;
    site.node.bare_tenant("globex").await;
    for path in [
        "",
        "/team",
        "/audit",
        "/impersonations",
        "/branding/logo/0",
        "/nowhere",
    ] {
        for (who, cookie) in site.visitors() {
            let there = site.visit(&format!("/app/globex{path}"), cookie).await;
            let not_there = site.visit(&format!("/app/gloria{path}"), cookie).await;
            let expected = if cookie.is_some() || path == "/nowhere" {
                404
            } else {
                303
            };
            assert_eq!(there.status, expected, "{path} for {who}");
            assert_eq!(not_there.status, expected, "{path} for {who}");
            assert_eq!(
                bare(&there, "globex"),
                bare(&not_there, "gloria"),
                "{path} for {who}"
            );
            let names = |answer: &Answer| -> Vec<String> {
                answer.headers.keys().map(ToString::to_string).collect()
            };
            assert_eq!(names(&there), names(&not_there), "{path} for {who}");
        }
    }
    let (there, not_there) = (
        site.visit("/sign-in?next=/app/globex/team", None).await,
        site.visit("/sign-in?next=/app/gloria/team", None).await,
    );
    assert_eq!(bare(&there, "globex"), bare(&not_there, "gloria"));
    // To staff, who may know, the same addresses of their own console differ.
    let page = site.visit("/admin/tenants/globex", Some(&site.administrator));
    assert_eq!(page.await.status, 200);
    let problem = Answer::to(site.request(Method::GET, "/app/globex/team")).await;
    let problem: Value = serde_json::from_str(&problem.text).expect("a problem document");
    assert_eq!(problem["code"], "unauthenticated");
    site.node.stop().await;
}
