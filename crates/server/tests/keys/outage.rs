//! The holder of the key-encryption key goes away under load, and comes back: whose data keys are in
//! memory is served, the others' senders are told to come again, and nothing that was acknowledged is
//! lost. A Transit server stands for every provider (`TRANSIT_SERVER` names the program, which
//! scripts/transit-server finds or installs; ./check sets it).

use kernel::secret::Secret;
use sandbox::{Provider, senders::Outgoing};
use server::config::KeyProviderName;
use tokio::task::JoinSet;

use crate::{
    bao::{Bao, ROOT},
    common::{TestNode, TestTenant, is_reply, poll},
    support::Gate,
};

/// Webhooks that the tenant who is served gets during the outage, some at a time.
const ROUNDS: usize = 6;
const AT_ONCE: usize = 10;

/// A Transit server with a derived key; nothing where there is no program.
async fn transit() -> Option<Bao> {
    let bao = Bao::start().await?;
    bao.make_key("freehold", true).await;
    Some(bao)
}

async fn node(gate: &Gate) -> TestNode {
    let address = format!("http://{}", gate.address);
    TestNode::configured(|config| {
        config.keys.provider = KeyProviderName::Transit;
        config.keys.transit.address = address;
        config.keys.transit.token = Secret::new(ROOT);
    })
    .await
}

/// A text of each of so many people.
fn texts(node: &TestNode, tenant: &TestTenant, round: usize) -> Vec<Outgoing> {
    let from = |number| format!("35191{:07}", round * AT_ONCE + number);
    let text = |number| tenant.whatsapp_text(&node.url, &from(number), "hello");
    (0..AT_ONCE).map(text).collect()
}

/// Delivers them at a time; the answers' statuses.
async fn deliver(node: &TestNode, texts: &[Outgoing]) -> Vec<u16> {
    let mut sending = JoinSet::new();
    for text in texts {
        let (text, client) = (text.clone(), node.client.clone());
        sending.spawn(async move { text.send(&client).await.expect("an answer").status });
    }
    sending.join_all().await
}

async fn load(node: &TestNode, tenant: &TestTenant, round: usize) -> Vec<u16> {
    deliver(node, &texts(node, tenant, round)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_not_lost_and_who_can_t_be_served_is_told() {
    let Some(bao) = transit().await else { return };
    let node = node(&bao.gate).await;
    let (acme, globex) = (node.tenant("acme").await, node.tenant("globex").await);
    // As after a start: nobody's data key is in memory, and then one's is.
    node.program().connect.data_keys().clear();
    assert_eq!(load(&node, &acme, 0).await, [200; AT_ONCE]);
    node.settled().await;

    bao.gate.cut();
    let key = node.api_key("globex", &["proxy:use"]).await;
    let refused = texts(&node, &globex, 1);
    let mut acknowledged = AT_ONCE;
    for round in 1..=ROUNDS {
        assert_eq!(load(&node, &acme, round).await, [200; AT_ONCE]);
        acknowledged += AT_ONCE;
        assert_eq!(deliver(&node, &refused).await, [503; AT_ONCE]);
        let (status, problem) = node.get("/v1/proxy/openai/models", &key).await;
        assert_eq!(status, 503, "{problem}");
        assert_eq!(problem["code"], "key_provider_unavailable");
    }
    // Whoever is served gets whole answers: each text is replied to.
    let replies = || {
        let sent = node.sandbox.received(Provider::WhatsApp);
        let sent = sent.iter();
        sent.filter(|call| is_reply(call, Provider::WhatsApp))
            .count()
    };
    assert!(
        poll(async || replies() == acknowledged).await,
        "{}",
        replies()
    );

    bao.gate.mend();
    // What was refused was not acknowledged, so its sender sends it again.
    let recovered = poll(async || deliver(&node, &refused).await == [200; AT_ONCE]).await;
    assert!(recovered, "it works again by itself");
    acknowledged += AT_ONCE;
    let everything = poll(async || replies() == acknowledged).await;
    assert!(everything, "{} replies", replies());
    let (status, models) = node.get("/v1/proxy/openai/models", &key).await;
    assert_eq!(status, 200, "{models}");
    let stored = "SELECT count(*) FROM cell.message WHERE direction = 'inbound'";
    let stored = node.number(stored).await;
    assert_eq!(usize::try_from(stored), Ok(acknowledged));
    node.stop().await;
}

/// Jobs that need a data key while nobody can be asked for it are tried again until somebody can.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_wait_for_the_key() {
    let Some(bao) = transit().await else { return };
    let node = node(&bao.gate).await;
    let acme = node.tenant("acme").await;
    // The webhook is verified by a key from memory; when the reply is written, it is there no more.
    node.execute("UPDATE cell.job_lane SET paused = true").await;
    assert_eq!(load(&node, &acme, 0).await, [200; AT_ONCE]);
    bao.gate.cut();
    node.program().connect.data_keys().clear();
    node.execute("UPDATE cell.job_lane SET paused = false")
        .await;
    // However long it takes, none of them has used up its attempts.
    let tried = "SELECT count(*) FROM cell.job WHERE attempt = 0 AND state = 'scheduled'
                 AND last_error LIKE 'key_provider_unavailable: %'";
    assert!(
        poll(async || node.number(tried).await > 0).await,
        "a job is tried"
    );
    bao.gate.mend();
    let replied = poll(async || {
        // Nobody waits for the pauses between the tries.
        node.execute("UPDATE cell.job SET run_at = now() WHERE state = 'scheduled'")
            .await;
        let sent = node.sandbox.received(Provider::WhatsApp);
        let sent = sent.iter();
        sent.filter(|call| is_reply(call, Provider::WhatsApp))
            .count()
            == AT_ONCE
    })
    .await;
    assert!(replied, "every text is replied to");
    assert_eq!(
        node.number("SELECT count(*) FROM cell.job WHERE state = 'dead'")
            .await,
        0
    );
    node.stop().await;
}
