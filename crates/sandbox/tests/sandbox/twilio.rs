//! Twilio's REST API.

use aws_lc_rs::hmac;
use base64::prelude::{BASE64_STANDARD, Engine};
use sandbox::Provider;
use serde_json::json;

use crate::fixture::*;

const TO: &str = "+14155552671";

#[tokio::test]
async fn a_message_is_queued_and_recorded() {
    let sandbox = start().await;
    let form = [("From", TWILIO_NUMBER), ("To", TO), ("Body", "Grüße")];
    let (status, answer) = exchange(send_sms(&sandbox, &form)).await;
    assert_eq!(status, 201, "{answer}");
    let sid = answer["sid"].as_str().expect("has a SID");
    assert!(sid.starts_with("SM") && sid.len() == 34);
    assert_eq!(answer["status"], "queued");
    assert_eq!(answer["account_sid"], SID);
    assert_eq!(answer["num_segments"], "1");
    assert_eq!(answer["num_media"], "0");
    let received = sandbox.received(Provider::Twilio);
    assert_eq!(received[0].account.as_deref(), Some(SID));
    assert_eq!(received[0].body["Body"], "Grüße");

    let media = [
        ("From", TWILIO_NUMBER),
        ("To", TO),
        ("MediaUrl", "https://example.com/1.png"),
        ("MediaUrl", "https://example.com/2.png"),
    ];
    let (status, answer) = exchange(send_sms(&sandbox, &media)).await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!(answer["num_media"], "2");
    let body = &sandbox.received(Provider::Twilio)[1].body;
    assert_eq!(body["MediaUrl"][1], "https://example.com/2.png");
}

#[tokio::test]
async fn departures_get_the_documented_codes() {
    let sandbox = start().await;
    let long = "x".repeat(1601);
    let from = ("From", TWILIO_NUMBER);
    let to = ("To", TO);
    let body = ("Body", "Hi");
    let cases: &[(&[(&str, &str)], u32)] = &[
        (&[from, body], 21604),
        (&[to, body], 21603),
        (&[from, to], 21602),
        (&[from, ("To", "4155552671"), body], 21211),
        (&[("From", "bloom"), to, body], 21212),
        (&[("From", "+15005550001"), to, body], 21606),
        (&[from, ("To", TWILIO_NUMBER), body], 21266),
        (&[from, to, ("Body", &long)], 21617),
        (&[from, to, body, ("StatusCallback", "hooks")], 21609),
        (&[from, to, body, ("MediaUrl", "picture")], 21620),
        (&[from, to, body, ("Bodi", "x")], 20001),
        (&[to, body, ("MessagingServiceSid", "x")], 21701),
    ];
    for (form, code) in cases {
        let (status, answer) = exchange(send_sms(&sandbox, form)).await;
        assert_eq!(status, 400, "{answer}");
        assert_eq!(answer["code"], *code, "{answer}");
        assert_eq!(answer["status"], 400);
        let more = format!("https://www.twilio.com/docs/errors/{code}");
        assert_eq!(answer["more_info"], more);
    }
    let base = sandbox.base_url(Provider::Twilio);
    let json = client()
        .post(format!("{base}/2010-04-01/Accounts/{SID}/Messages.json"))
        .basic_auth(SID, Some(TWILIO_TOKEN))
        .json(&json!({ "To": TO }));
    let (_, answer) = exchange(json).await;
    assert_eq!(answer["code"], 21604, "JSON is not read");
}

#[tokio::test]
async fn the_account_is_shown_only_to_itself() {
    let sandbox = start().await;
    let base = sandbox.base_url(Provider::Twilio);
    let get = |sid: &str| client().get(format!("{base}/2010-04-01/Accounts/{sid}.json"));
    let (status, account) = exchange(get(SID).basic_auth(SID, Some(TWILIO_TOKEN))).await;
    assert_eq!((status, &account["status"]), (200, &json!("active")));
    assert_eq!(account["sid"], SID);

    for request in [get(SID), get(SID).basic_auth(SID, Some("wrong"))] {
        let (status, answer) = exchange(request).await;
        assert_eq!(status, 401);
        assert_eq!(answer["code"], 20003);
        assert_eq!(answer["message"], "Authenticate");
    }
    let other = "AC00000000000000000000000000000009";
    let (status, answer) = exchange(get(other).basic_auth(SID, Some(TWILIO_TOKEN))).await;
    assert_eq!((status, &answer["code"]), (404, &json!(20404)));
}

#[tokio::test]
async fn media_are_served_to_their_account() {
    let sandbox = start().await;
    let base = sandbox.base_url(Provider::Twilio);
    let file = sandbox
        .media()
        .add(Provider::Twilio, SID, "image/jpeg", &b"jpeg"[..]);
    let sms = sandbox::senders::twilio::Sms::new(&twilio_account(), TO, "").media(&base, &file);
    let fields = sms.fields();
    let (_, url) = fields
        .iter()
        .find(|(name, _)| name == "MediaUrl0")
        .expect("names its media");
    let fetched = client().get(url).basic_auth(SID, Some(TWILIO_TOKEN)).send();
    let bytes = fetched.await.expect("answers").bytes().await;
    assert_eq!(&bytes.expect("is whole")[..], b"jpeg");
    assert_eq!(exchange(client().get(url)).await.0, 401);
}

#[tokio::test]
async fn status_callbacks_arrive_signed_for_their_url() {
    let sandbox = start().await;
    let receiver = Receiver::start(0).await;
    let url = format!("{}?message=msg_1", receiver.url);
    let form = [
        ("From", TWILIO_NUMBER),
        ("To", TO),
        ("Body", "Hi"),
        ("StatusCallback", url.as_str()),
    ];
    let (_, answer) = exchange(send_sms(&sandbox, &form)).await;
    let arrived = receiver.at_least(2).await;
    for (webhook, wanted) in arrived.iter().zip(["sent", "delivered"]) {
        let mut fields = webhook.form();
        fields.sort();
        let signed = fields
            .iter()
            .fold(url.clone(), |text, (name, value)| text + name + value);
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, TWILIO_TOKEN.as_bytes());
        let signature = BASE64_STANDARD
            .decode(webhook.header("x-twilio-signature"))
            .expect("is base64");
        hmac::verify(&key, signed.as_bytes(), &signature).expect("is signed");
        let field = |wanted: &str| {
            let found = fields.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(field("MessageStatus"), Some(wanted));
        assert_eq!(field("MessageSid"), answer["sid"].as_str());
        assert_eq!(field("AccountSid"), Some(SID));
    }
}
