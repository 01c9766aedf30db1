//! What every client of the HTTP server meets: health, metrics, the API's description, errors as
//! problem documents, security headers, and an end that loses no request.

mod common;

use common::{OPERATOR_TOKEN, TestNode, client, is_reply, poll};
use http::{Method, header};
use kernel::{permission::CredentialsRead, secret::Secret};
use sandbox::Provider;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn text(node: &TestNode, path: &str) -> (u16, http::HeaderMap, String) {
    let answer = client()
        .get(format!("{}{path}", node.url))
        .send()
        .await
        .expect("the server answers");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (
        status,
        headers,
        answer.text().await.expect("the body is whole"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_name_no_tenant() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme-unmistakable").await;
    let webhook = acme.whatsapp_text(&node.url, "351912345678", "hello");
    assert_eq!(node.send(&webhook).await.status, 200);
    node.sent_out(|call| is_reply(call, Provider::WhatsApp))
        .await;
    node.settled().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(text(&node, path).await.0, 200, "{path}");
    }
    let (status, headers, metrics) = text(&node, "/metrics").await;
    assert_eq!(status, 200);
    assert!(
        headers[header::CONTENT_TYPE]
            .to_str()
            .expect("text")
            .starts_with("text/plain")
    );
    let accepted = metrics.lines().find(|line| {
        line.contains("provider=\"whatsapp\"") && line.contains("reason=\"accepted\"")
    });
    let count = accepted.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    assert!(count.is_some_and(|count| count >= 1.0), "{metrics}");
    for name in ["kind=\"converse.send\"", "operation=\"messages.send\""] {
        assert!(metrics.contains(name), "{name}");
    }
    let tenant = node.known("acme-unmistakable").await;
    for private in ["acme-unmistakable", &tenant.id.to_string(), "351912345678"] {
        assert!(!metrics.contains(private), "{private}");
    }
    node.stop().await;
}

/// Calls `look` with every `$ref` of a document.
fn references(value: &Value, look: &mut impl FnMut(&str)) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(target) if name == "$ref" => look(target),
                    _ => references(value, look),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, look)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_describes_itself() {
    let node = TestNode::start().await;
    let (status, _, body) = text(&node, "/openapi.json").await;
    assert_eq!(status, 200);
    let document: Value = serde_json::from_str(&body).expect("JSON");
    let version = document["openapi"].as_str().expect("a version");
    assert!(version.starts_with("3.1."), "{version}");
    for field in ["title", "version", "description"] {
        assert!(document["info"][field].is_string(), "{field}");
    }
    let schemes = &document["components"]["securitySchemes"];
    let mut ids = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        assert!(
            path.starts_with("/v1/") || path.starts_with("/admin/v1/"),
            "{path}"
        );
        for (method, operation) in operations.as_object().expect("operations") {
            let place = format!("{method} {path}");
            ids.push(operation["operationId"].as_str().expect(&place).to_owned());
            let responses = operation["responses"].as_object().expect(&place);
            assert!(
                responses.keys().any(|status| status.starts_with('2')),
                "{place}"
            );
            assert!(responses.contains_key("401"), "{place}");
            // None where strangers may: which those are, the sweep of routes reviews.
            let Some(security) = operation["security"][0].as_object() else {
                continue;
            };
            for name in security.keys() {
                let scheme = &schemes[name];
                assert!(
                    scheme["scheme"] == "bearer" || scheme["in"] == "cookie",
                    "{place}"
                );
            }
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "operation ids are unique");
    assert!(count >= 30, "{count} operations");
    let mut seen = 0;
    references(&document, &mut |target| {
        seen += 1;
        let pointer = target
            .strip_prefix('#')
            .expect("a reference within the document");
        assert!(document.pointer(pointer).is_some(), "{target}");
    });
    assert!(seen > 0);

    let (status, headers, page) = text(&node, "/docs/api/").await;
    assert_eq!(status, 200);
    let policy = headers[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .expect("text");
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"));
    assert!(!policy.contains("script-src 'self' 'unsafe-inline'"));
    // The policy forbids scripts that stand in the page, so there must be none.
    for script in page.split("<script").skip(1) {
        let tag = script.split('>').next().expect("a tag");
        assert!(tag.contains("src="), "<script{tag}>");
    }
    node.stop().await;
}

/// Sends a request and asserts that its refusal is a problem document.
async fn problem(request: reqwest::RequestBuilder, status: u16, code: &str) -> http::HeaderMap {
    let answer = request.send().await.expect("the server answers");
    assert_eq!(answer.status().as_u16(), status, "{code}");
    let headers = answer.headers().clone();
    assert_eq!(
        headers[header::CONTENT_TYPE],
        "application/problem+json",
        "{code}"
    );
    let problem: Value = answer.json().await.expect("JSON");
    assert_eq!(problem["code"], code, "{problem}");
    assert_eq!(problem["status"], status, "{problem}");
    assert_eq!(problem["type"], "about:blank", "{problem}");
    for text in ["title", "detail"] {
        assert!(
            problem[text].as_str().is_some_and(|text| !text.is_empty()),
            "{problem}"
        );
    }
    let correlation = headers["x-correlation-id"].to_str().expect("text");
    assert_eq!(problem["correlation_id"], correlation, "{problem}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        assert_eq!(headers[name], value, "{code}");
    }
    headers
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_problem_documents() {
    let node = TestNode::start().await;
    node.bare_tenant("acme").await;
    let key = node
        .api_key("acme", &["conversations:read", "credentials:write"])
        .await;
    let to =
        |method: Method, path: &str| node.client.request(method, format!("{}{path}", node.url));
    let with = |method: Method, path: &str| to(method, path).bearer_auth(key.expose());
    let get = Method::GET;

    let headers = problem(to(get.clone(), "/v1/conversations"), 401, "unauthenticated").await;
    assert_eq!(
        headers[header::WWW_AUTHENTICATE],
        "Bearer realm=\"freehold\""
    );
    problem(with(get.clone(), "/v1/agents"), 403, "forbidden").await;
    problem(to(get.clone(), "/nowhere"), 404, "not_found").await;
    problem(
        with(get.clone(), "/v1/conversations/cnv_nonsense"),
        404,
        "not_found",
    )
    .await;
    problem(
        with(get.clone(), "/v1/conversations?limit=0"),
        422,
        "invalid_request",
    )
    .await;
    problem(
        with(get.clone(), "/v1/conversations?cursor=x"),
        422,
        "invalid_request",
    )
    .await;
    let headers = problem(
        with(Method::DELETE, "/v1/conversations"),
        405,
        "method_not_allowed",
    )
    .await;
    assert!(
        headers[header::ALLOW]
            .to_str()
            .expect("text")
            .contains("GET")
    );

    let post = || with(Method::POST, "/v1/credentials");
    let untyped = post().header(header::CONTENT_TYPE, "text/plain").body("{}");
    problem(untyped, 415, "unsupported_media_type").await;
    let json = |body: &str| {
        post()
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.to_owned())
    };
    problem(json("{"), 422, "invalid_request").await;
    problem(json("{}"), 422, "invalid_request").await;
    problem(
        json(r#"{"provider":"nobody","values":{}}"#),
        422,
        "invalid_request",
    )
    .await;
    let large = format!(r#"{{"provider":"{}"}}"#, "x".repeat(1024 * 1024));
    problem(json(&large), 413, "body_too_large").await;
    problem(to(get.clone(), "/admin/v1/tenants"), 401, "unauthenticated").await;
    let operator = to(get, "/admin/v1/tenants/nobody").bearer_auth(OPERATOR_TOKEN);
    problem(operator, 404, "not_found").await;
    node.stop().await;
}

/// A correlation id from outside could be anybody's.
#[tokio::test(flavor = "multi_thread")]
async fn a_correlation_id_from_outside_is_not_taken_over() {
    let node = TestNode::start().await;
    let given = kernel::id::CorrelationId::new().to_string();
    let request = node.client.get(format!("{}/healthz", node.url));
    let answer = request.header("x-correlation-id", &given).send().await;
    let answer = answer.expect("the server answers");
    assert_ne!(answer.headers()["x-correlation-id"], given.as_str());
    node.stop().await;
}

/// The tenant's own credentials over the API: entered, shown masked, replaced, taken away.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_live_their_life_over_the_api() {
    let node = TestNode::start().await;
    node.bare_tenant("acme").await;
    let key = node
        .api_key("acme", &["credentials:read", "credentials:write"])
        .await;
    let new = json!({ "provider": "twilio", "values": {
        "account_sid": format!("AC{}", "0".repeat(32)), "auth_token": "a-token-of-twilios-0001",
    }});
    let (status, created) = node.post("/v1/credentials", &key, &new).await;
    assert_eq!(status, 201, "{created}");
    assert_eq!(node.post("/v1/credentials", &key, &new).await.0, 409);
    let id = created["id"].as_str().expect("an id");
    let (_, shown) = node.get(&format!("/v1/credentials/{id}"), &key).await;
    assert_eq!(shown["secrets"][0]["last4"], "0001");
    assert!(!shown.to_string().contains("a-token-of"));
    let (_, endpoints) = node.get("/v1/webhook-endpoints", &key).await;
    assert_eq!(endpoints["data"][0]["provider"], "twilio", "{endpoints}");

    let path = format!("{}/v1/credentials/{id}", node.url);
    let deleted = node
        .client
        .delete(&path)
        .bearer_auth(key.expose())
        .send()
        .await;
    assert_eq!(deleted.expect("answers").status(), 204);
    assert_eq!(
        node.get(&format!("/v1/credentials/{id}"), &key).await.0,
        404
    );
    let access = node.enter::<CredentialsRead>("acme").await;
    let left = connect::credentials::list(&access, &Default::default(), None, 10).await;
    assert!(left.expect("listed").is_empty());
    assert_eq!(
        node.number("SELECT count(*) FROM cell.credential_secret")
            .await,
        0
    );
    node.stop().await;
}

/// A request whose head, or whose body, has only arrived in part.
async fn begun(node: &TestNode, part: &[u8]) -> TcpStream {
    let address = node.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)
        .await
        .expect("the server listens");
    stream.write_all(part).await.expect("is sent");
    stream
}

async fn finished(mut stream: TcpStream, rest: &[u8]) -> String {
    stream.write_all(rest).await.expect("is still taken");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("is answered");
    String::from_utf8(answer).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_ends_finishes_what_is_under_way() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    let webhook = acme.telegram_text(&node.url, 7_700_123, "hello");
    let head = format!(
        "POST /hooks/acme/telegram HTTP/1.1\r\nhost: x\r\nx-telegram-bot-api-secret-token: {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        acme.telegram.secret_token.expose(),
        webhook.body.len()
    );
    let (first, rest) = webhook.body.split_at(webhook.body.len() / 2);
    let delivery = begun(&node, &[head.as_bytes(), first].concat()).await;
    let readiness = begun(&node, b"GET /readyz HTTP/1.1\r\nhost: ").await;
    // Both have been accepted once a request that came later was answered.
    assert_eq!(text(&node, "/readyz").await.0, 200);

    let address = node.url.trim_start_matches("http://").to_owned();
    let mut superuser = node.db.superuser().await;
    let end = tokio::spawn(node.abandon());
    let closed = poll(async || TcpStream::connect(&address).await.is_err()).await;
    assert!(closed, "a node that ends takes no new connections");

    let answer = finished(readiness, b"x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.ends_with("draining\n"), "{answer}");
    let answer = finished(delivery, rest).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    end.await.expect("the node ends");

    let (events, running): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM cell.inbound_event),
                (SELECT count(*) FROM cell.job WHERE state = 'running')",
    )
    .fetch_one(&mut superuser)
    .await
    .expect("is read");
    assert_eq!((events, running), (1, 0));
}

/// Keys are checked on every request: a revoked one is refused by the next.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_at_once() {
    let node = TestNode::start().await;
    node.bare_tenant("acme").await;
    let admin = node
        .api_key(
            "acme",
            &["api_keys:read", "api_keys:write", "conversations:read"],
        )
        .await;
    let new = json!({ "name": "short-lived", "mode": "test",
        "permissions": ["conversations:read"] });
    let (status, issued) = node.post("/v1/api-keys", &admin, &new).await;
    assert_eq!(status, 201, "{issued}");
    let key = Secret::new(issued["key"].as_str().expect("the key"));
    assert_eq!(node.get("/v1/conversations", &key).await.0, 200);
    let id = issued["api_key"]["id"]
        .as_str()
        .or(issued["id"].as_str())
        .expect("an id");
    let path = format!("{}/v1/api-keys/{id}", node.url);
    let revoked = node
        .client
        .delete(path)
        .bearer_auth(admin.expose())
        .send()
        .await;
    assert!(revoked.expect("answers").status().is_success());
    assert_eq!(node.get("/v1/conversations", &key).await.0, 401);
    node.stop().await;
}
