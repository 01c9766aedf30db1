//! Senders of webhooks, at a receiver.

use std::time::Duration;

use kernel::secret::Secret;
use sandbox::{
    Provider, WhatsAppAccount,
    senders::{
        Retries, telegram,
        twilio::{self, Sms},
        whatsapp::{Delivery, Message, Status, handshake},
    },
};
use serde_json::json;
use time::OffsetDateTime;

use crate::fixture::*;

#[tokio::test]
async fn a_batch_spans_accounts_and_numbers() {
    let sandbox = start().await;
    let first = whatsapp_account();
    let second = WhatsAppAccount {
        phone_number_id: "2".to_owned(),
        ..first.clone()
    };
    let foreign = WhatsAppAccount {
        phone_number_id: "3".to_owned(),
        waba_id: "9".to_owned(),
        ..first.clone()
    };
    let at = OffsetDateTime::from_unix_timestamp(1_750_000_000).expect("is a time");
    let picture = sandbox
        .media()
        .add(Provider::WhatsApp, PHONE, "image/jpeg", &b"jpeg"[..]);
    let hello = Message::text("4915123456789", "Grüße")
        .id("wamid.1")
        .name("Ada")
        .at(at);
    let image = Message::image("4915123456789", &picture, Some("Look")).reply_to("wamid.0");
    let payload = Delivery::new()
        .message(&first, &hello)
        .message(&second, &image)
        .status(
            &foreign,
            Status::failed("wamid.2", "4915", 131_026, "Message undeliverable"),
        )
        .payload();
    assert_eq!(payload["object"], "whatsapp_business_account");
    assert_eq!(payload["entry"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        payload["entry"][0]["changes"][0],
        json!({
            "field": "messages",
            "value": {
                "messaging_product": "whatsapp",
                "metadata": { "display_phone_number": "15550783881", "phone_number_id": PHONE },
                "contacts": [{ "profile": { "name": "Ada" }, "wa_id": "4915123456789" }],
                "messages": [{
                    "from": "4915123456789",
                    "id": "wamid.1",
                    "timestamp": "1750000000",
                    "type": "text",
                    "text": { "body": "Grüße" },
                }],
            },
        })
    );
    let image = &payload["entry"][0]["changes"][1]["value"]["messages"][0];
    assert_eq!(image["image"]["id"], picture.id);
    assert_eq!(image["context"]["id"], "wamid.0");
    let failed = &payload["entry"][1]["changes"][0]["value"]["statuses"][0];
    assert_eq!(failed["errors"][0]["code"], 131_026);
}

#[tokio::test]
async fn a_refused_webhook_is_sent_again_unchanged() {
    let receiver = Receiver::start(2).await;
    let webhook = Delivery::new()
        .message(&whatsapp_account(), &Message::text("4915123456789", "Hi"))
        .signed(&receiver.url, &Secret::new(WA_APP_SECRET));
    let retries = Retries {
        attempts: 5,
        first_wait: Duration::from_millis(10),
    };
    let sent = webhook.send_with_retries(&client(), retries).await;
    let sent = sent.expect("arrives");
    assert_eq!((sent.status, sent.attempts), (200, 3));
    let arrived = receiver.at_least(3).await;
    assert_eq!(arrived.len(), 3);
    for again in &arrived[1..] {
        assert_eq!(again.body, arrived[0].body);
        let signature = "x-hub-signature-256";
        assert_eq!(again.header(signature), arrived[0].header(signature));
    }

    let receiver = Receiver::start(9).await;
    let webhook = telegram::Update::text(7, "Hi").signed(&receiver.url, &Secret::new(BOT_SECRET));
    let retries = Retries {
        attempts: 2,
        ..retries
    };
    let sent = webhook.send_with_retries(&client(), retries).await;
    let sent = sent.expect("is answered");
    assert_eq!((sent.status, sent.attempts), (503, 2));
}

#[tokio::test]
async fn the_handshake_returns_the_challenge() {
    let receiver = Receiver::start(0).await;
    let shake = |token: &str| handshake(&receiver.url, token, "1158201444").expect("is a URL");
    let answer = shake(WA_VERIFY).send(&client()).await.expect("answers");
    assert_eq!(
        (answer.status, answer.text()),
        (200, "1158201444".to_owned())
    );
    let answer = shake("wrong").send(&client()).await.expect("answers");
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn an_sms_has_the_usual_fields_and_survives_the_form() {
    let receiver = Receiver::start(0).await;
    let sms = Sms::new(&twilio_account(), "+14155552671", "1 + 1 = 2 & ü").sid("SM1");
    let webhook = sms.signed(&receiver.url, &Secret::new(TWILIO_TOKEN));
    let sent = webhook.send(&client()).await.expect("arrives");
    assert!(sent.is_success());
    let arrived = &receiver.at_least(1).await[0];
    assert_eq!(arrived.form(), sms.fields());
    let fields = arrived.form();
    let value = |wanted: &str| {
        let found = fields.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(value("Body"), Some("1 + 1 = 2 & ü"));
    assert_eq!(value("MessageSid"), Some("SM1"));
    assert_eq!(value("To"), Some(TWILIO_NUMBER));
    assert_eq!(value("NumMedia"), Some("0"));
    assert_eq!(arrived.header("i-twilio-idempotency-token").len(), 36);

    let call = twilio::incoming_call_fields(&twilio_account(), "CA1", "+14155552671");
    assert!(call.contains(&("CallStatus".to_owned(), "ringing".to_owned())));
}
