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
    held: RwLock<Held>,
}

#[derive(Debug)]
struct Held {
    keys: Keys,
    /// Which state of the file they were read from; unknown when it changed meanwhile.
    stamp: Option<file::Stamp>,
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

    /// Removes versions for good.
    fn retire(&mut self, versions: &[u32]) -> Result<(), &'static str> {
        if versions.contains(&self.current) {
            return Err("the current version can't be removed");
        }
        self.versions
            .retain(|version, _| !versions.contains(version));
        Ok(())
    }
}

impl Held {
    /// The stamp is taken first: a file that changes meanwhile is read again at the next look.
    fn read(path: &Path) -> Result<Self, KeyringError> {
        let stamp = file::stamp(path)?;
        let keys = file::read(path)?;
        Ok(Self {
            keys,
            stamp: Some(stamp),
        })
    }
}

impl Keyring {
    /// Opens an existing keyring. It must be a regular file that only its owner may access.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, KeyringError> {
        let path = path.into();
        let held = Held::read(&path)?;
        Ok(Self::with(path, held))
    }

    /// Opens the keyring, or creates one with a single random key (mode 0600, missing parent
    /// directories 0700). Of several processes that create it at once, one does and the others
    /// open what it made.
    ///
    /// A deployment that already holds sealed data uses `open`: there, a missing keyring is an
    /// unmounted volume or a wrong path, and a new one would only hide that.
    pub fn open_or_create(path: impl Into<PathBuf>) -> Result<Self, KeyringError> {
        let path = path.into();
        let held = match Held::read(&path) {
            Err(error) if error.is_not_found() => Held {
                keys: file::create(&path, Keys::first)?,
                stamp: None,
            },
            outcome => outcome?,
        };
        Ok(Self::with(path, held))
    }

    fn with(path: PathBuf, held: Held) -> Self {
        Self {
            path,
            held: RwLock::new(held),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The versions that the file holds, oldest first, and which of them wraps.
    pub fn versions(&self) -> Result<(Vec<u32>, u32), KeyringError> {
        self.follow()?;
        let held = self.held();
        Ok((
            held.keys.versions.keys().copied().collect(),
            held.keys.current,
        ))
    }

    /// Adds a version, makes it current and returns its number. Earlier versions stay, to unwrap
    /// what they wrapped. Rotations by other processes are kept: the file is read and replaced
    /// under a lock.
    pub fn rotate(&self) -> Result<u32, KeyringError> {
        let keys = file::update(&self.path, Keys::rotate)?;
        let version = keys.current;
        self.replace(Held { keys, stamp: None });
        Ok(version)
    }

    /// Destroys versions. What is still wrapped by one of them is lost, so the caller has looked.
    ///
    /// # Errors
    /// `Malformed` when the current version is among them; nothing is removed then.
    pub fn retire(&self, versions: &[u32]) -> Result<(), KeyringError> {
        let keys = file::update(&self.path, |keys| keys.retire(versions))?;
        self.replace(Held { keys, stamp: None });
        Ok(())
    }

    /// Takes up what another process has written to the file since. On an error the keys in use
    /// stay as they were.
    pub fn reload(&self) -> Result<(), KeyringError> {
        let held = Held::read(&self.path)?;
        self.replace(held);
        Ok(())
    }

    /// Reloads a file that was replaced. Whoever wraps has to know: a version that another process
    /// has rotated out may be destroyed once all that it wrapped is rewrapped.
    fn follow(&self) -> Result<(), KeyringError> {
        let stamp = file::stamp(&self.path)?;
        let is_known = self.held().stamp == Some(stamp);
        if is_known { Ok(()) } else { self.reload() }
    }

    fn replace(&self, held: Held) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
    }

    fn held(&self) -> RwLockReadGuard<'_, Held> {
        // A whole `Held` is stored in one assignment, so that even a poisoned lock guards a
        // consistent one.
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn current_kek(&self) -> Result<String, KeyringError> {
        self.follow()?;
        Ok(kek_name(self.held().keys.current))
    }

    pub(crate) fn wrap(&self, data_key: &DataKey) -> Result<WrappedKey, KeyringError> {
        self.follow()?;
        let held = self.held();
        let version = held.keys.current;
        let kek = held
            .keys
            .versions
            .get(&version)
            .expect("the current version is one of the versions");
        Ok(WrappedKey {
            kek: kek_name(version),
            bytes: wrap_bytes(kek, version, data_key, Salt::random()),
        })
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
        if !self.held().keys.versions.contains_key(&version) {
            self.reload()?;
        }
        let held = self.held();
        let Some(kek) = held.keys.versions.get(&version) else {
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
