//! Moving a tenant's data keys under the key-encryption key that wraps now. The data keys stay, and
//! with them everything that is sealed.

use kernel::{Access, Error, Result, permission::DataKeysWrite};

use crate::{
    Connect,
    seal::{key_error, owner},
};

impl Connect {
    /// Rewraps what is not under `current` yet, which is what `KeyProviders::current_kek` said.
    /// How many were.
    pub async fn rewrap_keys(&self, access: &Access<DataKeysWrite>, current: &str) -> Result<u64> {
        let owner = owner(access.tenant().id);
        let mut rewrapped = 0;
        for (generation, old) in super::stored(access).await? {
            if old.kek == current {
                continue;
            }
            let new = self
                .keys()
                .rewrap(owner, generation, &old)
                .await
                .map_err(key_error)?;
            let mut tx = access.begin().await?;
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
            rewrapped += done.rows_affected();
        }
        self.forget(access.tenant().id);
        Ok(rewrapped)
    }
}
