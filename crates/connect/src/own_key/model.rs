//! The shapes of a tenant's own key: what is entered, what is stored of it, what is shown.

use kernel::{Error, Result, error::FieldError, secret::Secret};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use url::Url;
use utoipa::ToSchema;

use super::KeyFailure;

/// What kind of provider holds a tenant's own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EncryptionKeyProvider)]
pub enum Holder {
    /// The Transit engine of OpenBao or HashiCorp Vault.
    Transit,
    Aws,
}

impl Holder {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Transit => "transit",
            Self::Aws => "aws",
        }
    }

    /// As people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Transit => "Transit",
            Self::Aws => "AWS KMS",
        }
    }
}

/// A key of the tenant's own, and how to get at it.
#[derive(Debug, Deserialize)]
#[serde(tag = "provider", rename_all = "snake_case")]
pub enum NewEncryptionKey {
    Transit(NewTransitKey),
    Aws(NewAwsKey),
}

/// A derived key in a Transit engine of OpenBao or HashiCorp Vault.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTransitKey {
    /// The server, as in `https://bao.example.com:8200`.
    pub address: String,
    /// Where the server has namespaces.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Where the engine is mounted.
    #[serde(default = "transit")]
    pub mount: String,
    /// The key's name.
    pub key: String,
    pub login: LoginKind,
    /// Where AppRole is mounted; without meaning for a token.
    #[serde(default = "approle")]
    pub approle_mount: String,
    /// The AppRole's id; without meaning for a token.
    #[serde(default)]
    pub role_id: Option<String>,
    /// The token, or the AppRole's secret id.
    #[schema(value_type = String)]
    pub secret: Secret,
}

/// A symmetric key of AWS KMS.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAwsKey {
    /// Its ARN.
    #[schema(example = "arn:aws:kms:eu-central-1:123456789012:key/0b1c…")]
    pub key: String,
    pub access_key_id: String,
    #[schema(value_type = String)]
    pub secret_access_key: Secret,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TransitLogin)]
pub enum LoginKind {
    Token,
    Approle,
}

fn transit() -> String {
    "transit".to_owned()
}

fn approle() -> String {
    "approle".to_owned()
}

/// Where the key is and how one signs in there, as it is stored: the settings of the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Transit(TransitView),
    Aws(AwsView),
}

/// A Transit key without the login's secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = TransitKey)]
pub struct TransitView {
    pub address: String,
    pub namespace: Option<String>,
    pub mount: String,
    pub key: String,
    pub login: LoginKind,
    /// Present for an AppRole.
    pub approle_mount: Option<String>,
    pub role_id: Option<String>,
}

/// A key of AWS KMS without the secret access key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AwsKey)]
pub struct AwsView {
    pub key: String,
    pub access_key_id: String,
}

impl Place {
    pub fn holder(&self) -> Holder {
        match self {
            Self::Transit(_) => Holder::Transit,
            Self::Aws(_) => Holder::Aws,
        }
    }

    pub fn settings(&self) -> Result<serde_json::Value> {
        match self {
            Self::Transit(transit) => serde_json::to_value(transit),
            Self::Aws(aws) => serde_json::to_value(aws),
        }
        .map_err(Error::internal)
    }

    pub fn stored(provider: &str, settings: serde_json::Value) -> Result<Self> {
        match provider {
            "transit" => serde_json::from_value(settings).map(Self::Transit),
            "aws" => serde_json::from_value(settings).map(Self::Aws),
            other => {
                let error = anyhow::anyhow!("no tenant's own key is held by {other:?}");
                return Err(Error::internal(error));
            }
        }
        .map_err(Error::internal)
    }

    /// The key, for the audit log.
    pub fn describe(&self) -> String {
        match self {
            Self::Transit(at) => format!("{}/{} at {}", at.mount, at.key, at.address),
            Self::Aws(at) => at.key.clone(),
        }
    }
}

/// The region of a KMS key's ARN; nothing for what is no such ARN. The region becomes part of a host
/// name, so it is one of the known form alone
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>).
pub(super) fn region_of(arn: &str) -> Option<&str> {
    let mut parts = arn.split(':');
    let (head, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase());
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let words: Vec<&str> = region.split('-').collect();
    let (number, names) = words.split_last()?;
    let is_region = names.len() >= 2
        && !number.is_empty()
        && digits(number)
        && names.iter().all(|name| !name.is_empty() && letters(name));
    let id = resource.strip_prefix("key/")?;
    let is_id = (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (parts.next().is_none()
        && head == "arn"
        && matches!(partition, "aws" | "aws-cn" | "aws-us-gov")
        && service == "kms"
        && is_region
        && region.len() <= 32
        && account.len() == 12
        && digits(account)
        && is_id)
        .then_some(region)
}

/// Collects what is wrong with the fields.
#[derive(Default)]
struct Wrong(Vec<FieldError>);

impl Wrong {
    fn unless(&mut self, holds: bool, field: &str, message: &str) {
        if !holds {
            self.0.push(FieldError {
                field: field.to_owned(),
                message: message.to_owned(),
            });
        }
    }

    fn done(self) -> Result<()> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(Error::Invalid {
                detail: "some fields do not fit".to_owned(),
                fields: self.0,
            }),
        }
    }
}

/// Segments that each mean themselves in a path, as `vault::Transit` takes them.
fn is_path(text: &str) -> bool {
    text.len() <= 128 && text.split('/').all(is_name)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && !text.bytes().all(|byte| byte == b'.')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// What a header's value can carry.
fn is_visible(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The server's address and nothing more.
fn is_origin(text: &str) -> bool {
    text.len() <= 500
        && Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.host().is_some()
                && matches!(url.path(), "" | "/")
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        })
}

impl NewEncryptionKey {
    /// Where it is, and the secret to sign in with.
    pub(super) fn checked(self) -> Result<(Place, Secret)> {
        match self {
            Self::Transit(new) => new.checked(),
            Self::Aws(new) => new.checked(),
        }
    }
}

impl NewTransitKey {
    fn checked(self) -> Result<(Place, Secret)> {
        const NAMES: &str = "may hold letters, digits, `-`, `_` and `.`";
        let mut wrong = Wrong::default();
        let namespace = self.namespace.filter(|name| !name.is_empty());
        wrong.unless(
            is_origin(&self.address),
            "address",
            "must be an address without a path, as in https://bao.example.com:8200",
        );
        let is_namespace = namespace
            .as_deref()
            .is_none_or(|name| is_path(name.trim_end_matches('/')));
        wrong.unless(is_namespace, "namespace", NAMES);
        wrong.unless(is_path(&self.mount), "mount", NAMES);
        wrong.unless(is_name(&self.key), "key", NAMES);
        let role_id = self.role_id.filter(|_| self.login == LoginKind::Approle);
        if self.login == LoginKind::Approle {
            wrong.unless(is_path(&self.approle_mount), "approle_mount", NAMES);
            wrong.unless(
                role_id.as_deref().is_some_and(|id| is_visible(id, 500)),
                "role_id",
                "is needed for an AppRole",
            );
        }
        wrong.unless(
            is_visible(self.secret.expose(), 8_000),
            "secret",
            "must be a token or a secret id, without spaces",
        );
        wrong.done()?;
        let place = Place::Transit(TransitView {
            address: self.address,
            namespace,
            mount: self.mount,
            key: self.key,
            login: self.login,
            approle_mount: role_id.is_some().then_some(self.approle_mount),
            role_id,
        });
        Ok((place, self.secret))
    }
}

impl NewAwsKey {
    fn checked(self) -> Result<(Place, Secret)> {
        let mut wrong = Wrong::default();
        wrong.unless(
            region_of(&self.key).is_some(),
            "key",
            "must be the ARN of a key, as in arn:aws:kms:eu-central-1:123456789012:key/…",
        );
        // The form of IAM: docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html.
        let is_id = (16..=128).contains(&self.access_key_id.len())
            && self
                .access_key_id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        wrong.unless(
            is_id,
            "access_key_id",
            "must be the id of an access key, as in AKIA…",
        );
        wrong.unless(
            is_visible(self.secret_access_key.expose(), 200),
            "secret_access_key",
            "must be the secret of the access key",
        );
        wrong.done()?;
        let place = Place::Aws(AwsView {
            key: self.key,
            access_key_id: self.access_key_id,
        });
        Ok((place, self.secret_access_key))
    }
}

/// Which key wraps the tenant's data keys.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EncryptionKeyView {
    /// The tenant's own key; absent where the installation's wraps them.
    pub own: Option<OwnKeyView>,
}

/// The tenant's own key, without the login's secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OwnKeyView {
    pub provider: Holder,
    /// Present where a Transit engine holds it.
    pub transit: Option<TransitView>,
    /// Present where AWS KMS holds it.
    pub aws: Option<AwsView>,
    /// As it was found when it was last used or tested.
    pub state: KeyState,
    /// Why it can't be used.
    pub failure: Option<KeyFailure>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub failing_since: Option<OffsetDateTime>,
    /// What to do about it, at the provider.
    pub advice: Option<String>,
    /// When it was last tested and worked.
    #[serde(with = "time::serde::rfc3339")]
    pub verified_at: OffsetDateTime,
    /// Who set it, as in `user:usr_…`.
    pub created_by: String,
    /// When the tenant's first own key was set.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When this one was.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// Rises with every replacement.
    pub version: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EncryptionKeyState)]
pub enum KeyState {
    Working,
    /// The provider does not answer. It works again by itself.
    Unavailable,
    /// The provider refuses the use of the key. It works again when that is given back.
    Withdrawn,
}

impl KeyState {
    pub(super) fn of(failure: Option<KeyFailure>) -> Self {
        match failure {
            None => Self::Working,
            Some(failure) if failure.passes() => Self::Unavailable,
            Some(_) => Self::Withdrawn,
        }
    }
}

#[cfg(test)]
mod tests;
