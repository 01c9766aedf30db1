//! A provider whose scheme exists is added by one file in a folder.

use serde_json::json;

use crate::common::{TestNode, exchange, sign, tenant::connect};

const FILE: &str = r#"
id = "formbox"
name = "Formbox"
docs = "https://formbox.example/docs/webhooks"
sources = ["made up for this test"]

[[credential.fields]]
name = "form_id"
label = "Form"
required = true
identifies = "form_id"

[[credential.fields]]
name = "signing_key"
label = "Signing key"
secret = true
required = true

[webhook]
secret = "signing_key"
identifiers = [{ kind = "form_id", at = "body:form.id" }]
dedup = [{ label = "submission", parts = ["body:submission"] }]
event_kind = [{ parts = ["body:kind"] }]
ack = { status = 202, content_type = "application/json", body = "{\"received\":true}" }
deadline_ms = 5000
max_body = 1024

[[webhook.verify]]
[webhook.verify.signature]
algorithm = "hmac_sha256"
encoding = "base64"
key = "utf8"
at = "header:x-formbox-signature"
signed = "{body}"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_a_folder_adds_a_provider_with_its_webhooks() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("formbox.toml"), FILE).expect("written");
    let node = TestNode::configured(|config| config.catalogue = folder.path().to_owned()).await;
    node.bare_tenant("acme").await;
    let key = node
        .api_key("acme", &["credentials:read", "credentials:write"])
        .await;
    let (_, providers) = node.get("/v1/providers?limit=200", &key).await;
    let providers = providers["data"].as_array().expect("a list");
    assert!(providers.iter().any(|provider| provider["id"] == "formbox"));
    assert!(
        providers
            .iter()
            .any(|provider| provider["id"] == "whatsapp")
    );

    // Connected over the API, whose form the file decides.
    let incomplete = json!({ "provider": "formbox", "values": { "form_id": "f1" } });
    let (status, problem) = node.post("/v1/credentials", &key, &incomplete).await;
    assert_eq!(status, 422);
    assert_eq!(
        problem["errors"][0]["field"], "values.signing_key",
        "{problem}"
    );
    let complete =
        json!({ "provider": "formbox", "values": { "form_id": "f1", "signing_key": "k1" } });
    let (status, created) = node.post("/v1/credentials", &key, &complete).await;
    assert_eq!(status, 201, "{created}");

    let url = format!("{}/hooks/acme/formbox", node.url);
    let submit = |body: &str, key: &str| {
        let signature = sign::hmac_sha256_base64(key, body.as_bytes());
        sign::json(&url, body, &[("x-formbox-signature", &signature)])
    };
    let body = r#"{"kind":"submitted","submission":"s1","form":{"id":"f1"}}"#;
    for _ in 0..2 {
        let answer = node.send(&submit(body, "k1")).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (202, r#"{"received":true}"#)
        );
    }
    assert_eq!(node.send(&submit(body, "k2")).await.status, 401);
    assert_eq!(
        node.send(&submit(&"x".repeat(1025), "k1")).await.status,
        413
    );
    let foreign = body.replace("f1", "f2").replace("s1", "s2");
    assert_eq!(node.send(&submit(&foreign, "k1")).await.status, 202);
    let stored = "SELECT count(*) FROM cell.inbound_event
                  WHERE provider = 'formbox' AND event_kind = 'submitted'
                    AND dedup_key LIKE '%s1' AND convert_from(body, 'UTF8') LIKE '%\"f1\"%'";
    assert_eq!(node.number(stored).await, 1);
    assert_eq!(
        node.number("SELECT count(*) FROM cell.inbound_event").await,
        1
    );
    assert_eq!(
        node.number("SELECT count(*) FROM control.quarantined_event")
            .await,
        1
    );
    node.stop().await;
}

/// Without the file, the same URL leads nowhere and the credential can't be entered.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_file_there_is_no_such_provider() {
    let node = TestNode::start().await;
    node.bare_tenant("acme").await;
    let request = node.client.post(format!("{}/hooks/acme/formbox", node.url));
    assert_eq!(exchange(request.body("{}")).await.0, 404);
    let values = [("api_key", "sk-proj-0000".to_owned())];
    connect(node.program(), "acme", "openai", &values).await;
    let key = node.api_key("acme", &["credentials:write"]).await;
    let new = json!({ "provider": "formbox", "values": {} });
    assert_eq!(node.post("/v1/credentials", &key, &new).await.0, 422);
    node.stop().await;
}
