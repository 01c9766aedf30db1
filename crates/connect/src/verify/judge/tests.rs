//! Answers as the providers document them, and what each says of the credential.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use kernel::{id::CredentialId, secret::Secret};
use serde_json::json;
use time::macros::datetime;

use super::*;
use crate::catalogue::{Catalogue, Check};

fn judge(
    provider: &str,
    fields: &[(&str, &str)],
    status: u16,
    headers: &[(&'static str, &'static str)],
    body: &str,
) -> Finding {
    let catalogue = Catalogue::builtin();
    let provider = catalogue.get(provider).expect("ships");
    let described = provider.verification.as_ref().expect("can be tested");
    let Check::Request(check) = &described.check else {
        panic!("is tested by a request");
    };
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let credential = OpenCredential::new(
        CredentialId::new(),
        &provider.id,
        crate::credentials::Environment::Live,
        fields.collect(),
        BTreeMap::new(),
    );
    let headers = headers.iter().map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    let raw = Raw {
        status: StatusCode::from_u16(status).expect("is a status"),
        headers: HeaderMap::from_iter(headers),
        text: body.to_owned(),
    };
    let authorization = Authorization::hiding(&[Secret::new("top-secret-1")]);
    answer(provider, check, &credential, &raw, &authorization)
}

fn reason(provider: &str, status: u16, body: &str) -> Option<Reason> {
    judge(provider, &[], status, &[], body).reason
}

#[test]
fn statuses_mean_what_they_mean_everywhere() {
    for (status, expected) in [
        (401, Reason::InvalidCredential),
        (403, Reason::InsufficientScope),
        (404, Reason::NotFound),
        (408, Reason::ProviderUnavailable),
        (429, Reason::RateLimited),
        (500, Reason::ProviderUnavailable),
        (503, Reason::ProviderUnavailable),
        (302, Reason::UnexpectedAnswer),
        (418, Reason::UnexpectedAnswer),
    ] {
        assert_eq!(reason("vapi", status, "{}"), Some(expected), "{status}");
    }
    assert_eq!(reason("vapi", 200, "[]"), None);
    let page = "<html>Sign in</html>";
    assert_eq!(reason("vapi", 200, page), Some(Reason::UnexpectedAnswer));
}

#[test]
fn providers_own_refusals_come_before_the_status() {
    let code = |code: u32| json!({ "error": { "code": code } }).to_string();
    assert_eq!(
        reason("whatsapp", 400, &code(190)),
        Some(Reason::InvalidCredential)
    );
    assert_eq!(reason("whatsapp", 400, &code(100)), Some(Reason::NotFound));
    assert_eq!(reason("whatsapp", 400, &code(4)), Some(Reason::RateLimited));
    assert_eq!(
        reason("telegram", 404, "{}"),
        Some(Reason::InvalidCredential)
    );
    let slack = |error: &str| json!({ "ok": false, "error": error }).to_string();
    assert_eq!(
        reason("slack", 200, &slack("token_revoked")),
        Some(Reason::InvalidCredential)
    );
    assert_eq!(
        reason("slack", 200, &slack("missing_scope")),
        Some(Reason::InsufficientScope)
    );
    assert_eq!(
        reason("slack", 200, &slack("fatal_error")),
        Some(Reason::UnexpectedAnswer)
    );
    let linear = |code: &str| json!({ "errors": [{ "extensions": { "code": code } }] }).to_string();
    assert_eq!(
        reason("linear", 400, &linear("RATELIMITED")),
        Some(Reason::RateLimited)
    );
    let google =
        |reason: &str| json!({ "error": { "errors": [{ "reason": reason }] } }).to_string();
    assert_eq!(
        reason("google_calendar", 403, &google("rateLimitExceeded")),
        Some(Reason::RateLimited)
    );
    assert_eq!(
        reason("google_calendar", 403, &google("insufficientPermissions")),
        Some(Reason::InsufficientScope)
    );
}

#[test]
fn a_key_that_may_only_send_is_good() {
    let body = json!({ "name": "restricted_api_key" }).to_string();
    assert_eq!(reason("resend", 401, &body), None);
    assert_eq!(reason("resend", 401, "{}"), Some(Reason::InvalidCredential));
    assert_eq!(reason("stripe", 403, "{}"), None);
}

#[test]
fn the_answer_must_be_of_the_account_that_the_credential_names() {
    let id = "106540352242922";
    let judge = |body: &str| judge("whatsapp", &[("phone_number_id", id)], 200, &[], body);
    assert_eq!(judge(&json!({ "id": id }).to_string()).reason, None);
    let other = judge(&json!({ "id": "1" }).to_string());
    assert_eq!(other.reason, Some(Reason::WrongAccount));
    assert_eq!(
        other.detail,
        "the answer says `1` where `106540352242922` is expected"
    );
    assert_eq!(judge("{}").reason, Some(Reason::UnexpectedAnswer));
    // A field that was left out claims nothing.
    assert_eq!(reason("slack", 200, r#"{"ok":true,"team_id":"T1"}"#), None);
}

#[test]
fn scopes_and_the_end_are_read_where_they_are_told() {
    let github = judge(
        "github",
        &[],
        200,
        &[
            ("x-oauth-scopes", "repo, read:org"),
            (
                "github-authentication-token-expiration",
                "2027-05-06 22:00:00 -0700",
            ),
        ],
        "{}",
    );
    assert_eq!(github.reason, None);
    assert_eq!(github.scopes, ["repo", "read:org"]);
    assert_eq!(github.expires_at, Some(datetime!(2027-05-07 05:00 UTC)));
    assert_eq!(
        spaced("2027-05-06 22:00:00 UTC"),
        Some(datetime!(2027-05-06 22:00 UTC))
    );
    assert_eq!(spaced("tomorrow"), None);
    let sendgrid = judge("sendgrid", &[], 200, &[], r#"{"scopes":["mail.send","a"]}"#);
    assert_eq!(sendgrid.scopes, ["mail.send", "a"]);
}

#[test]
fn what_is_quoted_has_no_secret_and_says_when_to_come_back() {
    let refused = judge("vapi", &[], 401, &[], "no such key: top-secret-1");
    assert_eq!(refused.detail, "answered 401: no such key: …");
    let limited = judge(
        "telegram",
        &[],
        429,
        &[],
        r#"{"parameters":{"retry_after":1200}}"#,
    );
    assert_eq!(limited.wait, Some(Duration::seconds(1200)));
    assert_eq!(pause(limited.wait), Duration::seconds(1200));
    assert_eq!(pause(None), Duration::minutes(10));
    assert_eq!(pause(Some(Duration::days(30))), Duration::hours(12));
}

#[test]
fn a_refused_exchange_is_a_refused_credential() {
    let provider = |status, retryable| Error::Provider {
        provider: "genesys".to_owned(),
        status,
        detail: "gave no token".to_owned(),
        retryable,
    };
    let reason = |error| unproven(error).map(|finding| finding.reason);
    let of = |error| reason(error).expect("is a finding");
    assert_eq!(
        of(provider(Some(401), false)),
        Some(Reason::InvalidCredential)
    );
    assert_eq!(
        of(provider(Some(400), false)),
        Some(Reason::InvalidCredential)
    );
    assert_eq!(of(provider(Some(404), false)), Some(Reason::NotFound));
    assert_eq!(of(provider(Some(429), true)), Some(Reason::RateLimited));
    assert_eq!(
        of(provider(Some(503), true)),
        Some(Reason::ProviderUnavailable)
    );
    assert_eq!(of(provider(None, true)), Some(Reason::ProviderUnavailable));
    assert_eq!(
        of(Error::invalid("lacks a value")),
        Some(Reason::Incomplete)
    );
    assert!(reason(Error::StaleEpoch).is_err());
}
