//! Telegram's Bot API.

use sandbox::{Provider, senders::telegram::Update};
use serde_json::{Value, json};

use crate::fixture::*;

#[tokio::test]
async fn a_message_is_sent_by_json_form_and_query() {
    let sandbox = start().await;
    let url = bot(&sandbox, "sendMessage");
    let requests = [
        client()
            .post(&url)
            .json(&json!({ "chat_id": 7, "text": "Hello" })),
        client().post(&url).form(&[
            ("chat_id", "7"),
            ("text", "Hello"),
            ("disable_notification", "true"),
            ("reply_parameters", r#"{"message_id":1}"#),
        ]),
        client().get(format!("{url}?chat_id=7&text=Hello")),
    ];
    for request in requests {
        let (status, answer) = exchange(request).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["ok"], true);
        let message = &answer["result"];
        assert_eq!(message["text"], "Hello");
        assert_eq!(message["chat"]["id"], 7);
        assert_eq!(message["from"]["username"], "bloom_bot");
        assert!(message["message_id"].is_u64());
    }
    let received = sandbox.received(Provider::Telegram);
    assert_eq!(received.len(), 3);
    assert_eq!(received[0].path, "bot4839574812:…/sendMessage");
    assert_eq!(received[0].account.as_deref(), Some("4839574812"));
}

#[tokio::test]
async fn departures_get_telegrams_descriptions() {
    let sandbox = start().await;
    let url = bot(&sandbox, "sendMessage");
    let cases = [
        (
            json!({ "chat_id": 7 }),
            "Bad Request: message text is empty",
        ),
        (
            json!({ "chat_id": 7, "text": "" }),
            "Bad Request: message text is empty",
        ),
        (
            json!({ "chat_id": 7, "text": "x".repeat(4097) }),
            "Bad Request: message is too long",
        ),
        (json!({ "text": "x" }), "Bad Request: chat_id is empty"),
        (
            json!({ "chat_id": 0, "text": "x" }),
            "Bad Request: chat not found",
        ),
        (
            json!({ "chat_id": "someone", "text": "x" }),
            "Bad Request: chat not found",
        ),
        (
            json!({ "chat_id": 7, "text": "x", "parse_mode": "BBCode" }),
            "Bad Request: unsupported parse_mode",
        ),
        (
            json!({ "chat_id": 7, "text": "x", "texxt": "x" }),
            "Bad Request: unknown parameter texxt",
        ),
    ];
    for (body, description) in cases {
        let (status, answer) = exchange(client().post(&url).json(&body)).await;
        let wanted = json!({ "ok": false, "error_code": 400, "description": description });
        assert_eq!((status, answer), (400, wanted), "{body}");
    }
}

#[tokio::test]
async fn tokens_and_methods_are_checked() {
    let sandbox = start().await;
    let base = sandbox.base_url(Provider::Telegram);
    let cases = [
        ("bot4839574812:AAFwrong/getMe", 401, "Unauthorized"),
        (
            "botnonsense/getMe",
            401,
            "Unauthorized: invalid token specified",
        ),
        ("getMe", 404, "Not Found"),
    ];
    for (path, code, description) in cases {
        let (status, answer) = exchange(client().get(format!("{base}/{path}"))).await;
        let wanted = json!({ "ok": false, "error_code": code, "description": description });
        assert_eq!((status, answer), (code, wanted), "{path}");
    }
    let (status, answer) = exchange(client().get(bot(&sandbox, "fly"))).await;
    assert_eq!(status, 404);
    assert_eq!(answer["description"], "Not Found: method not found");

    let (status, me) = exchange(client().get(bot(&sandbox, "getme"))).await;
    assert_eq!(
        (status, &me["result"]["id"]),
        (200, &json!(4_839_574_812_u64))
    );
    assert_eq!(me["result"]["is_bot"], true);
}

#[tokio::test]
async fn the_webhook_is_set_with_its_secret_and_removed() {
    let sandbox = start().await;
    let set = |body: Value| client().post(bot(&sandbox, "setWebhook")).json(&body);
    let refused = [
        json!({ "url": "http://example.com/hooks" }),
        json!({ "url": "https://example.com", "secret_token": "not allowed!" }),
        json!({ "url": "https://example.com", "secret_token": "x".repeat(257) }),
        json!({ "url": "nowhere" }),
    ];
    for body in refused {
        assert_eq!(exchange(set(body.clone())).await.0, 400, "{body}");
    }
    let body = json!({ "url": "https://example.com/hooks", "secret_token": "fresh-secret" });
    assert_eq!(exchange(set(body)).await.0, 200);
    let info = || exchange(client().get(bot(&sandbox, "getWebhookInfo")));
    assert_eq!(info().await.1["result"]["url"], "https://example.com/hooks");
    let account = sandbox.accounts().find_telegram("4839574812");
    let account = account.expect("is still known");
    assert_eq!(account.secret_token.expose(), "fresh-secret");
    let update = Update::text(7, "Hi").signed("https://example.com/hooks", &account.secret_token);
    assert_eq!(
        update.headers["x-telegram-bot-api-secret-token"],
        "fresh-secret"
    );
    assert!(!format!("{update:?}").contains("fresh-secret"));

    let (status, _) = exchange(client().post(bot(&sandbox, "deleteWebhook"))).await;
    assert_eq!(status, 200);
    assert_eq!(info().await.1["result"]["url"], "");
}

#[tokio::test]
async fn files_of_an_update_can_be_fetched() {
    let sandbox = start().await;
    let file = sandbox
        .media()
        .add(Provider::Telegram, "4839574812", "image/jpeg", &b"jpeg"[..]);
    let update = Update::photo(7, &file, Some("Look")).id(5).payload();
    assert_eq!(update["update_id"], 5);
    assert_eq!(update["message"]["caption"], "Look");
    for size in 0..2 {
        let id = &update["message"]["photo"][size]["file_id"];
        let get = client().post(bot(&sandbox, "getFile"));
        let (status, answer) = exchange(get.json(&json!({ "file_id": id }))).await;
        assert_eq!(status, 200, "{answer}");
        let path = answer["result"]["file_path"].as_str().expect("has a path");
        let base = sandbox.base_url(Provider::Telegram);
        let fetched = client().get(format!("{base}/file/bot{BOT}/{path}")).send();
        let bytes = fetched.await.expect("answers").bytes().await;
        assert_eq!(&bytes.expect("is whole")[..], b"jpeg");
    }
    let unknown = client()
        .post(bot(&sandbox, "getFile"))
        .json(&json!({ "file_id": "x" }));
    assert_eq!(exchange(unknown).await.0, 400);
}
