//! What a provider's answer says of the credential that was used.

use http::StatusCode;
use kernel::{Error, Result, secret::Secret};
use serde_json::Value;
use time::{Duration, OffsetDateTime, UtcOffset, macros::format_description};

use super::{Finding, is_own};
use crate::{
    Authorization, OpenCredential,
    call::Raw,
    catalogue::{AnswerRule, Expiry, ExpiryForm, Provider, Reason, RequestCheck, Scopes},
};

/// Reads an answer: what the catalogue says of such answers first, then what statuses mean
/// everywhere (RFC 9110, section 15).
pub(super) fn answer(
    provider: &Provider,
    check: &RequestCheck,
    credential: &OpenCredential,
    raw: &Raw,
    authorization: &Authorization,
) -> Finding {
    let body = raw.json();
    let retry = provider.api.as_ref().map(|api| &api.retry);
    let limited = retry.is_some_and(|retry| retry.is_limited(raw.status, &raw.headers, &body));
    let said = || {
        format!(
            "answered {}: {}",
            raw.status.as_u16(),
            raw.quote(authorization)
        )
    };
    if limited {
        return waiting(provider, Reason::RateLimited, said(), raw, &body);
    }
    if check.good.iter().any(|rule| holds(rule, raw, &body)) {
        return good(check, raw, &body);
    }
    let named = check
        .refusals
        .iter()
        .find(|refusal| holds(&refusal.when, raw, &body));
    let reason = match (named, raw.status) {
        (Some(refusal), _) => refusal.reason,
        (None, status) if status.is_success() => {
            return expected(check, credential, raw, &body, authorization);
        }
        (None, StatusCode::UNAUTHORIZED) => Reason::InvalidCredential,
        (None, StatusCode::FORBIDDEN) => Reason::InsufficientScope,
        (None, StatusCode::NOT_FOUND | StatusCode::GONE) => Reason::NotFound,
        (None, StatusCode::REQUEST_TIMEOUT) => Reason::ProviderUnavailable,
        (None, status) if status.is_server_error() => Reason::ProviderUnavailable,
        (None, _) => Reason::UnexpectedAnswer,
    };
    waiting(provider, reason, said(), raw, &body)
}

/// Why no call could be made: values are missing, or the provider gave no token for them.
pub(super) fn unproven(error: Error) -> Result<Finding> {
    if is_own(&error) {
        return Err(error);
    }
    let reason = match &error {
        Error::Provider {
            retryable: true,
            status: Some(429),
            ..
        } => Reason::RateLimited,
        Error::Provider {
            retryable: true, ..
        } => Reason::ProviderUnavailable,
        Error::Provider {
            status: Some(404), ..
        } => Reason::NotFound,
        // RFC 6749, section 5.2: `invalid_client` and `invalid_grant` come with 400 or 401.
        Error::Provider { .. } => Reason::InvalidCredential,
        Error::Conflict { .. } => Reason::InvalidCredential,
        _ => Reason::Incomplete,
    };
    let detail = match error {
        Error::Provider { detail, .. } => detail,
        other => other.to_string(),
    };
    Ok(Finding::against(reason, detail))
}

fn waiting(provider: &Provider, reason: Reason, said: String, raw: &Raw, body: &Value) -> Finding {
    let retry = provider.api.as_ref().map(|api| &api.retry);
    let wait = retry.and_then(|retry| retry.wait(&raw.headers, body, OffsetDateTime::now_utc()));
    Finding {
        wait,
        ..Finding::against(reason, said)
    }
}

fn good(check: &RequestCheck, raw: &Raw, body: &Value) -> Finding {
    let scopes = check.scopes.as_ref();
    let expires = check.expires.as_ref();
    Finding {
        reason: None,
        detail: String::new(),
        scopes: scopes.map_or_else(Vec::new, |rule| scopes_of(rule, raw, body)),
        expires_at: expires.and_then(|rule| expiry_of(rule, raw, body)),
        wait: None,
    }
}

fn expected(
    check: &RequestCheck,
    credential: &OpenCredential,
    raw: &Raw,
    body: &Value,
    authorization: &Authorization,
) -> Finding {
    if body.is_null() {
        let detail = "answered with something that is not JSON";
        return Finding::against(Reason::UnexpectedAnswer, detail);
    }
    for expectation in &check.expect {
        let (wanted, shown) = match (&expectation.field, &expectation.equals) {
            (Some(field), _) => match credential.field(field) {
                Ok(value) => (Some(value), format!("`{value}`")),
                // What webhooks are verified by is sealed, also where it is a public key.
                Err(_) => {
                    let secret = credential.secret(field).ok().map(Secret::expose);
                    (secret, "what was entered".to_owned())
                }
            },
            (None, Some(constant)) => (Some(constant.as_str()), format!("`{constant}`")),
            (None, None) => continue,
        };
        // A field that the tenant left out claims nothing.
        let Some(wanted) = wanted else { continue };
        let found = expectation.at.all_in_answer(&raw.headers, body);
        if found.iter().any(|found| found == wanted) {
            continue;
        }
        let (reason, detail) = match found.first() {
            // What is not there is no other account: the answer has another form.
            None => (
                Reason::UnexpectedAnswer,
                format!("the answer lacks what was to be {shown}"),
            ),
            Some(found) => (
                expectation.otherwise,
                format!(
                    "the answer says `{}` where {shown} is expected",
                    authorization.redact(found)
                ),
            ),
        };
        return Finding::against(reason, detail);
    }
    good(check, raw, body)
}

fn holds(rule: &AnswerRule, raw: &Raw, body: &Value) -> bool {
    let status = rule
        .status
        .is_none_or(|status| status == raw.status.as_u16());
    let value = rule.at.as_ref().is_none_or(|at| {
        let mut found = at.all_in_answer(&raw.headers, body).into_iter();
        found.any(|found| rule.equals.as_ref().is_none_or(|wanted| *wanted == found))
    });
    status && value
}

fn scopes_of(rule: &Scopes, raw: &Raw, body: &Value) -> Vec<String> {
    let found = rule.at.all_in_answer(&raw.headers, body);
    match &rule.separator {
        None => found,
        Some(separator) => found
            .iter()
            .flat_map(|text| text.split(separator))
            .map(str::trim)
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect(),
    }
}

fn expiry_of(rule: &Expiry, raw: &Raw, body: &Value) -> Option<OffsetDateTime> {
    let text = rule.at.in_answer(&raw.headers, body)?;
    match rule.form {
        ExpiryForm::UnixSeconds => OffsetDateTime::from_unix_timestamp(text.parse().ok()?).ok(),
        ExpiryForm::Rfc3339 => {
            OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339).ok()
        }
        ExpiryForm::SpacedDateTime => spaced(&text),
    }
}

fn spaced(text: &str) -> Option<OffsetDateTime> {
    let local = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let (date_time, zone) = text.trim().rsplit_once(' ')?;
    let moment = time::PrimitiveDateTime::parse(date_time, &local).ok()?;
    let offset = match zone {
        "UTC" => UtcOffset::UTC,
        zone => UtcOffset::parse(
            zone,
            format_description!("[offset_hour sign:mandatory][offset_minute]"),
        )
        .ok()?,
    };
    Some(moment.assume_offset(offset).to_offset(UtcOffset::UTC))
}

/// What to wait before a test that taught nothing is repeated: what the provider asks, within
/// bounds.
pub(super) fn pause(asked: Option<Duration>) -> Duration {
    let least = Duration::minutes(10);
    asked.map_or(least, |asked| asked.clamp(least, Duration::hours(12)))
}

#[cfg(test)]
mod tests;
