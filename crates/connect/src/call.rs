//! Calls to providers' APIs, with the tenant's credential: timed, recorded under the correlation
//! id, and with failures told in words that quote the provider but never a secret.

use std::time::{Duration, Instant};

use egress::{ReadError, Refusal};
use http::{HeaderMap, StatusCode};
use kernel::{
    Access, Error, Result,
    id::ProviderCallId,
    permission::{CredentialsUse, Permission},
    telemetry::metric,
};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{Authorization, Connect, OpenCredential};

/// The most that is quoted of a provider's answer, in characters.
const QUOTE: usize = 300;
/// The most that is read of an answer, in bytes. What is asked for here are short documents.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

#[derive(Debug)]
pub struct Call<'a> {
    /// Whose account is used; its provider's catalogue entry says where and how.
    pub credential: &'a OpenCredential,
    /// For metrics and traces, as in `messages.send`.
    pub operation: &'static str,
    pub method: http::Method,
    /// Appended to the provider's base URL; begins with a slash.
    pub path: String,
    pub body: CallBody,
}

#[derive(Debug)]
pub enum CallBody {
    None,
    Json(Value),
    Form(Vec<(String, String)>),
}

/// A provider's successful answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

/// A provider's answer as it came.
#[derive(Debug)]
pub(crate) struct Raw {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

/// One call, as it is recorded.
#[derive(Debug)]
pub(crate) struct Called<'a> {
    pub provider: &'a str,
    pub operation: &'static str,
    /// Absent where no answer came.
    pub status: Option<StatusCode>,
    /// What went wrong, without any secret.
    pub error: Option<String>,
    pub started_at: OffsetDateTime,
    pub duration: Duration,
}

/// Why no answer came, in words for the tenant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unreached(pub &'static str);

/// Why a provider's answer is none that can be used.
#[derive(Debug)]
pub(crate) struct Failure {
    pub status: Option<StatusCode>,
    pub detail: String,
    pub retryable: bool,
}

impl Failure {
    pub fn told(self, provider: &str) -> Error {
        Error::Provider {
            provider: provider.to_owned(),
            status: self.status.map(|status| status.as_u16()),
            detail: self.detail,
            retryable: self.retryable,
        }
    }
}

impl From<Unreached> for Failure {
    fn from(unreached: Unreached) -> Self {
        Self {
            status: None,
            detail: unreached.0.to_owned(),
            retryable: true,
        }
    }
}

impl Raw {
    /// The body, or null where it is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// What the provider said, shortened, without a secret should it be repeated there.
    pub fn quote(&self, authorization: &Authorization) -> String {
        quote(&authorization.redact(&self.text))
    }
}

impl Connect {
    /// Calls the provider. Errors are [`Error::Provider`]: worth a retry for 408, 5xx, rate limits,
    /// time-outs and broken connections; or [`Error::AddressRefused`], where the tenant's own
    /// address is not for calling.
    pub async fn call(&self, access: &Access<CredentialsUse>, call: Call<'_>) -> Result<Answer> {
        let provider = call.credential.provider.as_str();
        self.uses()
            .record(access, provider, call.credential.id, call.operation)
            .await?;
        let authorization = self.authorize(access, call.credential).await?;
        let request = self.request(provider, &authorization, call.method, &call.path)?;
        let request = match &call.body {
            CallBody::None => request,
            CallBody::Json(value) => request.json(value),
            CallBody::Form(pairs) => request.form(pairs),
        };
        let judge = |raw: &Raw| self.judge(provider, &authorization, raw);
        let outcome = self
            .send(access, provider, call.operation, request, |raw| {
                let judged = judge(raw);
                let error = judged.as_ref().err().map(|failure| failure.detail.clone());
                (judged, error)
            })
            .await?;
        let failure = match outcome {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(failure)) => failure,
            Err(unreached) => unreached.into(),
        };
        if failure.status == Some(StatusCode::UNAUTHORIZED) {
            // A short-lived token that the provider has taken back must not be used until its end.
            self.tokens().forget(access.tenant().id, call.credential.id);
        }
        Err(failure.told(provider))
    }

    /// A request below the provider's base URL that carries the tenant's proof.
    pub(crate) fn request(
        &self,
        provider: &str,
        authorization: &Authorization,
        method: http::Method,
        path: &str,
    ) -> Result<reqwest::RequestBuilder> {
        let request = self.outbound(provider, method, authorization.url(path).expose())?;
        Ok(request.headers(authorization.headers().clone()))
    }

    /// Sends a request and records that it was sent. `judge` says what the answer is worth and, for
    /// the record, what is wrong with it.
    pub(crate) async fn send<P: Permission, T>(
        &self,
        access: &Access<P>,
        provider: &str,
        operation: &'static str,
        request: reqwest::RequestBuilder,
        judge: impl FnOnce(&Raw) -> (T, Option<String>),
    ) -> Result<std::result::Result<T, Unreached>> {
        let started_at = OffsetDateTime::now_utc();
        let started = Instant::now();
        let reply = exchange(request).await;
        let duration = started.elapsed();
        let (status, judged, error) = match reply {
            Ok(raw) => {
                let (judged, error) = judge(&raw);
                (Some(raw.status), Ok(Ok(judged)), error)
            }
            Err(Lost::Refused(refusal)) => (None, Err(refusal.clone()), Some(refusal.to_string())),
            Err(Lost::Unreached(status, unreached)) => {
                (status, Ok(Err(unreached)), Some(unreached.0.to_owned()))
            }
        };
        let called = Called {
            provider,
            operation,
            status,
            error,
            started_at,
            duration,
        };
        // What was answered can't be had again, as new tokens can't: a trace can be missed.
        if let Err(cause) = self.record(access, called).await {
            tracing::warn!(?cause, provider, operation, "a call was not recorded");
        }
        Ok(judged?)
    }

    /// Counts a call, and keeps it under the correlation id.
    pub(crate) async fn record<P: Permission>(
        &self,
        access: &Access<P>,
        called: Called<'_>,
    ) -> Result<()> {
        let (provider, operation) = (called.provider, called.operation);
        let class = called.status.map_or("none".to_owned(), |status| {
            format!("{}xx", status.as_u16() / 100)
        });
        metrics::counter!(metric::PROVIDER_CALLS, "provider" => provider.to_owned(),
            "operation" => operation, "status" => class)
        .increment(1);
        metrics::histogram!(metric::PROVIDER_SECONDS, "provider" => provider.to_owned(),
            "operation" => operation)
        .record(called.duration);

        let mut tx = access.begin().await?;
        sqlx::query!(
            "INSERT INTO cell.provider_call (id, provider, operation, status, error, started_at,
                 duration_us, correlation_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            ProviderCallId::new().uuid(),
            provider,
            operation,
            called.status.map(|status| i32::from(status.as_u16())),
            called.error,
            called.started_at,
            i64::try_from(called.duration.as_micros()).unwrap_or(i64::MAX),
            access.correlation().uuid(),
        )
        .execute(tx.conn())
        .await?;
        tx.commit().await
    }

    fn judge(
        &self,
        provider: &str,
        authorization: &Authorization,
        raw: &Raw,
    ) -> std::result::Result<Answer, Failure> {
        if raw.status.is_success() {
            return Ok(Answer {
                status: raw.status.as_u16(),
                body: parse(raw)?,
            });
        }
        let api = self
            .catalogue()
            .get(provider)
            .and_then(|provider| provider.api.as_ref());
        let limited =
            api.is_some_and(|api| api.retry.is_limited(raw.status, &raw.headers, &raw.json()));
        let retryable =
            limited || raw.status.is_server_error() || raw.status == StatusCode::REQUEST_TIMEOUT;
        Err(Failure {
            status: Some(raw.status),
            detail: format!(
                "answered {}: {}",
                raw.status.as_u16(),
                raw.quote(authorization)
            ),
            retryable,
        })
    }
}

/// Why an exchange brought no answer.
enum Lost {
    Refused(Refusal),
    Unreached(Option<StatusCode>, Unreached),
}

async fn exchange(request: reqwest::RequestBuilder) -> std::result::Result<Raw, Lost> {
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => {
            let refusal = Refusal::behind(&error).cloned();
            return Err(
                refusal.map_or_else(|| Lost::Unreached(None, transport(&error)), Lost::Refused)
            );
        }
    };
    let (status, headers) = (response.status(), response.headers().clone());
    let unreached = match egress::read(response, LONGEST_ANSWER).await {
        Ok(body) => {
            let text = String::from_utf8_lossy(&body).into_owned();
            return Ok(Raw {
                status,
                headers,
                text,
            });
        }
        Err(ReadError::TooLarge(_)) => Unreached("answered with more than is read"),
        Err(ReadError::Broken(error)) => transport(&error),
    };
    Err(Lost::Unreached(Some(status), unreached))
}

fn parse(raw: &Raw) -> std::result::Result<Value, Failure> {
    if raw.text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&raw.text).map_err(|_| Failure {
        status: Some(raw.status),
        detail: "answered with something that is not JSON".to_owned(),
        retryable: true,
    })
}

/// Names the kind of failure alone: the library's own text would quote the URL, which for some
/// providers holds the secret.
pub(crate) fn transport(error: &reqwest::Error) -> Unreached {
    Unreached(if error.is_timeout() {
        "did not answer in time"
    } else if error.is_connect() {
        "can't be reached"
    } else {
        "broke the connection off"
    })
}

fn quote(text: &str) -> String {
    let mut quote: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = quote.char_indices().nth(QUOTE) {
        quote.truncate(end);
        quote.push('…');
    }
    quote
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_short() {
        let text = format!(
            "{{\"error\": \"bad\",\n \"pad\": \"{}\"}}",
            "é".repeat(1000)
        );
        let quote = quote(&text);
        assert!(quote.starts_with("{\"error\": \"bad\", \"pad\""), "{quote}");
        assert_eq!(quote.chars().count(), QUOTE + 1);
    }
}
