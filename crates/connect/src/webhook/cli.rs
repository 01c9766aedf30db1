//! `freehold webhook verify` and `freehold webhook sign` without the command line: text in, an
//! outcome out. Reading arguments, files and standard input is the binary's business.

use std::fmt;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use kernel::secret::Secret;
use time::OffsetDateTime;

use super::{
    Child, Handshake, Malformed, Request, Secrets, SignError, SignableRequest, Slot, Verdict,
    Webhook,
};
use crate::catalogue::Catalogue;

/// A request as a person describes it.
#[derive(Debug)]
pub struct Input {
    pub provider: String,
    pub secret: Secret,
    pub previous: Option<Secret>,
    /// `GET`, `POST` …
    pub method: String,
    /// The public URL as it is configured at the provider.
    pub url: String,
    /// `Name: value`
    pub headers: Vec<String>,
    pub body: Vec<u8>,
    /// Unix seconds of receipt, or of sending.
    pub at: i64,
}

/// Input that makes no request: exit status 2.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("no provider `{name}`; known are: {known}")]
    UnknownProvider { name: String, known: String },
    #[error("the provider `{0}` sends no webhooks")]
    NoWebhooks(String),
    #[error("`{0}` is not a header: write it as 'Name: value'")]
    Header(String),
    #[error("`{0}` is not an HTTP method")]
    Method(String),
    #[error("`{0}` is not a time that a calendar has")]
    Time(i64),
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// What `verify` found; its `Display` is what the command prints.
#[derive(Debug)]
pub struct Verified {
    pub verdict: Verdict,
    /// Only of a verified request that is no handshake.
    pub events: Option<Result<Vec<Child>, Malformed>>,
}

pub fn verify(catalogue: &Catalogue, input: Input) -> Result<Verified, InputError> {
    let at = moment(input.at)?;
    let webhook = webhook(catalogue, &input.provider)?;
    let secrets = Secrets {
        current: &input.secret,
        previous: input.previous.as_ref(),
    };
    let method = method(&input.method)?;
    let headers = headers(&input.headers)?;
    let request = Request {
        method: &method,
        url: &input.url,
        headers: &headers,
        body: &input.body,
        received_at: at,
    };
    let verdict = webhook.verify(&request, &secrets);
    let handshake = webhook.handshake_signed(&request);
    let events =
        (verdict.is_verified() && handshake == Handshake::None).then(|| webhook.split(&request));
    Ok(Verified { verdict, events })
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verdict {
            Verdict::Verified { slot } => {
                let which = match slot {
                    Slot::Current => "current",
                    Slot::Previous => "previous",
                };
                writeln!(f, "verified with the {which} secret")?;
            }
            Verdict::Refused(reason) => {
                writeln!(f, "refused: {}\n{}", reason.code(), reason.explain())?;
            }
        }
        match &self.events {
            None => Ok(()),
            Some(Err(malformed)) => writeln!(f, "but it cannot be read: {malformed}"),
            Some(Ok(children)) => children.iter().try_for_each(|child| {
                writeln!(f, "event {} dedup={}", child.event_kind, child.dedup_key)
            }),
        }
    }
}

/// A signed request; its `Display` is a configuration file for `curl --config`, because there no
/// value passes through a shell or shows in the list of processes.
#[derive(Debug)]
pub struct Signed {
    pub request: SignableRequest,
    /// Whether signing changed the body, which then has to be sent instead of the original one.
    pub body_changed: bool,
}

pub fn sign(catalogue: &Catalogue, input: Input) -> Result<Signed, InputError> {
    let at = moment(input.at)?;
    let webhook = webhook(catalogue, &input.provider)?;
    let method = method(&input.method)?;
    let mut headers = headers(&input.headers)?;
    if method != Method::GET {
        // Without one curl would call the body a form, which is read and signed differently.
        headers
            .entry(CONTENT_TYPE)
            .or_insert(HeaderValue::from_static("application/json"));
    }
    let mut request = SignableRequest {
        method,
        headers,
        url: input.url,
        body: input.body.clone(),
    };
    super::sign(webhook, &mut request, &input.secret, at)?;
    Ok(Signed {
        body_changed: request.body != input.body,
        request,
    })
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "request = {}", quoted(self.request.method.as_str()))?;
        for (name, value) in &self.request.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            writeln!(f, "header = {}", quoted(&format!("{name}: {value}")))?;
        }
        if !self.request.url.is_empty() {
            writeln!(f, "url = {}", quoted(&self.request.url))?;
        }
        if self.body_changed {
            let body = String::from_utf8_lossy(&self.request.body);
            writeln!(f, "data-raw = {}", quoted(&body))?;
        }
        Ok(())
    }
}

/// Quotes for curl's configuration files.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

fn webhook<'c>(catalogue: &'c Catalogue, name: &str) -> Result<&'c Webhook, InputError> {
    let provider = catalogue.get(name).ok_or_else(|| {
        let known: Vec<&str> = catalogue
            .iter()
            .filter(|provider| provider.webhook.is_some())
            .map(|provider| provider.id.as_str())
            .collect();
        InputError::UnknownProvider {
            name: name.to_owned(),
            known: known.join(", "),
        }
    })?;
    provider
        .webhook
        .as_ref()
        .ok_or_else(|| InputError::NoWebhooks(name.to_owned()))
}

fn moment(at: i64) -> Result<OffsetDateTime, InputError> {
    OffsetDateTime::from_unix_timestamp(at).map_err(|_| InputError::Time(at))
}

fn method(text: &str) -> Result<Method, InputError> {
    Method::from_bytes(text.to_ascii_uppercase().as_bytes())
        .map_err(|_| InputError::Method(text.to_owned()))
}

fn headers(lines: &[String]) -> Result<HeaderMap, InputError> {
    let mut headers = HeaderMap::new();
    for line in lines {
        // The message shows the name alone: the value may be a token.
        let name = line.split(':').next().unwrap_or_default();
        let unusable = || InputError::Header(name.to_owned());
        let (name, value) = line.split_once(':').ok_or_else(unusable)?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| unusable())?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| unusable())?;
        headers.append(name, value);
    }
    Ok(headers)
}
