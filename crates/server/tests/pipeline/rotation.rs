//! Replacing a webhook secret loses nothing: the new one counts at once, the old one until the
//! grace ends, on every process.

use kernel::secret::Secret;
use sandbox::{Provider, senders::Outgoing};

use crate::common::{TestNode, TestTenant, is_reply, poll, tenant::rotate};

/// A provider, the field that signs its webhooks, and a webhook of a tenant's as it is now.
type Channel = (
    Provider,
    &'static str,
    fn(&TestNode, &TestTenant) -> Outgoing,
);

const CHANNELS: [Channel; 3] = [
    (Provider::WhatsApp, "app_secret", |node, tenant| {
        tenant.whatsapp_text(&node.url, "351912345678", "hello")
    }),
    (Provider::Twilio, "auth_token", |node, tenant| {
        tenant.sms(&node.url, "+14155550123", "hello")
    }),
    (Provider::Telegram, "secret_token", |node, tenant| {
        tenant.telegram_text(&node.url, 7_700_123, "hello")
    }),
];

/// The same tenant with a new signing secret at a provider.
fn rotated(tenant: &TestTenant, provider: Provider) -> (TestTenant, Secret) {
    let mut tenant = tenant.clone();
    let fresh = TestTenant::new(&tenant.slug);
    let secret = match provider {
        Provider::WhatsApp => {
            tenant.whatsapp.app_secret = fresh.whatsapp.app_secret.clone();
            fresh.whatsapp.app_secret
        }
        Provider::Twilio => {
            tenant.twilio.auth_token = fresh.twilio.auth_token.clone();
            fresh.twilio.auth_token
        }
        Provider::Telegram => {
            tenant.telegram.secret_token = fresh.telegram.secret_token.clone();
            fresh.telegram.secret_token
        }
        other => panic!("{other} is no channel"),
    };
    (tenant, secret)
}

async fn accepts(node: &TestNode, webhook: &Outgoing) -> bool {
    let answer = node.send(webhook).await;
    assert!(matches!(answer.status, 200 | 401), "{answer:?}");
    answer.status == 200
}

/// How many events of a provider were verified with which of its secrets.
async fn verified(node: &TestNode, provider: Provider, slot: &str) -> i64 {
    let events = format!(
        "SELECT count(*) FROM cell.inbound_event
         WHERE provider = '{provider}' AND verdict = 'verified_{slot}'"
    );
    node.number(&events).await
}

/// Lets the grace of all rotations end now, and says so on the bus as any change is said.
async fn end_grace(node: &TestNode, slug: &str) {
    let tenant = node.known(slug).await.id;
    let ended = "UPDATE cell.credential_secret SET valid_until = now() - interval '1 second'
                 WHERE slot = 'previous'";
    node.execute(ended).await;
    node.execute(&format!(
        "SELECT pg_notify('freehold_changes', 'credentials:{tenant}')"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_new_secret_counts_at_once_and_the_old_one_until_the_grace_ends() {
    let node = TestNode::start().await;
    let before = node.tenant("acme").await;
    for (provider, field, webhook) in CHANNELS {
        assert!(accepts(&node, &webhook(&node, &before)).await);
        let (after, secret) = rotated(&before, provider);
        assert!(!accepts(&node, &webhook(&node, &after)).await, "{provider}");
        rotate(node.program(), "acme", provider, field, &secret).await;
        after.register(&node.sandbox);

        assert!(accepts(&node, &webhook(&node, &after)).await, "{provider}");
        assert!(accepts(&node, &webhook(&node, &before)).await, "{provider}");
        assert_eq!(verified(&node, provider, "current").await, 2, "{provider}");
        assert_eq!(verified(&node, provider, "previous").await, 1, "{provider}");
        // Replies go out with the new secret, which is all that the provider still takes.
        node.settled().await;
        let calls = node.sandbox.received(provider);
        assert!(
            calls.iter().all(|call| is_reply(call, provider)),
            "{calls:?}"
        );

        end_grace(&node, "acme").await;
        let old = webhook(&node, &before);
        assert!(
            poll(async || !accepts(&node, &old).await).await,
            "{provider}"
        );
        assert!(accepts(&node, &webhook(&node, &after)).await, "{provider}");
        before.register(&node.sandbox);
        // The next provider's turn finds the tenant with all its other accounts as they were.
        rotate(
            node.program(),
            "acme",
            provider,
            field,
            &current(&before, provider),
        )
        .await;
    }
    node.stop().await;
}

fn current(tenant: &TestTenant, provider: Provider) -> Secret {
    match provider {
        Provider::WhatsApp => tenant.whatsapp.app_secret.clone(),
        Provider::Twilio => tenant.twilio.auth_token.clone(),
        _ => tenant.telegram.secret_token.clone(),
    }
}

/// The cache would keep the old secret for minutes; the bus is what ends that.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_by_another_process_is_seen_here() {
    let node = TestNode::start().await;
    let other = node.second_program().await;
    let before = node.tenant("acme").await;
    for (provider, field, webhook) in CHANNELS {
        // Warm: the node has the old secret in its cache.
        assert!(accepts(&node, &webhook(&node, &before)).await);
        let (after, secret) = rotated(&before, provider);
        rotate(&other, "acme", provider, field, &secret).await;
        let new = webhook(&node, &after);
        assert!(
            poll(async || accepts(&node, &new).await).await,
            "{provider}"
        );
        assert!(accepts(&node, &webhook(&node, &before)).await, "{provider}");
        assert_eq!(verified(&node, provider, "previous").await, 1, "{provider}");
        rotate(&other, "acme", provider, field, &current(&before, provider)).await;
    }
    other.close().await.expect("the other program closes");
    node.stop().await;
}
