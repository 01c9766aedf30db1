//! Delivery by HTTP POST, signed as Standard Webhooks has it (standardwebhooks.com, specification
//! 1.0.0): HMAC-SHA-256 over id, time and body.

use std::{fmt, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use egress::{Egress, Place};
use http::Method;
use kernel::secret::Secret;
use reqwest::header::CONTENT_TYPE;
use time::OffsetDateTime;
use url::Url;

use super::{AddressError, DeliveryError, Message};

const TIMEOUT: Duration = Duration::from_secs(10);
const PREFIX: &str = "whsec_";

pub(super) struct Webhook {
    url: Url,
    key: hmac::Key,
    /// The name and password that stood in the address.
    user: Option<(String, Secret)>,
    egress: Egress,
}

/// The key of a secret of the form that Standard Webhooks asks for.
fn key(secret: &Secret) -> Option<hmac::Key> {
    let encoded = secret.expose().strip_prefix(PREFIX)?;
    let key = zeroize::Zeroizing::new(STANDARD.decode(encoded).ok()?);
    let sound = (24..=64).contains(&key.len());
    sound.then(|| hmac::Key::new(hmac::HMAC_SHA256, &key))
}

impl Webhook {
    /// # Errors
    /// When the secret is not one of the form that Standard Webhooks asks for, and when the address
    /// is one that is never called. One inside a network is: the operator names it.
    pub fn new(mut url: Url, secret: &Secret) -> Result<Self, AddressError> {
        let key = key(secret).ok_or(AddressError::Secret)?;
        let user = (!url.username().is_empty() || url.password().is_some()).then(|| {
            let password = Secret::new(url.password().unwrap_or_default());
            (url.username().to_owned(), password)
        });
        if user.is_some() {
            url.set_username("")
                .and_then(|()| url.set_password(None))
                .expect("an address with a host can be without a user");
        }
        let egress = Egress::new(Place::of(&url).into_iter().collect())
            .map_err(|error| AddressError::Never(error.to_string()))?;
        egress
            .check(&url)
            .map_err(|refusal| AddressError::Never(refusal.to_string()))?;
        Ok(Self {
            url,
            key,
            user,
            egress,
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
        let mut request = self
            .egress
            .request(Method::POST, self.url.clone())
            .map_err(|refusal| DeliveryError::Unreachable(refusal.into()))?;
        if let Some((user, password)) = &self.user {
            request = request.basic_auth(user, Some(password.expose()));
        }
        let answer = request
            .timeout(TIMEOUT)
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
