//! A provider of the worst kind: it refuses every call and quotes what it was sent, credentials
//! included.

use std::sync::{
    Arc,
    atomic::{AtomicU16, AtomicUsize, Ordering},
};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

#[derive(Debug)]
pub struct Quoting {
    url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    status: AtomicU16,
    quoted: AtomicUsize,
}

impl Quoting {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared {
            status: AtomicU16::new(401),
            quoted: AtomicUsize::new(0),
        });
        let router = Router::new()
            .fallback(quote)
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serves");
        });
        Self {
            url,
            shared,
            server,
        }
    }

    /// The settings by which every simulated provider is this one.
    pub fn settings(&self) -> Vec<(String, String)> {
        let setting = |provider: sandbox::Provider| {
            let name = format!("FREEHOLD_PROVIDERS__{provider}__BASE_URL").to_uppercase();
            (name, self.url.clone())
        };
        let mut settings = sandbox::Provider::ALL.map(setting).to_vec();
        // It counts what it quotes.
        settings.push((
            "FREEHOLD_CREDENTIALS__VERIFY".to_owned(),
            "false".to_owned(),
        ));
        settings
    }

    /// With which status it refuses from now on.
    pub fn answer(&self, status: u16) {
        self.shared.status.store(status, Ordering::Relaxed);
    }

    /// How many credentials it has quoted.
    pub fn quoted(&self) -> usize {
        self.shared.quoted.load(Ordering::Relaxed)
    }
}

impl Drop for Quoting {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn quote(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    request: Request,
) -> (StatusCode, HeaderMap, Json<Value>) {
    let authorization = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let path = request.uri().path();
    shared.quoted.fetch_add(1, Ordering::Relaxed);
    let status = shared.status.load(Ordering::Relaxed);
    let body = json!({ "error": {
        "message": format!("`{authorization}` is not a credential for {path}"),
        "code": status,
    }});
    let mut answered = HeaderMap::new();
    if let Some(value) = headers.get("authorization") {
        answered.insert("www-authenticate", value.clone());
    }
    let status = StatusCode::from_u16(status).expect("a status");
    (status, answered, Json(body))
}
