//! What the caller gets of an answer.

use axum::body::Body;
use base64::prelude::{BASE64_STANDARD, Engine};

use crate::provider::{FakeProvider, PROXY, get, mark, node, ok, request, status};

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_gets_the_answer_without_the_secret_and_what_speaks_for_our_origin() {
    let provider = FakeProvider::start(|seen| {
        let proof = seen.header("authorization").unwrap_or_default();
        let secret = proof.trim_start_matches("Bearer ");
        let answer = status(418)
            .header("x-echo", proof)
            .header("x-echo-too", format!("key={secret};"))
            .header("x-encoded", BASE64_STANDARD.encode("harmless"))
            .header("set-cookie", "session=theirs")
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .header("freehold-error", "forged")
            .header("x-correlation-id", "forged")
            .header("access-control-allow-origin", "*")
            .header("cache-control", "public, max-age=1000")
            .header("content-security-policy", "default-src *")
            .header("strict-transport-security", "max-age=0")
            .header("content-type", "text/html")
            .header("x-request-id", "req_1")
            .header("retry-count", "a")
            .header("retry-count", "b");
        answer.body(Body::from("teapot")).expect("an answer")
    })
    .await;
    let (node, acme, key) = node(&provider.base_url()).await;
    let answer = get(&node, &format!("{PROXY}/x"), &key).send().await;
    let answer = answer.expect("an answer");
    // The provider's own statuses come through.
    assert_eq!(answer.status(), 418);
    let headers = answer.headers().clone();
    let all = format!("{headers:?}");
    assert!(!all.contains(acme.openai.api_key.expose()), "{all}");
    assert!(!all.contains("forged"), "{all}");
    for dropped in [
        "x-echo",
        "x-echo-too",
        "set-cookie",
        "x-hop",
        "freehold-error",
        "access-control-allow-origin",
        "strict-transport-security",
    ] {
        assert!(!headers.contains_key(dropped), "{dropped}: {all}");
    }
    for (name, value) in [
        ("cache-control", "no-store"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("content-type", "text/html"),
        ("x-request-id", "req_1"),
        ("x-encoded", "aGFybWxlc3M="),
        ("content-length", "6"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert_eq!(headers.get_all("retry-count").iter().count(), 2);
    assert_eq!(answer.text().await.expect("a body"), "teapot");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_and_links_lead_back_here_or_openly_elsewhere() {
    let provider = FakeProvider::start(|seen| {
        let host = seen.header("host").unwrap_or_default();
        let at = seen.path.split_once("?to=").map_or("", |(_, to)| to);
        status(307)
            .header("location", at.replace("HOST", host))
            .header(
                "link",
                format!(
                    "<http://{host}/base/v1/list?page=2>; rel=\"next\", <https://docs.example/>; rel=\"help\""
                ),
            )
            .body(Body::empty())
            .expect("an answer")
    })
    .await;
    let (node, _, key) = node(&provider.base_url()).await;
    let proxy = format!("{}{PROXY}", node.url);
    let root = format!("http://{}", provider.address);
    for (to, expected) in [
        ("next", format!("{proxy}/dir/next")),
        ("../up?a=b", format!("{proxy}/up?a=b")),
        ("/base/v1/x", format!("{proxy}/x")),
        ("http://HOST/base/v1/y", format!("{proxy}/y")),
        ("/base/v2/x", format!("{root}/base/v2/x")),
        ("/base/v1x", format!("{root}/base/v1x")),
        ("https://files.example/a", "https://files.example/a".into()),
        (
            "http://169.254.169.254/latest",
            "http://169.254.169.254/latest".into(),
        ),
    ] {
        let answer = get(&node, &format!("{PROXY}/dir/file?to={to}"), &key)
            .send()
            .await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), 307, "{to}");
        assert_eq!(answer.headers()["location"], expected.as_str(), "{to}");
        let links =
            format!("<{proxy}/list?page=2>; rel=\"next\", <https://docs.example/>; rel=\"help\"");
        assert_eq!(answer.headers()["link"], links.as_str());
    }
    // None was followed.
    assert_eq!(provider.seen().len(), 8);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_come_through_as_they_are() {
    let provider = FakeProvider::start(|seen| match seen.path.as_str() {
        "/base/v1/none" => status(204).body(Body::empty()).expect("an answer"),
        "/base/v1/zipped" => status(200)
            .header("content-encoding", "gzip")
            .body(Body::from(vec![0x1f, 0x8b, 0, 255]))
            .expect("an answer"),
        _ => ok("twelve bytes"),
    })
    .await;
    let (node, _, key) = node(&provider.base_url()).await;
    let none = get(&node, &format!("{PROXY}/none"), &key).send().await;
    let none = none.expect("an answer");
    assert_eq!((none.status().as_u16(), mark(&none)), (204, None));
    let zipped = get(&node, &format!("{PROXY}/zipped"), &key).send().await;
    let zipped = zipped.expect("an answer");
    assert_eq!(zipped.headers()["content-encoding"], "gzip");
    let bytes = zipped.bytes().await.expect("a body");
    assert_eq!(bytes.as_ref(), [0x1f, 0x8b, 0, 255]);
    let head = request(&node, http::Method::HEAD, &format!("{PROXY}/other"), &key);
    let head = head.send().await.expect("an answer");
    assert_eq!(head.headers()["content-length"], "12");
    assert_eq!(
        provider.seen().pop().expect("a request").method,
        http::Method::HEAD
    );
    node.stop().await;
}
