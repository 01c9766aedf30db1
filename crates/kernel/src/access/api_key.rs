//! API keys: their form. The access that presenting one gives is [`verify`]'s, what it was used for
//! is [`usage`]'s.
//!
//! `<prefix>_<live|test>_<tenant><key id><secret><checksum>`, base62. The tenant stands in the key
//! itself, so the key is looked up inside its tenant and no table of all keys exists. The CRC32
//! lets a scanner tell a real key from look-alikes and lets us refuse typing errors without a query.

mod usage;
mod verify;

use std::fmt;

use axum::http::{header, request::Parts};

pub use usage::UsageWriter;
pub(crate) use usage::Uses;
pub(super) use verify::authenticate;
pub use verify::shown;

use crate::{id::TenantId, secret::Secret};

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
        let tenant = encode(tenant.uuid().as_u128(), TENANT);
        Self::with_public_id(prefix, mode, format!("{tenant}{}", random(KEY_ID)))
    }

    /// Another secret for a key that there is. `public_id` is what an earlier [`NewKey`] had.
    pub fn again(prefix: &str, mode: Mode, public_id: String) -> Self {
        Self::with_public_id(prefix, mode, public_id)
    }

    fn with_public_id(prefix: &str, mode: Mode, public_id: String) -> Self {
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

/// Whether a text has the form of a key, which says nothing of valid. What has it was made by some
/// Freehold, since its checksum is right.
pub fn is_formed(text: &str) -> bool {
    Presented::parse(text).is_some()
}

/// The parts of a well-formed key. Well-formed says nothing of valid.
struct Presented<'a> {
    tenant: TenantId,
    /// Letters and digits alone.
    public_id: &'a str,
    secret: &'a str,
}

impl<'a> Presented<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (head, tail) = text.rsplit_once('_')?;
        let (_, mode) = head.rsplit_once('_')?;
        if !matches!(mode, "live" | "test")
            || tail.len() != TENANT + KEY_ID + SECRET + CHECKSUM
            || !tail.bytes().all(|byte| byte.is_ascii_alphanumeric())
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

/// The token of `Authorization: Bearer …`.
pub(super) fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

pub(in crate::access) fn sha256(bytes: &[u8]) -> Vec<u8> {
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
