//! The local keyring: key-encryption keys in a file of this machine, and the wraps made with
//! them. How the file is read and replaced is `file`.

mod file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use crate::data_key::DataKey;
use crate::envelope::{self, Envelope, Labels, Salt};
use crate::key_bytes::KeyBytes;
use crate::owner::Owner;
use crate::provider::{ProviderError, WrappedKey};

pub use file::KeyringError;

const LABELS: Labels = Labels {
    key: b"freehold/1/wrap/key",
    commitment: b"freehold/1/wrap/commitment",
};

/// What a wrap is bound to first, as a field is to its domain.
const DOMAIN: &[u8] = b"data-key";

/// Versioned KEKs in a TOML file of mode 0600:
///
/// ```toml
/// current = 2
///
/// [keys]
/// 1 = "base64 of 32 bytes"
/// 2 = "base64 of 32 bytes"
/// ```
///
/// The current version wraps; all of them unwrap. Whoever loses the file loses everything sealed
/// under it, and whoever copies it can open all of it: back it up, and apart from the database.
#[derive(Debug)]
pub struct Keyring {
    path: PathBuf,
    keys: RwLock<Keys>,
}

/// The file's content. `current` is always one of `versions`.
#[derive(Debug)]
struct Keys {
    current: u32,
    versions: BTreeMap<u32, KeyBytes>,
}

impl Keys {
    fn first() -> Self {
        Self {
            current: 1,
            versions: BTreeMap::from([(1, KeyBytes::random())]),
        }
    }

    /// Adds a random key and makes it current.
    fn rotate(&mut self) -> Result<(), &'static str> {
        let newest = self.versions.keys().next_back().copied().unwrap_or(0);
        let version = newest.checked_add(1).ok_or("no version number is left")?;
        self.versions.insert(version, KeyBytes::random());
        self.current = version;
        Ok(())
    }
}

impl Keyring {
    /// Opens an existing keyring. It must be a regular file that only its owner may access.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, KeyringError> {
        let path = path.into();
        let keys = file::read(&path)?;
        Ok(Self::with(path, keys))
    }

    /// Opens the keyring, or creates one with a single random key (mode 0600, missing parent
    /// directories 0700). Of several processes that create it at once, one does and the others
    /// open what it made.
    ///
    /// A deployment that already holds sealed data uses `open`: there, a missing keyring is an
    /// unmounted volume or a wrong path, and a new one would only hide that.
    pub fn open_or_create(path: impl Into<PathBuf>) -> Result<Self, KeyringError> {
        let path = path.into();
        let keys = match file::read(&path) {
            Err(error) if error.is_not_found() => file::create(&path, Keys::first)?,
            outcome => outcome?,
        };
        Ok(Self::with(path, keys))
    }

    fn with(path: PathBuf, keys: Keys) -> Self {
        Self {
            path,
            keys: RwLock::new(keys),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a version, makes it current and returns its number. Earlier versions stay, to unwrap
    /// what they wrapped. Rotations by other processes are kept: the file is read and replaced
    /// under a lock.
    pub fn rotate(&self) -> Result<u32, KeyringError> {
        let keys = file::update(&self.path, Keys::rotate)?;
        let version = keys.current;
        self.replace(keys);
        Ok(version)
    }

    /// Takes up what another process has written to the file since. On an error the keys in use
    /// stay as they were.
    pub fn reload(&self) -> Result<(), KeyringError> {
        let keys = file::read(&self.path)?;
        self.replace(keys);
        Ok(())
    }

    fn replace(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    fn keys(&self) -> RwLockReadGuard<'_, Keys> {
        // A whole `Keys` is stored in one assignment, so that even a poisoned lock guards a
        // consistent one.
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn current_kek(&self) -> String {
        kek_name(self.keys().current)
    }

    pub(crate) fn wrap(&self, data_key: &DataKey) -> WrappedKey {
        let keys = self.keys();
        let version = keys.current;
        let kek = keys
            .versions
            .get(&version)
            .expect("the current version is one of the versions");
        WrappedKey {
            kek: kek_name(version),
            bytes: wrap_bytes(kek, version, data_key, Salt::random()),
        }
    }

    pub(crate) fn unwrap(
        &self,
        owner: Owner,
        generation: u32,
        wrapped: &WrappedKey,
    ) -> Result<DataKey, ProviderError> {
        let version = kek_version(&wrapped.kek).ok_or_else(|| ProviderError::ForeignKek {
            kek: wrapped.kek.clone(),
        })?;
        // A version that is not known here may come from another process's rotation.
        if !self.keys().versions.contains_key(&version) {
            self.reload()?;
        }
        let keys = self.keys();
        let Some(kek) = keys.versions.get(&version) else {
            return Err(ProviderError::UnknownKek {
                kek: wrapped.kek.clone(),
            });
        };
        let generation_bytes = generation.to_be_bytes();
        let version_bytes = version.to_be_bytes();
        let bound = bound(&owner, &generation_bytes, &version_bytes);
        let key = Envelope::parse(&wrapped.bytes)
            .and_then(|envelope| envelope.open(kek, version, &LABELS, &bound))
            .map_err(|cause| ProviderError::Refused {
                kek: wrapped.kek.clone(),
                cause,
            })?;
        let key = KeyBytes::copy_of(&key).ok_or_else(|| ProviderError::NotAKey {
            kek: wrapped.kek.clone(),
        })?;
        Ok(DataKey::from_key(owner, generation, key))
    }
}

/// The wrapped form of `data_key`, for the KEK of the given version.
pub(crate) fn wrap_bytes(kek: &KeyBytes, version: u32, data_key: &DataKey, salt: Salt) -> Vec<u8> {
    let generation = data_key.generation().to_be_bytes();
    let version_bytes = version.to_be_bytes();
    let owner = data_key.owner();
    let bound = bound(&owner, &generation, &version_bytes);
    let plaintext = data_key.key().expose();
    envelope::seal(kek, version, &LABELS, &bound, plaintext, salt)
}

/// What a wrap is bound to, in the order of the format.
fn bound<'a>(owner: &'a Owner, generation: &'a [u8; 4], kek_version: &'a [u8; 4]) -> [&'a [u8]; 4] {
    [DOMAIN, &owner.0, generation, kek_version]
}

fn kek_name(version: u32) -> String {
    format!("local:v{version}")
}

/// The version in a name that `kek_name` made; `None` for every other spelling.
fn kek_version(name: &str) -> Option<u32> {
    let version = name.strip_prefix("local:v")?.parse().ok()?;
    (kek_name(version) == name).then_some(version)
}

#[cfg(test)]
mod tests;
