//! The way to a tenant's data keys, unwrapped by whoever wrapped them: the installation's key
//! providers, or the tenant's own. Which data key a value needs is `seal`.

use std::sync::Arc;

use kernel::{
    Access, Error, Result, Tx,
    error::ConflictCode,
    permission::{CredentialsWrite, Permission},
};
use vault::{DataKey, Failure, ProviderError, WrappedKey};

use crate::{
    Connect,
    account::Account,
    own_key::{self, Own},
    seal::owner,
};

/// How often a data key is wrapped anew because another key-encryption key took over meanwhile.
const TRIES: usize = 3;

/// Why a data key is not to be had.
pub(crate) enum NoKey {
    /// By the installation's provider.
    Platform(Arc<ProviderError>),
    /// By the tenant's own.
    Own(Arc<Own>, Arc<ProviderError>),
    /// It was wrapped by an own key that is not the tenant's any more.
    Replaced,
    /// Nobody could be asked.
    Failed(Error),
}

impl NoKey {
    /// Whether newer rows may name a key that opens: so it looks to whoever remembers those from
    /// before a change of the key-encryption key.
    pub fn may_be_of_old_rows(&self) -> bool {
        match self {
            Self::Platform(error) | Self::Own(_, error) => matches!(
                **error,
                ProviderError::UnknownKek { .. } | ProviderError::Disabled { .. }
            ),
            Self::Replaced => true,
            Self::Failed(_) => false,
        }
    }
}

/// What a failure of the installation's provider is to whoever asked for a credential.
pub(crate) fn key_error(error: impl Into<Arc<ProviderError>>) -> Error {
    let error: Arc<ProviderError> = error.into();
    match error.failure() {
        // The platform's own KEK, so its withdrawal is the platform's trouble, and passes too.
        Failure::Passing | Failure::Withdrawn => Error::KeyProviderUnavailable(error.into()),
        Failure::Fault => Error::internal(error),
    }
}

/// The newest generation that was destroyed on purpose; 0 if none was.
async fn newest_erased(tx: &mut Tx) -> Result<u32> {
    let erased = sqlx::query_scalar!("SELECT max(generation) FROM cell.erased_key")
        .fetch_one(tx.conn())
        .await?;
    let erased = erased.map(u32::try_from).transpose();
    Ok(erased.map_err(Error::internal)?.unwrap_or(0))
}

impl Connect {
    /// The tenant's newest data key, made on first use. Wrapping may be a call to a key service,
    /// so no transaction is open around it.
    pub(crate) async fn sealing_key(
        &self,
        access: &Access<CredentialsWrite>,
    ) -> Result<Arc<DataKey>> {
        if let Some((generation, wrapped)) = newest(access).await? {
            return self.data_key(access, generation, &wrapped).await;
        }
        self.add_data_key(access, 0).await?;
        // Another request may have been quicker: what the database holds is the key.
        let (generation, wrapped) = newest(access).await?.ok_or_else(|| {
            Error::internal(anyhow::anyhow!("the data key just stored is missing"))
        })?;
        self.data_key(access, generation, &wrapped).await
    }

    /// Stores another data key, of the generation after `newest` and after all that were erased.
    /// Of several requests that do so at once, one does. It is wrapped by the tenant's own key where
    /// there is one at the moment of storing it.
    pub(crate) async fn add_data_key<P: Permission>(
        &self,
        access: &Access<P>,
        newest: u32,
    ) -> Result<()> {
        for _ in 0..TRIES {
            let mut tx = access.read().await?;
            let erased = newest_erased(&mut tx).await?;
            let own = own_key::is_whose(&mut tx).await?;
            tx.commit().await?;
            let generation = newest.max(erased) + 1;
            let key = DataKey::generate(owner(access.tenant().id), generation);
            let wrapped = match own {
                None => self.keys().wrap(&key).await.map_err(key_error)?,
                Some(id) => match self.own(access, id).await? {
                    Some(own) => self.wrap_by(access, &own, &key).await?,
                    None => continue,
                },
            };
            let mut tx = access.begin().await?;
            own_key::lock(&mut tx).await?;
            let is_late = newest_erased(&mut tx).await? != erased;
            if is_late || own_key::is_whose(&mut tx).await? != own {
                continue;
            }
            sqlx::query!(
                "INSERT INTO cell.data_key (generation, kek, wrapped) VALUES ($1, $2, $3)
                 ON CONFLICT DO NOTHING",
                i32::try_from(generation).map_err(Error::internal)?,
                wrapped.kek,
                wrapped.bytes
            )
            .execute(tx.conn())
            .await?;
            return tx.commit().await;
        }
        Err(Error::Conflict {
            code: ConflictCode::ChangedMeanwhile,
            detail: "the account's encryption key is being replaced; try again".to_owned(),
        })
    }

    pub(crate) async fn data_key<P: Permission>(
        &self,
        access: &Access<P>,
        generation: u32,
        wrapped: &WrappedKey,
    ) -> Result<Arc<DataKey>> {
        match self.find_key(access, generation, wrapped).await {
            Ok(key) => Ok(key),
            Err(cause) => Err(self.no_key(access, cause).await),
        }
    }

    /// The newest data key of a tenant that has one.
    pub(crate) async fn newest_key<P: Permission>(
        &self,
        access: &Access<P>,
        account: &Account,
    ) -> Result<Arc<DataKey>> {
        let (generation, wrapped) = account
            .wrapped
            .last_key_value()
            .ok_or_else(|| Error::internal(anyhow::anyhow!("the tenant has no data key")))?;
        self.data_key(access, *generation, wrapped).await
    }

    /// A data key from memory or from whoever wrapped it.
    pub(crate) async fn find_key<P: Permission>(
        &self,
        access: &Access<P>,
        generation: u32,
        wrapped: &WrappedKey,
    ) -> std::result::Result<Arc<DataKey>, NoKey> {
        let owner = owner(access.tenant().id);
        let Some((id, name)) = own_key::parse(&wrapped.kek) else {
            let found = self.data_keys();
            let found = found.get(self.keys(), owner, generation, wrapped);
            return found.await.map_err(NoKey::Platform);
        };
        if let Some(key) = self.data_keys().cached(owner, generation) {
            return Ok(key);
        }
        let own = self.own(access, id).await.map_err(NoKey::Failed)?;
        let own = own.ok_or(NoKey::Replaced)?;
        let inner = own_key::inner(name, wrapped);
        let found = self.data_keys();
        match found.get(&own.providers, owner, generation, &inner).await {
            Ok(key) => {
                own.note(access, None).await;
                Ok(key)
            }
            Err(error) => Err(NoKey::Own(own, error)),
        }
    }

    /// A data key from whoever wrapped it, past what is in memory.
    pub(crate) async fn unwrap_now<P: Permission>(
        &self,
        access: &Access<P>,
        generation: u32,
        wrapped: &WrappedKey,
    ) -> std::result::Result<DataKey, NoKey> {
        let owner = owner(access.tenant().id);
        let Some((id, name)) = own_key::parse(&wrapped.kek) else {
            let key = self.keys().unwrap(owner, generation, wrapped).await;
            return key.map_err(|error| NoKey::Platform(Arc::new(error)));
        };
        let own = self.own(access, id).await.map_err(NoKey::Failed)?;
        let own = own.ok_or(NoKey::Replaced)?;
        let inner = own_key::inner(name, wrapped);
        match own.providers.unwrap(owner, generation, &inner).await {
            Ok(key) => {
                own.note(access, None).await;
                Ok(key)
            }
            Err(error) => Err(NoKey::Own(own, Arc::new(error))),
        }
    }

    /// Wraps by the tenant's own key, and keeps what was found of it.
    pub(crate) async fn wrap_by<P: Permission>(
        &self,
        access: &Access<P>,
        own: &Arc<Own>,
        key: &DataKey,
    ) -> Result<WrappedKey> {
        match own.wrap(key).await {
            Ok(wrapped) => {
                own.note(access, None).await;
                Ok(wrapped)
            }
            Err(error) => {
                let cause = NoKey::Own(Arc::clone(own), Arc::new(error));
                Err(self.no_key(access, cause).await)
            }
        }
    }

    /// What to tell whoever needed the key. What it says of the tenant's own key is kept.
    pub(crate) async fn no_key<P: Permission>(&self, access: &Access<P>, cause: NoKey) -> Error {
        match cause {
            NoKey::Platform(error) => key_error(error),
            NoKey::Failed(error) => error,
            NoKey::Replaced => Error::TenantKeyUnavailable(anyhow::anyhow!(
                "the tenant's own key was replaced at this very moment"
            )),
            NoKey::Own(own, error) => {
                own.note(access, own_key::KeyFailure::of(&error)).await;
                own.told(error)
            }
        }
    }
}

pub(crate) async fn newest<P: Permission>(access: &Access<P>) -> Result<Option<(u32, WrappedKey)>> {
    let mut tx = access.read().await?;
    let row = sqlx::query!(
        "SELECT generation, kek, wrapped FROM cell.data_key ORDER BY generation DESC LIMIT 1"
    )
    .fetch_optional(tx.conn())
    .await?;
    tx.commit().await?;
    row.map(|row| {
        let generation = u32::try_from(row.generation).map_err(Error::internal)?;
        Ok((
            generation,
            WrappedKey {
                kek: row.kek,
                bytes: row.wrapped,
            },
        ))
    })
    .transpose()
}
