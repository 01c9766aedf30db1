//! Checks of the `[oauth]` and `[verification]` parts of a provider file.

use super::{
    AccountSource, AnswerRule, Check, ConnectedAccount, FieldTemplate, Granted, Installation,
    OAuth, Provider, RequestCheck, Revoke, Verification,
    validate::{Problem, problem},
    validate_api::{address, in_answer, known},
    verification::Method,
};
use crate::webhook::Selector;

pub(super) fn verification(provider: &Provider, described: &Verification) -> Result<(), Problem> {
    if described.proves.trim().is_empty() {
        return problem("verification.proves", "must be a sentence");
    }
    let possible = described.reasons();
    if let Some(reason) = described.advice.keys().find(|r| !possible.contains(r)) {
        return problem(
            format!("verification.advice.{}", reason.as_str()),
            "no test by this description gives that reason",
        );
    }
    match &described.check {
        Check::Request(check) => request(provider, check),
        Check::Smtp(check) => {
            let key = "verification.check.smtp";
            for field in [&check.host, &check.port, &check.security, &check.user] {
                known(provider, key, field, Some(false))?;
            }
            known(provider, key, &check.password, Some(true))
        }
    }
}

fn request(provider: &Provider, check: &RequestCheck) -> Result<(), Problem> {
    let key = "verification.check.request";
    if provider.api.is_none() {
        return problem(key, "needs an [api]");
    }
    if !check.path.as_str().starts_with('/') {
        return problem(format!("{key}.path"), "must begin with a slash");
    }
    for field in check.path.fields() {
        known(provider, &format!("{key}.path"), field, Some(false))?;
    }
    match (&check.body, check.method) {
        (Some(_), Method::Get) => {
            return problem(format!("{key}.body"), "stands beside the method GET");
        }
        (Some(body), Method::Post) if serde_json::from_str::<serde_json::Value>(body).is_err() => {
            return problem(format!("{key}.body"), "must be JSON");
        }
        _ => {}
    }
    for (index, expectation) in check.expect.iter().enumerate() {
        let key = format!("{key}.expect[{index}]");
        in_answer(&key, &expectation.at)?;
        match (&expectation.field, &expectation.equals) {
            (Some(field), None) => {
                // A public key that webhooks are verified by is sealed, and may be compared.
                let webhook = provider.webhook.as_ref();
                let verifies = webhook.is_some_and(|webhook| webhook.secret == *field);
                known(provider, &key, field, (!verifies).then_some(false))?;
            }
            (None, Some(_)) => {}
            _ => return problem(key, "needs either `field` or `equals`"),
        }
    }
    for (index, rule) in check.good.iter().enumerate() {
        answer(&format!("{key}.good[{index}]"), rule)?;
    }
    for (index, refusal) in check.refusals.iter().enumerate() {
        answer(&format!("{key}.refusals[{index}]"), &refusal.when)?;
    }
    let scopes = check.scopes.as_ref().map(|scopes| &scopes.at);
    let expires = check.expires.as_ref().map(|expiry| &expiry.at);
    for at in scopes.into_iter().chain(expires) {
        in_answer(key, at)?;
    }
    Ok(())
}

fn answer(key: &str, rule: &AnswerRule) -> Result<(), Problem> {
    if rule.status.is_none() && rule.at.is_none() {
        return problem(key, "needs a status or a place in the answer");
    }
    if rule.equals.is_some() && rule.at.is_none() {
        return problem(key, "has `equals` without `at`");
    }
    rule.at.as_ref().map_or(Ok(()), |at| in_answer(key, at))
}

pub(super) fn oauth(provider: &Provider, oauth: &OAuth) -> Result<(), Problem> {
    let revoke = oauth.revoke.as_ref().map(|revoke| match revoke {
        Revoke::Form { url, .. } | Revoke::Bearer { url } | Revoke::GithubToken { url } => url,
    });
    let urls = [&oauth.authorize_url, &oauth.token_url];
    for url in urls.into_iter().chain(revoke) {
        let fixed = FieldTemplate::try_from(url.replace("{client_id}", "client_id"));
        let template = fixed.map_err(|text| ("oauth".to_owned(), text))?;
        address(provider, "oauth", &template)?;
    }
    if oauth.scope_separator.is_empty() {
        return problem("oauth.scope_separator", "must not be empty");
    }
    let token = &oauth.token;
    granted(
        provider,
        "oauth.token.access_token",
        &token.access_token,
        true,
    )?;
    match (&token.refresh_token, oauth.refresh) {
        (None, super::Refresh::Never) => {}
        (Some(refresh), super::Refresh::Stays | super::Refresh::Rotates) => {
            granted(provider, "oauth.token.refresh_token", refresh, true)?;
        }
        _ => {
            return problem(
                "oauth.refresh",
                "is `never` exactly where there is no refresh token",
            );
        }
    }
    for field in &oauth.fields {
        granted(provider, "oauth.fields", field, false)?;
    }
    let places = [&token.expires_in, &token.scopes, &token.error];
    for at in places.into_iter().flatten() {
        body("oauth.token", at)?;
    }
    account(provider, &oauth.account)?;
    oauth
        .installation
        .as_ref()
        .map_or(Ok(()), |described| installation(provider, described))
}

fn account(provider: &Provider, account: &ConnectedAccount) -> Result<(), Problem> {
    let key = "oauth.account";
    for at in [&account.id, &account.name] {
        body(key, at)?;
    }
    if let Some(field) = &account.field {
        known(provider, key, field, Some(false))?;
    }
    let AccountSource::Request { path, body } = &account.from else {
        return Ok(());
    };
    if provider.api.is_none() || !path.starts_with('/') {
        return problem(key, "asks below the base URL of an [api]");
    }
    match body {
        Some(text) if serde_json::from_str::<serde_json::Value>(text).is_err() => {
            problem(key, "has a body that is no JSON")
        }
        _ => Ok(()),
    }
}

fn installation(provider: &Provider, described: &Installation) -> Result<(), Problem> {
    let key = "oauth.installation";
    let fixed = FieldTemplate::try_from(described.url.replace("{app_slug}", "app"));
    let template = fixed.map_err(|text| (key.to_owned(), text))?;
    address(provider, key, &template)?;
    if provider.api.is_none() || !described.list.starts_with('/') {
        return problem(key, "asks below the base URL of an [api]");
    }
    known(provider, key, &described.installation_field, Some(false))?;
    known(provider, key, &described.app_field, Some(false))
}

fn granted(provider: &Provider, key: &str, value: &Granted, secret: bool) -> Result<(), Problem> {
    body(key, &value.at)?;
    known(provider, key, &value.field, Some(secret))
}

fn body(key: &str, at: &Selector) -> Result<(), Problem> {
    match at {
        Selector::Body(_) => Ok(()),
        _ => problem(key, "a token's answer has its values at body:…"),
    }
}
