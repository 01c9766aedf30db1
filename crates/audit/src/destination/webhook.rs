//! Delivery by HTTP POST, signed as Standard Webhooks has it (standardwebhooks.com, specification
//! 1.0.0): HMAC-SHA-256 over id, time and body.

use std::{fmt, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use kernel::secret::Secret;
use reqwest::header::CONTENT_TYPE;
use time::OffsetDateTime;
use url::Url;

use super::{DeliveryError, Message};

const TIMEOUT: Duration = Duration::from_secs(10);
const PREFIX: &str = "whsec_";

pub(super) struct Webhook {
    url: Url,
    key: hmac::Key,
    client: reqwest::Client,
}

impl Webhook {
    /// `None` when the secret is not one of the form that Standard Webhooks asks for.
    pub fn new(url: Url, secret: &Secret) -> Option<Self> {
        let encoded = secret.expose().strip_prefix(PREFIX)?;
        let key = zeroize::Zeroizing::new(STANDARD.decode(encoded).ok()?);
        if !(24..=64).contains(&key.len()) {
            return None;
        }
        // A redirect would carry entries to wherever the answer says.
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .ok()?;
        Some(Self {
            url,
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            client,
        })
    }

    pub async fn send(&self, message: &Message<'_>) -> Result<(), DeliveryError> {
        let now = OffsetDateTime::now_utc();
        let body = serde_json::json!({
            "type": message.kind(),
            "timestamp": kernel::audit::timestamp(now),
            "data": message.data(),
        })
        .to_string();
        let (id, seconds) = (message.id(), now.unix_timestamp());
        let signed = format!("{id}.{seconds}.{body}");
        let signature = STANDARD.encode(hmac::sign(&self.key, signed.as_bytes()));
        let answer = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", format!("v1,{signature}"))
            .body(body)
            .send()
            .await
            // The address may hold a token.
            .map_err(|error| DeliveryError::Unreachable(error.without_url().into()))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(DeliveryError::Refused(status.as_u16())),
        }
    }
}

/// Without user, password and query, any of which may be a secret.
impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.url.origin().ascii_serialization();
        write!(f, "{origin}{}", self.url.path())
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Webhook({self})")
    }
}
