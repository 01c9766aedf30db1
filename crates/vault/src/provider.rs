//! Key providers: who holds the key-encryption keys that wrap data keys. The set is closed, since
//! a wrap stored today must name a provider that every later build can still ask.

use std::fmt;

use crate::data_key::DataKey;
use crate::envelope::OpenError;
use crate::keyring::{Keyring, KeyringError};
use crate::owner::Owner;

/// A data key as stored: unreadable without the KEK it names.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The provider and the version of its KEK, such as `local:v3`.
    pub kek: String,
    /// What that provider returned, opaque to everyone else.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({}, {} bytes)", self.kek, self.bytes.len())
    }
}

/// Why a data key was not wrapped or unwrapped. No variant carries key material.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The wrap names another provider, or nothing that this one recognises.
    #[error("the key is wrapped by {kek:?}, which is not a KEK of this provider")]
    ForeignKek { kek: String },
    #[error("the key is wrapped by {kek}, which the provider does not hold")]
    UnknownKek { kek: String },
    /// Wrapped by another KEK of the same name, for another owner or generation, or altered.
    #[error("the key wrapped by {kek} does not unwrap")]
    Refused {
        kek: String,
        #[source]
        cause: OpenError,
    },
    #[error("what {kek} unwrapped is not a 256-bit key")]
    NotAKey { kek: String },
    #[error("the local keyring is unusable")]
    Keyring(#[from] KeyringError),
}

/// Holds the KEKs, or reaches those who do.
///
/// A wrap is bound to the owner and generation of its data key: unwrapping it as anything else
/// fails.
#[derive(Debug)]
pub enum KeyProvider {
    Local(Keyring),
}

impl KeyProvider {
    /// The KEK that `wrap` uses now, as `WrappedKey::kek` spells it. Wraps that name another one
    /// are due for rewrapping.
    pub async fn current_kek(&self) -> Result<String, ProviderError> {
        match self {
            Self::Local(keyring) => Ok(keyring.current_kek()),
        }
    }

    pub async fn wrap(&self, key: &DataKey) -> Result<WrappedKey, ProviderError> {
        match self {
            Self::Local(keyring) => Ok(keyring.wrap(key)),
        }
    }

    pub async fn unwrap(
        &self,
        owner: Owner,
        generation: u32,
        wrapped: &WrappedKey,
    ) -> Result<DataKey, ProviderError> {
        match self {
            Self::Local(keyring) => keyring.unwrap(owner, generation, wrapped),
        }
    }
}
