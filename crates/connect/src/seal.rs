//! Between the vault and the rows: which data key, bound to which record. Values are opened for
//! one use and wiped after it.

use std::sync::Arc;

use kernel::{
    Access, Error, Result, Tx,
    error::ConflictCode,
    id::{CredentialId, TenantId},
    permission::{CredentialsWrite, Permission},
    secret::Secret,
};
use time::OffsetDateTime;
use vault::{
    Context, DataKey, Failure, OpenError, Owner, ProviderError, WrappedKey, generation_of,
};

use crate::{
    Connect,
    account::{Account, SealedCredential},
};

/// The version of what is inside a sealed field: plain UTF-8.
const SCHEMA: u16 = 1;
const DOMAIN: &str = "credential";

pub(crate) fn context<'a>(record: &'a [u8], field: &'a str) -> Context<'a> {
    Context {
        domain: DOMAIN,
        record,
        field,
        schema: SCHEMA,
    }
}

pub(crate) fn owner(tenant: TenantId) -> Owner {
    Owner(*tenant.uuid().as_bytes())
}

/// What a provider's failure is to whoever asked for a credential.
pub(crate) fn key_error(error: impl Into<Arc<ProviderError>>) -> Error {
    let error: Arc<ProviderError> = error.into();
    match error.failure() {
        // The platform's own KEK, so its withdrawal is the platform's trouble, and passes too.
        Failure::Passing | Failure::Withdrawn => Error::KeyProviderUnavailable(error.into()),
        Failure::Fault => Error::internal(error),
    }
}

/// Why a sealed value was not opened.
enum Unopened {
    /// The data key is not among those at hand, or its KEK is gone: both look so to whoever
    /// remembers rows from before a rotation.
    Stale(Option<Arc<ProviderError>>),
    Failed(Error),
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
        self.add_data_key(access, 0).await?;
        // Another request may have been quicker: what the database holds is the key.
        let (generation, wrapped) = newest(access).await?.ok_or_else(|| {
            Error::internal(anyhow::anyhow!("the data key just stored is missing"))
        })?;
        self.data_key(access.tenant().id, generation, &wrapped)
            .await
    }

    /// Stores another data key, of the generation after `newest` and after all that were erased.
    /// Of several requests that do so at once, one does.
    pub(crate) async fn add_data_key<P: Permission>(
        &self,
        access: &Access<P>,
        newest: u32,
    ) -> Result<()> {
        let mut tx = access.read().await?;
        let erased = sqlx::query_scalar!("SELECT max(generation) FROM cell.erased_key")
            .fetch_one(tx.conn())
            .await?;
        tx.commit().await?;
        let erased = erased.map(u32::try_from).transpose();
        let erased = erased.map_err(Error::internal)?.unwrap_or(0);
        let generation = newest.max(erased) + 1;
        let key = DataKey::generate(owner(access.tenant().id), generation);
        let wrapped = self.keys().wrap(&key).await.map_err(key_error)?;
        let mut tx = access.begin().await?;
        sqlx::query!(
            "INSERT INTO cell.data_key (generation, kek, wrapped) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
            i32::try_from(generation).map_err(Error::internal)?,
            wrapped.kek,
            wrapped.bytes
        )
        .execute(tx.conn())
        .await?;
        tx.commit().await
    }

    pub(crate) async fn data_key(
        &self,
        tenant: TenantId,
        generation: u32,
        wrapped: &WrappedKey,
    ) -> Result<Arc<DataKey>> {
        self.data_keys()
            .get(self.keys(), owner(tenant), generation, wrapped)
            .await
            .map_err(key_error)
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
        let generation = generation_of(&secret.sealed).map_err(Error::internal)?;
        let tenant = access.tenant().id;
        let place = (credential.id, field);
        let wrapped = account.wrapped.get(&generation);
        match self.open_with(tenant, wrapped, place, &secret.sealed).await {
            Ok(value) => return Ok(Some(value)),
            Err(Unopened::Failed(error)) => return Err(error),
            Err(Unopened::Stale(_)) => self.forget(tenant),
        }
        let slot = if previous { "previous" } else { "current" };
        self.open_stored(access, place, slot).await
    }

    /// Opens one field of a credential as it is stored now, past every cache, from any slot.
    pub(crate) async fn open_stored<P: Permission>(
        &self,
        access: &Access<P>,
        place: (CredentialId, &str),
        slot: &str,
    ) -> Result<Option<Secret>> {
        let tenant = access.tenant().id;
        let Some((wrapped, sealed)) = reread(access, place, slot).await? else {
            return Ok(None);
        };
        match self
            .open_with(tenant, wrapped.as_ref(), place, &sealed)
            .await
        {
            Ok(value) => Ok(Some(value)),
            Err(Unopened::Failed(error)) => Err(error),
            Err(Unopened::Stale(Some(cause))) => Err(key_error(cause)),
            Err(Unopened::Stale(None)) => Err(lost(access, generation_of(&sealed)).await?),
        }
    }

    /// Opens what this node sealed for itself and keeps in memory; `None` where its data key is gone.
    pub(crate) async fn open_kept<P: Permission>(
        &self,
        access: &Access<P>,
        account: &Account,
        place: (CredentialId, &str),
        sealed: &[u8],
    ) -> Result<Option<Secret>> {
        let generation = generation_of(sealed).map_err(Error::internal)?;
        let wrapped = account.wrapped.get(&generation);
        match self
            .open_with(access.tenant().id, wrapped, place, sealed)
            .await
        {
            Ok(value) => Ok(Some(value)),
            Err(Unopened::Stale(_)) => Ok(None),
            Err(Unopened::Failed(error)) => Err(error),
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
        self.data_key(access.tenant().id, *generation, wrapped)
            .await
    }

    async fn open_with(
        &self,
        tenant: TenantId,
        wrapped: Option<&WrappedKey>,
        (credential, field): (CredentialId, &str),
        sealed: &[u8],
    ) -> std::result::Result<Secret, Unopened> {
        let failed = |error| Unopened::Failed(Error::internal(error));
        let generation = generation_of(sealed).map_err(failed)?;
        let wrapped = wrapped.ok_or(Unopened::Stale(None))?;
        let key = self
            .data_keys()
            .get(self.keys(), owner(tenant), generation, wrapped)
            .await
            .map_err(|error| match *error {
                ProviderError::UnknownKek { .. } | ProviderError::Disabled { .. } => {
                    Unopened::Stale(Some(error))
                }
                _ => Unopened::Failed(key_error(error)),
            })?;
        open(&key, credential, field, sealed).map_err(Unopened::Failed)
    }
}

/// Opens one field of one credential.
pub(crate) fn open(
    key: &DataKey,
    credential: CredentialId,
    field: &str,
    sealed: &[u8],
) -> Result<Secret> {
    let record = credential.uuid();
    let plain = key
        .open(&context(record.as_bytes(), field), sealed)
        .map_err(Error::internal)?;
    let text = std::str::from_utf8(&plain).map_err(Error::internal)?;
    Ok(Secret::new(text))
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

/// Keeps a data key from being removed until this transaction ends. Whoever stores what is sealed
/// under it asks in the same transaction, or it might be sealed under a key that is gone.
///
/// # Errors
/// `changed_meanwhile` where it is gone already.
pub(crate) async fn hold(tx: &mut Tx, key: &DataKey) -> Result<()> {
    let generation = i32::try_from(key.generation()).map_err(Error::internal)?;
    let held = sqlx::query_scalar!(
        "SELECT generation FROM cell.data_key WHERE generation = $1 FOR KEY SHARE",
        generation
    )
    .fetch_optional(tx.conn())
    .await?;
    held.map(drop).ok_or_else(|| Error::Conflict {
        code: ConflictCode::ChangedMeanwhile,
        detail: "the tenant's data key was replaced meanwhile; try again".to_owned(),
    })
}

/// The value as it is stored now, and the wrap of the key that it needs, of one and the same moment.
async fn reread<P: Permission>(
    access: &Access<P>,
    (credential, field): (CredentialId, &str),
    slot: &str,
) -> Result<Option<(Option<WrappedKey>, Vec<u8>)>> {
    let mut tx = access.read().await?;
    let row = sqlx::query!(
        r#"SELECT s.sealed, d.kek AS "kek?", d.wrapped AS "wrapped?"
           FROM cell.credential_secret s
           LEFT JOIN cell.data_key d
               ON d.generation = ('x' || encode(substring(s.sealed FROM 3 FOR 4), 'hex'))::bit(32)::integer
           WHERE s.credential_id = $1 AND s.field = $2 AND s.slot = $3"#,
        credential.uuid(),
        field,
        slot
    )
    .fetch_optional(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(row.map(|row| {
        let wrapped = row
            .kek
            .zip(row.wrapped)
            .map(|(kek, bytes)| WrappedKey { kek, bytes });
        (wrapped, row.sealed)
    }))
}

/// What to say of a value whose key is not to be had, even by the newest rows.
async fn lost<P: Permission>(
    access: &Access<P>,
    generation: std::result::Result<u32, OpenError>,
) -> Result<Error> {
    let generation = generation.map_err(Error::internal)?;
    let mut tx = access.read().await?;
    let is_erased = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM cell.erased_key WHERE generation = $1) AS "is!""#,
        i32::try_from(generation).map_err(Error::internal)?
    )
    .fetch_one(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(if is_erased {
        Error::Conflict {
            code: ConflictCode::KeysErased,
            detail: "the data keys that this was sealed under were destroyed; enter it anew"
                .to_owned(),
        }
    } else {
        // A row that nobody removed on purpose.
        Error::internal(anyhow::anyhow!(
            "the data key of generation {generation} is missing"
        ))
    })
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
