//! Between the vault and the rows: which data key, bound to which record. Values are opened for
//! one use and wiped after it.

use kernel::{
    Access, Error, Result, Tx,
    error::ConflictCode,
    id::{CredentialId, TenantId},
    permission::Permission,
    secret::Secret,
};
use time::OffsetDateTime;
use vault::{Context, DataKey, OpenError, Owner, WrappedKey, generation_of};

use crate::{
    Connect,
    account::{Account, SealedCredential},
    data_key::NoKey,
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

/// Why a sealed value was not opened.
enum Unopened {
    /// The data key is not among those at hand, or its KEK is gone: both look so to whoever
    /// remembers rows from before a rotation.
    Stale(Option<NoKey>),
    Failed(Error),
}

impl Connect {
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
        let place = (credential.id, field);
        let wrapped = account.wrapped.get(&generation);
        match self.open_with(access, wrapped, place, &secret.sealed).await {
            Ok(value) => return Ok(Some(value)),
            Err(Unopened::Failed(error)) => return Err(error),
            Err(Unopened::Stale(_)) => {}
        }
        let slot = if previous { "previous" } else { "current" };
        let found = self.open_stored(access, place, slot).await?;
        // The newer rows open, so that those in memory are of before a rotation. Where they don't
        // either, there is nothing to forget: forgetting costs all tenants.
        self.forget(access.tenant().id);
        Ok(found)
    }

    /// Opens one field of a credential as it is stored now, past every cache, from any slot.
    pub(crate) async fn open_stored<P: Permission>(
        &self,
        access: &Access<P>,
        place: (CredentialId, &str),
        slot: &str,
    ) -> Result<Option<Secret>> {
        let Some((wrapped, sealed)) = reread(access, place, slot).await? else {
            return Ok(None);
        };
        match self
            .open_with(access, wrapped.as_ref(), place, &sealed)
            .await
        {
            Ok(value) => Ok(Some(value)),
            Err(Unopened::Failed(error)) => Err(error),
            Err(Unopened::Stale(Some(cause))) => Err(self.no_key(access, cause).await),
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
        match self.open_with(access, wrapped, place, sealed).await {
            Ok(value) => Ok(Some(value)),
            Err(Unopened::Stale(_)) => Ok(None),
            Err(Unopened::Failed(error)) => Err(error),
        }
    }

    async fn open_with<P: Permission>(
        &self,
        access: &Access<P>,
        wrapped: Option<&WrappedKey>,
        (credential, field): (CredentialId, &str),
        sealed: &[u8],
    ) -> std::result::Result<Secret, Unopened> {
        let failed = |error| Unopened::Failed(Error::internal(error));
        let generation = generation_of(sealed).map_err(failed)?;
        let wrapped = wrapped.ok_or(Unopened::Stale(None))?;
        let key = match self.find_key(access, generation, wrapped).await {
            Ok(key) => key,
            Err(cause) if cause.may_be_of_old_rows() => return Err(Unopened::Stale(Some(cause))),
            Err(cause) => return Err(Unopened::Failed(self.no_key(access, cause).await)),
        };
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
