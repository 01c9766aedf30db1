//! Signatures of providers that the sandbox does not simulate.

use aws_lc_rs::hmac;
use base64::prelude::{BASE64_STANDARD, Engine};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sandbox::senders::Outgoing;
use time::OffsetDateTime;

fn hmac_sha256(key: &str, signed: &[u8]) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    hmac::sign(&key, signed)
}

pub fn hmac_sha256_hex(key: &str, signed: &[u8]) -> String {
    hex::encode(hmac_sha256(key, signed))
}

pub fn hmac_sha256_base64(key: &str, signed: &[u8]) -> String {
    BASE64_STANDARD.encode(hmac_sha256(key, signed))
}

/// A JSON body for a URL, with whatever headers.
pub fn json(url: &str, body: &str, headers: &[(&'static str, &str)]) -> Outgoing {
    let mut map = HeaderMap::new();
    map.insert("content-type", HeaderValue::from_static("application/json"));
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).expect("a header's value");
        map.insert(HeaderName::from_static(name), value);
    }
    Outgoing {
        method: Method::POST,
        url: url.to_owned(),
        headers: map,
        body: body.to_owned().into(),
    }
}

/// As Meta signs any body of its app's.
pub fn meta(url: &str, app_secret: &str, body: &str) -> Outgoing {
    let signature = format!("sha256={}", hmac_sha256_hex(app_secret, body.as_bytes()));
    json(url, body, &[("x-hub-signature-256", &signature)])
}

/// As Slack signs, now.
pub fn slack(url: &str, signing_secret: &str, body: &str) -> Outgoing {
    let now = OffsetDateTime::now_utc().unix_timestamp().to_string();
    let signed = format!("v0:{now}:{body}");
    let signature = format!("v0={}", hmac_sha256_hex(signing_secret, signed.as_bytes()));
    let headers = [
        ("x-slack-request-timestamp", now.as_str()),
        ("x-slack-signature", signature.as_str()),
    ];
    json(url, body, &headers)
}
