//! The record of what was sent.

use std::time::Duration;

use sandbox::Provider;
use serde_json::json;

use crate::fixture::*;

#[tokio::test]
async fn no_secret_stays_in_the_record_wherever_it_was_sent() {
    let sandbox = start().await;
    let message = json!({
        "messaging_product": "whatsapp",
        "to": "4915123456789",
        "type": "text",
        "text": { "body": format!("my key is {OPENAI_KEY}") },
    });
    exchange(send_whatsapp(&sandbox, &message)).await;
    let base = sandbox.base_url(Provider::WhatsApp);
    let leaky = client()
        .get(format!("{base}/{PHONE}?access_token={WA_TOKEN}"))
        .header("x-secret", WA_APP_SECRET)
        .header("user-agent", format!("test {WA_APP_SECRET}"));
    exchange(leaky).await;
    exchange(
        client()
            .post(format!("{base}/{WABA}/subscribed_apps"))
            .bearer_auth(WA_TOKEN)
            .json(&json!({ "verify_token": "unknown-secret-1" })),
    )
    .await;
    exchange(send_sms(
        &sandbox,
        &[("To", "+14155552671"), ("Body", TWILIO_TOKEN)],
    ))
    .await;
    exchange(client().get(bot(&sandbox, "getMe"))).await;
    let telegram = sandbox.base_url(Provider::Telegram);
    exchange(client().get(format!("{telegram}/bot1:unknown-secret-2/getMe"))).await;
    let hook = json!({ "url": "https://example.com", "secret_token": "unknown-secret-3" });
    exchange(client().post(bot(&sandbox, "setWebhook")).json(&hook)).await;
    exchange(chat(&sandbox, &json!({}))).await;
    let models = format!("{}/models", sandbox.base_url(Provider::OpenAi));
    exchange(client().get(models).bearer_auth("unknown-secret-4")).await;

    let all = sandbox.record().all();
    assert_eq!(all.len(), 9);
    let shown = format!("{all:?} {}", serde_json::to_string(&all).expect("is JSON"));
    for secret in SECRETS.iter().chain(&["unknown-secret"]) {
        assert!(!shown.contains(secret), "{secret} stays in {shown}");
    }
    let authorization = ("authorization".to_owned(), "Bearer …".to_owned());
    assert!(all[0].headers.contains(&authorization));
    let sequences: Vec<u64> = all.iter().map(|received| received.sequence).collect();
    assert_eq!(sequences, (1..=9).collect::<Vec<u64>>());
}

#[tokio::test]
async fn waiting_ends_with_the_request_or_at_the_deadline() {
    let sandbox = start().await;
    let none = sandbox.wait_for(|_| true, Duration::from_millis(50)).await;
    assert!(none.is_none());
    let get_me = exchange(client().get(bot(&sandbox, "getMe")));
    let wait = sandbox.wait_for(
        |received| received.provider == Provider::Telegram && received.path.ends_with("getMe"),
        DEADLINE,
    );
    let (found, _) = tokio::join!(wait, get_me);
    assert_eq!(found.expect("arrives").status, 200);
}
