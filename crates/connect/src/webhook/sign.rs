//! Signing as the providers do: the counterpart of verification, for samples, tests, the sandbox
//! and for trying an endpoint by hand.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use kernel::secret::Secret;
use serde_json::Value;
use time::OffsetDateTime;
use url::form_urlencoded;
use uuid::Uuid;

use super::selector::Scene;
use super::template::Values;
use super::{Reason, Request, Selector, Webhook, body, twilio};
use crate::catalogue::{SignatureScheme, Verifier};

/// A request to be sent. Signing adds headers; for Twilio it may change the URL, for Linear and
/// Mailgun the body.
#[derive(Debug, Clone)]
pub struct SignableRequest {
    pub method: Method,
    pub url: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl SignableRequest {
    /// The request as its receiver sees it.
    pub fn as_request(&self, received_at: OffsetDateTime) -> Request<'_> {
        Request {
            method: &self.method,
            url: &self.url,
            headers: &self.headers,
            body: &self.body,
            received_at,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error("the secret is empty or not of the form that this provider's signing keys have")]
    UnusableSecret,
    #[error("the body must be a JSON object or a form, because the signature stands inside it")]
    BodyHoldsSignature,
    #[error("the provider's catalogue entry puts a signed value where it cannot be written")]
    NotWritable,
    #[error("the request cannot be signed: {}", .0.explain())]
    NotSignable(Reason),
    #[error("the system gave no randomness")]
    Randomness,
}

/// Signs a request as the provider would, in the first of the provider's ways. `secret` is the
/// credential's secret, or the private key where the credential holds a public one: an Ed25519
/// seed or an ECDSA key in PKCS#8, in the same text format as the public key. A timestamp or
/// message id that the body or headers already carry is kept.
pub fn sign(
    webhook: &Webhook,
    request: &mut SignableRequest,
    secret: &Secret,
    at: OffsetDateTime,
) -> Result<(), SignError> {
    let way = webhook.verify.first().ok_or(SignError::NotWritable)?;
    way.sign(request, secret, at)
}

impl Verifier {
    /// Signs a request in this way; see [`sign`].
    pub fn sign(
        &self,
        request: &mut SignableRequest,
        secret: &Secret,
        at: OffsetDateTime,
    ) -> Result<(), SignError> {
        if secret.expose().trim().is_empty() {
            return Err(SignError::UnusableSecret);
        }
        match self {
            Self::Signature(scheme) => scheme.sign(request, secret, at),
            Self::StaticHeader(way) => {
                let value = format!("{}{}", way.prefix, secret.expose());
                set_header(request, &way.header, &value, true)
            }
            Self::Basic(_) => {
                let value = format!("Basic {}", STANDARD.encode(secret.expose()));
                set_header(request, &http::header::AUTHORIZATION, &value, true)
            }
            Self::Twilio(way) => {
                let view = request.as_request(at);
                if request.method != Method::GET
                    && !body::is_form(&view)
                    && !twilio::states_body_hash(&request.url)
                {
                    request.url = twilio::with_body_hash(&request.url, &request.body);
                }
                let signature = twilio::signature(&request.as_request(at), secret)?;
                set_header(request, &way.header, &signature, false)
            }
        }
    }
}

impl SignatureScheme {
    fn sign(
        &self,
        request: &mut SignableRequest,
        secret: &Secret,
        at: OffsetDateTime,
    ) -> Result<(), SignError> {
        let mut timestamp = String::new();
        if let Some(rule) = &self.timestamp {
            timestamp = rule.write(at);
            if let Some(selector) = &rule.at {
                // Inside the signed document a time is a number; beside it, it is text.
                let value = match (self.signed.covers_body(), timestamp.parse::<i64>()) {
                    (true, Ok(number)) => Value::from(number),
                    _ => Value::from(timestamp),
                };
                timestamp = put_unless_present(request, selector, value)?;
            }
        }
        let mut id = String::new();
        if let Some(selector) = &self.id {
            id = format!("msg_{}", Uuid::now_v7().simple());
            id = put_unless_present(request, selector, Value::from(id))?;
        }
        let message = self.signed.render(Values {
            body: &request.body,
            timestamp: &timestamp,
            id: &id,
            method: request.method.as_str(),
            url: &request.url,
        });
        let mut written = format!("{}{}", self.prefix, self.make(secret, &message)?);
        if let Some(list) = &self.list {
            written = format!("{}{}{written}", list.version, list.fields);
            let item = self
                .timestamp
                .as_ref()
                .and_then(|rule| rule.list_item.as_ref());
            if let Some(name) = item {
                written = format!("{name}{}{timestamp}{}{written}", list.fields, list.items);
            }
        }
        put(request, &self.at, Value::from(written))
    }
}

/// Writes a value unless one stands there; returns the one that stands there afterwards.
fn put_unless_present(
    request: &mut SignableRequest,
    selector: &Selector,
    value: Value,
) -> Result<String, SignError> {
    let present = |request: &SignableRequest| {
        let view = request.as_request(OffsetDateTime::UNIX_EPOCH);
        selector.first(&Scene::new(&view, None))
    };
    if present(request).is_none() {
        put(request, selector, value)?;
    }
    present(request).ok_or(SignError::NotWritable)
}

fn put(request: &mut SignableRequest, selector: &Selector, value: Value) -> Result<(), SignError> {
    let text = || {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    match selector {
        Selector::Header(name) => set_header(request, name, &text(), false),
        Selector::Body(paths) => {
            if body::is_form(&request.as_request(OffsetDateTime::UNIX_EPOCH)) {
                let name = paths.iter().find_map(super::Path::top_level);
                return append_field(request, name.ok_or(SignError::NotWritable)?, &text());
            }
            let first = paths.first().ok_or(SignError::NotWritable)?;
            let mut document: Value =
                serde_json::from_slice(&request.body).map_err(|_| SignError::BodyHoldsSignature)?;
            if !first.write(&mut document, value) {
                return Err(SignError::BodyHoldsSignature);
            }
            request.body = document.to_string().into_bytes();
            Ok(())
        }
        _ => Err(SignError::NotWritable),
    }
}

fn append_field(request: &mut SignableRequest, name: &str, value: &str) -> Result<(), SignError> {
    let existing = std::str::from_utf8(&request.body).map_err(|_| SignError::BodyHoldsSignature)?;
    let separator = if existing.is_empty() { "" } else { "&" };
    let pair = form_urlencoded::Serializer::new(String::new())
        .append_pair(name, value)
        .finish();
    request.body = format!("{existing}{separator}{pair}").into_bytes();
    Ok(())
}

fn set_header(
    request: &mut SignableRequest,
    name: &HeaderName,
    value: &str,
    secret: bool,
) -> Result<(), SignError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| SignError::UnusableSecret)?;
    // Keeps the value out of the header map's debug output.
    value.set_sensitive(secret);
    request.headers.insert(name, value);
    Ok(())
}
