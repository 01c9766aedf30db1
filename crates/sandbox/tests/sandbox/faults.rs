//! Faults on demand.

use std::time::{Duration, Instant};

use sandbox::{Fault, Provider, Sandbox, Scope};
use serde_json::{Value, json};

use crate::fixture::*;

fn text() -> Value {
    json!({
        "messaging_product": "whatsapp",
        "to": "4915123456789",
        "type": "text",
        "text": { "body": "Hello" },
    })
}

/// A sound request to each provider.
fn requests(sandbox: &Sandbox) -> [(Provider, reqwest::RequestBuilder); 5] {
    let sms = [
        ("From", TWILIO_NUMBER),
        ("To", "+14155552671"),
        ("Body", "Hi"),
    ];
    let question = json!({
        "model": MODEL,
        "messages": [{ "role": "user", "content": "Hi" }],
    });
    [
        (Provider::WhatsApp, send_whatsapp(sandbox, &text())),
        (Provider::Twilio, send_sms(sandbox, &sms)),
        (Provider::Telegram, client().get(bot(sandbox, "getMe"))),
        (Provider::OpenAi, chat(sandbox, &question)),
        (
            Provider::Oidc,
            client().get(format!("{}/keys", sandbox.base_url(Provider::Oidc))),
        ),
    ]
}

#[tokio::test]
async fn refusals_have_each_providers_shape_and_end_by_themselves() {
    let sandbox = start().await;
    let code_at = |provider| match provider {
        Provider::WhatsApp => "/error/code",
        Provider::Twilio => "/code",
        Provider::Telegram => "/error_code",
        Provider::OpenAi => "/error/code",
        Provider::Oidc => "/error",
        other => panic!("{other} is asked nothing here"),
    };
    let wanted = [
        (
            Fault::rate_limited(7),
            429,
            [
                json!(130_429),
                json!(20429),
                json!(429),
                json!("rate_limit_exceeded"),
                json!("temporarily_unavailable"),
            ],
        ),
        (
            Fault::Unauthorized,
            401,
            [
                json!(190),
                json!(20003),
                json!(401),
                json!("invalid_api_key"),
                json!("invalid_client"),
            ],
        ),
        (
            Fault::ServerError,
            500,
            [
                json!(131_000),
                json!(20500),
                json!(500),
                Value::Null,
                json!("server_error"),
            ],
        ),
    ];
    for (fault, status, codes) in wanted {
        for ((provider, request), code) in requests(&sandbox).into_iter().zip(codes) {
            sandbox.faults().next(provider, fault.clone(), 1);
            let answer = request.send().await.expect("answers");
            assert_eq!(answer.status(), status, "{provider}");
            let retry_after = answer.headers().get("retry-after").cloned();
            assert_eq!(retry_after.is_some(), status == 429, "{provider}");
            let body: Value = answer.json().await.expect("is JSON");
            assert_eq!(body.pointer(code_at(provider)), Some(&code), "{body}");
            if provider == Provider::Telegram && status == 429 {
                assert_eq!(body["parameters"]["retry_after"], 7);
            }
        }
    }
    for (provider, request) in requests(&sandbox) {
        let (status, answer) = exchange(request).await;
        assert!((200..300).contains(&status), "{provider}: {answer}");
    }
}

#[tokio::test]
async fn a_slow_answer_is_late_and_whole() {
    let sandbox = start().await;
    let delay = Duration::from_millis(300);
    sandbox
        .faults()
        .next(Provider::WhatsApp, Fault::slow(delay), 1);
    let begun = Instant::now();
    let (status, _) = exchange(send_whatsapp(&sandbox, &text())).await;
    assert_eq!(status, 200);
    assert!(begun.elapsed() >= delay);
}

#[tokio::test]
async fn a_client_that_gives_up_on_a_slow_answer_has_still_sent() {
    let sandbox = start().await;
    let delay = Duration::from_secs(60);
    sandbox
        .faults()
        .next(Provider::WhatsApp, Fault::slow(delay), 1);
    let request = send_whatsapp(&sandbox, &text()).timeout(Duration::from_millis(200));
    let error = request.send().await.expect_err("the answer is too late");
    assert!(error.is_timeout());
    let received = sandbox.received(Provider::WhatsApp);
    assert_eq!((received.len(), received[0].status), (1, 200));
}

#[tokio::test]
async fn half_an_answer_breaks_off_after_the_request_took_effect() {
    let sandbox = start().await;
    for (provider, request) in requests(&sandbox) {
        sandbox.faults().next(provider, Fault::HalfAnswer, 1);
        let answer = request.send().await.expect("the head arrives");
        assert!(answer.status().is_success(), "{provider}");
        let length = answer.content_length().expect("announces its length");
        assert!(length > 2);
        answer.bytes().await.expect_err("the body is cut");
        let received = sandbox.received(provider);
        assert_eq!(received[0].fault, Some(Fault::HalfAnswer));
        assert!((200..300).contains(&received[0].status));
    }
}

#[tokio::test]
async fn a_stream_breaks_off_before_done() {
    let sandbox = start().await;
    sandbox
        .faults()
        .next(Provider::OpenAi, Fault::HalfAnswer, 1);
    let body = json!({
        "model": MODEL,
        "stream": true,
        "messages": [{ "role": "user", "content": "Hi there" }],
    });
    let mut answer = chat(&sandbox, &body).send().await.expect("answers");
    let mut seen = Vec::new();
    let broken = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => seen.extend_from_slice(&chunk),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken, "the connection is cut, not closed");
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.contains("chat.completion.chunk"));
    assert!(!seen.contains("[DONE]"));
}

#[tokio::test]
async fn malformed_json_arrives_whole_and_does_not_parse() {
    let sandbox = start().await;
    for (provider, request) in requests(&sandbox) {
        sandbox.faults().next(provider, Fault::Malformed, 1);
        let answer = request.send().await.expect("answers");
        assert!(answer.status().is_success());
        let body = answer
            .bytes()
            .await
            .expect("the body is complete as announced");
        assert!(!body.is_empty());
        serde_json::from_slice::<Value>(&body).expect_err("is half of some JSON");
    }
}

#[tokio::test]
async fn a_fault_keeps_to_its_account_and_path() {
    let sandbox = start().await;
    let faults = sandbox.faults();
    let other = Scope::account("999");
    faults.next_in(Provider::WhatsApp, other, Fault::ServerError, 1);
    let elsewhere = Scope::path("phone_numbers");
    faults.next_in(Provider::WhatsApp, elsewhere, Fault::ServerError, 1);
    assert_eq!(exchange(send_whatsapp(&sandbox, &text())).await.0, 200);
    assert_eq!(faults.pending().len(), 2);
    faults.clear();
    let own = Scope::account(PHONE);
    faults.next_in(Provider::WhatsApp, own, Fault::ServerError, 1);
    assert_eq!(exchange(send_whatsapp(&sandbox, &text())).await.0, 500);
}
