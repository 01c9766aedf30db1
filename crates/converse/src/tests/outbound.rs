//! Replies and the states of sending.

use kernel::{
    Error,
    events::ReplyReady,
    id::{JobId, MessageId},
    permission::MessagesSend,
};
use serde_json::json;

use super::harness::{App, whatsapp_text};
use crate::{
    channels::Channel,
    sending::{SEND, accepted, claim, refused, reply},
};

const FLAKY: fn() -> Error = || Error::Provider {
    provider: "whatsapp".to_owned(),
    status: Some(503),
    detail: "answered 503: try later".to_owned(),
    retryable: true,
};

/// A tenant with one message from a contact.
async fn addressed() -> (App, ReplyReady) {
    let app = App::new().await;
    let payload = whatsapp_text("106540352242922", "4915111111111", "wamid.1", "Hi");
    app.receive(Channel::Whatsapp, &payload).await;
    let ids = app.column("SELECT id::text FROM cell.message").await;
    let uuid: uuid::Uuid = ids[0].parse().expect("a UUID");
    let ready = ReplyReady {
        conversation: app.conversation().await,
        in_reply_to: uuid.into(),
        text: "Hello!".to_owned(),
    };
    (app, ready)
}

async fn answer(app: &App, ready: &ReplyReady, text: &str) -> kernel::Result<()> {
    let ready = ReplyReady {
        conversation: ready.conversation,
        in_reply_to: ready.in_reply_to,
        text: text.to_owned(),
    };
    reply(app.access::<MessagesSend>().await, ready).await
}

async fn outbound(app: &App) -> Vec<String> {
    app.column("SELECT text FROM cell.message WHERE direction = 'outbound' ORDER BY seq")
        .await
}

async fn state(app: &App) -> String {
    let mut states = app
        .column("SELECT status || COALESCE(': ' || error, '') FROM cell.message WHERE direction = 'outbound'")
        .await;
    assert_eq!(states.len(), 1);
    states.remove(0)
}

async fn only(app: &App) -> MessageId {
    let ids = app
        .column("SELECT id::text FROM cell.message WHERE direction = 'outbound'")
        .await;
    assert_eq!(ids.len(), 1);
    ids[0].parse::<uuid::Uuid>().expect("a UUID").into()
}

#[tokio::test]
async fn a_message_is_answered_once() {
    let (app, ready) = addressed().await;
    answer(&app, &ready, "Hello!").await.expect("written");
    answer(&app, &ready, "Hello again!").await.expect("known");
    assert_eq!(outbound(&app).await, ["Hello!"]);
    let jobs = app
        .column("SELECT kind FROM cell.job WHERE kind = 'converse.send'")
        .await;
    assert_eq!(jobs, [SEND]);
}

#[tokio::test]
async fn a_long_reply_leaves_in_parts_and_in_order() {
    let (app, ready) = addressed().await;
    let first = format!("{}.", "a".repeat(4000));
    let second = "b".repeat(3000);
    let text = format!("{first}\n\n{second}\n\nThe end.");
    answer(&app, &ready, &text).await.expect("written");
    answer(&app, &ready, &text).await.expect("known");
    assert_eq!(
        outbound(&app).await,
        [first, format!("{second}\n\nThe end.")]
    );
    let keys = app
        .column("SELECT dedup_key FROM cell.job WHERE kind = 'converse.send' ORDER BY id")
        .await;
    let messages = app
        .column("SELECT id::text FROM cell.message WHERE direction = 'outbound' ORDER BY seq")
        .await;
    let messages: Vec<String> = messages
        .iter()
        .map(|id| MessageId::from(id.parse::<uuid::Uuid>().expect("a UUID")).to_string())
        .collect();
    assert_eq!(keys, messages);
}

#[tokio::test]
async fn a_reply_without_text_is_refused_for_good() {
    let (app, ready) = addressed().await;
    let error = answer(&app, &ready, " \n\u{0}").await.expect_err("refused");
    assert!(!error.is_transient());
    assert!(outbound(&app).await.is_empty());
}

#[tokio::test]
async fn a_failed_attempt_leaves_the_message_waiting_until_the_last() {
    let (app, ready) = addressed().await;
    answer(&app, &ready, "Hello!").await.expect("written");
    let id = only(&app).await;
    let access = app.access::<MessagesSend>().await;

    let mut tx = access.begin().await.expect("begins");
    let outgoing = claim(&mut tx, id).await.expect("claims").expect("waits");
    assert_eq!(outgoing.address, "+4915111111111");
    assert_eq!(outgoing.account, "106540352242922");
    assert_eq!(outgoing.text, "Hello!");
    refused(&mut tx, id, &FLAKY()).await.expect("recorded");
    tx.commit().await.expect("committed");
    assert_eq!(
        state(&app).await,
        "queued: whatsapp: answered 503: try later"
    );

    // The job's row as its last attempt finds it.
    let mut tx = access.begin().await.expect("begins");
    sqlx::query(
        "UPDATE cell.job SET state = 'running', attempt = max_attempts WHERE dedup_key = $1",
    )
    .bind(id.to_string())
    .execute(tx.conn())
    .await
    .expect("updated");
    claim(&mut tx, id).await.expect("claims").expect("waits");
    refused(&mut tx, id, &FLAKY()).await.expect("recorded");
    tx.commit().await.expect("committed");
    assert_eq!(
        state(&app).await,
        "failed: whatsapp: answered 503: try later"
    );
}

#[tokio::test]
async fn a_lasting_failure_is_final_until_the_job_is_replayed() {
    let (app, ready) = addressed().await;
    answer(&app, &ready, "Hello!").await.expect("written");
    let id = only(&app).await;
    let mut tx = app
        .access::<MessagesSend>()
        .await
        .begin()
        .await
        .expect("begins");
    claim(&mut tx, id).await.expect("claims").expect("waits");
    let missing = Error::CredentialMissing {
        provider: "whatsapp".to_owned(),
    };
    refused(&mut tx, id, &missing).await.expect("recorded");
    tx.commit().await.expect("committed");
    assert_eq!(
        state(&app).await,
        "failed: no whatsapp credential is set up; add one under credentials"
    );

    let mut tx = app
        .access::<MessagesSend>()
        .await
        .begin()
        .await
        .expect("begins");
    claim(&mut tx, id)
        .await
        .expect("claims")
        .expect("sent again");
    accepted(&mut tx, id, Some("wamid.9"))
        .await
        .expect("recorded");
    assert!(claim(&mut tx, id).await.expect("looks").is_none());
    tx.commit().await.expect("committed");
    assert_eq!(state(&app).await, "sent");
}

#[tokio::test]
async fn a_trace_tells_the_whole_way_in_order() {
    let (app, ready) = addressed().await;
    let inbound = app
        .column("SELECT correlation_id::text FROM cell.message")
        .await;
    let correlation: kernel::id::CorrelationId =
        inbound[0].parse::<uuid::Uuid>().expect("a UUID").into();
    kernel::telemetry::with_correlation(correlation, async {
        answer(&app, &ready, "Hello!").await.expect("written");
        let mut tx = app.access::<MessagesSend>().await.begin().await.expect("begins");
        sqlx::query(
            "INSERT INTO cell.provider_call (id, provider, operation, status, started_at, duration_us,
                 correlation_id) VALUES ($1, 'whatsapp', 'messages.send', 200, now(), 41260, $2)",
        )
        .bind(JobId::new().uuid())
        .bind(correlation.uuid())
        .execute(tx.conn())
        .await
        .expect("inserted");
        tx.commit().await.expect("committed");
    })
    .await;

    let (_, trace) = app.get(&format!("/v1/traces/{correlation}")).await;
    assert_eq!(trace["correlation_id"], json!(correlation));
    let steps: Vec<(&str, &str)> = trace["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|step| {
            let text = |name: &str| step[name].as_str().expect("text");
            (text("kind"), text("what"))
        })
        .collect();
    assert_eq!(
        steps,
        [
            ("message", "inbound by contact"),
            ("job", "test.agent"),
            ("message", "outbound by agent"),
            ("job", "converse.send"),
            ("provider_call", "whatsapp messages.send"),
        ]
    );
    assert_eq!(trace["steps"][4]["duration_ms"], 41.26);
    assert_eq!(trace["steps"][4]["detail"]["status"], 200);
}
