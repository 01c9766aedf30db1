//! A tenant's own key in AWS KMS, simulated by moto's server
//! (<https://docs.getmoto.org/en/latest/docs/server_mode.html>).

use std::{net::SocketAddr, time::Duration};

use connect::own_key::{Holder, KeyFailure, KeyState, NewAwsKey, NewEncryptionKey};
use kernel::secret::Secret;
use serde_json::{Value, json};

use crate::{
    support::{Gate, Server, skip},
    world::World,
};

struct Kms {
    server: Server,
    gate: Gate,
}

async fn kms() -> Option<Kms> {
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
    async fn admin(&self, operation: &str, body: Value) -> Value {
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

    async fn make_key(&self) -> String {
        let made = self.admin("CreateKey", json!({})).await;
        made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
    }
}

fn new(arn: &str) -> NewEncryptionKey {
    NewEncryptionKey::Aws(NewAwsKey {
        key: arn.to_owned(),
        access_key_id: "AKIA0000000000000000".to_owned(),
        secret_access_key: Secret::new("secret-access-key-of-acme"),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_kms_is_used_lost_and_given_back() {
    let Some(kms) = kms().await else { return };
    let world = World::new(&[]).await.with_kms(kms.gate.address);
    let node = world.node().await;
    let id = world.create(&node, &world.acme, "sk-1").await.unwrap();
    let arn = kms.make_key().await;
    let own = world.set(&node, new(&arn)).await.unwrap();
    assert_eq!(own.provider, Holder::Aws);
    assert!(!world.at_rest().await.contains("secret-access-key-of-acme"));
    assert!(world.keks().await[0].ends_with(&format!(":aws:{arn}")));
    world.advance(Duration::from_secs(300));
    assert_eq!(world.refusal(&node, &world.acme, id).await, "opens");

    kms.gate.cut();
    world.advance(Duration::from_secs(300));
    let found = world.refusal(&node, &world.acme, id).await;
    assert_eq!(found, "tenant_key_unavailable");
    kms.gate.mend();
    world.until(&node, &world.acme, id, "opens").await;

    // The simulator takes ids alone for these.
    let name = arn.rsplit('/').next().unwrap();
    kms.admin("DisableKey", json!({ "KeyId": name })).await;
    let access = world.changing().await;
    let found = node.verify_encryption_key(&access).await.unwrap().own;
    let found = found.unwrap();
    assert_eq!(found.state, KeyState::Withdrawn);
    assert_eq!(found.failure, Some(KeyFailure::Disabled));
    assert!(found.advice.unwrap().contains("enable the key"));
    kms.admin("EnableKey", json!({ "KeyId": name })).await;
    assert_eq!(world.verify(&node).await, KeyState::Working);

    let second = kms.make_key().await;
    world.set(&node, new(&second)).await.unwrap();
    assert!(world.keks().await[0].ends_with(&format!(":aws:{second}")));
    node.remove_encryption_key(&world.changing().await)
        .await
        .unwrap();
    assert_eq!(world.keks().await, ["local:v1"]);
    assert_eq!(world.refusal(&node, &world.acme, id).await, "opens");
}
