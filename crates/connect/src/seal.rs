//! Between the vault and the rows: which data key, bound to which record. Values are opened for
//! one use and wiped after it.

use std::sync::Arc;

use kernel::{
    Access, Error, Result,
    id::{CredentialId, TenantId},
    permission::{CredentialsWrite, Permission},
    secret::Secret,
};
use time::OffsetDateTime;
use vault::{Context, DataKey, Owner, WrappedKey, generation_of};

use crate::{
    Connect,
    account::{Account, SealedCredential},
};

/// The version of what is inside a sealed field: plain UTF-8.
const SCHEMA: u16 = 1;
const DOMAIN: &str = "credential";
const FIRST_GENERATION: u32 = 1;

fn context<'a>(record: &'a [u8], field: &'a str) -> Context<'a> {
    Context {
        domain: DOMAIN,
        record,
        field,
        schema: SCHEMA,
    }
}

fn owner(tenant: TenantId) -> Owner {
    Owner(*tenant.uuid().as_bytes())
}

impl Connect {
    /// The tenant's newest data key, made on first use. Wrapping may be a call to a key service,
    /// so no transaction is open around it.
    pub(crate) async fn sealing_key(
        &self,
        access: &Access<CredentialsWrite>,
    ) -> Result<Arc<DataKey>> {
        if let Some((generation, wrapped)) = newest(access).await? {
            return self
                .data_key(access.tenant().id, generation, &wrapped)
                .await;
        }
        let key = DataKey::generate(owner(access.tenant().id), FIRST_GENERATION);
        let wrapped = self.keys().wrap(&key).await.map_err(Error::internal)?;
        let mut tx = access.begin().await?;
        sqlx::query!(
            "INSERT INTO cell.data_key (generation, kek, wrapped) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
            i32::try_from(FIRST_GENERATION).map_err(Error::internal)?,
            wrapped.kek,
            wrapped.bytes
        )
        .execute(tx.conn())
        .await?;
        tx.commit().await?;
        // Another request may have been quicker: what the database holds is the key.
        let (generation, wrapped) = newest(access).await?.ok_or_else(|| {
            Error::internal(anyhow::anyhow!("the data key just stored is missing"))
        })?;
        self.data_key(access.tenant().id, generation, &wrapped)
            .await
    }

    async fn data_key(
        &self,
        tenant: TenantId,
        generation: u32,
        wrapped: &WrappedKey,
    ) -> Result<Arc<DataKey>> {
        if let Some(key) = self.data_keys().get(owner(tenant), generation) {
            return Ok(key);
        }
        let key = self
            .keys()
            .unwrap(owner(tenant), generation, wrapped)
            .await
            .map_err(Error::internal)?;
        let key = Arc::new(key);
        self.data_keys().insert(Arc::clone(&key));
        Ok(key)
    }

    /// Opens one field of a credential. `None` where the credential has no such secret, or its
    /// previous value has run out.
    pub(crate) async fn open<P: Permission>(
        &self,
        access: &Access<P>,
        account: &Account,
        credential: &SealedCredential,
        field: &str,
        previous: bool,
    ) -> Result<Option<Secret>> {
        let Some(secret) = credential
            .secrets
            .iter()
            .find(|secret| secret.field == field && secret.previous == previous)
        else {
            return Ok(None);
        };
        if secret
            .valid_until
            .is_some_and(|end| end <= OffsetDateTime::now_utc())
        {
            return Ok(None);
        }
        self.open_sealed(access, account, credential.id, field, &secret.sealed)
            .await
            .map(Some)
    }

    /// Opens what was sealed for a field of a credential.
    pub(crate) async fn open_sealed<P: Permission>(
        &self,
        access: &Access<P>,
        account: &Account,
        credential: CredentialId,
        field: &str,
        sealed: &[u8],
    ) -> Result<Secret> {
        let generation = generation_of(sealed).map_err(Error::internal)?;
        let wrapped = account.wrapped.get(&generation).ok_or_else(|| {
            Error::internal(anyhow::anyhow!(
                "data key generation {generation} is missing"
            ))
        })?;
        let key = self
            .data_key(access.tenant().id, generation, wrapped)
            .await?;
        let record = credential.uuid();
        let plain = key
            .open(&context(record.as_bytes(), field), sealed)
            .map_err(Error::internal)?;
        let text = std::str::from_utf8(&plain).map_err(Error::internal)?;
        Ok(Secret::new(text))
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
        self.data_key(access.tenant().id, *generation, wrapped)
            .await
    }
}

/// Seals one field for one credential.
pub(crate) fn seal(
    key: &DataKey,
    credential: CredentialId,
    field: &str,
    value: &Secret,
) -> Vec<u8> {
    let record = credential.uuid();
    key.seal(
        &context(record.as_bytes(), field),
        value.expose().as_bytes(),
    )
}

async fn newest(access: &Access<CredentialsWrite>) -> Result<Option<(u32, WrappedKey)>> {
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
