//! AWS KMS, simulated by moto's server (<https://docs.getmoto.org/en/latest/docs/server_mode.html>).

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::{Gate, Server, skip};

pub struct Kms {
    server: Server,
    pub gate: Gate,
}

pub async fn kms() -> Option<Kms> {
    let Some(python) = std::env::var_os("JUDGES_PYTHON") else {
        skip("JUDGES_PYTHON, a Python with what tests/judges/requirements.txt names");
        return None;
    };
    let arguments = |address: SocketAddr| {
        vec![
            "-m".to_owned(),
            "moto.server".to_owned(),
            format!("-H{}", address.ip()),
            format!("-p{}", address.port()),
        ]
    };
    let server = Server::start(&python, arguments, "/moto-api/").await;
    let gate = Gate::before(server.address).await;
    Some(Kms { server, gate })
}

impl Kms {
    /// As the account's administrator, past the gate.
    pub async fn admin(&self, operation: &str, body: Value) -> Value {
        let answer = reqwest::Client::new()
            .post(format!("http://{}/", self.server.address))
            .header("X-Amz-Target", format!("TrentService.{operation}"))
            .header("Content-Type", "application/x-amz-json-1.1")
            // Tells the simulator which service is meant.
            .header(
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/kms/aws4_request, SignedHeaders=host, Signature=00",
            )
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{operation}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    pub async fn make_key(&self) -> String {
        let made = self.admin("CreateKey", json!({})).await;
        made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
    }
}
