//! The providers of one installation: one wraps, all unwrap. A change of provider is the change of
//! which one wraps, and then a rewrap of what is stored.

use std::sync::Arc;

use crate::data_key::DataKey;
use crate::keyring::Keyring;
use crate::owner::Owner;
use crate::provider::{KeyProvider, ProviderError, WrappedKey};

/// The configured key providers. Each kind stands in it once, so that the name of a wrap's KEK
/// says whom to ask.
#[derive(Debug)]
pub struct KeyProviders {
    current: KeyProvider,
    others: Vec<KeyProvider>,
}

impl KeyProviders {
    /// `current` wraps; it and `others` unwrap.
    pub fn new(current: KeyProvider, others: Vec<KeyProvider>) -> Self {
        Self { current, others }
    }

    pub fn current(&self) -> &KeyProvider {
        &self.current
    }

    /// All of them, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = &KeyProvider> {
        std::iter::once(&self.current).chain(&self.others)
    }

    /// The local keyring, where one is configured.
    pub fn keyring(&self) -> Option<&Keyring> {
        self.iter().find_map(|provider| match provider {
            KeyProvider::Local(keyring) => Some(keyring),
            _ => None,
        })
    }

    /// The KEK that wraps now.
    pub async fn current_kek(&self) -> Result<String, ProviderError> {
        self.current.current_kek().await
    }

    pub async fn wrap(&self, key: &DataKey) -> Result<WrappedKey, ProviderError> {
        self.current.wrap(key).await
    }

    /// Asks the provider that the wrap names.
    pub async fn unwrap(
        &self,
        owner: Owner,
        generation: u32,
        wrapped: &WrappedKey,
    ) -> Result<DataKey, ProviderError> {
        let provider = self
            .iter()
            .find(|provider| provider.knows(&wrapped.kek))
            .ok_or_else(|| ProviderError::ForeignKek {
                kek: wrapped.kek.clone(),
            })?;
        provider.unwrap(owner, generation, wrapped).await
    }

    /// The same data key under the KEK that wraps now. The key is in this process's memory for the
    /// moment in between: that is what makes it possible between any two providers.
    pub async fn rewrap(
        &self,
        owner: Owner,
        generation: u32,
        wrapped: &WrappedKey,
    ) -> Result<WrappedKey, ProviderError> {
        let key = self.unwrap(owner, generation, wrapped).await?;
        self.wrap(&key).await
    }
}

impl From<KeyProvider> for KeyProviders {
    fn from(provider: KeyProvider) -> Self {
        Self::new(provider, Vec::new())
    }
}

impl From<KeyProvider> for Arc<KeyProviders> {
    fn from(provider: KeyProvider) -> Self {
        Self::new(provider.into())
    }
}
