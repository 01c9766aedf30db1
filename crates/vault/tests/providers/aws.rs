//! AWS KMS, simulated by moto's server (<https://docs.getmoto.org/en/latest/docs/server_mode.html>).

use serde_json::{Value, json};
use vault::{AwsKms, AwsKmsSettings, DataKey, KeyProvider, KeyProviders, ProviderError};
use zeroize::Zeroizing;

use crate::support::{Gate, Server, skip};
use crate::{ADA, an_outage_is_survived, same, wraps_are_bound};

struct Kms {
    server: Server,
    gate: Gate,
}

async fn kms() -> Option<Kms> {
    let Some(python) = std::env::var_os("JUDGES_PYTHON") else {
        skip("JUDGES_PYTHON, a Python with what tests/judges/requirements.txt names");
        return None;
    };
    let arguments = |address: std::net::SocketAddr| {
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

    async fn providers(&self, key: &str) -> KeyProviders {
        let settings = AwsKmsSettings {
            key: key.to_owned(),
            region: Some("eu-central-1".to_owned()),
            endpoint: Some(format!("http://{}", self.gate.address)),
            credentials: Some(("test".to_owned(), Zeroizing::new("test".to_owned()))),
        };
        KeyProvider::AwsKms(AwsKms::new(settings).await).into()
    }
}

#[tokio::test]
async fn wraps_open_as_what_they_were_made_for_alone() {
    let Some(kms) = kms().await else { return };
    let arn = kms.make_key().await;
    let providers = kms.providers(&arn).await;
    assert_eq!(providers.current_kek().await.unwrap(), format!("aws:{arn}"));
    wraps_are_bound(&providers).await;
}

#[tokio::test]
async fn another_key_takes_over_and_the_old_one_goes_on_unwrapping() {
    let Some(kms) = kms().await else { return };
    let (first, second) = (kms.make_key().await, kms.make_key().await);
    let key = DataKey::generate(ADA, 1);
    let old = kms.providers(&first).await.wrap(&key).await.unwrap();
    let providers = kms.providers(&second).await;
    let new = providers.rewrap(ADA, 1, &old).await.unwrap();
    assert_eq!(new.kek, format!("aws:{second}"));
    for wrapped in [&old, &new] {
        assert!(same(
            &key,
            &providers.unwrap(ADA, 1, wrapped).await.unwrap()
        ));
    }
}

#[tokio::test]
async fn a_disabled_key_is_told_clearly_and_works_again_when_enabled() {
    let Some(kms) = kms().await else { return };
    let arn = kms.make_key().await;
    let providers = kms.providers(&arn).await;
    let wrapped = providers.wrap(&DataKey::generate(ADA, 1)).await.unwrap();

    // The simulator takes ids alone for these.
    let id = arn.rsplit('/').next().unwrap();
    kms.admin("DisableKey", json!({ "KeyId": id })).await;
    let described = providers.current_kek().await.unwrap_err();
    assert!(
        matches!(described, ProviderError::Disabled { .. }),
        "{described:?}"
    );
    kms.admin("EnableKey", json!({ "KeyId": id })).await;
    providers.current_kek().await.unwrap();
    providers.unwrap(ADA, 1, &wrapped).await.unwrap();

    let deletion = json!({ "KeyId": id, "PendingWindowInDays": 7 });
    kms.admin("ScheduleKeyDeletion", deletion).await;
    let error = providers.current_kek().await.unwrap_err();
    assert!(matches!(error, ProviderError::Disabled { .. }), "{error:?}");
    assert_eq!(error.failure(), vault::Failure::Withdrawn);

    let gone = "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000";
    let error = kms.providers(gone).await.current_kek().await.unwrap_err();
    assert!(matches!(error, ProviderError::Disabled { .. }), "{error:?}");
}

#[tokio::test]
async fn an_outage() {
    let Some(kms) = kms().await else { return };
    let arn = kms.make_key().await;
    an_outage_is_survived(kms.providers(&arn).await, &kms.gate).await;
}
