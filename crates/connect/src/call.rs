//! Calls to providers' APIs, with the tenant's credential: timed, recorded under the correlation
//! id, and with failures told in words that quote the provider but never a secret.

use std::time::Instant;

use base64::prelude::{BASE64_STANDARD, Engine};
use kernel::{
    Access, Error, Result, id::ProviderCallId, permission::CredentialsUse, secret::Secret,
    telemetry::metric,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use time::OffsetDateTime;

use crate::Connect;

/// The most that is quoted of a provider's answer, in characters.
const QUOTE: usize = 300;
/// RFC 3986, section 2.3: what is left as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[derive(Debug)]
pub struct Call<'a> {
    pub provider: &'a str,
    /// For metrics and traces, as in `messages.send`.
    pub operation: &'static str,
    pub method: http::Method,
    /// Appended to the provider's base URL; begins with a slash.
    pub path: String,
    pub auth: Auth<'a>,
    pub body: CallBody,
}

#[derive(Debug)]
pub enum Auth<'a> {
    Bearer(&'a Secret),
    Basic {
        user: &'a str,
        password: &'a Secret,
    },
    /// The path carries the secret (Telegram), so it is shown nowhere.
    InPath(&'a Secret),
}

impl Auth<'_> {
    fn secret(&self) -> &Secret {
        match self {
            Self::Bearer(secret)
            | Self::InPath(secret)
            | Self::Basic {
                password: secret, ..
            } => secret,
        }
    }

    /// The credential in every form in which an answer may repeat what was sent: as it is, escaped
    /// as in a URL, and as the header says it.
    fn repeated(&self) -> Vec<Secret> {
        let secret = self.secret().expose();
        let escaped = utf8_percent_encode(secret, ESCAPED).to_string();
        let mut forms = vec![Secret::new(secret), Secret::new(escaped)];
        if let Self::Basic { user, password } = self {
            let pair = Secret::new(format!("{user}:{}", password.expose()));
            forms.push(Secret::new(BASE64_STANDARD.encode(pair.expose())));
        }
        forms
    }
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

/// What a call came to, before it is told to the caller.
struct Outcome {
    status: Option<u16>,
    result: std::result::Result<Value, Failure>,
}

struct Failure {
    detail: String,
    retryable: bool,
}

impl Connect {
    /// Calls the provider. Errors are [`Error::Provider`]: worth a retry for 408, 429, 5xx, time-outs
    /// and broken connections.
    pub async fn call(&self, access: &Access<CredentialsUse>, call: Call<'_>) -> Result<Answer> {
        let base = self.base_url(call.provider)?;
        let started_at = OffsetDateTime::now_utc();
        let started = Instant::now();
        let outcome = self.send(&base, &call).await;
        let duration = started.elapsed();

        let class = outcome
            .status
            .map_or("none".to_owned(), |status| format!("{}xx", status / 100));
        metrics::counter!(metric::PROVIDER_CALLS, "provider" => call.provider.to_owned(),
            "operation" => call.operation, "status" => class)
        .increment(1);
        metrics::histogram!(metric::PROVIDER_SECONDS, "provider" => call.provider.to_owned(),
            "operation" => call.operation)
        .record(duration);

        let error = outcome
            .result
            .as_ref()
            .err()
            .map(|failure| failure.detail.clone());
        let mut tx = access.begin().await?;
        sqlx::query!(
            "INSERT INTO cell.provider_call (id, provider, operation, status, error, started_at,
                 duration_us, correlation_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            ProviderCallId::new().uuid(),
            call.provider,
            call.operation,
            outcome.status.map(i32::from),
            error,
            started_at,
            i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
            access.correlation().uuid(),
        )
        .execute(tx.conn())
        .await?;
        tx.commit().await?;

        match outcome.result {
            Ok(body) => Ok(Answer {
                status: outcome.status.unwrap_or_default(),
                body,
            }),
            Err(failure) => Err(Error::Provider {
                provider: call.provider.to_owned(),
                status: outcome.status,
                detail: failure.detail,
                retryable: failure.retryable,
            }),
        }
    }

    fn base_url(&self, provider: &str) -> Result<String> {
        if let Some(url) = self.provider_settings(provider).base_url {
            return Ok(url);
        }
        self.catalogue()
            .get(provider)
            .and_then(|provider| provider.api.as_ref())
            .map(|api| api.base_url.clone())
            .ok_or_else(|| {
                Error::invalid(format!(
                    "the provider `{provider}` has no API in the catalogue"
                ))
            })
    }

    async fn send(&self, base: &str, call: &Call<'_>) -> Outcome {
        let mut request = self
            .http()
            .request(call.method.clone(), format!("{base}{}", call.path));
        request = match &call.auth {
            Auth::Bearer(token) => request.bearer_auth(token.expose()),
            Auth::Basic { user, password } => request.basic_auth(user, Some(password.expose())),
            Auth::InPath(_) => request,
        };
        request = match &call.body {
            CallBody::None => request,
            CallBody::Json(value) => request.json(value),
            CallBody::Form(pairs) => request.form(pairs),
        };
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                return Outcome {
                    status: None,
                    result: Err(transport(&error)),
                };
            }
        };
        let status = response.status();
        let text = match response.text().await {
            Ok(text) => text,
            Err(error) => {
                return Outcome {
                    status: Some(status.as_u16()),
                    result: Err(transport(&error)),
                };
            }
        };
        let result = if status.is_success() {
            parse(&text)
        } else {
            let retryable = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
            let quote = quote(&text, &call.auth.repeated());
            Err(Failure {
                detail: format!("answered {}: {quote}", status.as_u16()),
                retryable,
            })
        };
        Outcome {
            status: Some(status.as_u16()),
            result,
        }
    }
}

fn parse(text: &str) -> std::result::Result<Value, Failure> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(text).map_err(|_| Failure {
        detail: "answered with something that is not JSON".to_owned(),
        retryable: true,
    })
}

/// Names the kind of failure alone: the library's own text would quote the URL, which for some
/// providers holds the secret.
fn transport(error: &reqwest::Error) -> Failure {
    let detail = if error.is_timeout() {
        "did not answer in time"
    } else if error.is_connect() {
        "can't be reached"
    } else {
        "broke the connection off"
    };
    Failure {
        detail: detail.to_owned(),
        retryable: true,
    }
}

/// What the provider said, shortened, without the secret should it be repeated there.
fn quote(text: &str, secrets: &[Secret]) -> String {
    let text = secrets
        .iter()
        .map(Secret::expose)
        .filter(|secret| !secret.is_empty())
        .fold(text.to_owned(), |text, secret| text.replace(secret, "…"));
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
    fn a_quote_is_short_and_without_the_secret() {
        let secret = Secret::new("sk-live-1234567890");
        let text = format!(
            "{{\"error\": \"bad key sk-live-1234567890\",\n \"pad\": \"{}\"}}",
            "é".repeat(1000)
        );
        let quote = quote(&text, &[secret]);
        assert!(!quote.contains("sk-live"), "{quote}");
        assert!(quote.contains("bad key …"));
        assert_eq!(quote.chars().count(), QUOTE + 1);
    }

    #[test]
    fn what_was_sent_is_not_quoted_in_any_form() {
        let token = Secret::new("12:a/b");
        let basic = Auth::Basic {
            user: "AC1",
            password: &token,
        };
        // printf 'AC1:12:a/b' | base64
        let text = "`Basic QUMxOjEyOmEvYg==` and `12:a/b` and `12%3Aa%2Fb` are wrong";
        assert_eq!(
            quote(text, &basic.repeated()),
            "`Basic …` and `…` and `…` are wrong"
        );
    }
}
