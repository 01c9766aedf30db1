//! API keys: their form, and the access that presenting one gives.
//!
//! `<prefix>_<live|test>_<tenant><key id><secret><checksum>`, base62. The tenant stands in the key
//! itself, so the key is looked up inside its tenant and no table of all keys exists. The CRC32
//! lets a scanner tell a real key from look-alikes and lets us refuse typing errors without a query.

use std::fmt;

use axum::http::{header, request::Parts};

use super::{Access, Actor, Authority};
use crate::{
    db::{Db, Route, Tx},
    error::{Error, Result},
    id::{ApiKeyId, TenantId},
    permission::Permission,
    secret::{Secret, constant_time_eq},
    suspension::{Entrance, admit},
    telemetry,
};

/// Characters of a UUID in base62.
const TENANT: usize = 22;
const KEY_ID: usize = 10;
/// 40 base62 characters hold 238 bits.
const SECRET: usize = 40;
const CHECKSUM: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Keys of the live environment and of tests are told apart at sight.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Live,
    Test,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

/// A freshly made key: the whole text, shown once, and what is stored of it.
pub struct NewKey {
    pub text: Secret,
    pub public_id: String,
    pub secret_sha256: Vec<u8>,
    /// The beginning, for recognising the key in a list.
    pub display: String,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewKey({}…)", self.display)
    }
}

impl NewKey {
    pub fn generate(prefix: &str, mode: Mode, tenant: TenantId) -> Self {
        let public_id = format!(
            "{}{}",
            encode(tenant.uuid().as_u128(), TENANT),
            random(KEY_ID)
        );
        let secret = random(SECRET);
        let body = format!("{prefix}_{}_{public_id}{secret}", mode.as_str());
        let checksum = encode(crc32fast::hash(body.as_bytes()).into(), CHECKSUM);
        Self {
            display: format!(
                "{prefix}_{}_{}",
                mode.as_str(),
                &public_id[TENANT..TENANT + 4]
            ),
            secret_sha256: sha256(secret.as_bytes()),
            text: format!("{body}{checksum}").into(),
            public_id,
        }
    }
}

/// The parts of a well-formed key. Well-formed says nothing of valid.
struct Presented<'a> {
    tenant: TenantId,
    public_id: &'a str,
    secret: &'a str,
}

impl<'a> Presented<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (head, tail) = text.rsplit_once('_')?;
        let (_, mode) = head.rsplit_once('_')?;
        if !matches!(mode, "live" | "test")
            || tail.len() != TENANT + KEY_ID + SECRET + CHECKSUM
            || !tail.is_ascii()
        {
            return None;
        }
        let (body, checksum) = text.split_at(text.len() - CHECKSUM);
        if encode(crc32fast::hash(body.as_bytes()).into(), CHECKSUM) != checksum {
            return None;
        }
        let (public_id, rest) = tail.split_at(TENANT + KEY_ID);
        let tenant = uuid::Uuid::from_u128(decode(&public_id[..TENANT])?);
        Some(Self {
            tenant: tenant.into(),
            public_id,
            secret: &rest[..SECRET],
        })
    }
}

/// Checks a presented key and mints the access that it carries. Every failure is the same to the
/// outside: `Unauthenticated`, unless the key is valid and only lacks the permission.
pub(super) async fn authenticate<P: Permission>(db: &Db, text: &str) -> Result<Access<P>> {
    let key = Presented::parse(text).ok_or(Error::Unauthenticated)?;
    let tenant = db
        .directory()
        .by_id(key.tenant)
        .await?
        .ok_or(Error::Unauthenticated)?;
    let correlation = telemetry::correlation();
    let reader = Actor::new("api_key", "unverified");
    let mut tx = Tx::begin(db, &tenant, reader, correlation, Route::Read).await?;
    let row = sqlx::query!(
        r#"SELECT id, secret_sha256, permissions,
                  (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())) AS "valid!"
           FROM cell.api_key WHERE public_id = $1"#,
        key.public_id
    )
    .fetch_optional(tx.conn())
    .await?;
    tx.commit().await?;
    let row = row.ok_or(Error::Unauthenticated)?;
    if !constant_time_eq(&sha256(key.secret.as_bytes()), &row.secret_sha256) || !row.valid {
        return Err(Error::Unauthenticated);
    }
    admit(&tenant, Entrance::Key, P::NAME)?;
    if !row.permissions.iter().any(|name| name == P::NAME) {
        return Err(Error::Forbidden(P::NAME));
    }
    let actor = Actor::new("api_key", ApiKeyId::from(row.id));
    let access = Access::mint(db, tenant, actor, correlation);
    Ok(access.with(Authority::Permissions(row.permissions), None))
}

/// The token of `Authorization: Bearer …`.
pub(super) fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

pub(super) fn sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes)
        .as_ref()
        .to_vec()
}

fn random(length: usize) -> String {
    use rand::RngExt;
    let mut rng = rand::rng();
    (0..length)
        .map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]))
        .collect()
}

fn encode(mut value: u128, width: usize) -> String {
    let mut text = vec![b'0'; width];
    for slot in text.iter_mut().rev() {
        *slot = ALPHABET[(value % 62) as usize];
        value /= 62;
    }
    text.into_iter().map(char::from).collect()
}

fn decode(text: &str) -> Option<u128> {
    text.bytes().try_fold(0u128, |value, byte| {
        let digit = ALPHABET.iter().position(|&c| c == byte)? as u128;
        value.checked_mul(62)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_carries_its_tenant(tenant: u128) {
            let tenant = TenantId::from(uuid::Uuid::from_u128(tenant));
            let key = NewKey::generate("fh", Mode::Live, tenant);
            let parsed = Presented::parse(key.text.expose()).expect("well-formed");
            prop_assert_eq!(parsed.tenant, tenant);
            prop_assert_eq!(parsed.public_id, &key.public_id);
            prop_assert_eq!(sha256(parsed.secret.as_bytes()), key.secret_sha256);
        }

        #[test]
        fn a_changed_character_is_noticed(place in 0usize..85, with in "[0-9A-Za-z]") {
            let key = NewKey::generate("fh", Mode::Test, TenantId::new());
            let mut text = key.text.expose().to_owned();
            let place = place.min(text.len() - 1);
            prop_assume!(text[place..=place] != with);
            text.replace_range(place..=place, &with);
            prop_assert!(Presented::parse(&text).is_none());
        }

        #[test]
        fn garbage_never_panics(text in ".{0,120}") {
            let _ = Presented::parse(&text);
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = NewKey::generate("fh", Mode::Live, TenantId::new());
        let secret = &key.text.expose()[40..];
        assert!(!format!("{key:?}").contains(&secret[..10]));
    }
}
