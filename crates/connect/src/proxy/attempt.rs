//! Sending a request, and sending it again where that is safe: the method is one that may be
//! repeated (RFC 9110, section 9.2.2) or the caller sent the provider's idempotency key, the body is
//! small enough to be kept, and the failure is one that passes.

use std::time::Duration;

use axum::body::{self, Body, HttpBody};
use egress::{Egress, Refusal};
use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderName, Method, StatusCode, header::CONTENT_LENGTH};
use kernel::{Error, Result};
use reqwest::Response;
use serde_json::Value;
use time::OffsetDateTime;
use url::Url;

use super::meter::Bytes;
use crate::{
    call::{Failure, Unreached, transport},
    catalogue::Retry,
};

/// The largest body that is kept for being sent again. A larger one, and one of unknown length,
/// goes through as it comes, once.
const KEPT: usize = 64 * 1024;
/// How often a request is sent again.
const RETRIES: u32 = 2;
/// The longest that the caller is kept waiting between two attempts. Where the provider asks for
/// more, its answer goes back instead.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest that a call may take with all of its streaming.
const LONGEST: Duration = Duration::from_secs(3600);

/// A request that is ready but for its body. Its address may hold the secret, so it is not shown.
pub(super) struct Attempts<'a> {
    pub egress: &'a Egress,
    pub method: Method,
    pub target: &'a Url,
    pub headers: HeaderMap,
    pub retry: &'a Retry,
}

/// What is sent as the body.
#[derive(Debug)]
pub(super) enum Payload {
    /// Can be sent again.
    Kept(bytes::Bytes),
    /// Goes through as it comes.
    Streamed(reqwest::Body),
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nothing was sent.
    #[error("{}", .0.0)]
    Unconnected(Unreached),
    #[error("{}", .0.0)]
    Lost(Unreached),
}

impl Unanswered {
    fn of(error: &reqwest::Error) -> Self {
        match Refusal::behind(error) {
            Some(refusal) => Self::Refused(refusal.clone()),
            None if error.is_connect() => Self::Unconnected(transport(error)),
            None => Self::Lost(transport(error)),
        }
    }

    pub fn told(self, provider: &str) -> Error {
        match self {
            Self::Refused(refusal) => refusal.into(),
            Self::Unconnected(unreached) | Self::Lost(unreached) => {
                Failure::from(unreached).told(provider)
            }
        }
    }
}

/// What came of it, and how long the provider asked to be left alone, where it did.
pub(super) type Outcome = (std::result::Result<Response, Unanswered>, Option<Duration>);

impl Attempts<'_> {
    /// Takes the caller's body, whole where it may have to be sent again. Its length is told to the
    /// provider as the caller told it.
    pub async fn payload(
        &mut self,
        sent: &HeaderMap,
        body: Body,
        mut count: Bytes,
    ) -> Result<Payload> {
        if let Some(length) = sent.get(CONTENT_LENGTH) {
            self.headers.insert(CONTENT_LENGTH, length.clone());
        }
        let known = body.size_hint().exact();
        let small = known.is_some_and(|length| length <= KEPT as u64);
        if small && (known == Some(0) || self.may_repeat()) {
            let body = body::to_bytes(body, KEPT)
                .await
                .map_err(|_| Error::invalid("the body broke off"))?;
            count.add(body.len());
            return Ok(Payload::Kept(body));
        }
        let stream = body
            .into_data_stream()
            .inspect_ok(move |chunk| count.add(chunk.len()));
        Ok(Payload::Streamed(reqwest::Body::wrap_stream(stream)))
    }

    /// Whether the provider takes the request twice as it takes it once.
    fn may_repeat(&self) -> bool {
        let key = self.retry.idempotency_header.as_deref();
        let key = key.and_then(|name| HeaderName::try_from(name).ok());
        self.method.is_idempotent() || key.is_some_and(|name| self.headers.contains_key(name))
    }

    pub async fn send(self, payload: Payload) -> Outcome {
        let kept = match payload {
            Payload::Streamed(body) => {
                let outcome = self.attempt(body).await;
                let wait = self.wait(&outcome);
                return (outcome, wait);
            }
            Payload::Kept(body) => body,
        };
        let mut pause = FIRST_PAUSE;
        let mut left = if self.may_repeat() { RETRIES } else { 0 };
        loop {
            let outcome = self.attempt(kept.clone().into()).await;
            let wait = self.wait(&outcome);
            let next = wait.unwrap_or_else(|| pause.mul_f64(rand::random_range(0.5..1.5)));
            if left == 0 || !self.passes(&outcome) || next > LONGEST_PAUSE {
                return (outcome, wait);
            }
            drop(outcome);
            tokio::time::sleep(next).await;
            left -= 1;
            pause *= 2;
        }
    }

    async fn attempt(&self, body: reqwest::Body) -> std::result::Result<Response, Unanswered> {
        let request = self
            .egress
            .request(self.method.clone(), self.target.clone())?
            .headers(self.headers.clone())
            .timeout(LONGEST);
        let bodiless = body.as_bytes().is_some_and(<[u8]>::is_empty);
        let request = if bodiless {
            request
        } else {
            request.body(body)
        };
        request.send().await.map_err(|error| Unanswered::of(&error))
    }

    /// Whether the failure is of a kind that is over soon.
    fn passes(&self, outcome: &std::result::Result<Response, Unanswered>) -> bool {
        match outcome {
            Ok(answer) => {
                let down = matches!(
                    answer.status(),
                    StatusCode::BAD_GATEWAY
                        | StatusCode::SERVICE_UNAVAILABLE
                        | StatusCode::GATEWAY_TIMEOUT
                );
                down || self.is_limited(answer)
            }
            Err(Unanswered::Unconnected(_)) => true,
            Err(Unanswered::Refused(_) | Unanswered::Lost(_)) => false,
        }
    }

    /// By status and headers alone: the body is the caller's.
    fn is_limited(&self, answer: &Response) -> bool {
        self.retry
            .is_limited(answer.status(), answer.headers(), &Value::Null)
    }

    /// How long the provider asks to wait, where it says so.
    fn wait(&self, outcome: &std::result::Result<Response, Unanswered>) -> Option<Duration> {
        let answer = outcome.as_ref().ok()?;
        let asks = self.is_limited(answer) || answer.status() == StatusCode::SERVICE_UNAVAILABLE;
        let now = OffsetDateTime::now_utc();
        let wait = asks.then(|| self.retry.wait(answer.headers(), &Value::Null, now))?;
        wait.map(time::Duration::unsigned_abs)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn may_repeat(method: Method, retry: &str, headers: &[&'static str]) -> bool {
        let egress = Egress::new(egress::AllowList::default()).expect("a client");
        let target = Url::parse("https://api.example.com/").expect("a URL");
        let headers = headers
            .iter()
            .map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1")));
        let attempts = Attempts {
            egress: &egress,
            method,
            target: &target,
            headers: headers.collect(),
            retry: &toml::from_str(retry).expect("is a [retry]"),
        };
        attempts.may_repeat()
    }

    #[test]
    fn only_what_the_provider_takes_once_is_sent_again() {
        let key = "idempotency_header = \"Idempotency-Key\"";
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
            assert!(may_repeat(method, "", &[]));
        }
        for method in [Method::POST, Method::PATCH] {
            assert!(!may_repeat(method.clone(), "", &[]));
            // The header means nothing to a provider that does not know it.
            assert!(!may_repeat(method.clone(), "", &["idempotency-key"]));
            assert!(!may_repeat(method.clone(), key, &[]));
            assert!(may_repeat(method, key, &["idempotency-key"]));
        }
    }
}
