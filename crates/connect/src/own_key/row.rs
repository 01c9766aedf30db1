//! The row of a tenant's own key.

use std::collections::BTreeMap;

use kernel::{
    Access, Error, Result, Tx, audit::Act, events::EncryptionKeyFailing, id::TenantKeyId,
    permission::Permission,
};
use serde_json::json;
use time::OffsetDateTime;
use vault::WrappedKey;

use super::{KeyFailure, KeyState, OwnKeyView, model::Place};

/// What it is called where there is none.
pub(super) const NAME: &str = "encryption key of your own";

/// The login's secret as it is stored.
pub(crate) struct Sealed {
    /// The wrap of the data key that it is sealed under, by the installation's provider.
    pub key: WrappedKey,
    pub secret: Vec<u8>,
}

/// A tenant's own key.
pub(crate) struct Row {
    pub id: TenantKeyId,
    pub login: Sealed,
    pub(super) place: Place,
    pub(super) last_failure: Option<KeyFailure>,
    failing_since: Option<OffsetDateTime>,
    verified_at: OffsetDateTime,
    created_by: String,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    version: i64,
}

fn failure(stored: Option<&str>) -> Result<Option<KeyFailure>> {
    let Some(stored) = stored else {
        return Ok(None);
    };
    let mut all = KeyFailure::ALL.into_iter();
    let found = all.find(|failure| failure.as_str() == stored);
    found
        .map(Some)
        .ok_or_else(|| Error::internal(anyhow::anyhow!("no failure is called {stored:?}")))
}

pub(crate) async fn read<P: Permission>(access: &Access<P>) -> Result<Option<Row>> {
    let mut tx = access.read().await?;
    let row = sqlx::query!(
        "SELECT id, provider, settings, kek, wrapped, sealed, verified_at, failing_since,
             last_failure, created_by, created_at, updated_at, version
         FROM cell.tenant_key"
    )
    .fetch_optional(tx.conn())
    .await?;
    tx.commit().await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Row {
        id: TenantKeyId::from(row.id),
        login: Sealed {
            key: WrappedKey {
                kek: row.kek,
                bytes: row.wrapped,
            },
            secret: row.sealed,
        },
        place: Place::stored(&row.provider, row.settings)?,
        last_failure: failure(row.last_failure.as_deref())?,
        failing_since: row.failing_since,
        verified_at: row.verified_at,
        created_by: row.created_by,
        created_at: row.created_at,
        updated_at: row.updated_at,
        version: row.version,
    }))
}

impl Row {
    pub(super) fn view(self) -> OwnKeyView {
        let holder = self.place.holder();
        let (transit, aws) = match self.place {
            Place::Transit(transit) => (Some(transit), None),
            Place::Aws(aws) => (None, Some(aws)),
        };
        OwnKeyView {
            provider: holder,
            transit,
            aws,
            state: KeyState::of(self.last_failure),
            failure: self.last_failure,
            failing_since: self.failing_since,
            advice: self
                .last_failure
                .map(|failure| failure.advice(holder).to_owned()),
            verified_at: self.verified_at,
            created_by: self.created_by,
            created_at: self.created_at,
            updated_at: self.updated_at,
            version: self.version,
        }
    }
}

/// Which own key the tenant has, as this transaction sees it.
pub(crate) async fn is_whose(tx: &mut Tx) -> Result<Option<TenantKeyId>> {
    let id = sqlx::query_scalar!("SELECT id FROM cell.tenant_key")
        .fetch_optional(tx.conn())
        .await?;
    Ok(id.map(TenantKeyId::from))
}

/// Puts those in a row who decide which key wraps the tenant's data keys, and those who add one,
/// until this transaction ends: a data key that is added meanwhile would stay under the wrong one.
pub(crate) async fn lock(tx: &mut Tx) -> Result<()> {
    let name = format!("tenant_key/{}", tx.tenant().id);
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
        name
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps what was found of a key, if the tenant has it still. A change between working, unavailable
/// and withdrawn is audited; that it does not work any more is announced to whoever listens.
/// `tested` by somebody on purpose.
pub(super) async fn note<P: Permission>(
    access: &Access<P>,
    id: TenantKeyId,
    found: Option<KeyFailure>,
    tested: bool,
) -> Result<()> {
    let mut tx = access.begin().await?;
    // The lock puts findings in a row, so that each change is told once.
    let row = sqlx::query!(
        "SELECT provider, settings, last_failure FROM cell.tenant_key WHERE id = $1 FOR UPDATE",
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else {
        return tx.commit().await;
    };
    let before = failure(row.last_failure.as_deref())?;
    let place = Place::stored(&row.provider, row.settings)?;
    let holder = place.holder();
    sqlx::query!(
        "UPDATE cell.tenant_key SET last_failure = $2,
             failing_since = CASE WHEN $2::text IS NULL THEN NULL ELSE coalesce(failing_since, now()) END,
             verified_at = CASE WHEN $2 IS NULL AND $3 THEN now() ELSE verified_at END
         WHERE id = $1",
        id.uuid(),
        found.map(KeyFailure::as_str),
        tested
    )
    .execute(tx.conn())
    .await?;
    let state = KeyState::of(found);
    if KeyState::of(before) != state {
        let action = match state {
            KeyState::Working => "encryption_key.recovered",
            KeyState::Unavailable => "encryption_key.unavailable",
            KeyState::Withdrawn => "encryption_key.withdrawn",
        };
        tx.audit(Act {
            action,
            target: id.to_string(),
            detail: json!({ "key": place.describe(), "failure": found }),
        })
        .await?;
    }
    if let (None, Some(failure)) = (before, found) {
        tx.emit(&EncryptionKeyFailing {
            provider: holder.as_str().to_owned(),
            failure: failure.as_str().to_owned(),
            advice: failure.advice(holder).to_owned(),
        })
        .await?;
    }
    // What was revoked is used by no node from memory, where somebody looked on purpose.
    if tested && state == KeyState::Withdrawn {
        tx.announce_keys().await?;
    }
    tx.commit().await
}

/// The tenant's data keys and which own key there is, as they are while this transaction lasts.
pub(super) async fn held(tx: &mut Tx) -> Result<(Option<TenantKeyId>, BTreeMap<u32, WrappedKey>)> {
    lock(tx).await?;
    let rows = sqlx::query!(
        "SELECT generation, kek, wrapped FROM cell.data_key ORDER BY generation FOR UPDATE"
    )
    .fetch_all(tx.conn())
    .await?;
    let id = is_whose(tx).await?;
    let wraps = rows.into_iter().map(|row| {
        let wrapped = WrappedKey {
            kek: row.kek,
            bytes: row.wrapped,
        };
        let generation = u32::try_from(row.generation).map_err(Error::internal)?;
        Ok((generation, wrapped))
    });
    Ok((id, wraps.collect::<Result<_>>()?))
}

/// Puts new wraps in the place of the tenant's.
pub(super) async fn put_wraps(tx: &mut Tx, wraps: &BTreeMap<u32, WrappedKey>) -> Result<()> {
    let mut generations = Vec::with_capacity(wraps.len());
    for generation in wraps.keys() {
        generations.push(i32::try_from(*generation).map_err(Error::internal)?);
    }
    let keks: Vec<String> = wraps.values().map(|wrap| wrap.kek.clone()).collect();
    let bytes: Vec<Vec<u8>> = wraps.values().map(|wrap| wrap.bytes.clone()).collect();
    sqlx::query!(
        "UPDATE cell.data_key d SET kek = n.kek, wrapped = n.wrapped
         FROM unnest($1::integer[], $2::text[], $3::bytea[]) AS n (generation, kek, wrapped)
         WHERE d.generation = n.generation",
        &generations,
        &keks,
        &bytes
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Puts a key in the place of the one that there was, if there was one.
pub(super) async fn put(
    tx: &mut Tx,
    id: TenantKeyId,
    place: &Place,
    login: &Sealed,
    creator: &str,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO cell.tenant_key (id, provider, settings, kek, wrapped, sealed, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant_id) DO UPDATE SET id = excluded.id, provider = excluded.provider,
             settings = excluded.settings, kek = excluded.kek, wrapped = excluded.wrapped,
             sealed = excluded.sealed, created_by = excluded.created_by, verified_at = now(),
             failing_since = NULL, last_failure = NULL, updated_at = now(),
             version = tenant_key.version + 1",
        id.uuid(),
        place.holder().as_str(),
        place.settings()?,
        login.key.kek,
        login.key.bytes,
        login.secret,
        creator
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn remove(tx: &mut Tx) -> Result<()> {
    sqlx::query!("DELETE FROM cell.tenant_key")
        .execute(tx.conn())
        .await?;
    Ok(())
}
