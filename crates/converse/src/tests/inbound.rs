//! What contacts write and what providers report.

use axum::http::StatusCode;
use kernel::{id::MessageId, permission::MessagesSend};
use serde_json::json;

use super::harness::{AGENT, App, whatsapp_status, whatsapp_text};
use crate::{
    channels::Channel,
    conversations::Open,
    messages::Author,
    sending::{accepted, claim, queue},
};

const NUMBER: &str = "106540352242922";
const ANN: &str = "4915111111111";

async fn agent_jobs(app: &App) -> usize {
    let kinds = app.column("SELECT kind FROM cell.job").await;
    kinds.iter().filter(|kind| *kind == AGENT).count()
}

/// An outbound message in the only conversation, marked as being sent.
async fn sending(app: &App) -> MessageId {
    let conversation = app.conversation().await;
    let mut tx = app
        .access::<MessagesSend>()
        .await
        .begin()
        .await
        .expect("begins");
    let open = Open::lock(&mut tx, conversation).await.expect("locks");
    let id = queue(&mut tx, &open, Author::Agent, "Hello".to_owned(), None)
        .await
        .expect("queued");
    assert!(claim(&mut tx, id).await.expect("claims").is_some());
    tx.commit().await.expect("committed");
    id
}

async fn accept(app: &App, id: MessageId, wamid: &str) {
    let mut tx = app
        .access::<MessagesSend>()
        .await
        .begin()
        .await
        .expect("begins");
    accepted(&mut tx, id, Some(wamid)).await.expect("recorded");
    tx.commit().await.expect("committed");
}

async fn status(app: &App, id: MessageId) -> (String, Option<String>) {
    let (code, message) = app.get(&format!("/v1/messages/{id}")).await;
    assert_eq!(code, StatusCode::OK);
    let text = |name: &str| message[name].as_str().map(str::to_owned);
    (text("status").expect("a status"), text("external_id"))
}

#[tokio::test]
async fn a_repeated_webhook_adds_nothing() {
    let app = App::new().await;
    let payload = whatsapp_text(NUMBER, ANN, "wamid.1", "Hi");
    let first = app
        .store(Channel::Whatsapp, payload.to_string().into_bytes())
        .await;
    app.normalise(Channel::Whatsapp, first)
        .await
        .expect("reads");
    app.normalise(Channel::Whatsapp, first)
        .await
        .expect("again");
    app.receive(Channel::Whatsapp, &payload).await;

    let texts = app.column("SELECT text FROM cell.message").await;
    assert_eq!(texts, ["Hi"]);
    assert_eq!(agent_jobs(&app).await, 1);
    let open = app
        .column("SELECT 'open' FROM cell.inbound_event WHERE normalised_at IS NULL")
        .await;
    assert!(open.is_empty());
}

#[tokio::test]
async fn places_have_no_gaps_however_many_write_at_once() {
    let app = App::new().await;
    let texts: Vec<String> = (0..24).map(|n| format!("m{n}")).collect();
    let mut events = Vec::new();
    for text in &texts {
        // Every message comes twice.
        for _ in 0..2 {
            let payload = whatsapp_text(NUMBER, ANN, &format!("wamid.{text}"), text);
            let body = payload.to_string().into_bytes();
            events.push(app.store(Channel::Whatsapp, body).await);
        }
    }
    let app = std::sync::Arc::new(app);
    let jobs: Vec<_> = events
        .into_iter()
        .map(|event| {
            let app = app.clone();
            tokio::spawn(async move { app.normalise(Channel::Whatsapp, event).await })
        })
        .collect();
    for job in jobs {
        job.await.expect("ends").expect("normalised");
    }

    let places = app
        .column("SELECT seq::text FROM cell.message m ORDER BY m.seq")
        .await;
    let wanted: Vec<String> = (1..=24).map(|n: i32| n.to_string()).collect();
    assert_eq!(places, wanted);
    let mut seen = app.column("SELECT text FROM cell.message").await;
    let mut texts = texts;
    seen.sort();
    texts.sort();
    assert_eq!(seen, texts);
    let counts = app
        .column("SELECT message_count::text FROM cell.conversation")
        .await;
    assert_eq!(counts, ["24"]);
    assert_eq!(app.column("SELECT name FROM cell.contact").await, ["Ann"]);
    assert_eq!(agent_jobs(&app).await, 24);
}

#[tokio::test]
async fn reports_may_come_in_any_order() {
    let app = App::new().await;
    app.receive(
        Channel::Whatsapp,
        &whatsapp_text(NUMBER, ANN, "wamid.1", "Hi"),
    )
    .await;
    for (reports, end) in [
        (["sent", "delivered", "read"], "read"),
        (["read", "delivered", "sent"], "read"),
        (["delivered", "delivered", "sent"], "delivered"),
        (["failed", "sent", "failed"], "failed"),
        (["failed", "delivered", "failed"], "delivered"),
    ] {
        let id = sending(&app).await;
        let wamid = format!("wamid.{id}");
        accept(&app, id, &wamid).await;
        for report in reports {
            let payload = whatsapp_status(NUMBER, ANN, &wamid, report, "");
            app.receive(Channel::Whatsapp, &payload).await;
        }
        assert_eq!(status(&app, id).await.0, end, "{reports:?}");
    }
}

#[tokio::test]
async fn a_report_waits_for_the_sending_that_it_is_about() {
    let app = App::new().await;
    app.receive(
        Channel::Whatsapp,
        &whatsapp_text(NUMBER, ANN, "wamid.1", "Hi"),
    )
    .await;
    let id = sending(&app).await;
    let payload = whatsapp_status(NUMBER, ANN, "wamid.early", "delivered", "");
    let event = app
        .store(Channel::Whatsapp, payload.to_string().into_bytes())
        .await;
    let early = app.normalise(Channel::Whatsapp, event).await;
    assert!(early.expect_err("too early").is_transient());

    accept(&app, id, "wamid.early").await;
    app.normalise(Channel::Whatsapp, event)
        .await
        .expect("now known");
    assert_eq!(status(&app, id).await.0, "delivered");

    // Nothing is being sent now: what another system sent concerns nobody here, at once.
    let foreign = whatsapp_status(NUMBER, ANN, "wamid.foreign", "delivered", "order-1");
    app.receive(Channel::Whatsapp, &foreign).await;
}

#[tokio::test]
async fn a_report_that_names_our_message_saves_a_lost_answer() {
    let app = App::new().await;
    app.receive(
        Channel::Whatsapp,
        &whatsapp_text(NUMBER, ANN, "wamid.1", "Hi"),
    )
    .await;
    let id = sending(&app).await;
    let payload = whatsapp_status(NUMBER, ANN, "wamid.lost", "delivered", &id.to_string());
    app.receive(Channel::Whatsapp, &payload).await;

    let known = ("delivered".to_owned(), Some("wamid.lost".to_owned()));
    assert_eq!(status(&app, id).await, known);
    let mut tx = app
        .access::<MessagesSend>()
        .await
        .begin()
        .await
        .expect("begins");
    assert!(claim(&mut tx, id).await.expect("looks").is_none());
    // The answer that was slower than the report takes nothing back.
    accepted(&mut tx, id, Some("wamid.other"))
        .await
        .expect("recorded");
    tx.commit().await.expect("committed");
    assert_eq!(status(&app, id).await, known);
}

#[tokio::test]
async fn tenants_with_the_same_contact_never_meet() {
    let app = App::new().await;
    let other = app.other().await;
    for (tenant, text) in [(&app, "to one"), (&other, "to the other")] {
        let payload = whatsapp_text(NUMBER, ANN, "wamid.same", text);
        tenant.receive(Channel::Whatsapp, &payload).await;
    }
    for (tenant, text) in [(&app, "to one"), (&other, "to the other")] {
        let (_, page) = tenant.get("/v1/conversations").await;
        assert_eq!(page["data"].as_array().map(Vec::len), Some(1));
        assert_eq!(page["data"][0]["last_message"]["text"], text);
        let (_, contacts) = tenant.get("/v1/contacts").await;
        assert_eq!(contacts["data"].as_array().map(Vec::len), Some(1));
    }

    // A report to one tenant about an id that both know moves its own message alone.
    let id = sending(&app).await;
    let others = sending(&other).await;
    accept(&app, id, "wamid.out").await;
    accept(&other, others, "wamid.out").await;
    let report = whatsapp_status(NUMBER, ANN, "wamid.out", "read", &others.to_string());
    app.receive(Channel::Whatsapp, &report).await;
    assert_eq!(status(&app, id).await.0, "read");
    assert_eq!(status(&other, others).await.0, "sent");
}

#[tokio::test]
async fn replies_will_leave_from_the_account_that_was_written_to() {
    let app = App::new().await;
    app.credential("whatsapp", json!({ "phone_number_id": "11111" }))
        .await;
    let second = app
        .credential("whatsapp", json!({ "phone_number_id": "22222" }))
        .await;
    app.receive(
        Channel::Whatsapp,
        &whatsapp_text("22222", ANN, "wamid.1", "Hi"),
    )
    .await;
    let used = app
        .column("SELECT credential_id::text FROM cell.conversation")
        .await;
    assert_eq!(used, [second.uuid().to_string()]);
}

#[tokio::test]
async fn telegram_chats_belong_to_the_only_bot_and_edits_replace() {
    let app = App::new().await;
    let bot = app.credential("telegram", json!({})).await;
    let update = |id: i64, field: &str, text: &str, date: i64| {
        json!({ "update_id": id, field: { "message_id": 5, "date": 100, "edit_date": date, "text": text,
            "from": { "id": 7, "is_bot": false, "first_name": "Bo" },
            "chat": { "id": 7, "type": "private", "first_name": "Bo" } } })
    };
    for payload in [
        update(1, "message", "helo", 100),
        update(3, "edited_message", "hello there", 300),
        update(2, "edited_message", "hello", 200),
    ] {
        app.receive(Channel::Telegram, &payload).await;
    }
    assert_eq!(
        app.column("SELECT text FROM cell.message").await,
        ["hello there"]
    );
    assert_eq!(agent_jobs(&app).await, 1);
    assert_eq!(
        app.column("SELECT account FROM cell.conversation").await,
        [bot.to_string()]
    );
}

#[tokio::test]
async fn a_form_with_files_becomes_one_message() {
    let app = App::new().await;
    let body = "SmsStatus=received&MessageSid=MM1&From=%2B15552223333&To=%2B15550001111&Body=Look%00\
                &NumMedia=1&MediaUrl0=https%3A%2F%2Fapi.twilio.com%2FMedia%2FME1&MediaContentType0=image%2Fpng";
    let event = app.store(Channel::Sms, body.as_bytes().to_vec()).await;
    app.normalise(Channel::Sms, event)
        .await
        .expect("normalised");
    let (_, page) = app
        .get(&format!(
            "/v1/conversations/{}/messages",
            app.conversation().await
        ))
        .await;
    let message = &page["data"][0];
    assert_eq!(message["kind"], "image");
    assert_eq!(message["text"], "Look");
    assert_eq!(
        message["media"],
        json!([{ "id": "ME1", "mime_type": "image/png", "url": "https://api.twilio.com/Media/ME1" }])
    );
    assert_eq!(agent_jobs(&app).await, 0);
}
