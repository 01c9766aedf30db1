//! One delivery for several tenants on the shared URL: each gets its own part and nothing else.

use kernel::secret::Secret;
use sandbox::senders::{
    Outgoing,
    whatsapp::{Delivery, Message},
};

use super::isolation::{app_sharers, held_by};
use crate::common::{TestNode, TestTenant, poll};

const OF_ACME: &str = "words-of-acme";
const OF_GLOBEX: &str = "words-of-globex";

fn batch(node: &TestNode, acme: &TestTenant, globex: &TestTenant, secret: &Secret) -> Outgoing {
    Delivery::new()
        .message(&acme.whatsapp, &Message::text("351900000001", OF_ACME))
        .message(&globex.whatsapp, &Message::text("351900000002", OF_GLOBEX))
        .signed(&format!("{}/hooks/whatsapp", node.url), secret)
}

async fn events_of(node: &TestNode, slug: &str) -> i64 {
    let tenant = node.known(slug).await.id.uuid();
    let events = format!("SELECT count(*) FROM cell.inbound_event WHERE tenant_id = '{tenant}'");
    node.number(&events).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_for_two_tenants_becomes_two_events_in_two_tenants() {
    let node = TestNode::start().await;
    let (acme, globex) = app_sharers(&node).await;
    let batch = batch(&node, &acme, &globex, &acme.whatsapp.app_secret);
    for _ in 0..2 {
        assert_eq!(node.send(&batch).await.status, 200);
    }
    node.settled().await;
    for (slug, own, foreign) in [("acme", OF_ACME, OF_GLOBEX), ("globex", OF_GLOBEX, OF_ACME)] {
        assert_eq!(events_of(&node, slug).await, 1, "{slug}");
        assert!(
            held_by(&node, slug, own).await >= 2,
            "{slug}: event and message"
        );
        assert_eq!(held_by(&node, slug, foreign).await, 0, "{slug}");
    }
    // Nor does a tenant hold the other's ids, in bytes or headers.
    let ids = [&acme.whatsapp.phone_number_id, &acme.whatsapp.waba_id];
    for id in ids {
        assert_eq!(held_by(&node, "globex", id).await, 0);
    }
    let ids = [&globex.whatsapp.phone_number_id, &globex.whatsapp.waba_id];
    for id in ids {
        assert_eq!(held_by(&node, "acme", id).await, 0);
    }
    assert_eq!(
        node.number("SELECT count(*) FROM control.quarantined_event")
            .await,
        0
    );
    node.stop().await;
}

/// A tenant whose own secret does not verify the body gets nothing from it, though its neighbour
/// in the batch does.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_cannot_verify_the_batch_gets_nothing_of_it() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    let globex = node.tenant("globex").await;
    let batch = batch(&node, &acme, &globex, &acme.whatsapp.app_secret);
    assert_eq!(node.send(&batch).await.status, 200);
    node.settled().await;
    assert_eq!(events_of(&node, "acme").await, 1);
    assert_eq!(events_of(&node, "globex").await, 0);
    assert_eq!(held_by(&node, "acme", OF_GLOBEX).await, 0);
    assert_eq!(held_by(&node, "globex", OF_GLOBEX).await, 0);
    // The delivery was acknowledged, so the part that nobody took is kept for staff.
    let kept = "SELECT count(*) FROM control.quarantined_event WHERE reason = 'no_tenant'";
    assert_eq!(node.number(kept).await, 1);
    node.stop().await;
}

/// A tenant whose own encryption key is not to be had holds back its own part, which is asked for
/// again, and nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_without_its_key_keeps_no_other_from_its_part() {
    let node = TestNode::start().await;
    let (acme, globex) = app_sharers(&node).await;
    let id = node.known("acme").await.id;
    // All that was unwrapped is forgotten when a change of the keys is announced.
    let wrapped_by = async |kek: &str| {
        let tenant = id.uuid();
        node.execute(&format!(
            "WITH moved AS (UPDATE cell.data_key SET kek = '{kek}' WHERE tenant_id = '{tenant}')
             SELECT pg_notify('freehold_changes', 'keys:{id}')"
        ))
        .await;
    };
    wrapped_by(&format!("own:{}:transit:transit/key:v1", id.uuid())).await;
    let probe = acme.whatsapp_text(&node.url, "351900000009", "probe");
    assert!(poll(async || node.send(&probe).await.status == 503).await);

    let batch = batch(&node, &acme, &globex, &acme.whatsapp.app_secret);
    let answer = node.send(&batch).await;
    assert_eq!(answer.status, 503, "so that it is sent again");
    assert!(
        answer.text().contains("key_provider_unavailable"),
        "strangers learn of no tenant's own key: {}",
        answer.text()
    );
    node.settled().await;
    assert_eq!(held_by(&node, "acme", OF_ACME).await, 0);
    assert_eq!(events_of(&node, "globex").await, 1);

    wrapped_by("local:v1").await;
    assert!(poll(async || node.send(&batch).await.status == 200).await);
    node.settled().await;
    assert!(held_by(&node, "acme", OF_ACME).await >= 2);
    assert_eq!(events_of(&node, "globex").await, 1, "and once");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_nobody_can_verify_is_refused_whole() {
    let node = TestNode::start().await;
    let (acme, globex) = app_sharers(&node).await;
    let batch = batch(
        &node,
        &acme,
        &globex,
        &Secret::new("somebody-else's-secret"),
    );
    assert_eq!(node.send(&batch).await.status, 401);
    assert_eq!(
        node.number("SELECT count(*) FROM cell.inbound_event").await,
        0
    );
    assert_eq!(
        node.number("SELECT count(*) FROM control.quarantined_event")
            .await,
        0
    );
    node.stop().await;
}

/// A number that no tenant has connected: kept for staff if the body is verified, else refused.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_number_beside_a_known_one_is_quarantined() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    let stranger = TestTenant::new("stranger");
    let known = batch(&node, &acme, &stranger, &acme.whatsapp.app_secret);
    assert_eq!(node.send(&known).await.status, 200);
    node.settled().await;
    assert_eq!(events_of(&node, "acme").await, 1);
    assert_eq!(held_by(&node, "acme", OF_GLOBEX).await, 0);
    let unrouted = "SELECT count(*) FROM control.quarantined_event WHERE reason = 'no_tenant'";
    assert_eq!(node.number(unrouted).await, 1);

    let unknown = Delivery::new()
        .message(
            &stranger.whatsapp,
            &Message::text("351900000002", OF_GLOBEX),
        )
        .signed(
            &format!("{}/hooks/whatsapp", node.url),
            &acme.whatsapp.app_secret,
        );
    assert_eq!(node.send(&unknown).await.status, 401);
    node.stop().await;
}
