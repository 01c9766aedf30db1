//! The `[api]` part of a provider file: where the provider's API is, what proves a caller to it,
//! and how it asks for patience. Types and their evaluation over plain values; the requests are
//! made in [`crate::call`].

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use time::{Duration, OffsetDateTime, format_description::well_known};

use super::{FieldTemplate, definition::header_name};
use crate::webhook::Selector;

/// How a provider's API is reached and called.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Without a trailing slash; API paths are appended to it. Its host may contain credential
    /// fields that are not secret, which is how regions are chosen: `https://api.{host}`.
    pub base_url: FieldTemplate,
    /// Whether the tenant names the host, so that the address deserves no trust.
    #[serde(default)]
    pub tenant_host: bool,
    /// What proves the caller. Of several ways, the first whose fields the credential has.
    pub auth: Vec<Auth>,
    /// Headers that every call carries. One with fields that the credential lacks is left out.
    #[serde(default)]
    pub headers: BTreeMap<String, FieldTemplate>,
    #[serde(default)]
    pub retry: Retry,
    /// How the names of the fields end that hold addresses of this API in its JSON answers, where
    /// the provider's libraries follow them. The proxy tells those addresses as its own.
    #[serde(default)]
    pub links: Option<String>,
}

/// One way of proving a caller; the names are those of credential fields. What cannot be said as
/// data is a variant of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// `Authorization: Bearer …` (RFC 6750), API keys and OAuth access tokens alike.
    Bearer(Bearer),
    /// HTTP Basic (RFC 7617).
    Basic(BasicAuth),
    /// A header that holds the secret.
    Header(HeaderAuth),
    /// The secret stands at the beginning of the path.
    PathPrefix(PathPrefix),
    /// A short-lived bearer token for an id and a secret (RFC 6749, section 4.4).
    ClientCredentials(ClientCredentials),
    /// A short-lived bearer token for a refresh token (RFC 6749, section 6).
    RefreshToken(RefreshToken),
    /// A GitHub App's installation token, for a JWT that the app's private key signs.
    GithubApp(GithubApp),
    /// The API asks for nothing.
    None,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bearer {
    pub secret: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    /// A literal, or a field as `{account_sid}`.
    pub user: FieldTemplate,
    pub password: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderAuth {
    #[serde(deserialize_with = "header_name")]
    pub name: HeaderName,
    /// Stands before the secret, as in `Bot `.
    #[serde(default)]
    pub prefix: String,
    pub secret: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathPrefix {
    /// Begins with a slash: `/bot{bot_token}`.
    pub template: FieldTemplate,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCredentials {
    pub token_url: FieldTemplate,
    pub client_id: String,
    pub client_secret: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshToken {
    pub token_url: FieldTemplate,
    pub client_id: String,
    pub client_secret: String,
    pub refresh_token: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GithubApp {
    pub app_id: String,
    pub installation_id: String,
    /// PKCS#1 or PKCS#8 in PEM, as GitHub gives it out.
    pub private_key: String,
}

impl Auth {
    /// The credential fields that it needs, and whether each must be secret.
    pub fn fields(&self) -> Vec<(&str, bool)> {
        match self {
            Self::Bearer(Bearer { secret }) | Self::Header(HeaderAuth { secret, .. }) => {
                vec![(secret, true)]
            }
            Self::Basic(BasicAuth { user, password }) => {
                let user = user.fields().map(|field| (field, false));
                user.chain([(password.as_str(), true)]).collect()
            }
            Self::PathPrefix(PathPrefix { template }) => {
                template.fields().map(|field| (field, true)).collect()
            }
            Self::ClientCredentials(grant) => {
                vec![(&grant.client_id, false), (&grant.client_secret, true)]
            }
            Self::RefreshToken(grant) => vec![
                (&grant.client_id, false),
                (&grant.client_secret, true),
                (&grant.refresh_token, true),
            ],
            Self::GithubApp(app) => vec![
                (&app.app_id, false),
                (&app.installation_id, false),
                (&app.private_key, true),
            ],
            Self::None => Vec::new(),
        }
    }
}

/// How the provider says "too fast", when to come back, and how a repeated write is recognised.
/// Status 429 and `Retry-After` (RFC 6585, RFC 9110 section 10.2.3) count everywhere.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Further answers that mean a rate limit.
    #[serde(default)]
    pub limited: Vec<Limited>,
    /// Further places that say when to try again; the first that says something counts.
    #[serde(default)]
    pub after: Vec<RetryAfter>,
    /// The header by which the provider recognises a repeated write.
    pub idempotency_header: Option<String>,
}

/// An answer that means a rate limit: the status, and what stands at `at` where that is set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limited {
    pub status: u16,
    pub at: Option<Selector>,
    /// Any value where it is absent.
    pub equals: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryAfter {
    pub at: Selector,
    pub form: WaitForm,
}

/// How a time to wait is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitForm {
    Seconds,
    UnixSeconds,
    UnixMilliseconds,
    /// Go's form, as in `1m30s` or `20ms`.
    Duration,
}

impl Retry {
    /// Whether the answer asks to slow down.
    pub fn is_limited(&self, status: StatusCode, headers: &HeaderMap, body: &Value) -> bool {
        status == StatusCode::TOO_MANY_REQUESTS
            || self.limited.iter().any(|limited| {
                limited.status == status.as_u16()
                    && limited.at.as_ref().is_none_or(|at| {
                        let mut found = at.all_in_answer(headers, body).into_iter();
                        found.any(|found| {
                            limited
                                .equals
                                .as_ref()
                                .is_none_or(|wanted| *wanted == found)
                        })
                    })
            })
    }

    /// How long the provider asks to wait, never negative. `None` where it does not say.
    pub fn wait(&self, headers: &HeaderMap, body: &Value, now: OffsetDateTime) -> Option<Duration> {
        let standard = headers
            .get(http::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| http_wait(text, now));
        let further = || {
            self.after.iter().find_map(|rule| {
                let text = rule.at.in_answer(headers, body)?;
                rule.form.read(&text, now)
            })
        };
        standard
            .or_else(further)
            .map(|wait| wait.max(Duration::ZERO))
    }
}

impl WaitForm {
    fn read(self, text: &str, now: OffsetDateTime) -> Option<Duration> {
        let number = || text.parse::<f64>().ok().filter(|number| number.is_finite());
        let at = |seconds: f64| Some(Duration::seconds_f64(seconds.clamp(-1e12, 1e12)));
        let since = now.unix_timestamp() as f64;
        match self {
            Self::Seconds => at(number()?),
            Self::UnixSeconds => at(number()? - since),
            Self::UnixMilliseconds => at(number()? / 1000.0 - since),
            Self::Duration => go_duration(text),
        }
    }
}

/// `Retry-After`: seconds, or a date.
fn http_wait(text: &str, now: OffsetDateTime) -> Option<Duration> {
    match text.trim().parse::<u32>() {
        Ok(seconds) => Some(Duration::seconds(seconds.into())),
        // An HTTP date in the preferred form is one of RFC 2822's.
        Err(_) => OffsetDateTime::parse(text.trim(), &well_known::Rfc2822)
            .ok()
            .map(|date| date - now),
    }
}

/// `6m0s`, `1.5s`, `20ms`: numbers with their units, one after the other.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .map_or(rest.len(), |end| digits + end);
        sum += number
            * match &rest[digits..unit] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 0.001,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    (!text.is_empty()).then(|| Duration::seconds_f64(sum.min(1e12)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 784_111_700;

    fn wait(retry: &str, header: (&'static str, &'static str), body: &Value) -> Option<i64> {
        let retry: Retry = toml::from_str(retry).expect("is a [retry]");
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static(header.0),
            HeaderValue::from_static(header.1),
        )]);
        let now = OffsetDateTime::from_unix_timestamp(NOW).expect("is a time");
        let wait = retry.wait(&headers, body, now)?;
        i64::try_from(wait.whole_milliseconds()).ok()
    }

    #[test]
    fn the_time_to_wait_is_read_in_every_form() {
        let rule =
            |form: &str| format!("after = [{{ at = \"header:x-reset\", form = \"{form}\" }}]");
        let cases = [
            ("", ("retry-after", "12"), Some(12_000)),
            // The example of RFC 9110, section 5.6.7.
            (
                "",
                ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"),
                Some(77_000),
            ),
            ("", ("retry-after", "soon"), None),
            (&rule("seconds"), ("x-reset", "1.5"), Some(1_500)),
            (
                &rule("unix_seconds"),
                ("x-reset", "784111760"),
                Some(60_000),
            ),
            (&rule("unix_seconds"), ("x-reset", "784111600"), Some(0)),
            (
                &rule("unix_milliseconds"),
                ("x-reset", "784111760500"),
                Some(60_500),
            ),
            (&rule("duration"), ("x-reset", "6m0s"), Some(360_000)),
            (&rule("duration"), ("x-reset", "20ms"), Some(20)),
            (&rule("duration"), ("x-reset", "1y"), None),
            (&rule("duration"), ("x-reset", "7"), None),
            (&rule("seconds"), ("x-other", "1"), None),
        ];
        for (retry, header, expected) in cases {
            assert_eq!(
                wait(retry, header, &Value::Null),
                expected,
                "{retry} {header:?}"
            );
        }
        let telegram = "after = [{ at = \"body:parameters.retry_after\", form = \"seconds\" }]";
        let body = json!({ "ok": false, "parameters": { "retry_after": 5 } });
        assert_eq!(wait(telegram, ("x-other", ""), &body), Some(5_000));
    }

    #[test]
    fn a_refusal_for_speed_is_told_from_one_for_good() {
        let retry: Retry = toml::from_str(
            "limited = [{ status = 403, at = \"header:x-ratelimit-remaining\", equals = \"0\" }]",
        )
        .expect("is a [retry]");
        let remaining = |left| {
            HeaderMap::from_iter([(
                HeaderName::from_static("x-ratelimit-remaining"),
                HeaderValue::from_static(left),
            )])
        };
        let limited = |status, headers: &HeaderMap| retry.is_limited(status, headers, &Value::Null);
        assert!(limited(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new()));
        assert!(limited(StatusCode::FORBIDDEN, &remaining("0")));
        assert!(!limited(StatusCode::FORBIDDEN, &remaining("10")));
        assert!(!limited(StatusCode::FORBIDDEN, &HeaderMap::new()));
        assert!(!limited(StatusCode::OK, &remaining("0")));
    }
}
