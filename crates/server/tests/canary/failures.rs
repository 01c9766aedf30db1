//! What goes wrong: refused webhooks and requests with secrets in them, and providers that refuse
//! the tenant's credentials in so many words.

use http::HeaderValue;
use kernel::secret::Secret;
use sandbox::senders::whatsapp::handshake;
use serde_json::json;

use crate::{
    common::{TestTenant, binary::PUBLIC_URL, client, poll, sign},
    planted::Planted,
    quoting::Quoting,
    seen::Seen,
    successes::{at, dead_letters},
};

pub async fn drive(
    url: &str,
    acme: &TestTenant,
    key: &Secret,
    planted: &Planted,
    quoting: &Quoting,
    seen: &Seen,
) {
    webhooks(url, acme, planted, seen).await;
    requests(url, acme, key, seen).await;
    providers(url, acme, key, quoting, seen).await;
}

/// Refused webhooks that carry secrets: right ones at the wrong place, and in the wrong header.
async fn webhooks(url: &str, acme: &TestTenant, planted: &Planted, seen: &Seen) {
    let secret = acme.telegram.secret_token.expose();
    let mut wrong = acme.telegram_text(PUBLIC_URL, 7_700_123, "hello");
    let almost = format!("{secret}x");
    let value = HeaderValue::from_str(&almost).expect("a header's value");
    wrong
        .headers
        .insert("x-telegram-bot-api-secret-token", value);
    assert_eq!(seen.webhook("almost the token", &at(url, wrong)).await, 401);
    for (provider, header, value) in [
        ("telegram", "authorization", format!("Bearer {secret}")),
        (
            "twilio",
            "authorization",
            format!("Basic {}", acme.twilio.auth_token.expose()),
        ),
        (
            "vapi",
            "authorization",
            planted.value("vapi", "webhook_secret").to_owned(),
        ),
        (
            "vapi",
            "x-api-key",
            planted.value("vapi", "api_key").to_owned(),
        ),
    ] {
        let hook = format!("{url}/hooks/acme/{provider}");
        let webhook = sign::json(&hook, "{}", &[(header, &value)]);
        assert_eq!(
            seen.webhook(provider, &webhook).await,
            401,
            "{provider} {header}"
        );
    }
    // A verify token travels in the URL, right and wrong.
    for (hook, expected) in [
        (format!("{url}/hooks/acme/whatsapp"), 200),
        (format!("{url}/hooks/whatsapp"), 401),
        (format!("{url}/hooks/nobody/whatsapp"), 401),
    ] {
        let token = acme.whatsapp.verify_token.expose();
        let asked = handshake(&hook, token, "challenge").expect("a URL");
        assert_eq!(seen.webhook("handshake", &asked).await, expected, "{hook}");
    }
}

/// Refused requests of the API that carry secrets.
async fn requests(url: &str, acme: &TestTenant, key: &Secret, seen: &Seen) {
    let post = |body: String| {
        client()
            .post(format!("{url}/v1/credentials"))
            .bearer_auth(key.expose())
            .header("content-type", "application/json")
            .body(body)
    };
    let secret = acme.twilio.auth_token.expose();
    for body in [
        json!({ "provider": "twilio", "name": "second", "values": { "account_sid": secret } }),
        json!({ "provider": "twilio", "values": { "no_such_field": secret } }),
        json!({ "provider": "telegram", "values": { "bot_token": secret, "secret_token": secret } }),
        json!({ "provider": "twilio", "values": secret }),
        json!({ "provider": "twilio", "values": { "auth_token": [secret] } }),
        json!({ "provider": "twilio", "values": { "auth_token": { "value": secret } } }),
    ] {
        let (status, answer) = seen.ask("refused credential", post(body.to_string())).await;
        assert_eq!(status, 422, "{answer}");
    }
    let broken = format!("{{\"provider\": \"twilio\", \"values\": {{\"auth_token\": \"{secret}");
    assert_eq!(seen.ask("broken body", post(broken)).await.0, 422);

    let mut spoilt = key.expose().to_owned();
    let last = spoilt.pop().expect("a character");
    spoilt.push(if last == 'a' { 'b' } else { 'a' });
    for (path, token) in [
        ("/v1/conversations", spoilt.as_str()),
        ("/v1/conversations", secret),
        ("/admin/v1/tenants", secret),
        ("/admin/v1/tenants", key.expose()),
    ] {
        let request = client().get(format!("{url}{path}")).bearer_auth(token);
        assert_eq!(seen.ask("refused token", request).await.0, 401, "{path}");
    }
    let request = client().get(format!("{url}/v1/conversations?api_key={}", key.expose()));
    assert_eq!(seen.ask("key in the URL", request).await.0, 401);
}

/// Calls to providers that quote the credential: refused for good, and to be tried again.
async fn providers(url: &str, acme: &TestTenant, key: &Secret, quoting: &Quoting, seen: &Seen) {
    let send = async |channel: &str, to: &str| {
        let body = json!({ "channel": channel, "to": to, "text": "hello" });
        let request = client()
            .post(format!("{url}/v1/messages"))
            .bearer_auth(key.expose())
            .json(&body);
        let (status, answer) = seen.ask("send", request).await;
        assert_eq!(status, 201, "{answer}");
    };
    let everywhere = async || {
        send("whatsapp", "+351912345678").await;
        send("sms", "+14155550123").await;
        send("telegram", "7700123").await;
        let asked = acme.whatsapp_text(PUBLIC_URL, "351912345678", "hello again");
        assert_eq!(seen.webhook("to be answered", &at(url, asked)).await, 200);
    };
    let request = client()
        .get(format!("{url}/v1/jobs?state=dead&limit=200"))
        .bearer_auth(key.expose());
    let (_, before) = seen.ask("dead letters", request).await;
    let before = before["data"].as_array().expect("a list").len();
    quoting.answer(401);
    everywhere().await;
    dead_letters(url, key, seen, before + 4).await;

    quoting.answer(500);
    let quoted = quoting.quoted();
    everywhere().await;
    assert!(poll(async || quoting.quoted() >= quoted + 4).await);
}
