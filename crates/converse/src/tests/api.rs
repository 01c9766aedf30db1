//! Requests to the API.

use std::sync::Arc;

use axum::http::StatusCode;
use kernel::{
    id::{ConversationId, MessageId},
    page::Cursor,
};
use serde_json::{Value, json};

use super::harness::{App, State, whatsapp_text};
use crate::channels::Channel;

const NUMBER: &str = "106540352242922";

/// A tenant with one message from a contact, and the path of its conversation.
async fn addressed() -> (App, String) {
    let app = App::new().await;
    let payload = whatsapp_text(NUMBER, "4915111111111", "wamid.1", "Hi");
    app.receive(Channel::Whatsapp, &payload).await;
    let path = format!("/v1/conversations/{}", app.conversation().await);
    (app, path)
}

#[test]
fn every_operation_documents_its_refusals() {
    let (_, document) = crate::routes::<State>().split_for_parts();
    let document = serde_json::to_value(document).expect("serialises");
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            for status in ["401", "403"] {
                let content = &operation["responses"][status]["content"];
                assert!(
                    content["application/problem+json"].is_object(),
                    "{method} {path} {status}"
                );
            }
            assert_eq!(operation["security"], json!([{ "api_key": [] }]), "{path}");
            operations.push(format!("{method} {path}"));
        }
    }
    operations.sort();
    assert_eq!(
        operations,
        [
            "get /v1/contacts",
            "get /v1/conversations",
            "get /v1/conversations/{conversation}",
            "get /v1/conversations/{conversation}/messages",
            "get /v1/messages/{message}",
            "get /v1/traces/{correlation}",
            "post /v1/conversations/{conversation}/messages",
            "post /v1/messages",
        ]
    );
}

#[tokio::test]
async fn a_key_and_its_permission_are_needed() {
    let (app, path) = addressed().await;
    let reader = app.key(&["conversations:read"]).await;
    let sender = app.key(&["messages:send"]).await;
    let body = || Some(json!({ "text": "x" }));
    for (method, path, lacking) in [
        ("GET", "/v1/conversations".to_owned(), &sender),
        ("GET", path.clone(), &sender),
        ("GET", format!("{path}/messages"), &sender),
        ("GET", "/v1/contacts".to_owned(), &sender),
        ("GET", format!("/v1/messages/{}", MessageId::new()), &sender),
        ("POST", format!("{path}/messages"), &reader),
        ("POST", "/v1/messages".to_owned(), &reader),
        ("GET", "/v1/traces/cor_x".to_owned(), &reader),
    ] {
        let (code, problem) = app.request(method, &path, None, None, body()).await;
        assert_eq!(code, StatusCode::UNAUTHORIZED, "{method} {path}");
        assert_eq!(problem["code"], "unauthenticated");
        let (code, _) = app
            .request(method, &path, Some(lacking), None, body())
            .await;
        assert_eq!(code, StatusCode::FORBIDDEN, "{method} {path}");
    }
}

#[tokio::test]
async fn ids_of_other_tenants_name_nothing() {
    let (app, path) = addressed().await;
    let (_, page) = app.get(&format!("{path}/messages")).await;
    let message = page["data"][0]["id"].as_str().expect("an id").to_owned();
    let correlation = page["data"][0]["correlation_id"].as_str().expect("an id");
    let other = app.other().await;
    for path in [
        path.clone(),
        format!("{path}/messages"),
        format!("/v1/messages/{message}"),
        format!("/v1/traces/{correlation}"),
        format!("/v1/conversations/{message}"),
        "/v1/messages/nonsense".to_owned(),
        format!("/v1/conversations/{}", ConversationId::new()),
    ] {
        let (code, problem) = other.get(&path).await;
        assert_eq!(code, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(problem["code"], "not_found", "{path}");
    }
    let (code, _) = other
        .post(&format!("{path}/messages"), None, json!({ "text": "x" }))
        .await;
    assert_eq!(code, StatusCode::NOT_FOUND);
    let messages = app.column("SELECT text FROM cell.message").await;
    assert_eq!(messages, ["Hi"]);
}

#[tokio::test]
async fn lists_are_read_page_by_page() {
    let app = App::new().await;
    for n in 0..5 {
        let from = format!("491511111111{n}");
        let payload = whatsapp_text(NUMBER, &from, &format!("wamid.{n}"), &format!("from {n}"));
        app.receive(Channel::Whatsapp, &payload).await;
    }
    for (path, field) in [
        (
            "/v1/conversations?channel=whatsapp&limit=2",
            "/contact/address",
        ),
        ("/v1/contacts?limit=2", "/address"),
    ] {
        let mut seen: Vec<String> = Vec::new();
        let mut next = path.to_owned();
        loop {
            let (code, page) = app.get(&next).await;
            assert_eq!(code, StatusCode::OK, "{page}");
            let data = page["data"].as_array().expect("a list");
            seen.extend(
                data.iter()
                    .filter_map(|row| row.pointer(field)?.as_str().map(str::to_owned)),
            );
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("{path}&cursor={cursor}"),
                None => break,
            }
        }
        let newest_first: Vec<String> = (0..5).rev().map(|n| format!("+491511111111{n}")).collect();
        assert_eq!(seen, newest_first, "{path}");
    }
    let (_, none) = app.get("/v1/conversations?channel=telegram").await;
    assert_eq!(none["data"], json!([]));
    let strange = Cursor::encode(&(i64::MAX, uuid::Uuid::nil())).expect("a cursor");
    for query in [
        "limit=0",
        "limit=201",
        "channel=fax",
        "cursor=xx",
        &format!("cursor={strange}"),
    ] {
        let (code, _) = app.get(&format!("/v1/conversations?{query}")).await;
        assert_eq!(code, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
    }
}

#[tokio::test]
async fn messages_are_read_newest_first() {
    let (app, path) = addressed().await;
    for text in ["two", "three"] {
        let (code, _) = app
            .post(&format!("{path}/messages"), None, json!({ "text": text }))
            .await;
        assert_eq!(code, StatusCode::CREATED);
    }
    let (_, page) = app.get(&format!("{path}/messages?limit=2")).await;
    assert_eq!(page["data"][0]["text"], "three");
    assert_eq!(page["data"][0]["seq"], 3);
    assert_eq!(page["data"][1]["text"], "two");
    let cursor = page["next_cursor"].as_str().expect("a next page");
    let (_, rest) = app
        .get(&format!("{path}/messages?limit=2&cursor={cursor}"))
        .await;
    assert_eq!(rest["data"][0]["text"], "Hi");
    assert_eq!(rest["next_cursor"], Value::Null);

    let (_, conversation) = app.get(&path).await;
    assert_eq!(conversation["message_count"], 3);
    assert_eq!(conversation["last_message"]["text"], "three");
    assert_eq!(conversation["last_message"]["status"], "queued");
    assert_eq!(conversation["contact"]["name"], "Ann");
}

#[tokio::test]
async fn an_idempotency_key_stands_for_one_message() {
    let (app, path) = addressed().await;
    let path = format!("{path}/messages");
    let (code, first) = app.post(&path, Some("k1"), json!({ "text": "a" })).await;
    assert_eq!(code, StatusCode::CREATED);
    assert_eq!(first["author"], "api");
    let (code, again) = app.post(&path, Some("k1"), json!({ "text": "a" })).await;
    assert_eq!((code, &again["id"]), (StatusCode::OK, &first["id"]));
    let (code, problem) = app.post(&path, Some("k1"), json!({ "text": "b" })).await;
    assert_eq!(code, StatusCode::CONFLICT);
    assert_eq!(problem["code"], "idempotency_key_reused");

    // In another conversation the key is used up as well, and nothing begins there.
    app.credential("whatsapp", json!({ "phone_number_id": NUMBER }))
        .await;
    let elsewhere = json!({ "channel": "whatsapp", "to": "+4915122222222", "text": "a" });
    let (code, problem) = app.post("/v1/messages", Some("k1"), elsewhere).await;
    assert_eq!(
        (code, &problem["code"]),
        (StatusCode::CONFLICT, &json!("idempotency_key_reused"))
    );
    app.conversation().await;

    // To the same contact it names the same message.
    let same = json!({ "channel": "whatsapp", "to": "+49 151 11111111", "text": "a" });
    let (code, again) = app.post("/v1/messages", Some("k1"), same).await;
    assert_eq!((code, &again["id"]), (StatusCode::OK, &first["id"]));

    // Another tenant's keys are its own; so are those that the program gives to replies.
    let other = app.other().await;
    let payload = whatsapp_text(NUMBER, "4915111111111", "wamid.1", "Hi");
    other.receive(Channel::Whatsapp, &payload).await;
    let path = format!("/v1/conversations/{}/messages", other.conversation().await);
    let (code, _) = other.post(&path, Some("k1"), json!({ "text": "b" })).await;
    assert_eq!(code, StatusCode::CREATED);
}

#[tokio::test]
async fn requests_with_one_key_at_once_make_one_message() {
    let (app, path) = addressed().await;
    app.credential("whatsapp", json!({ "phone_number_id": NUMBER }))
        .await;
    let app = Arc::new(app);
    let calls: Vec<_> = (0..12)
        .map(|n| {
            let (app, path) = (app.clone(), format!("{path}/messages"));
            tokio::spawn(async move {
                // Half of them begin conversations with others, so that they meet only in the key.
                if n % 2 == 0 {
                    app.post(&path, Some("k"), json!({ "text": "a" })).await
                } else {
                    let to = format!("+49151222222{n:02}");
                    let body = json!({ "channel": "whatsapp", "to": to, "text": "a" });
                    app.post("/v1/messages", Some("k"), body).await
                }
            })
        })
        .collect();
    let mut created = 0;
    for call in calls {
        match call.await.expect("ends") {
            (StatusCode::CREATED, _) => created += 1,
            (StatusCode::OK, _) => {}
            (StatusCode::CONFLICT, problem) => {
                assert_eq!(problem["code"], "idempotency_key_reused")
            }
            (code, problem) => panic!("{code}: {problem}"),
        }
    }
    assert_eq!(created, 1);
    let written = app
        .column("SELECT id::text FROM cell.message WHERE direction = 'outbound'")
        .await;
    assert_eq!(written.len(), 1);
    let conversations = app.column("SELECT id::text FROM cell.conversation").await;
    assert!(
        conversations.len() <= 2,
        "refused requests left conversations behind"
    );
}

#[tokio::test]
async fn texts_that_cannot_be_sent_are_refused() {
    let (app, path) = addressed().await;
    let path = format!("{path}/messages");
    for body in [
        json!({ "text": "x".repeat(4097) }),
        json!({ "text": " " }),
        json!({ "text": "a\u{0}b" }),
        json!({}),
        json!({ "text": "a", "colour": "blue" }),
    ] {
        let (code, problem) = app.post(&path, None, body).await;
        assert_eq!(code, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["code"], "invalid_request");
    }
    let (code, _) = app
        .post(&path, Some("not a key"), json!({ "text": "a" }))
        .await;
    assert_eq!(code, StatusCode::UNPROCESSABLE_ENTITY);
    let (code, _) = app
        .post(&path, None, json!({ "text": "x".repeat(4096) }))
        .await;
    assert_eq!(code, StatusCode::CREATED);
}

#[tokio::test]
async fn a_conversation_begins_from_one_of_the_tenants_accounts() {
    let app = App::new().await;
    let body = |from: Option<&str>| {
        let mut body = json!({ "channel": "sms", "to": "+1 (555) 222-3333", "text": "Hello" });
        if let Some(from) = from {
            body["from"] = from.into();
        }
        body
    };
    let (code, problem) = app.post("/v1/messages", None, body(None)).await;
    assert_eq!(
        (code, &problem["code"]),
        (StatusCode::CONFLICT, &json!("credential_missing"))
    );

    app.credential("twilio", json!({ "account_sid": "AC1" }))
        .await;
    let (code, problem) = app.post("/v1/messages", None, body(None)).await;
    assert_eq!(code, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");

    let first = app
        .credential(
            "twilio",
            json!({ "account_sid": "AC2", "phone_number": "+15550001111" }),
        )
        .await;
    let (code, message) = app.post("/v1/messages", None, body(None)).await;
    assert_eq!(code, StatusCode::CREATED, "{message}");
    let conversation = message["conversation_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let (_, conversation) = app.get(&format!("/v1/conversations/{conversation}")).await;
    assert_eq!(conversation["account"], "+15550001111");
    assert_eq!(conversation["contact"]["address"], "+15552223333");
    let used = app
        .column("SELECT credential_id::text FROM cell.conversation")
        .await;
    assert_eq!(used, [first.uuid().to_string()]);

    app.credential(
        "twilio",
        json!({ "account_sid": "AC3", "phone_number": "+15550002222" }),
    )
    .await;
    let (code, problem) = app.post("/v1/messages", None, body(None)).await;
    assert_eq!(code, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"][0]["field"], "from");
    let (code, _) = app
        .post("/v1/messages", None, body(Some("+15559999999")))
        .await;
    assert_eq!(code, StatusCode::UNPROCESSABLE_ENTITY);
    let (code, second) = app
        .post("/v1/messages", None, body(Some("+15550002222")))
        .await;
    assert_eq!(code, StatusCode::CREATED);
    assert_ne!(second["conversation_id"], message["conversation_id"]);
    assert_eq!(second["seq"], 1);
}
