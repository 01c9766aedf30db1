//! Requests, and what every error answer has in common.

use reqwest::{Method, RequestBuilder, header};
use serde_json::Value;

use crate::{common::TestNode, routes::Operation};

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    pub text: String,
    content_type: String,
    correlation: String,
    challenge: String,
    /// The code of an error of the proxy's own; a provider's answers have none.
    mark: String,
}

/// Sends a request with a bearer token, if any, and a JSON body, if any.
pub async fn send(
    node: &TestNode,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Answer {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let mut request = node.client.request(method, format!("{}{path}", node.url));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    receive(request).await
}

async fn receive(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("the server answers");
    let header = |name: &str| {
        let value = response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let (content_type, correlation, challenge, mark) = (
        header(header::CONTENT_TYPE.as_str()),
        header("x-correlation-id"),
        header(header::WWW_AUTHENTICATE.as_str()),
        header("freehold-error"),
    );
    let status = response.status().as_u16();
    let text = response.text().await.expect("the body is whole");
    Answer {
        status,
        body: serde_json::from_str(&text).unwrap_or_default(),
        text,
        content_type,
        correlation,
        challenge,
        mark,
    }
}

/// The codes that docs/errors.md explains.
fn known_codes() -> Vec<&'static str> {
    let page = include_str!("../../../../docs/errors.md");
    let codes: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next())
        .flat_map(|cell| cell.split('`'))
        .filter(|part| !part.is_empty() && *part != ", ")
        .collect();
    assert!(codes.contains(&"forbidden") && codes.contains(&"slug_taken"));
    codes
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// Whether a provider gave it, by way of the proxy, or it says that the tenant has no key of its
    /// own, as none has in this test.
    pub fn is_a_providers(&self, operation: &Operation) -> bool {
        let proxied = operation.path.starts_with("/v1/proxy/") && self.mark.is_empty();
        let without_a_key = match (operation.method.as_str(), operation.path.as_str()) {
            ("PUT", "/v1/encryption-key") => self.code() == "invalid_request",
            ("DELETE", "/v1/encryption-key") | ("POST", "/v1/encryption-key/verify") => {
                self.code() == "not_found"
            }
            _ => false,
        };
        proxied || without_a_key
    }

    /// What is wrong with this answer as an error: it is a problem document with a code that is
    /// explained, it repeats its status and the correlation id, and names no secret cause.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.content_type != "application/problem+json" {
            faults.push(format!("its content type is {:?}", self.content_type));
        }
        if !known_codes().contains(&self.code()) {
            faults.push(format!("its code {:?} is not explained", self.code()));
        }
        if self.body["status"] != self.status {
            faults.push("it does not repeat its status".into());
        }
        if self.correlation.is_empty() || self.body["correlation_id"] != self.correlation {
            faults.push("it does not name its correlation id".into());
        }
        if self.status >= 500 {
            faults.push(format!("it is a fault of the server's: {}", self.text));
        }
        if self.status == 401 && self.challenge != "Bearer realm=\"freehold\"" {
            faults.push("it does not say what to authenticate with".into());
        }
        faults
    }

    /// What differs from an error of this status and code.
    pub fn differs_from(&self, status: u16, code: &str) -> Vec<String> {
        let mut faults = self.faults();
        if (self.status, self.code()) != (status, code) {
            faults.push(format!(
                "answered {} {:?}, not {status} {code:?}",
                self.status,
                self.code()
            ));
        }
        faults
    }
}

/// Fails with everything that was found, each behind the name of its request.
pub fn none(found: Vec<(String, Vec<String>)>) {
    let lines: Vec<String> = found
        .into_iter()
        .filter(|(_, faults)| !faults.is_empty())
        .map(|(name, faults)| format!("{name}: {}", faults.join("; ")))
        .collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

#[cfg(test)]
mod tests {
    use axum::{Json, Router, http::StatusCode, routing::get};
    use kernel::Error;
    use serde_json::json;

    use super::*;
    use crate::common::client;

    /// A server that gets everything wrong that the sweep looks for.
    async fn careless() -> String {
        let router = Router::new()
            .route("/open", get(async || "come in"))
            .route("/bare", get(async || StatusCode::UNAUTHORIZED))
            .route("/lost", get(async || Error::NotFound("thing")))
            .route(
                "/novel",
                get(async || (StatusCode::FORBIDDEN, Json(json!({ "code": "nope" })))),
            );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async { axum::serve(listener, router).await });
        url
    }

    #[tokio::test]
    async fn wrong_answers_are_noticed() {
        let url = careless().await;
        let answer = async |path: &str| receive(client().get(format!("{url}{path}"))).await;
        for (path, status, code, fault) in [
            ("/open", 401, "unauthenticated", "answered 200"),
            ("/bare", 401, "unauthenticated", "what to authenticate with"),
            ("/bare", 401, "unauthenticated", "its content type"),
            ("/lost", 404, "not_found", "correlation id"),
            ("/lost", 403, "forbidden", "answered 404"),
            ("/novel", 403, "forbidden", "is not explained"),
            ("/novel", 403, "forbidden", "does not repeat its status"),
        ] {
            let faults = answer(path).await.differs_from(status, code);
            assert!(
                faults.iter().any(|found| found.contains(fault)),
                "{path}: {faults:?} does not say: {fault}"
            );
        }
    }
}
