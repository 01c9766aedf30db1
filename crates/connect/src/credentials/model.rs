//! The shapes of credentials in the API, and the check of entered values against the catalogue.

use std::collections::BTreeMap;

use kernel::{
    Error, Result,
    error::FieldError,
    id::{CredentialId, UserId},
    secret::Secret,
};
use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    catalogue::{Field, Provider},
    verify::Verification,
};

/// Whether a credential is for business or for trying things out. One is never taken in the place
/// of the other.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
    sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schema(as = CredentialEnvironment)]
pub enum Environment {
    #[default]
    Live,
    Test,
}

impl Environment {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "live" => Some(Self::Live),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}

/// A credential without its secrets.
#[derive(Debug, Serialize, ToSchema)]
pub struct CredentialView {
    #[schema(value_type = String, example = "cred_01h455vb4pex5vsknk084sn02q")]
    pub id: CredentialId,
    /// The provider's id in the catalogue.
    pub provider: String,
    /// Tells several credentials of one provider and environment apart.
    pub name: String,
    pub environment: Environment,
    /// Whether it is taken where nobody names another: one of each provider and environment is.
    #[serde(rename = "default")]
    pub is_default: bool,
    /// The member who answers for it.
    #[schema(value_type = Option<String>, example = "usr_01h455vb4pex5vsknk084sn02q")]
    pub owner: Option<UserId>,
    /// After which the provider refuses it: the earlier one of what the provider told when it was
    /// tested and of what somebody entered.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// The end that somebody entered.
    #[serde(with = "time::serde::rfc3339::option")]
    pub entered_expiry: Option<OffsetDateTime>,
    /// The latest use. A test counts where there was no other use.
    pub last_used: Option<LastUse>,
    /// The fields that are not secret.
    pub fields: BTreeMap<String, String>,
    pub secrets: Vec<SecretView>,
    /// What the latest test of it at the provider found; absent until it is tested as it is now.
    pub verification: Option<Verification>,
    /// Rises with every change of its values.
    pub version: i64,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// Who used a credential, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastUse {
    /// At most an hour behind: the same caller's later uses in one hour do not move it.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// As in the audit log: `api_key:key_…`, `user:usr_…`, `webhook:whatsapp`.
    pub by: String,
    /// The operation, as in `proxy`, `messages.send`, `chat.completions`, `credential.verify`.
    pub purpose: String,
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

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCredential {
    /// The provider's id in the catalogue, as in `whatsapp`.
    pub provider: String,
    #[serde(default = "default_name")]
    pub name: String,
    #[serde(default)]
    pub environment: Environment,
    /// The member who answers for it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub owner: Option<UserId>,
    /// After which the provider refuses it, where the provider doesn't tell that itself.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// Values, secret and not, by the field names of the provider's catalogue entry.
    #[schema(value_type = BTreeMap<String, String>)]
    pub values: BTreeMap<String, Secret>,
}

pub(super) fn default_name() -> String {
    "default".to_owned()
}

/// Values that take the place of others.
#[derive(Debug)]
pub struct Rotation {
    /// The fields to replace; the others stay.
    pub values: BTreeMap<String, Secret>,
    /// For how long, in seconds, webhooks signed with the replaced secrets are still accepted.
    pub grace_seconds: u32,
}

/// What to change of a credential; what is absent stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The fields to replace; the others stay.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    pub values: BTreeMap<String, Secret>,
    /// For how long, in seconds, webhooks signed with the replaced secrets are still accepted; a
    /// day if absent.
    pub grace_seconds: Option<u32>,
    pub name: Option<String>,
    /// Moves it to the other environment, where it is the default if there is no other.
    pub environment: Option<Environment>,
    /// The member who answers for it; `null` for nobody.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub owner: Option<Option<UserId>>,
    /// After which the provider refuses it; `null` where that is not known. Replacing a secret
    /// clears the date, because it was that of the old one.
    #[serde(default, deserialize_with = "moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Option<OffsetDateTime>>,
    /// `true` makes it the default of its environment, in the place of the one that is.
    pub default: Option<bool>,
}

/// Tells `null` from absent.
fn present<'de, D, T>(deserializer: D) -> std::result::Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// As `present`, for moments.
fn moment<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Option<OffsetDateTime>>, D::Error> {
    time::serde::rfc3339::option::deserialize(deserializer).map(Some)
}

/// A day: long enough to change the other side by hand.
pub(super) const DEFAULT_GRACE: u32 = 86_400;

/// Which credentials a list has.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub provider: Option<String>,
    pub environment: Option<Environment>,
    /// Only those whose end is known and comes before this moment, or has come.
    pub expiring_before: Option<OffsetDateTime>,
}

/// One version of a credential, masked.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CredentialVersionView)]
pub struct VersionView {
    pub version: i64,
    /// Whether it is the one in use.
    pub current: bool,
    /// Who made it, as in the audit log.
    pub created_by: String,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    pub reason: VersionReason,
    /// The version whose values it has, where it was restored.
    pub restored_from: Option<i64>,
    /// The fields that differ from the version before.
    pub changed: Vec<String>,
    /// The fields that are not secret.
    pub fields: BTreeMap<String, String>,
    pub secrets: Vec<VersionSecret>,
}

/// A secret of a version.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct VersionSecret {
    pub field: String,
    /// Absent where four characters would give away too much.
    pub last4: Option<String>,
}

/// How a version came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schema(as = CredentialVersionReason)]
pub enum VersionReason {
    Created,
    Rotated,
    Restored,
    Imported,
}

impl VersionReason {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Rotated => "rotated",
            Self::Restored => "restored",
            Self::Imported => "imported",
        }
    }
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
