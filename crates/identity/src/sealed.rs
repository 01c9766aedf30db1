//! A secret at rest in the control database: sealed under a data key of its own, which the
//! installation's key-encryption key wraps. It opens for the owner and the place that it was sealed
//! for, and nowhere else.

use kernel::{Error, Result};
use vault::{Context, DataKey, KeyProviders, Owner, WrappedKey};
use zeroize::Zeroizing;

use crate::keys;

/// Each secret has a data key of its own and is sealed anew when it changes, so there is no second
/// generation.
pub(crate) const GENERATION: u32 = 1;

/// As it is stored: columns `kek`, `wrapped` and `sealed`.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub key: WrappedKey,
    pub secret: Vec<u8>,
}

impl Sealed {
    /// Wrapping may be a call to a key service: no transaction is open around it.
    pub async fn seal(
        providers: &KeyProviders,
        owner: Owner,
        context: &Context<'_>,
        plaintext: &[u8],
    ) -> Result<Self> {
        let key = DataKey::generate(owner, GENERATION);
        Ok(Self {
            secret: key.seal(context, plaintext),
            key: providers.wrap(&key).await.map_err(keys::error)?,
        })
    }

    /// Unwrapping may be a call to a key service as well.
    pub async fn open(
        &self,
        providers: &KeyProviders,
        owner: Owner,
        context: &Context<'_>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let key = providers.unwrap(owner, GENERATION, &self.key).await;
        let key = key.map_err(keys::error)?;
        key.open(context, &self.secret).map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    use vault::{KeyProvider, Keyring};

    use super::*;

    fn context(field: &str) -> Context<'_> {
        Context {
            domain: "test",
            record: b"record",
            field,
            schema: 1,
        }
    }

    #[tokio::test]
    async fn it_opens_where_it_was_sealed_for_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keyring::open_or_create(folder.path().join("keyring.toml")).unwrap();
        let keys = KeyProviders::from(KeyProvider::Local(keys));
        let (mine, theirs) = (Owner([1; 16]), Owner([2; 16]));
        let sealed = Sealed::seal(&keys, mine, &context("a"), b"secret")
            .await
            .unwrap();
        let opened = sealed.open(&keys, mine, &context("a")).await.unwrap();
        assert_eq!(opened.as_slice(), b"secret");
        assert!(sealed.open(&keys, theirs, &context("a")).await.is_err());
        assert!(sealed.open(&keys, mine, &context("b")).await.is_err());
    }
}
