//! Checks across the keys of a provider file, so that an entry that would verify too little is
//! refused when it is read and not found out by an attacker.

use super::{
    Field, FixedResponse, HandshakeRule, Match, Provider, SignatureScheme, TimestampRule, Verifier,
    Webhook, setup, validate_api, validate_connect,
};
use crate::webhook::Selector;

pub(super) type Problem = (String, String);

pub(super) fn problem<T>(key: impl Into<String>, text: impl Into<String>) -> Result<T, Problem> {
    Err((key.into(), text.into()))
}

pub(super) fn provider(file: &str, provider: &Provider) -> Result<(), Problem> {
    let id = &provider.id;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if id.is_empty() || !id.chars().all(plain) {
        return problem("id", "must consist of a-z, 0-9 and _");
    }
    let stem = std::path::Path::new(file).file_stem();
    if stem.and_then(|stem| stem.to_str()) != Some(id) {
        return problem(
            "id",
            format!("is `{id}`, so the file must be named {id}.toml"),
        );
    }
    for (index, field) in provider.credential.fields.iter().enumerate() {
        let earlier = &provider.credential.fields[..index];
        if earlier.iter().any(|other| other.name == field.name) {
            return problem(
                format!("credential.fields[{index}].name"),
                format!("`{}` occurs twice", field.name),
            );
        }
        values(&format!("credential.fields[{index}]"), field)?;
        variables(&format!("credential.fields[{index}].env"), field, earlier)?;
        if let Some(kind) = &field.identifies {
            let key = format!("credential.fields[{index}].identifies");
            if field.secret {
                return problem(key, "a secret cannot be an identifier");
            }
            let known = provider.webhook.as_ref().is_some_and(|w| knows(w, kind));
            if !known {
                return problem(
                    key,
                    format!("no webhook.identifiers entry has the kind `{kind}`"),
                );
            }
        }
    }
    if let Some(described) = &provider.api {
        validate_api::api(provider, described)?;
    }
    if let Some(described) = &provider.verification {
        validate_connect::verification(provider, described)?;
    }
    if let Some(described) = &provider.oauth {
        validate_connect::oauth(provider, described)?;
    }
    if let Some(described) = &provider.webhook {
        webhook(provider, described)?;
    }
    match &provider.setup {
        Some(described) => setup::setup(provider, described),
        None => Ok(()),
    }
}

/// Choices and defaults are shown and stored in the open, and must be values that are accepted.
fn values(key: &str, field: &Field) -> Result<(), Problem> {
    if field.secret && (!field.choices.is_empty() || field.default.is_some()) {
        return problem(key, "a secret has neither choices nor a default");
    }
    if let Some(choice) = field
        .choices
        .iter()
        .find(|choice| !field.accepts(&choice.value))
    {
        let value = &choice.value;
        return problem(
            format!("{key}.choices"),
            format!("`{value}` is not accepted"),
        );
    }
    if let Some(default) = field.default.as_ref().filter(|value| !field.accepts(value)) {
        return problem(
            format!("{key}.default"),
            format!("`{default}` is not accepted"),
        );
    }
    Ok(())
}

/// Names of environment variables as programs have them, each of one field alone.
fn variables(key: &str, field: &Field, earlier: &[Field]) -> Result<(), Problem> {
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    for name in &field.env {
        if name.is_empty() || !name.chars().all(plain) {
            return problem(key, "must consist of A-Z, 0-9 and _");
        }
        if earlier.iter().any(|other| other.env.contains(name)) {
            return problem(key, format!("`{name}` is another field's as well"));
        }
    }
    Ok(())
}

fn knows(webhook: &Webhook, kind: &str) -> bool {
    webhook.identifiers.iter().any(|rule| rule.kind == kind)
}

fn webhook(provider: &Provider, webhook: &Webhook) -> Result<(), Problem> {
    match provider.credential.field(&webhook.secret) {
        None => return problem("webhook.secret", "names no credential field"),
        // Secrets alone have a previous value, which goes on verifying for a while.
        Some(field) if !field.secret => {
            return problem("webhook.secret", "names a field that is not secret");
        }
        Some(_) => {}
    }
    if webhook.verify.is_empty() {
        return problem("webhook.verify", "needs at least one way to verify");
    }
    for (index, way) in webhook.verify.iter().enumerate() {
        if let Verifier::Signature(scheme) = way {
            signature(&format!("webhook.verify[{index}].signature"), scheme)?;
        }
    }
    for (index, rule) in webhook.handshake.iter().enumerate() {
        handshake(&format!("webhook.handshake[{index}]"), provider, rule)?;
    }
    if let Some(split) = &webhook.split {
        let keep = split.keep.iter().map(|keep| &keep.list);
        if let Some(path) = split.items.iter().chain(keep).find(|path| !path.is_plain()) {
            return problem("webhook.split", format!("`{path}` must not contain []"));
        }
    }
    for (index, kind) in webhook.route.iter().enumerate() {
        if !knows(webhook, kind) {
            return problem(
                format!("webhook.route[{index}]"),
                format!("no webhook.identifiers entry has the kind `{kind}`"),
            );
        }
    }
    for (index, rule) in webhook.identifiers.iter().enumerate() {
        conditions(&format!("webhook.identifiers[{index}]"), &rule.when)?;
    }
    let lists = [
        ("dedup", &webhook.dedup),
        ("ordering", &webhook.ordering),
        ("event_kind", &webhook.event_kind),
    ];
    for (name, rules) in lists {
        for (index, rule) in rules.iter().enumerate() {
            let key = format!("webhook.{name}[{index}]");
            conditions(&key, &rule.when)?;
            if name != "event_kind" && rule.parts.is_empty() {
                return problem(key, "needs at least one part");
            }
            if name == "dedup" && rule.label.is_none() {
                return problem(
                    key,
                    "needs a label, so that the keys of two rules never meet",
                );
            }
            if rule.label.is_none() && rule.parts.is_empty() {
                return problem(key, "needs a label or a part");
            }
        }
    }
    response("webhook.ack", &webhook.ack)?;
    if webhook.deadline_ms == 0 {
        return problem("webhook.deadline_ms", "must be more than 0");
    }
    if webhook.max_body == 0 {
        return problem("webhook.max_body", "must be more than 0");
    }
    Ok(())
}

fn signature(key: &str, scheme: &SignatureScheme) -> Result<(), Problem> {
    if !matches!(
        scheme.at,
        Selector::Header(_) | Selector::Query(_) | Selector::Body(_)
    ) {
        return problem(
            format!("{key}.at"),
            "must be a header, query or body selector",
        );
    }
    if scheme.signed.covers_id() != scheme.id.is_some() {
        return problem(
            format!("{key}.id"),
            "must be set exactly where `signed` contains {id}",
        );
    }
    match &scheme.timestamp {
        None if scheme.signed.covers_timestamp() => problem(
            format!("{key}.timestamp"),
            "is missing, though `signed` contains {timestamp}",
        ),
        None => Ok(()),
        Some(rule) => timestamp(&format!("{key}.timestamp"), scheme, rule),
    }
}

/// A time that the signature does not cover can be set by anybody, so it is no protection.
fn timestamp(key: &str, scheme: &SignatureScheme, rule: &TimestampRule) -> Result<(), Problem> {
    let inside_body = match (&rule.at, &rule.list_item) {
        (Some(at @ (Selector::Header(_) | Selector::Query(_) | Selector::Body(_))), None) => {
            matches!(at, Selector::Body(_))
        }
        (None, Some(_)) if scheme.list.is_some() => false,
        _ => {
            return problem(
                key,
                "needs either `at` (header, query or body) or `list_item` (with `list`)",
            );
        }
    };
    if scheme.signed.covers_timestamp() || (inside_body && scheme.signed.covers_body()) {
        Ok(())
    } else {
        problem(key, "is not covered by `signed`, so anybody could set it")
    }
}

fn handshake(key: &str, provider: &Provider, rule: &HandshakeRule) -> Result<(), Problem> {
    conditions(key, &rule.when)?;
    if rule.when.is_empty() {
        return problem(format!("{key}.when"), "needs at least one condition");
    }
    if let Some(token) = &rule.token
        && provider.credential.field(&token.field).is_none()
    {
        return problem(format!("{key}.token.field"), "names no credential field");
    }
    if rule.echo.is_some() && !rule.signed && rule.token.is_none() {
        return problem(
            format!("{key}.echo"),
            "would reflect a stranger's input: needs `signed = true` or a `token`",
        );
    }
    if rule.echo.is_some() && !rule.respond.body.is_empty() {
        return problem(format!("{key}.respond.body"), "stands beside `echo`");
    }
    response(&format!("{key}.respond"), &rule.respond)
}

fn conditions(key: &str, when: &[Match]) -> Result<(), Problem> {
    match when.iter().any(|m| m.absent && m.equals.is_some()) {
        true => problem(
            format!("{key}.when"),
            "`absent` and `equals` exclude each other",
        ),
        false => Ok(()),
    }
}

fn response(key: &str, response: &FixedResponse) -> Result<(), Problem> {
    if !(200..300).contains(&response.status) {
        return problem(format!("{key}.status"), "must be between 200 and 299");
    }
    if !response.body.is_empty() && response.content_type.is_none() {
        return problem(
            format!("{key}.content_type"),
            "is needed where there is a body",
        );
    }
    Ok(())
}
