//! What every test of the webhook functions needs: the built-in catalogue and requests that own
//! their parts.

#![allow(dead_code, reason = "each test binary uses its own part")]

use connect::catalogue::{Catalogue, Webhook};
use connect::webhook::{Child, Reason, Request, Secrets, SignableRequest, Slot, Verdict, sign};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use kernel::secret::Secret;
use serde_json::{Value, json};
use time::OffsetDateTime;

pub const FORM: &str = "application/x-www-form-urlencoded";
pub const JSON: &str = "application/json";
pub const NOW: i64 = 1_700_000_000;

pub fn webhook(provider: &str) -> Webhook {
    Catalogue::builtin()
        .get(provider)
        .unwrap_or_else(|| panic!("{provider} is in the catalogue"))
        .webhook
        .clone()
        .unwrap_or_else(|| panic!("{provider} has webhooks"))
}

pub fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).expect("a time within the calendar")
}

pub fn post(content_type: &'static str, body: &str) -> SignableRequest {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(content_type));
    SignableRequest {
        method: Method::POST,
        url: "https://hooks.example.com/hooks/acme/provider".to_owned(),
        headers,
        body: body.as_bytes().to_vec(),
    }
}

pub fn get(url: &str) -> SignableRequest {
    SignableRequest {
        method: Method::GET,
        url: url.to_owned(),
        headers: HeaderMap::new(),
        body: Vec::new(),
    }
}

pub fn with_header(mut request: SignableRequest, name: &str, value: &str) -> SignableRequest {
    request.headers.append(
        HeaderName::try_from(name).expect("a header name"),
        HeaderValue::from_str(value).expect("a header value"),
    );
    request
}

pub fn signed(webhook: &Webhook, mut request: SignableRequest, secret: &str) -> SignableRequest {
    sign(webhook, &mut request, &Secret::new(secret), at(NOW)).expect("signs");
    request
}

pub fn verify_at(
    webhook: &Webhook,
    request: &SignableRequest,
    secret: &str,
    previous: Option<&str>,
    received_at: OffsetDateTime,
) -> Verdict {
    let current = Secret::new(secret);
    let previous = previous.map(Secret::new);
    let secrets = Secrets {
        current: &current,
        previous: previous.as_ref(),
    };
    webhook.verify(&request.as_request(received_at), &secrets)
}

pub fn verify(webhook: &Webhook, request: &SignableRequest, secret: &str) -> Verdict {
    verify_at(webhook, request, secret, None, at(NOW))
}

pub const CURRENT: Verdict = Verdict::Verified {
    slot: Slot::Current,
};
pub const PREVIOUS: Verdict = Verdict::Verified {
    slot: Slot::Previous,
};

pub fn refused(reason: Reason) -> Verdict {
    Verdict::Refused(reason)
}

pub fn view(request: &SignableRequest) -> Request<'_> {
    request.as_request(at(NOW))
}

pub fn split(provider: &str, request: &SignableRequest) -> Vec<Child> {
    webhook(provider).split(&view(request)).expect("splits")
}

pub fn one(provider: &str, request: &SignableRequest) -> Child {
    let mut children = split(provider, request);
    assert_eq!(children.len(), 1, "{provider}");
    children.remove(0)
}

pub fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(kind, value)| ((*kind).to_owned(), (*value).to_owned()))
        .collect()
}

/// Two accounts, two numbers; messages, statuses and an account notice in one delivery.
pub fn meta_batch() -> Value {
    json!({
        "object": "whatsapp_business_account",
        "entry": [
            {"id": "WABA1", "changes": [{"field": "messages", "value": {
                "messaging_product": "whatsapp",
                "metadata": {"phone_number_id": "PN1", "display_phone_number": "1555"},
                "contacts": [
                    {"wa_id": "49170", "profile": {"name": "Ann"}},
                    {"wa_id": "49171", "profile": {"name": "Bob"}}
                ],
                "messages": [
                    {"id": "wamid.A", "from": "49170", "type": "text", "text": {"body": "hi"}},
                    {"id": "wamid.B", "from": "49171", "type": "image", "image": {"id": "m"}}
                ]
            }}]},
            {"id": "WABA2", "changes": [
                {"field": "messages", "value": {
                    "metadata": {"phone_number_id": "PN2"},
                    "statuses": [
                        {"id": "wamid.C", "status": "sent", "recipient_id": "49170"},
                        {"id": "wamid.C", "status": "delivered", "recipient_id": "49170"}
                    ]
                }},
                {"field": "message_template_status_update", "value": {"event": "APPROVED"}}
            ]}
        ]
    })
}
