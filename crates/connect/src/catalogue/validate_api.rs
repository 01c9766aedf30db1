//! Checks of the `[api]` part of a provider file: that a credential can never choose where its
//! secrets are sent, unless the file says so, and that every name is a field.

use super::validate::{Problem, problem};
use super::{Api, Auth, FieldTemplate, Provider};
use crate::webhook::Selector;

pub(super) fn api(provider: &Provider, api: &Api) -> Result<(), Problem> {
    base_url(provider, api)?;
    if api.auth.is_empty() {
        return problem("api.auth", "needs at least one way, be it \"none\"");
    }
    for (index, auth) in api.auth.iter().enumerate() {
        way(provider, &format!("api.auth[{index}]"), auth)?;
    }
    for (name, value) in &api.headers {
        let key = format!("api.headers.{name}");
        if http::HeaderName::try_from(name).is_err() {
            return problem(key, "is not a header name");
        }
        for field in value.fields() {
            known(provider, &key, field, Some(false))?;
        }
    }
    if let Some(header) = &api.retry.idempotency_header
        && http::HeaderName::try_from(header).is_err()
    {
        return problem("api.retry.idempotency_header", "is not a header name");
    }
    let limited = api.retry.limited.iter().filter_map(|rule| rule.at.as_ref());
    let after = api.retry.after.iter().map(|rule| &rule.at);
    for at in limited.chain(after) {
        in_answer("api.retry", at)?;
    }
    Ok(())
}

/// A value of an answer stands in a header or in the body.
pub(super) fn in_answer(key: &str, at: &Selector) -> Result<(), Problem> {
    match at {
        Selector::Header(_) | Selector::Body(_) => Ok(()),
        _ => problem(key, "an answer's values are at header:… or body:…"),
    }
}

/// The field must exist and, where that is said, be secret or not.
pub(super) fn known(
    provider: &Provider,
    key: &str,
    name: &str,
    secret: Option<bool>,
) -> Result<(), Problem> {
    let Some(field) = provider.credential.field(name) else {
        return problem(key, format!("`{name}` names no credential field"));
    };
    match secret {
        Some(true) if !field.secret => problem(key, format!("`{name}` is not secret")),
        Some(false) if field.secret => problem(key, format!("`{name}` is secret")),
        _ => Ok(()),
    }
}

fn way(provider: &Provider, key: &str, auth: &Auth) -> Result<(), Problem> {
    for (field, secret) in auth.fields() {
        known(provider, key, field, Some(secret))?;
    }
    match auth {
        Auth::PathPrefix(prefix) => {
            let text = prefix.template.as_str();
            if !text.starts_with('/') || text.ends_with('/') {
                return problem(key, "must begin with a slash and not end with one");
            }
            if prefix.template.fields().count() != 1 {
                return problem(key, "needs exactly one secret");
            }
        }
        Auth::ClientCredentials(grant) => address(provider, key, &grant.token_url)?,
        Auth::RefreshToken(grant) => address(provider, key, &grant.token_url)?,
        _ => {}
    }
    Ok(())
}

fn base_url(provider: &Provider, api: &Api) -> Result<(), Problem> {
    let key = "api.base_url";
    if api.base_url.as_str().ends_with('/') {
        return problem(key, "must not end with a slash");
    }
    if !api.tenant_host {
        return address(provider, key, &api.base_url);
    }
    let own = api.base_url.fields().next();
    let leads = own.is_some_and(|field| api.base_url.as_str().starts_with(&format!("{{{field}}}")));
    if !leads || api.base_url.fields().count() != 1 {
        return problem(key, "must begin with the field that holds the tenant's URL");
    }
    own.map_or(Ok(()), |field| known(provider, key, field, Some(false)))
}

/// An address whose host is the provider's: what a credential may choose of it is one of a few
/// values, or the part before a domain that the file names.
pub(super) fn address(
    provider: &Provider,
    key: &str,
    template: &FieldTemplate,
) -> Result<(), Problem> {
    let Some(rest) = template.as_str().strip_prefix("https://") else {
        return problem(key, "must begin with https://");
    };
    let host = rest.split('/').next().unwrap_or_default();
    if rest[host.len()..].contains('{') {
        return problem(key, "may have fields in its host only");
    }
    for name in template.fields() {
        known(provider, key, name, Some(false))?;
        let chosen = provider
            .credential
            .field(name)
            .is_some_and(|field| !field.choices.is_empty());
        if !chosen && host.ends_with(&format!("{{{name}}}")) {
            return problem(
                key,
                format!("`{name}` would choose the host: give it `choices`"),
            );
        }
    }
    let sample = template.fill(|name| {
        let choices = provider.credential.field(name).map(|field| &field.choices);
        let sample = choices.and_then(|choices| choices.first());
        Ok::<_, Problem>(sample.map_or("sample".to_owned(), |choice| choice.value.clone()))
    })?;
    match url::Url::parse(&sample) {
        Ok(url) if url.query().is_none() && url.fragment().is_none() && url.username() == "" => {
            Ok(())
        }
        _ => problem(key, "must be a URL without user, query or fragment"),
    }
}
