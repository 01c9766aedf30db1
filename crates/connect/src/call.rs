//! Calls to providers' APIs, with the tenant's credential: timed, recorded under the correlation
//! id, and with failures told in words that quote the provider but never a secret.

use std::time::{Duration, Instant};

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

/// A call that was made, for metrics and the trace.
pub(crate) struct Sent<'a> {
    pub provider: &'a str,
    pub operation: &'static str,
    pub status: Option<StatusCode>,
    pub error: Option<&'a str>,
    pub started_at: OffsetDateTime,
    pub duration: Duration,
}

impl Sent<'_> {
    pub async fn record<P: Permission>(&self, access: &Access<P>) -> Result<()> {
        let Self {
            provider,
            operation,
            status,
            error,
            started_at,
            duration,
        } = *self;
        let class = status.map_or("none".to_owned(), |status| {
            format!("{}xx", status.as_u16() / 100)
        });
        metrics::counter!(metric::PROVIDER_CALLS, "provider" => provider.to_owned(),
            "operation" => operation, "status" => class)
        .increment(1);
        metrics::histogram!(metric::PROVIDER_SECONDS, "provider" => provider.to_owned(),
            "operation" => operation)
        .record(duration);

        let mut tx = access.begin().await?;
        sqlx::query!(
            "INSERT INTO cell.provider_call (id, provider, operation, status, error, started_at,
                 duration_us, correlation_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            ProviderCallId::new().uuid(),
            provider,
            operation,
            status.map(|status| i32::from(status.as_u16())),
            error,
            started_at,
            i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
            access.correlation().uuid(),
        )
        .execute(tx.conn())
        .await?;
        tx.commit().await
    }
}

impl Connect {
    /// Calls the provider. Errors are [`Error::Provider`]: worth a retry for 408, 5xx, rate limits,
    /// time-outs and broken connections.
    pub async fn call(&self, access: &Access<CredentialsUse>, call: Call<'_>) -> Result<Answer> {
        let provider = call.credential.provider.as_str();
        let authorization = self.authorize(access, call.credential).await?;
        let request = self.request(&authorization, call.method, &call.path)?;
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
    ///
    /// # Errors
    /// Where the tenant names the host: this client would call any address inside.
    pub(crate) fn request(
        &self,
        authorization: &Authorization,
        method: http::Method,
        path: &str,
    ) -> Result<reqwest::RequestBuilder> {
        if authorization.tenant_host() {
            return Err(Error::invalid(
                "addresses that a tenant names are not called; the operator can set one as the provider's base_url",
            ));
        }
        Ok(self
            .http()
            .request(method, authorization.url(path).expose())
            .headers(authorization.headers().clone()))
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
                (Some(raw.status), Ok(judged), error)
            }
            Err((status, unreached)) => (status, Err(unreached), Some(unreached.0.to_owned())),
        };

        let sent = Sent {
            provider,
            operation,
            status,
            error: error.as_deref(),
            started_at,
            duration,
        };
        sent.record(access).await?;
        Ok(judged)
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

async fn exchange(
    request: reqwest::RequestBuilder,
) -> std::result::Result<Raw, (Option<StatusCode>, Unreached)> {
    let response = request
        .send()
        .await
        .map_err(|error| (None, transport(&error)))?;
    let (status, headers) = (response.status(), response.headers().clone());
    match response.text().await {
        Ok(text) => Ok(Raw {
            status,
            headers,
            text,
        }),
        Err(error) => Err((Some(status), transport(&error))),
    }
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
fn transport(error: &reqwest::Error) -> Unreached {
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
