//! The shapes of credentials in the API, and the check of entered values against the catalogue.

use std::collections::BTreeMap;

use kernel::{Error, Result, error::FieldError, id::CredentialId, secret::Secret};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    catalogue::{Field, Provider},
    verify::Verification,
};

/// A credential without its secrets.
#[derive(Debug, Serialize, ToSchema)]
pub struct CredentialView {
    #[schema(value_type = String, example = "cred_01h455vb4pex5vsknk084sn02q")]
    pub id: CredentialId,
    /// The provider's id in the catalogue.
    pub provider: String,
    /// Tells several credentials of one provider apart.
    pub name: String,
    /// The fields that are not secret.
    pub fields: BTreeMap<String, String>,
    pub secrets: Vec<SecretView>,
    /// What the latest test of it at the provider found; absent until it is tested as it is now.
    pub verification: Option<Verification>,
    /// Rises with every change.
    pub version: i64,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// What may be known of a secret.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SecretView {
    pub field: String,
    /// `current`, or `previous` while a rotation's grace lasts.
    pub slot: String,
    /// Absent where four characters would give away too much.
    pub last4: Option<String>,
    /// When the previous value stops verifying webhooks.
    #[serde(with = "time::serde::rfc3339::option")]
    pub valid_until: Option<OffsetDateTime>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCredential {
    /// The provider's id in the catalogue, as in `whatsapp`.
    pub provider: String,
    #[serde(default = "default_name")]
    pub name: String,
    /// Values, secret and not, by the field names of the provider's catalogue entry.
    #[schema(value_type = BTreeMap<String, String>)]
    pub values: BTreeMap<String, Secret>,
}

fn default_name() -> String {
    "default".to_owned()
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The fields to replace; the others stay.
    #[schema(value_type = BTreeMap<String, String>)]
    pub values: BTreeMap<String, Secret>,
    /// For how long, in seconds, webhooks signed with the replaced secrets are still accepted.
    #[serde(default = "default_grace")]
    pub grace_seconds: u32,
}

/// A day: long enough to change the other side by hand.
fn default_grace() -> u32 {
    86_400
}

const LONGEST_VALUE: usize = 16 * 1024;

/// Values that fit the provider, parted into what may be shown and what may not.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub fields: BTreeMap<String, String>,
    pub secrets: BTreeMap<String, Secret>,
}

/// Checks values against the catalogue. `complete` asks for every required field, as a new
/// credential must have them.
pub(super) fn sort(
    values: BTreeMap<String, Secret>,
    provider: &Provider,
    complete: bool,
) -> Result<Sorted> {
    let mut errors = Vec::new();
    let mut sorted = Sorted::default();
    for (name, value) in values {
        let wrong = |message: String| FieldError {
            field: format!("values.{name}"),
            message,
        };
        let Some(field) = provider.credential.field(&name) else {
            let known: Vec<&str> = provider
                .credential
                .fields
                .iter()
                .map(|field| field.name.as_str())
                .collect();
            errors.push(wrong(format!(
                "{} has no such field; it has {}",
                provider.name,
                known.join(", ")
            )));
            continue;
        };
        if value.expose().len() > LONGEST_VALUE || value.expose().contains('\0') {
            errors.push(wrong(format!(
                "must be text of at most {LONGEST_VALUE} bytes"
            )));
        } else if !field.accepts(value.expose()) {
            errors.push(wrong(expected(field)));
        } else if value.expose().is_empty() {
            // An optional field left empty is one that was not given.
        } else if field.secret {
            sorted.secrets.insert(name, value);
        } else {
            sorted.fields.insert(name, value.expose().to_owned());
        }
    }
    if complete {
        for field in &provider.credential.fields {
            if let Some(default) = &field.default {
                let kept = sorted.fields.entry(field.name.clone());
                kept.or_insert_with(|| default.clone());
            }
        }
        for field in provider
            .credential
            .fields
            .iter()
            .filter(|field| field.required)
        {
            let given =
                sorted.fields.contains_key(&field.name) || sorted.secrets.contains_key(&field.name);
            let path = format!("values.{}", field.name);
            if !given && !errors.iter().any(|error| error.field == path) {
                errors.push(FieldError {
                    field: path,
                    message: format!("is required: {}", field.label),
                });
            }
        }
    }
    if errors.is_empty() {
        return Ok(sorted);
    }
    let detail = errors
        .iter()
        .map(|error| format!("`{}` {}", error.field, error.message))
        .collect::<Vec<_>>();
    Err(Error::Invalid {
        detail: detail.join("; "),
        fields: errors,
    })
}

/// What a value must look like, for whoever entered another one.
fn expected(field: &Field) -> String {
    if !field.choices.is_empty() {
        let values: Vec<&str> = field
            .choices
            .iter()
            .map(|choice| choice.value.as_str())
            .collect();
        return format!("must be one of {}", values.join(", "));
    }
    match &field.pattern {
        Some(pattern) => format!("must be a value of the form {}", pattern.as_str()),
        None => "must be a value".to_owned(),
    }
}
