//! What goes well: webhooks of every kind of authentication, replies, and reading it all.

use base64::prelude::{BASE64_STANDARD, Engine};
use kernel::secret::Secret;
use sandbox::{Provider, Sandbox, senders::Outgoing};
use serde_json::json;

use crate::{
    CONTROL,
    common::{DEADLINE, TestTenant, binary::PUBLIC_URL, client, is_reply, poll, sign},
    planted::Planted,
    seen::Seen,
};

/// The webhook at the address where the server really listens.
pub fn at(url: &str, mut webhook: Outgoing) -> Outgoing {
    webhook.url = webhook.url.replacen(PUBLIC_URL, url, 1);
    webhook
}

pub async fn drive(
    url: &str,
    acme: &TestTenant,
    key: &Secret,
    planted: &Planted,
    sandbox: &Sandbox,
    seen: &Seen,
) {
    sandbox.record().clear();
    let mut messages = [
        (
            Provider::WhatsApp,
            acme.whatsapp_text(PUBLIC_URL, "351912345678", CONTROL),
        ),
        (
            Provider::Twilio,
            acme.sms(PUBLIC_URL, "+14155550123", CONTROL),
        ),
        (
            Provider::Telegram,
            acme.telegram_text(PUBLIC_URL, 7_700_123, CONTROL),
        ),
    ];
    for (provider, webhook) in &mut messages {
        // A proxy in front may add credentials of its own.
        let added = planted.operator_token();
        for name in ["authorization", "cookie", "proxy-authorization"] {
            webhook
                .headers
                .insert(name, added.expose().parse().expect("a header's value"));
        }
        let webhook = at(url, webhook.clone());
        assert_eq!(seen.webhook("message", &webhook).await, 200, "{provider}");
        let replied = sandbox
            .wait_for(|call| is_reply(call, *provider), DEADLINE)
            .await;
        assert!(replied.is_some(), "{provider} gets no reply");
    }
    let vapi = planted.value("vapi", "webhook_secret");
    let bearer = format!("Bearer {vapi}");
    let basic = planted.value("postmark", "webhook_basic_auth");
    let basic = format!("Basic {}", BASE64_STANDARD.encode(basic));
    let channel = planted.value("google_calendar", "channel_token");
    for (provider, header, value) in [
        ("vapi", "x-vapi-secret", vapi),
        ("vapi", "authorization", bearer.as_str()),
        ("postmark", "authorization", basic.as_str()),
        ("google_calendar", "x-goog-channel-token", channel),
    ] {
        let hook = format!("{url}/hooks/acme/{provider}");
        let body = json!({ "message": { "type": header }, "RecordType": "Delivery" });
        let webhook = sign::json(&hook, &body.to_string(), &[(header, value)]);
        assert_eq!(
            seen.webhook(provider, &webhook).await,
            200,
            "{provider} {header}"
        );
    }
    look_around(url, key, planted, seen).await;
}

/// Reads everything that the interfaces show.
pub async fn look_around(url: &str, key: &Secret, planted: &Planted, seen: &Seen) {
    let get = |path: &str, token: &Secret| {
        client()
            .get(format!("{url}{path}"))
            .bearer_auth(token.expose())
    };
    let paths = [
        "/v1/credentials",
        "/v1/providers?limit=200",
        "/v1/webhook-endpoints",
        "/v1/contacts",
        "/v1/agents",
        "/v1/api-keys",
        "/v1/jobs?limit=200",
        "/v1/jobs?state=dead&limit=200",
        "/openapi.json",
        "/docs/api/",
        "/metrics",
        "/readyz",
        "/healthz",
    ];
    for path in paths {
        let (status, body) = seen.ask(path, get(path, key)).await;
        assert_eq!(status, 200, "{path}: {body}");
    }
    let operator = planted.operator_token();
    for path in [
        "/admin/v1/tenants",
        "/admin/v1/quarantine",
        "/admin/v1/audit?limit=200",
    ] {
        let (status, body) = seen.ask(path, get(path, &operator)).await;
        assert_eq!(status, 200, "{path}: {body}");
    }
    let (_, jobs) = seen.ask("jobs", get("/v1/jobs?limit=200", key)).await;
    let jobs = jobs["data"].as_array().expect("a list");
    let mut correlations: Vec<&str> = jobs
        .iter()
        .filter_map(|job| job["correlation_id"].as_str())
        .collect();
    correlations.sort_unstable();
    correlations.dedup();
    assert!(!correlations.is_empty());
    for correlation in correlations {
        let path = format!("/v1/traces/{correlation}");
        assert_eq!(seen.ask("trace", get(&path, key)).await.0, 200);
    }
    let (_, conversations) = seen
        .ask("conversations", get("/v1/conversations", key))
        .await;
    for conversation in conversations["data"].as_array().expect("a list") {
        let id = conversation["id"].as_str().expect("an id");
        let path = format!("/v1/conversations/{id}/messages");
        assert_eq!(seen.ask("messages", get(&path, key)).await.0, 200);
    }
}

/// Waits until so many jobs have failed for good.
pub async fn dead_letters(url: &str, key: &Secret, seen: &Seen, count: usize) {
    let path = format!("{url}/v1/jobs?state=dead&limit=200");
    let mut found = 0;
    let reached = poll(async || {
        let request = client().get(&path).bearer_auth(key.expose());
        let (_, dead) = seen.ask("dead letters", request).await;
        found = dead["data"].as_array().map_or(0, Vec::len);
        found >= count
    })
    .await;
    assert!(reached, "{found} of {count} dead letters");
}
