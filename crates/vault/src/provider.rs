//! Key providers: who holds the key-encryption keys that wrap data keys. The set is closed, since
//! a wrap stored today must name a provider that every later build can still ask.

use std::fmt;
use std::pin::Pin;

#[cfg(feature = "aws-kms")]
use crate::aws_kms::AwsKms;
use crate::data_key::DataKey;
use crate::envelope::OpenError;
use crate::keyring::{Keyring, KeyringError};
use crate::owner::Owner;
use crate::transit::Transit;

/// A data key as stored: unreadable without the KEK it names.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The provider and its KEK: `local:v3`, `transit:<mount>/<key>:v2` or `aws:<key ARN>`.
    pub kek: String,
    /// What that provider returned, opaque to everyone else.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({}, {} bytes)", self.kek, self.bytes.len())
    }
}

/// Why a data key was not wrapped or unwrapped. No variant carries key material, a login or what
/// a provider said in its own words, which may quote what it was sent.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The wrap names another provider, or nothing that this one recognises.
    #[error("the key is wrapped by {kek:?}, and no configured provider holds that KEK")]
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
    /// As `Refused`, found by a provider that does not say which of these it is.
    #[error("{kek} does not unwrap this: altered, or of another owner or generation")]
    NotItsWrap { kek: String },
    #[error("what {kek} unwrapped is not a 256-bit key")]
    NotAKey { kek: String },
    #[error("the local keyring is unusable")]
    Keyring(#[from] KeyringError),
    /// No answer, or one that says that the provider as a whole is out of service.
    #[error("the key provider {provider} does not answer")]
    Unreachable {
        provider: String,
        #[source]
        cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    #[error("the key provider {provider} takes no more requests for now")]
    Throttled { provider: String },
    /// The login is refused, or may not use the key.
    #[error("the key provider {provider} denies the use of its key")]
    Denied { provider: String },
    /// Disabled, scheduled for deletion, deleted, or its version is no longer allowed to unwrap.
    #[error("{kek} is disabled or destroyed at its provider")]
    Disabled { kek: String },
    /// The provider answers, but its key or its answers are not of the kind that is needed here.
    #[error("the key provider {provider} can't be used: {reason}")]
    Unsuitable {
        provider: String,
        reason: &'static str,
    },
}

/// What a failure means to whoever waits for the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It passes by itself: the same attempt may succeed a little later.
    Passing,
    /// Whoever owns the KEK withdrew it; it works again when they give it back.
    Withdrawn,
    /// Nothing that waiting mends: altered data, a lost keyring, a wrong set-up.
    Fault,
}

impl ProviderError {
    pub fn failure(&self) -> Failure {
        match self {
            Self::Unreachable { .. } | Self::Throttled { .. } => Failure::Passing,
            Self::Denied { .. } | Self::Disabled { .. } => Failure::Withdrawn,
            Self::ForeignKek { .. }
            | Self::UnknownKek { .. }
            | Self::Refused { .. }
            | Self::NotItsWrap { .. }
            | Self::NotAKey { .. }
            | Self::Keyring(_)
            | Self::Unsuitable { .. } => Failure::Fault,
        }
    }
}

/// A call over a network as one type, whatever is inside: else the many layers of a client would
/// stand in the type of every future that opens a secret, deeper than the compiler goes.
fn over_network<'a, T>(
    call: impl Future<Output = Result<T, ProviderError>> + Send + 'a,
) -> Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send + 'a>> {
    Box::pin(call)
}

/// Holds the KEKs, or reaches those who do.
///
/// A wrap is bound to the owner and generation of its data key: unwrapping it as anything else
/// fails.
#[derive(Debug)]
pub enum KeyProvider {
    Local(Keyring),
    Transit(Box<Transit>),
    #[cfg(feature = "aws-kms")]
    AwsKms(AwsKms),
}

impl KeyProvider {
    /// The KEK that `wrap` uses now, as `WrappedKey::kek` spells it. Wraps that name another one
    /// are due for rewrapping.
    pub async fn current_kek(&self) -> Result<String, ProviderError> {
        match self {
            Self::Local(keyring) => Ok(keyring.current_kek()?),
            Self::Transit(transit) => over_network(transit.current_kek()).await,
            #[cfg(feature = "aws-kms")]
            Self::AwsKms(kms) => over_network(kms.current_kek()).await,
        }
    }

    pub async fn wrap(&self, key: &DataKey) -> Result<WrappedKey, ProviderError> {
        match self {
            Self::Local(keyring) => Ok(keyring.wrap(key)?),
            Self::Transit(transit) => over_network(transit.wrap(key)).await,
            #[cfg(feature = "aws-kms")]
            Self::AwsKms(kms) => over_network(kms.wrap(key)).await,
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
            Self::Transit(transit) => {
                over_network(transit.unwrap(owner, generation, wrapped)).await
            }
            #[cfg(feature = "aws-kms")]
            Self::AwsKms(kms) => over_network(kms.unwrap(owner, generation, wrapped)).await,
        }
    }

    /// Whether a wrap of this name is this provider's to unwrap.
    pub(crate) fn knows(&self, kek: &str) -> bool {
        kek.starts_with(match self {
            Self::Local(_) => "local:",
            Self::Transit(_) => "transit:",
            #[cfg(feature = "aws-kms")]
            Self::AwsKms(_) => "aws:",
        })
    }

    /// Which provider it is, for people: it names no login.
    pub fn describe(&self) -> String {
        match self {
            Self::Local(keyring) => format!("local keyring {}", keyring.path().display()),
            Self::Transit(transit) => transit.describe(),
            #[cfg(feature = "aws-kms")]
            Self::AwsKms(kms) => kms.describe(),
        }
    }
}
