//! Secrets of one person at rest: each sealed under a data key of its own, and that key wrapped by
//! the installation's key-encryption key. A row of somebody else's does not open here.

use kernel::{Error, Result, id::UserId};
use vault::{Context, DataKey, KeyProviders, Owner, WrappedKey};
use zeroize::Zeroizing;

use crate::keys;

/// As it is stored.
pub(crate) struct Sealed {
    pub secret: Vec<u8>,
    pub key: WrappedKey,
}

pub(crate) const GENERATION: u32 = 1;

pub(crate) fn owner(user: UserId) -> Owner {
    Owner(*user.uuid().as_bytes())
}

pub(crate) fn context(record: &[u8]) -> Context<'_> {
    Context {
        domain: "control.totp",
        record,
        field: "secret",
        schema: 1,
    }
}

pub(crate) async fn seal(providers: &KeyProviders, user: UserId, secret: &[u8]) -> Result<Sealed> {
    let key = DataKey::generate(owner(user), GENERATION);
    let record = user.uuid();
    Ok(Sealed {
        secret: key.seal(&context(record.as_bytes()), secret),
        key: providers.wrap(&key).await.map_err(keys::error)?,
    })
}

pub(super) async fn open(
    providers: &KeyProviders,
    user: UserId,
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>> {
    let key = providers.unwrap(owner(user), GENERATION, &sealed.key).await;
    let key = key.map_err(keys::error)?;
    let record = user.uuid();
    key.open(&context(record.as_bytes()), &sealed.secret)
        .map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use vault::{KeyProvider, Keyring};

    use super::*;

    #[tokio::test]
    async fn somebody_elses_row_does_not_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let keyring = Keyring::open_or_create(folder.path().join("keyring.toml"));
        let keys = KeyProvider::Local(keyring.expect("a keyring")).into();
        let (ada, eve) = (UserId::new(), UserId::new());
        let sealed = seal(&keys, ada, b"a secret of twenty b").await;
        let sealed = sealed.expect("seals");
        let plain = |bytes: &[u8]| bytes.windows(6).any(|part| part == b"secret");
        assert!(!plain(&sealed.secret));
        let opened = open(&keys, ada, &sealed).await.expect("opens");
        assert_eq!(opened.as_slice(), b"a secret of twenty b");
        assert!(open(&keys, eve, &sealed).await.is_err());
    }
}
