//! Providers deliver more than once: one event, one reply.

use sandbox::{Provider, senders::Outgoing};
use tokio::task::JoinSet;

use crate::common::{TestNode, TestTenant, is_reply};

const CONCURRENT: usize = 50;

/// The same webhook of each channel, as a test sends it again and again.
fn webhooks(node: &TestNode, acme: &TestTenant) -> [(Provider, Outgoing); 3] {
    [
        (
            Provider::WhatsApp,
            acme.whatsapp_text(&node.url, "351912345678", "hello"),
        ),
        (
            Provider::Twilio,
            acme.sms(&node.url, "+14155550123", "hello"),
        ),
        (
            Provider::Telegram,
            acme.telegram_text(&node.url, 7_700_123, "hello"),
        ),
    ]
}

async fn handled_once(node: &TestNode, provider: Provider) {
    node.sent_out(|call| is_reply(call, provider)).await;
    node.settled().await;
    let of_contacts = format!(
        "SELECT count(*) FROM cell.inbound_event
         WHERE provider = '{provider}' AND correlation_id IN
             (SELECT correlation_id FROM cell.message WHERE direction = 'inbound')"
    );
    assert_eq!(node.number(&of_contacts).await, 1);
    let replies = node.sandbox.received(provider);
    let replies = replies.iter().filter(|call| is_reply(call, provider));
    assert_eq!(replies.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_after_the_other() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    for (provider, webhook) in webhooks(&node, &acme) {
        for _ in 0..5 {
            assert_eq!(node.send(&webhook).await.status, 200);
        }
        handled_once(&node, provider).await;
        // Once more, after all of it has been worked through.
        assert_eq!(node.send(&webhook).await.status, 200);
        handled_once(&node, provider).await;
    }
    assert_eq!(node.number("SELECT count(*) FROM cell.message").await, 6);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_at_once() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    for (provider, webhook) in webhooks(&node, &acme) {
        let mut senders = JoinSet::new();
        for _ in 0..CONCURRENT {
            let (webhook, client) = (webhook.clone(), node.client.clone());
            senders.spawn(async move { webhook.send(&client).await.expect("answers").status });
        }
        let statuses = senders.join_all().await;
        assert_eq!(statuses, [200; CONCURRENT]);
        handled_once(&node, provider).await;
    }
    assert_eq!(node.number("SELECT count(*) FROM cell.message").await, 6);
    node.stop().await;
}

/// A contact who writes the same words twice has written twice.
#[tokio::test(flavor = "multi_thread")]
async fn equal_texts_are_not_duplicates() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    for _ in 0..2 {
        let webhook = acme.whatsapp_text(&node.url, "351912345678", "hello");
        assert_eq!(node.send(&webhook).await.status, 200);
    }
    node.settled().await;
    let inbound = "SELECT count(*) FROM cell.message WHERE direction = 'inbound'";
    assert_eq!(node.number(inbound).await, 2);
    node.stop().await;
}
