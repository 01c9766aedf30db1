//! A Transit server, its administrator, and a gate in front of it that can be cut. Other crates' tests
//! include this file and `support` as well.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Gate, Server, skip};

/// The root token.
pub const ROOT: &str = "root-token-of-the-tests";

/// OpenBao or HashiCorp Vault in development mode, with a Transit engine.
pub struct Bao {
    server: Server,
    pub gate: Gate,
}

impl Bao {
    /// `None` where `TRANSIT_SERVER` names no program; scripts/transit-server prints one.
    pub async fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("TRANSIT_SERVER") else {
            skip("TRANSIT_SERVER, which scripts/transit-server prints");
            return None;
        };
        let arguments = |address| {
            vec![
                "server".to_owned(),
                "-dev".to_owned(),
                "-dev-no-store-token".to_owned(),
                format!("-dev-root-token-id={ROOT}"),
                format!("-dev-listen-address={address}"),
            ]
        };
        let server = Server::start(&program, arguments, "/v1/sys/health").await;
        let gate = Gate::before(server.address).await;
        let bao = Self { server, gate };
        bao.post("sys/mounts/transit", json!({ "type": "transit" }))
            .await;
        Some(bao)
    }

    /// As its administrator, past the gate.
    pub async fn admin(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("http://{}/v1/{path}", self.server.address);
        let answer = reqwest::Client::new()
            .request(method, url)
            .header("X-Vault-Token", ROOT)
            .json(&body)
            .send()
            .await
            .expect("it answers");
        let status = answer.status();
        let text = answer.text().await.expect("it answers");
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.admin(Method::POST, path, body).await
    }

    pub async fn make_key(&self, name: &str, derived: bool) {
        let body = json!({ "type": "aes256-gcm96", "derived": derived });
        self.post(&format!("transit/keys/{name}"), body).await;
    }
}
