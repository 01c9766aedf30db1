//! What a stranger learns from a refusal: nothing. One answer, after one time, whatever was wrong;
//! and what a tenant's standing does to its webhooks.

use std::time::{Duration, Instant};

use identity::tenants;
use kernel::{
    Operator,
    permission::{CredentialsWrite, TenantsWrite},
    secret::Secret,
    suspension::SuspensionKind,
};
use sandbox::{Provider, senders::Outgoing};

use crate::common::{TestNode, TestTenant, is_reply, sign, tenant};

/// The time that every refusal takes at least, as `connect::inbound` has it.
const FLOOR: Duration = Duration::from_millis(50);
const ROUNDS: usize = 15;

/// A refused answer as the sender sees it, without what differs from answer to answer anyway.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

async fn seen(node: &TestNode, webhook: &Outgoing) -> (Seen, Duration) {
    let started = Instant::now();
    let answer = node.send(webhook).await;
    let elapsed = started.elapsed();
    let headers = answer
        .headers
        .iter()
        .filter(|(name, _)| !["date", "x-correlation-id"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), format!("{value:?}")))
        .collect();
    let seen = Seen {
        status: answer.status,
        headers,
        body: answer.text(),
    };
    (seen, elapsed)
}

fn operator(node: &TestNode) -> Operator<TenantsWrite> {
    Operator::local(&node.program().db, "test")
}

/// Everything for which a webhook can be refused, each with a payload that would pass otherwise.
async fn refused(node: &TestNode) -> Vec<(&'static str, Outgoing)> {
    let text = |tenant: &TestTenant| tenant.whatsapp_text(&node.url, "351912345678", "hello");
    let acme = node.tenant("acme").await;
    let mut unsigned = text(&acme);
    unsigned.headers.remove("x-hub-signature-256");
    let mut tampered = text(&acme);
    tampered.body = [tampered.body.as_ref(), b" "].concat().into();
    let mut truncated = text(&acme);
    truncated.headers.insert(
        "x-hub-signature-256",
        http::HeaderValue::from_static("sha256=00"),
    );
    let hook = acme.hook(&node.url, Provider::WhatsApp);
    let malformed = sign::meta(&hook, acme.whatsapp.app_secret.expose(), "{");

    let disabled = node.tenant("disabled").await;
    let access = node.enter::<CredentialsWrite>("disabled").await;
    let connect = &node.program().connect;
    connect
        .set_endpoint(&access, "whatsapp", false)
        .await
        .expect("closed");

    let disconnected = node.tenant("disconnected").await;
    let id = tenant::credential(node.program(), "disconnected", Provider::WhatsApp).await;
    let access = node.enter::<CredentialsWrite>("disconnected").await;
    connect
        .delete_credential(&access, id)
        .await
        .expect("deleted");

    node.bare_tenant("empty").await;
    let closed = node.tenant("closed").await;
    tenants::close(&operator(node), "closed")
        .await
        .expect("closed");
    let unfinished = node.tenant("unfinished").await;
    node.execute("UPDATE control.tenant SET status = 'provisioning' WHERE slug = 'unfinished'")
        .await;
    let known = node.known("unfinished").await;
    node.program().db.directory().forget(&known);

    vec![
        ("no such tenant", text(&TestTenant::new("nobody"))),
        (
            "a name that no tenant can have",
            text(&TestTenant::new("No_Slug")),
        ),
        ("endpoint closed", text(&disabled)),
        ("credential deleted", text(&disconnected)),
        ("never connected", text(&TestTenant::new("empty"))),
        ("tenant closed", text(&closed)),
        ("tenant unfinished", text(&unfinished)),
        ("no signature", unsigned),
        ("body changed", tampered),
        ("half a signature", truncated),
        ("not JSON", malformed),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_the_same_answer_after_the_same_time() {
    let node = TestNode::start().await;
    let cases = refused(&node).await;
    let mut times = vec![Vec::new(); cases.len()];
    let mut first = None;
    // Round by round, so that what else the machine does strikes all cases alike.
    for _ in 0..ROUNDS {
        for ((name, webhook), times) in cases.iter().zip(&mut times) {
            let (seen, elapsed) = seen(&node, webhook).await;
            assert!(elapsed >= FLOOR, "{name}: {elapsed:?}");
            times.push(elapsed);
            match &first {
                None => {
                    assert_eq!(seen.status, 401, "{seen:?}");
                    first = Some(seen);
                }
                Some(first) => assert_eq!(seen, *first, "{name}"),
            }
        }
    }
    uniform(&cases, times);
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

/// The medians differ by less than single measurements of one case do.
#[expect(clippy::print_stdout, reason = "the figures are part of the result")]
fn uniform(cases: &[(&str, Outgoing)], mut times: Vec<Vec<Duration>>) {
    times.iter_mut().for_each(|times| times.sort());
    let quantile = |times: &[Duration], share: f64| times[(times.len() as f64 * share) as usize];
    let medians: Vec<Duration> = times.iter().map(|times| quantile(times, 0.5)).collect();
    let spreads = times.iter().map(|times| quantile(times, 0.9) - times[0]);
    let noise = spreads.max().expect("there are cases") + Duration::from_millis(2);
    for ((name, _), median) in cases.iter().zip(&medians) {
        println!("{name:<32} median {median:?}");
    }
    let apart = *medians.iter().max().expect("cases") - *medians.iter().min().expect("cases");
    println!("medians at most {apart:?} apart; noise {noise:?}");
    assert!(apart <= noise, "medians {apart:?} apart, noise {noise:?}");
}

/// On the shared URL as well: what cannot be routed and what cannot be verified look the same.
#[tokio::test(flavor = "multi_thread")]
async fn the_shared_url_refuses_in_the_same_words() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    let shared = |tenant: &TestTenant, secret: &Secret| {
        let own = tenant.whatsapp_text(&node.url, "351912345678", "hello");
        let body = String::from_utf8(own.body.to_vec()).expect("JSON");
        sign::meta(
            &format!("{}/hooks/whatsapp", node.url),
            secret.expose(),
            &body,
        )
    };
    let unknown = TestTenant::new("nobody");
    let cases = [
        acme.whatsapp_text(&node.url, "351912345678", "hello"),
        shared(&unknown, &unknown.whatsapp.app_secret),
        shared(&acme, &unknown.whatsapp.app_secret),
    ];
    let mut answers = Vec::new();
    for (place, mut webhook) in cases.into_iter().enumerate() {
        if place == 0 {
            webhook.headers.remove("x-hub-signature-256");
        }
        let (seen, elapsed) = seen(&node, &webhook).await;
        assert!(elapsed >= FLOOR, "{elapsed:?}");
        answers.push(seen);
    }
    assert_eq!(answers[0].status, 401);
    assert_eq!(answers[1], answers[0]);
    assert_eq!(answers[2], answers[0]);
    node.stop().await;
}

/// A suspended tenant loses nothing: its webhooks are kept, its jobs wait, and it is answered for
/// once it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_tenants_webhooks_wait() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    let globex = node.tenant("globex").await;
    let key = node.api_key("acme", &["conversations:read"]).await;
    let note = "invoice 7";
    tenants::suspend(
        &operator(&node),
        "acme",
        SuspensionKind::Investigation,
        note,
    )
    .await
    .expect("suspended");
    let webhook = acme.whatsapp_text(&node.url, "351912345678", "hello");
    assert_eq!(node.send(&webhook).await.status, 200);
    assert_eq!(node.get("/v1/conversations", &key).await.0, 403);
    // Another tenant's message goes all the way meanwhile, so the worker has looked.
    let other = globex.whatsapp_text(&node.url, "351900000000", "hello");
    assert_eq!(node.send(&other).await.status, 200);
    let of_globex = &globex.whatsapp.phone_number_id;
    node.sent_out(|call| {
        is_reply(call, Provider::WhatsApp) && call.account.as_ref() == Some(of_globex)
    })
    .await;
    let waiting =
        "SELECT count(*) FROM cell.job WHERE state = 'ready' AND kind LIKE 'converse.normalise.%'";
    assert_eq!(node.number(waiting).await, 1);

    tenants::activate(&operator(&node), "acme")
        .await
        .expect("activated");
    let of_acme = &acme.whatsapp.phone_number_id;
    node.sent_out(|call| {
        is_reply(call, Provider::WhatsApp) && call.account.as_ref() == Some(of_acme)
    })
    .await;
    node.stop().await;
}

/// Nothing is taken in for a tenant that harms others, and strangers can't tell it from one that does
/// not exist.
#[tokio::test(flavor = "multi_thread")]
async fn webhooks_of_an_abusive_tenant_are_refused_like_any_strangers() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    let webhook = acme.whatsapp_text(&node.url, "351912345678", "hello");
    let note = "spam";
    tenants::suspend(&operator(&node), "acme", SuspensionKind::Abuse, note)
        .await
        .expect("suspended");
    let refused = node.send(&webhook).await;
    assert_eq!(refused.status, 401);
    let stranger = TestTenant::new("nobody");
    let unknown = stranger.whatsapp_text(&node.url, "351912345678", "hello");
    assert_eq!(node.send(&unknown).await.status, refused.status);
    assert_eq!(
        node.number("SELECT count(*) FROM cell.inbound_event").await,
        0
    );
    node.stop().await;
}
