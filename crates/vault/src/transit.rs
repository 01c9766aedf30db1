//! KEKs in a Transit engine of OpenBao or HashiCorp Vault, over its HTTP API
//! (<https://openbao.org/api-docs/secret/transit/>).
//!
//! The key has to be a derived one: then every wrap is made under a key of its own, derived from
//! the `context`, which names the data key's owner and generation. `associated_data` would bind as
//! well, but Transit's own rewrap drops it.

mod client;
mod login;

use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::data_key::DataKey;
use crate::key_bytes::KeyBytes;
use crate::owner::Owner;
use crate::provider::{ProviderError, WrappedKey};
use client::{Answer, Client};
pub use login::Login;

/// Keeps contexts of this format apart from whatever else the key may be used for.
const CONTEXT: &[u8] = b"freehold/1/data-key";

/// Where a Transit key is and how to get at it.
#[derive(Clone, Debug)]
pub struct TransitSettings {
    /// As in `https://bao.example.com:8200`, without a path.
    pub address: url::Url,
    /// The namespace, where the server has them.
    pub namespace: Option<String>,
    /// Where the engine is mounted, as in `transit`.
    pub mount: String,
    /// The key's name.
    pub key: String,
    pub login: Login,
}

/// A Transit engine, and the key in it that wraps.
#[derive(Debug)]
pub struct Transit {
    client: Client,
    mount: String,
    key: String,
    /// Whether the key was seen to be one that binds its wraps. A key never changes in this.
    derived: AtomicBool,
}

/// A KEK's name taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Kek<'a> {
    mount: &'a str,
    key: &'a str,
    version: u32,
}

#[derive(Deserialize)]
struct KeyInfo {
    derived: bool,
    latest_version: u32,
    #[serde(default)]
    supports_encryption: bool,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

#[derive(Deserialize)]
struct Decrypted {
    plaintext: Plaintext,
}

#[derive(Deserialize)]
#[serde(from = "String")]
struct Plaintext(Zeroizing<String>);

impl From<String> for Plaintext {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl Transit {
    /// Reaches the server by `http`, which decides what addresses may be reached at all and which
    /// certificates are believed. [`Transit::http`] makes a plain one.
    ///
    /// # Errors
    /// `Unsuitable` where a mount or the key is no name that a path can carry.
    pub fn new(settings: TransitSettings, http: reqwest::Client) -> Result<Self, ProviderError> {
        let TransitSettings {
            address,
            namespace,
            mount,
            key,
            login,
        } = settings;
        let mount = mount.trim_matches('/').to_owned();
        let login_mount = match &login {
            Login::AppRole { mount, .. } => mount,
            Login::Token(_) | Login::TokenFile(_) => &mount,
        };
        if !is_path(&mount) || !is_path(login_mount) || !is_name(&key) {
            return Err(ProviderError::Unsuitable {
                provider: format!("transit at {address}"),
                reason: "mounts and key may hold letters, digits, `-`, `_` and `.`",
            });
        }
        Ok(Self {
            client: Client::new(address, namespace, login, http),
            mount,
            key,
            derived: AtomicBool::new(false),
        })
    }

    /// A client with short time-outs that follows no redirects. `ca` holds further certificates
    /// to believe, as PEM.
    pub fn http(ca: Option<&[u8]>) -> Result<reqwest::Client, ProviderError> {
        client::http(ca)
    }

    pub fn describe(&self) -> String {
        format!(
            "transit key {}/{} at {}",
            self.mount,
            self.key,
            self.client.address()
        )
    }

    /// The newest version of the key.
    ///
    /// # Errors
    /// `Unsuitable` where the key is not derived: its wraps would open for every owner.
    pub async fn current_kek(&self) -> Result<String, ProviderError> {
        let info = self.key_info(&self.mount, &self.key).await?;
        Ok(kek_name(&self.mount, &self.key, info.latest_version))
    }

    pub(crate) async fn wrap(&self, key: &DataKey) -> Result<WrappedKey, ProviderError> {
        self.ensure_derived().await?;
        let plaintext = Zeroizing::new(STANDARD.encode(key.key().expose()));
        let body = json!({
            "plaintext": plaintext.as_str(),
            "context": context(key.owner(), key.generation()),
        });
        let kek = format!("transit:{}/{}", self.mount, self.key);
        let path = format!("{}/encrypt/{}", self.mount, self.key);
        let encrypted: Encrypted = self
            .client
            .call(Method::POST, &path, Some(&body))
            .await?
            .data_for(&kek, self.client.address())?;
        let version = version_of(&encrypted.ciphertext).ok_or_else(|| {
            self.unsuitable("its ciphertext is not of the form vault:v<version>:…")
        })?;
        Ok(WrappedKey {
            kek: kek_name(&self.mount, &self.key, version),
            bytes: encrypted.ciphertext.into_bytes(),
        })
    }

    pub(crate) async fn unwrap(
        &self,
        owner: Owner,
        generation: u32,
        wrapped: &WrappedKey,
    ) -> Result<DataKey, ProviderError> {
        let kek = || wrapped.kek.clone();
        let name =
            parse_kek(&wrapped.kek).ok_or_else(|| ProviderError::ForeignKek { kek: kek() })?;
        let ciphertext = std::str::from_utf8(&wrapped.bytes)
            .ok()
            .filter(|text| version_of(text) == Some(name.version))
            .ok_or_else(|| ProviderError::NotItsWrap { kek: kek() })?;
        let body = json!({ "ciphertext": ciphertext, "context": context(owner, generation) });
        let path = format!("{}/decrypt/{}", name.mount, name.key);
        let decrypted: Decrypted = self
            .client
            .call(Method::POST, &path, Some(&body))
            .await?
            .data_for(&wrapped.kek, self.client.address())?;
        let bytes = STANDARD
            .decode(decrypted.plaintext.0.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| ProviderError::NotAKey { kek: kek() })?;
        let key = KeyBytes::copy_of(&bytes).ok_or_else(|| ProviderError::NotAKey { kek: kek() })?;
        Ok(DataKey::from_key(owner, generation, key))
    }

    /// Makes a new version of the key, which wraps from then on. The login needs the right to.
    pub async fn rotate(&self) -> Result<String, ProviderError> {
        let path = format!("{}/keys/{}/rotate", self.mount, self.key);
        let kek = format!("transit:{}/{}", self.mount, self.key);
        self.client
            .call(Method::POST, &path, Some(&json!({})))
            .await?
            .done_for(&kek, self.client.address())?;
        self.current_kek().await
    }

    async fn ensure_derived(&self) -> Result<(), ProviderError> {
        if !self.derived.load(Ordering::Acquire) {
            self.key_info(&self.mount, &self.key).await?;
        }
        Ok(())
    }

    async fn key_info(&self, mount: &str, key: &str) -> Result<KeyInfo, ProviderError> {
        let kek = format!("transit:{mount}/{key}");
        let answer: Answer = self
            .client
            .call(Method::GET, &format!("{mount}/keys/{key}"), None)
            .await?;
        let info: KeyInfo = answer.data_for(&kek, self.client.address())?;
        if !info.derived || !info.supports_encryption {
            return Err(self.unsuitable(
                "the key has to encrypt and to be made with derived=true, or wraps would not be bound to their owner",
            ));
        }
        self.derived.store(true, Ordering::Release);
        Ok(info)
    }

    fn unsuitable(&self, reason: &'static str) -> ProviderError {
        ProviderError::Unsuitable {
            provider: self.describe(),
            reason,
        }
    }
}

/// What a wrap is bound to, as the API takes it.
fn context(owner: Owner, generation: u32) -> String {
    let mut bound = Vec::with_capacity(CONTEXT.len() + 20);
    bound.extend_from_slice(CONTEXT);
    bound.extend_from_slice(&owner.0);
    bound.extend_from_slice(&generation.to_be_bytes());
    STANDARD.encode(bound)
}

/// The key's version in a ciphertext, as in `vault:v2:…`.
fn version_of(ciphertext: &str) -> Option<u32> {
    let (version, _) = ciphertext.strip_prefix("vault:v")?.split_once(':')?;
    version.parse().ok().filter(|version| *version > 0)
}

fn kek_name(mount: &str, key: &str, version: u32) -> String {
    format!("transit:{mount}/{key}:v{version}")
}

/// `None` for every spelling that `kek_name` would not have made: the parts become a path.
fn parse_kek(name: &str) -> Option<Kek<'_>> {
    let (place, version) = name.strip_prefix("transit:")?.rsplit_once(":v")?;
    let (mount, key) = place.rsplit_once('/')?;
    let version: u32 = version.parse().ok().filter(|version| *version > 0)?;
    let named = is_path(mount) && is_name(key) && kek_name(mount, key, version) == name;
    named.then_some(Kek {
        mount,
        key,
        version,
    })
}

fn is_path(text: &str) -> bool {
    text.split('/').all(is_name)
}

/// A segment of a path that means itself.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && !text.bytes().all(|byte| byte == b'.')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_keks_are_read_in_one_spelling_alone() {
        let read = parse_kek("transit:team/transit/free-hold:v12");
        let expected = Kek {
            mount: "team/transit",
            key: "free-hold",
            version: 12,
        };
        assert_eq!(read, Some(expected));
        for name in [
            "transit:transit/key:v012",
            "transit:transit/key:v0",
            "transit:transit/key",
            "transit:key:v1",
            "transit:transit/../sys/key:v1",
            "transit:transit//key:v1",
            "transit:transit/k?y:v1",
            "local:v1",
        ] {
            assert_eq!(parse_kek(name), None, "{name}");
        }
    }

    #[test]
    fn a_context_differs_by_owner_and_by_generation() {
        let one = context(Owner([1; 16]), 1);
        assert_ne!(one, context(Owner([2; 16]), 1));
        assert_ne!(one, context(Owner([1; 16]), 2));
    }

    #[test]
    fn versions_of_ciphertexts() {
        assert_eq!(version_of("vault:v3:abc"), Some(3));
        for text in ["vault:v0:abc", "vault:v3", "vault:3:abc", "v3:abc", ""] {
            assert_eq!(version_of(text), None, "{text}");
        }
    }
}
