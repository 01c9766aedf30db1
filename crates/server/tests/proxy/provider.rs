//! A provider that does what the test says, in the place of OpenAI; and callers of it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    response::Response,
};
use http::{HeaderMap, Method};
use kernel::secret::Secret;
use reqwest::RequestBuilder;
use server::config;
use tokio::net::TcpListener;

use crate::common::{TestNode, TestTenant};

/// Below which the provider's API begins.
pub const BASE: &str = "/base/v1";
pub const PROXY: &str = "/v1/proxy/openai";

/// What the provider was sent.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    /// With the query.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

#[derive(Clone, Debug)]
pub struct FakeProvider {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl FakeProvider {
    /// Answers each request by what `answer` makes of it.
    pub async fn start(answer: impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let kept = Arc::clone(&seen);
        let router = Router::new().fallback(async move |request: Request| {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
            let request = Seen {
                method: parts.method,
                path: parts.uri.to_string(),
                headers: parts.headers,
                body,
            };
            kept.lock().expect("not poisoned").push(request.clone());
            answer(&request)
        });
        Self {
            address: serve(router).await,
            seen,
        }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("not poisoned").clone()
    }

    pub fn base_url(&self) -> String {
        format!("http://{}{BASE}", self.address)
    }
}

/// A server on a free port, for as long as the test runs.
pub async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

pub fn ok(body: &'static str) -> Response {
    Response::new(Body::from(body))
}

pub fn status(status: u16) -> http::response::Builder {
    Response::builder().status(status)
}

/// A node whose OpenAI is at this address, and a tenant of it with a key for the proxy.
pub async fn node(openai: &str) -> (TestNode, TestTenant, Secret) {
    let url = openai.to_owned();
    let node = TestNode::configured(|config| {
        let settings = config::Provider {
            base_url: Some(url),
            ..Default::default()
        };
        config.providers.insert("openai".to_owned(), settings);
    })
    .await;
    let tenant = node.tenant("acme").await;
    let key = node.api_key("acme", &["proxy:use"]).await;
    (node, tenant, key)
}

pub fn request(node: &TestNode, method: Method, path: &str, key: &Secret) -> RequestBuilder {
    let request = node.client.request(method, format!("{}{path}", node.url));
    request.bearer_auth(key.expose())
}

pub fn get(node: &TestNode, path: &str, key: &Secret) -> RequestBuilder {
    request(node, Method::GET, path, key)
}

pub fn mark(answer: &reqwest::Response) -> Option<&str> {
    answer.headers().get("freehold-error")?.to_str().ok()
}
