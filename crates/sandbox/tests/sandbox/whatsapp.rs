//! Meta's Graph API.

use aws_lc_rs::hmac;
use sandbox::Provider;
use serde_json::{Value, json};

use crate::fixture::*;

fn text(body: &str) -> Value {
    json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+49 151 23456789",
        "type": "text",
        "text": { "preview_url": false, "body": body },
    })
}

#[tokio::test]
async fn a_text_is_accepted_and_recorded() {
    let sandbox = start().await;
    let (status, answer) = exchange(send_whatsapp(&sandbox, &text("Hello"))).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["messaging_product"], "whatsapp");
    assert_eq!(
        answer["contacts"],
        json!([{ "input": "+49 151 23456789", "wa_id": "4915123456789" }])
    );
    let id = answer["messages"][0]["id"].as_str().expect("has an id");
    assert!(id.starts_with("wamid."));

    let received = sandbox.received(Provider::WhatsApp);
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].method, "POST");
    assert_eq!(received[0].path, format!("v23.0/{PHONE}/messages"));
    assert_eq!(received[0].account.as_deref(), Some(PHONE));
    assert_eq!(received[0].body["text"]["body"], "Hello");
    assert_eq!(received[0].status, 200);
}

#[tokio::test]
async fn every_documented_type_is_accepted() {
    let sandbox = start().await;
    let media = sandbox
        .media()
        .add(Provider::WhatsApp, PHONE, "image/png", &b"png"[..]);
    let contents = [
        ("image", json!({ "id": media.id, "caption": "A picture" })),
        ("video", json!({ "link": "https://example.com/a.mp4" })),
        (
            "audio",
            json!({ "link": "https://example.com/a.ogg", "voice": true }),
        ),
        (
            "document",
            json!({ "link": "https://example.com/a.pdf", "filename": "a.pdf" }),
        ),
        ("sticker", json!({ "id": media.id })),
        ("location", json!({ "latitude": 52.5, "longitude": "13.4" })),
        ("reaction", json!({ "message_id": "wamid.x", "emoji": "" })),
        ("contacts", json!([{ "name": { "formatted_name": "Ada" } }])),
        (
            "interactive",
            json!({
                "type": "button",
                "body": { "text": "Choose" },
                "action": { "buttons": [] },
            }),
        ),
        (
            "template",
            json!({
                "name": "reminder",
                "language": { "code": "en_US" },
                "components": [{ "type": "body", "parameters": [{ "type": "text", "text": "Ada" }] }],
            }),
        ),
    ];
    for (kind, content) in contents {
        let mut message = json!({
            "messaging_product": "whatsapp",
            "to": "4915123456789",
            "type": kind,
            "context": { "message_id": "wamid.earlier" },
        });
        message[kind] = content;
        let (status, answer) = exchange(send_whatsapp(&sandbox, &message)).await;
        assert_eq!(status, 200, "{kind}: {answer}");
    }
    let read = json!({
        "messaging_product": "whatsapp",
        "status": "read",
        "message_id": "wamid.x",
        "typing_indicator": { "type": "text" },
    });
    let (status, answer) = exchange(send_whatsapp(&sandbox, &read)).await;
    assert_eq!((status, answer), (200, json!({ "success": true })));
}

#[tokio::test]
async fn departures_from_the_shape_get_the_documented_codes() {
    let sandbox = start().await;
    let with = |name: &str, value: Value| {
        let mut message = text("Hello");
        message[name] = value;
        message
    };
    let without = |name: &str| {
        let mut message = text("Hello");
        message.as_object_mut().expect("is an object").remove(name);
        message
    };
    let cases = [
        (without("messaging_product"), 100),
        (without("to"), 131_008),
        (without("text"), 131_008),
        (with("to", json!("not a number")), 131_009),
        (with("to", json!(4_915_123_456_789_i64)), 131_009),
        (with("text", json!({ "body": "" })), 131_008),
        (with("text", json!({ "body": "x".repeat(4097) })), 100),
        (with("text", json!({ "body": 7 })), 131_009),
        (with("text", json!({ "body": "x", "boddy": "x" })), 100),
        (with("type", json!("txt")), 100),
        (with("recipient", json!("x")), 100),
        (with("image", json!({ "id": "1" })), 100),
        (
            json!({ "messaging_product": "whatsapp", "to": "4915123456789", "type": "image",
                    "image": { "id": "unknown" } }),
            100,
        ),
        (
            json!({ "messaging_product": "whatsapp", "to": "4915123456789", "type": "image",
                    "image": {} }),
            131_008,
        ),
        (
            json!({ "messaging_product": "whatsapp", "to": "4915123456789", "type": "template",
                    "template": { "name": "x" } }),
            131_008,
        ),
        (
            json!({ "messaging_product": "whatsapp", "status": "seen", "message_id": "x" }),
            100,
        ),
    ];
    for (message, code) in cases {
        let (status, answer) = exchange(send_whatsapp(&sandbox, &message)).await;
        assert_eq!(status, 400, "{message} {answer}");
        assert_eq!(answer["error"]["code"], code, "{message} {answer}");
        assert_eq!(answer["error"]["type"], "OAuthException");
        assert!(answer["error"]["fbtrace_id"].is_string());
    }
    let url = format!("{}/{PHONE}/messages", sandbox.base_url(Provider::WhatsApp));
    let form = client()
        .post(url)
        .bearer_auth(WA_TOKEN)
        .form(&[("to", "1")]);
    let (status, answer) = exchange(form).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(100)));
}

#[tokio::test]
async fn a_wrong_token_and_another_accounts_number_are_refused() {
    let sandbox = start().await;
    let base = sandbox.base_url(Provider::WhatsApp);
    let url = format!("{base}/{PHONE}/messages");
    let stranger = client()
        .post(&url)
        .bearer_auth("EAAJwrong")
        .json(&text("x"))
        .send()
        .await
        .expect("answers");
    assert_eq!(stranger.status(), 401);
    assert!(stranger.headers().contains_key("www-authenticate"));
    let answer: Value = stranger.json().await.expect("is JSON");
    assert_eq!(answer["error"]["code"], 190);
    assert_eq!(answer["error"]["type"], "OAuthException");
    assert!(answer["error"]["fbtrace_id"].is_string());

    let (status, _) = exchange(client().post(&url).json(&text("x"))).await;
    assert_eq!(status, 401);

    let other = format!("{base}/999/messages");
    let (status, answer) =
        exchange(client().post(other).bearer_auth(WA_TOKEN).json(&text("x"))).await;
    assert_eq!(status, 400);
    assert_eq!(answer["error"]["type"], "GraphMethodException");
    assert_eq!(answer["error"]["error_subcode"], 33);
}

#[tokio::test]
async fn the_number_the_business_and_its_media_can_be_read() {
    let sandbox = start().await;
    let base = sandbox.base_url(Provider::WhatsApp);
    let get = |path: String| client().get(format!("{base}/{path}")).bearer_auth(WA_TOKEN);

    let (status, number) = exchange(get(PHONE.to_owned())).await;
    assert_eq!(status, 200);
    assert_eq!(number["display_phone_number"], "15550783881");
    let (_, chosen) = exchange(get(format!("{PHONE}?fields=verified_name"))).await;
    assert_eq!(chosen.as_object().map(serde_json::Map::len), Some(2));
    let (status, answer) = exchange(get(format!("{PHONE}?fields=colour"))).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(100)));

    let (_, business) = exchange(get(WABA.to_owned())).await;
    assert_eq!(business["id"], WABA);
    let (_, numbers) = exchange(get(format!("{WABA}/phone_numbers"))).await;
    assert_eq!(numbers["data"][0]["id"], PHONE);

    let file = sandbox
        .media()
        .add(Provider::WhatsApp, PHONE, "image/png", &b"\x89PNG"[..]);
    let (_, described) = exchange(get(file.id.clone())).await;
    assert_eq!(described["mime_type"], "image/png");
    assert_eq!(described["sha256"], file.sha256());
    assert_eq!(described["file_size"], 4);
    let url = described["url"].as_str().expect("has a URL").to_owned();
    let bytes = client().get(&url).bearer_auth(WA_TOKEN).send().await;
    let bytes = bytes.expect("answers").bytes().await.expect("is whole");
    assert_eq!(&bytes[..], b"\x89PNG");
    let (status, _) = exchange(client().get(&url)).await;
    assert_eq!(status, 401, "media are not public");
}

#[tokio::test]
async fn statuses_of_an_accepted_message_arrive_signed_and_in_order() {
    let sandbox = start().await;
    let receiver = Receiver::start(0).await;
    sandbox
        .accounts()
        .callback(Provider::WhatsApp, PHONE, &receiver.url);
    let mut message = text("Hello");
    message["biz_opaque_callback_data"] = "msg_1".into();
    let (_, answer) = exchange(send_whatsapp(&sandbox, &message)).await;
    let arrived = receiver.at_least(2).await;
    for (webhook, wanted) in arrived.iter().zip(["sent", "delivered"]) {
        let key = hmac::Key::new(hmac::HMAC_SHA256, WA_APP_SECRET.as_bytes());
        let signature = webhook.header("x-hub-signature-256");
        let signature = signature.strip_prefix("sha256=").expect("has its prefix");
        let signature = hex::decode(signature).expect("is hex");
        hmac::verify(&key, &webhook.body, &signature).expect("is signed with the app secret");
        let body = webhook.json();
        assert_eq!(body["entry"][0]["id"], WABA);
        let value = &body["entry"][0]["changes"][0]["value"];
        assert_eq!(value["metadata"]["phone_number_id"], PHONE);
        let status = &value["statuses"][0];
        assert_eq!(status["id"], answer["messages"][0]["id"]);
        assert_eq!(status["status"], wanted);
        assert_eq!(status["recipient_id"], "4915123456789");
        assert_eq!(status["biz_opaque_callback_data"], "msg_1");
    }
}

#[tokio::test]
async fn a_subscription_takes_a_callback_only_after_the_handshake() {
    let sandbox = start().await;
    let receiver = Receiver::start(0).await;
    let base = sandbox.base_url(Provider::WhatsApp);
    let subscribe = |token: &str, uri: &str| {
        client()
            .post(format!("{base}/{WABA}/subscribed_apps"))
            .bearer_auth(WA_TOKEN)
            .json(&json!({ "override_callback_uri": uri, "verify_token": token }))
    };
    let callback = || sandbox.accounts().callback_of(Provider::WhatsApp, PHONE);

    let (status, answer) = exchange(subscribe("wrong", &receiver.url)).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(2200)));
    let (status, _) = exchange(subscribe(WA_VERIFY, "https://example.com/hooks")).await;
    assert_eq!(status, 400, "the sandbox calls nobody beyond this machine");
    assert_eq!(callback(), None);

    let (status, answer) = exchange(subscribe(WA_VERIFY, &receiver.url)).await;
    assert_eq!((status, answer), (200, json!({ "success": true })));
    assert_eq!(callback().as_ref(), Some(&receiver.url));
    let (_, apps) = exchange(
        client()
            .get(format!("{base}/{WABA}/subscribed_apps"))
            .bearer_auth(WA_TOKEN),
    )
    .await;
    assert_eq!(apps["data"][0]["override_callback_uri"], receiver.url);
}
