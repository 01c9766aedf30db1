//! Who and what does not get through.

use http::Method;
use kernel::secret::Secret;
use serde_json::Value;

use crate::{
    common::{TestNode, tenant},
    provider::{FakeProvider, PROXY, get, mark, node, ok, request},
};

/// Status, mark and code of an error of ours.
async fn refusal(request: reqwest::RequestBuilder) -> (u16, String, String) {
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    let mark = mark(&answer).unwrap_or_default().to_owned();
    let body: Value = answer.json().await.expect("a problem");
    (
        status,
        mark,
        body["code"].as_str().unwrap_or_default().to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_ours_are_marked_and_nothing_leaves() {
    let provider = FakeProvider::start(|_| ok("{}")).await;
    let (node, _, key) = node(&provider.base_url()).await;
    node.tenant("globex").await;
    let theirs = tenant::credential(node.program(), "globex", sandbox::Provider::OpenAi).await;
    let other = node.api_key("acme", &["credentials:read"]).await;
    let nothing = Secret::new("nothing");
    let path = format!("{PROXY}/models");
    let choosing = |id: &str| get(&node, &path, &key).header("freehold-credential", id);
    for (request, status, code) in [
        (get(&node, &path, &nothing), 401, "unauthenticated"),
        (get(&node, &path, &other), 403, "forbidden"),
        (choosing(&theirs.to_string()), 404, "not_found"),
        (
            choosing("cred_01h455vb4pex5vsknk084sn02q"),
            404,
            "not_found",
        ),
        (choosing("openai"), 422, "invalid_request"),
        (get(&node, "/v1/proxy/nobody/x", &key), 404, "not_found"),
        (
            get(&node, "/v1/proxy/stripe/v1/charges", &key),
            409,
            "credential_missing",
        ),
        (
            get(&node, &path, &key)
                .header("connection", "upgrade")
                .header("upgrade", "WebSocket"),
            422,
            "invalid_request",
        ),
        (
            request(&node, Method::TRACE, &path, &key),
            405,
            "method_not_allowed",
        ),
    ] {
        let (found, mark, told) = refusal(request).await;
        assert_eq!((found, told.as_str()), (status, code));
        // What no route takes is answered before the proxy is asked.
        if code != "method_not_allowed" {
            assert_eq!(mark, code);
        }
    }
    assert!(provider.seen().is_empty());
    node.stop().await;
}

/// Sent as they are written: a URL's parser would tidy them up.
async fn raw(node: &TestNode, path: &str, key: &Secret) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = node.url.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address)
        .await
        .expect("connects");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        key.expose()
    );
    stream.write_all(request.as_bytes()).await.expect("is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("is read");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_stay_below_the_base() {
    let provider = FakeProvider::start(|_| ok("{}")).await;
    let (node, _, key) = node(&provider.base_url()).await;
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "/a/..%2f..%2fsecret",
        "/%252e%252e/secret",
        "//evil.example/x",
        "/..%5csecret",
        "/a%0d%0aX-Injected:%201",
        "/..;/secret",
    ] {
        let answer = raw(&node, &format!("{PROXY}{path}"), &key).await;
        assert!(answer.starts_with("HTTP/1.1 422"), "{path}: {answer}");
        assert!(
            answer.contains("freehold-error: invalid_request"),
            "{answer}"
        );
    }
    assert!(provider.seen().is_empty());
    // An absolute URI names this server and no other.
    let absolute = format!("http://evil.example{PROXY}/models");
    let answer = raw(&node, &absolute, &key).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(
        provider.seen().pop().expect("a request").path,
        "/base/v1/models"
    );
    node.stop().await;
}
