//! Two tenants that share one app at the provider: a signature proves the app, not the tenant.

use kernel::secret::Secret;
use sandbox::{
    Provider,
    senders::whatsapp::{Delivery, Message},
};
use serde_json::Value;

use crate::common::{OPERATOR_TOKEN, TestNode, TestTenant};

const PLANTED: &str = "planted-words-of-globex";

/// Two tenants behind one Meta app: same app secret, their own numbers.
pub async fn app_sharers(node: &TestNode) -> (TestTenant, TestTenant) {
    let acme = node.tenant("acme").await;
    let mut globex = TestTenant::new("globex");
    globex.whatsapp.app_secret = acme.whatsapp.app_secret.clone();
    (acme, node.join(globex).await)
}

/// Every text that a tenant can read over the API about what it received.
async fn all_that_can_be_read(node: &TestNode, slug: &str) -> String {
    let permissions = ["conversations:read", "traces:read", "jobs:read"];
    let key = node.api_key(slug, &permissions).await;
    let mut read = String::new();
    for path in ["/v1/conversations", "/v1/contacts", "/v1/jobs"] {
        let (status, body) = node.get(path, &key).await;
        assert_eq!(status, 200, "{path}: {body}");
        read += &body.to_string();
    }
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_payload_on_ones_own_url_is_quarantined() {
    let node = TestNode::start().await;
    let (acme, globex) = app_sharers(&node).await;
    // Signed by the shared app, about globex's number, sent to acme's URL.
    let message = Message::text("351912345678", PLANTED);
    let stray = Delivery::new().message(&globex.whatsapp, &message).signed(
        &acme.hook(&node.url, Provider::WhatsApp),
        &acme.whatsapp.app_secret,
    );
    let answer = node.send(&stray).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    let correlation = answer.headers["x-correlation-id"]
        .to_str()
        .expect("text")
        .to_owned();
    // A provider that repeats itself adds nothing.
    assert_eq!(node.send(&stray).await.status, 200);

    assert_eq!(
        node.number("SELECT count(*) FROM control.quarantined_event")
            .await,
        1
    );
    assert_eq!(
        node.number("SELECT count(*) FROM cell.inbound_event").await,
        0
    );
    assert_eq!(node.number("SELECT count(*) FROM cell.job").await, 0);
    assert!(node.sandbox.record().all().is_empty());

    // Neither tenant sees it: not acme, whose URL it came on, nor globex, who was never asked.
    for slug in ["acme", "globex"] {
        assert!(!all_that_can_be_read(&node, slug).await.contains(PLANTED));
        let key = node.api_key(slug, &["traces:read"]).await;
        let (status, _) = node.get(&format!("/v1/traces/{correlation}"), &key).await;
        assert_eq!(status, 404);
        let (status, _) = node.get("/admin/v1/quarantine", &key).await;
        assert_eq!(status, 401);
    }
    // Staff see that it was there, and whose number it named, but not its words.
    let operator = Secret::new(OPERATOR_TOKEN);
    let (status, page) = node.get("/admin/v1/quarantine", &operator).await;
    assert_eq!(status, 200, "{page}");
    let entry = &page["data"][0];
    assert_eq!(entry["reason"], "foreign_identifier");
    assert_eq!(entry["url_tenant_slug"], "acme");
    assert!(
        entry["identifiers"]
            .to_string()
            .contains(&globex.whatsapp.phone_number_id)
    );
    assert!(!page.to_string().contains(PLANTED));

    // The same message on its own URL is handled.
    let own = globex.whatsapp_message(&node.url, &message);
    assert_eq!(node.send(&own).await.status, 200);
    node.settled().await;
    assert!(
        all_that_can_be_read(&node, "globex")
            .await
            .contains(PLANTED)
    );
    assert!(!all_that_can_be_read(&node, "acme").await.contains(PLANTED));
    node.stop().await;
}

/// In one delivery, what is the tenant's own is taken and what is not is set apart.
#[tokio::test(flavor = "multi_thread")]
async fn a_mixed_delivery_on_ones_own_url_is_parted() {
    let node = TestNode::start().await;
    let (acme, globex) = app_sharers(&node).await;
    let mixed = Delivery::new()
        .message(
            &acme.whatsapp,
            &Message::text("351900000001", "words of acme"),
        )
        .message(&globex.whatsapp, &Message::text("351900000002", PLANTED))
        .signed(
            &acme.hook(&node.url, Provider::WhatsApp),
            &acme.whatsapp.app_secret,
        );
    assert_eq!(node.send(&mixed).await.status, 200);
    node.settled().await;
    assert!(
        all_that_can_be_read(&node, "acme")
            .await
            .contains("words of acme")
    );
    assert_eq!(
        node.number("SELECT count(*) FROM control.quarantined_event")
            .await,
        1
    );
    assert_eq!(held_by(&node, "acme", PLANTED).await, 0);
    assert_eq!(held_by(&node, "globex", PLANTED).await, 0);
    node.stop().await;
}

/// Rows of a tenant's in which a text stands, among everything that inbound webhooks write.
pub async fn held_by(node: &TestNode, slug: &str, text: &str) -> i64 {
    let tenant = node.known(slug).await.id.uuid();
    let tables = ["inbound_event", "message", "contact", "conversation", "job"];
    let mut rows = 0;
    for table in tables {
        // Bodies are bytes, which show as hexadecimal.
        let hexadecimal = hex::encode(text);
        rows += node
            .number(&format!(
                "SELECT count(*) FROM cell.{table} t WHERE tenant_id = '{tenant}'
                 AND (t::text LIKE '%{text}%' OR t::text LIKE '%{hexadecimal}%')"
            ))
            .await;
    }
    rows
}

/// A tenant's ids answer 404 to another's key.
#[tokio::test(flavor = "multi_thread")]
async fn conversations_and_traces_are_their_tenants_alone() {
    let node = TestNode::start().await;
    let (acme, _globex) = app_sharers(&node).await;
    let answer = node
        .send(&acme.whatsapp_text(&node.url, "351912345678", "hello"))
        .await;
    let correlation = answer.headers["x-correlation-id"]
        .to_str()
        .expect("text")
        .to_owned();
    node.settled().await;
    let permissions = ["conversations:read", "traces:read"];
    let (own, other) = (
        node.api_key("acme", &permissions).await,
        node.api_key("globex", &permissions).await,
    );
    let (_, list) = node.get("/v1/conversations", &own).await;
    let id = list["data"][0]["id"]
        .as_str()
        .expect("a conversation")
        .to_owned();
    for path in [
        format!("/v1/conversations/{id}"),
        format!("/v1/conversations/{id}/messages"),
        format!("/v1/traces/{correlation}"),
    ] {
        assert_eq!(node.get(&path, &own).await.0, 200, "{path}");
        assert_eq!(node.get(&path, &other).await.0, 404, "{path}");
    }
    let (_, list) = node.get("/v1/conversations", &other).await;
    assert_eq!(list["data"], Value::Array(Vec::new()));
    node.stop().await;
}
