//! Moving a tenant's data keys under the key-encryption key that wraps now. The data keys stay, and
//! with them everything that is sealed.

use kernel::{Access, Error, Result, id::TenantKeyId, permission::DataKeysWrite};
use vault::WrappedKey;

use crate::{
    Connect,
    data_key::{NoKey, key_error},
    own_key::{self, login_owner},
};

impl Connect {
    /// Rewraps what is not under `current` yet, which is what `KeyProviders::current_kek` said, or,
    /// where the tenant has a key of its own, under the newest version of that. How many were.
    ///
    /// # Errors
    /// [`Error::TenantKeyUnavailable`] and [`Error::TenantKeyWithdrawn`] where the tenant's own key
    /// is not to be had. What is under the installation's key is rewrapped then all the same.
    pub async fn rewrap_keys(&self, access: &Access<DataKeysWrite>, current: &str) -> Result<u64> {
        let row = own_key::read(access).await?;
        let mut rewrapped = match &row {
            Some(row) => self.rewrap_login(access, row, current).await?,
            None => 0,
        };
        let stored = super::stored(access).await?;
        let own = match row {
            Some(row) if !stored.is_empty() => self.own(access, row.id).await?,
            _ => None,
        };
        let target = match &own {
            None => current.to_owned(),
            Some(own) => match own.current_kek().await {
                Ok(kek) => kek,
                Err(error) => {
                    let cause = NoKey::Own(own.clone(), error.into());
                    return Err(self.no_key(access, cause).await);
                }
            },
        };
        for (generation, old) in stored {
            if old.kek == target {
                continue;
            }
            let key = match self.unwrap_now(access, generation, &old).await {
                Ok(key) => key,
                Err(cause) => return Err(self.no_key(access, cause).await),
            };
            let new = match &own {
                None => self.keys().wrap(&key).await.map_err(key_error)?,
                Some(own) => self.wrap_by(access, own, &key).await?,
            };
            let under = own.as_ref().map(|own| own.id);
            rewrapped += replace(access, generation, &old, &new, under).await?;
        }
        self.forget(access.tenant().id);
        Ok(rewrapped)
    }

    /// Rewraps the data key of the login at the tenant's own provider.
    async fn rewrap_login(
        &self,
        access: &Access<DataKeysWrite>,
        row: &own_key::Row,
        current: &str,
    ) -> Result<u64> {
        let old = &row.login.key;
        if old.kek == current {
            return Ok(0);
        }
        let (owner, generation) = login_owner(row.id);
        let new = self.keys().rewrap(owner, generation, old).await;
        let new = new.map_err(key_error)?;
        let mut tx = access.begin().await?;
        let done = sqlx::query!(
            "UPDATE cell.tenant_key SET kek = $3, wrapped = $4 WHERE id = $1 AND wrapped = $2",
            row.id.uuid(),
            old.bytes,
            new.kek,
            new.bytes
        )
        .execute(tx.conn())
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected())
    }
}

/// Puts the new wrap in the place of the old one, if that is still there and the tenant's own key
/// still the one, or none, that it was wrapped by.
async fn replace(
    access: &Access<DataKeysWrite>,
    generation: u32,
    old: &WrappedKey,
    new: &WrappedKey,
    under: Option<TenantKeyId>,
) -> Result<u64> {
    let mut tx = access.begin().await?;
    own_key::lock(&mut tx).await?;
    if own_key::is_whose(&mut tx).await? != under {
        return Ok(0);
    }
    let done = sqlx::query!(
        "UPDATE cell.data_key SET kek = $3, wrapped = $4
         WHERE generation = $1 AND wrapped = $2",
        i32::try_from(generation).map_err(Error::internal)?,
        old.bytes,
        new.kek,
        new.bytes
    )
    .execute(tx.conn())
    .await?;
    // Others remember the old wrap, which opens no more once its KEK is gone.
    tx.announce_credentials().await?;
    tx.commit().await?;
    Ok(done.rows_affected())
}
