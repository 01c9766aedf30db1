//! Renewing a tenant's data key: a key of the next generation, and everything that is sealed under
//! older ones sealed anew under it, while others read and write.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel::{Access, Error, Result, audit::Act, id::CredentialId, permission::DataKeysWrite};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;
use vault::{DataKey, WrappedKey, generation_of};

use crate::{
    Connect,
    data_key::newest,
    seal::{hold, open, seal},
};

/// Rows of one transaction: few enough that nobody waits for them for long.
const BATCH: i64 = 100;

/// A secret as it was read, and what replaces it.
struct Row {
    credential: Uuid,
    field: String,
    slot: String,
    sealed: Vec<u8>,
}

impl Connect {
    /// Gives the tenant a data key of the next generation, unless it has one made since `begun`:
    /// so that a renewal that broke off is finished instead of begun anew. What is stored from now
    /// on is sealed under the newest. Its generation; `None` where the tenant has no key at all.
    pub async fn renew_key(
        &self,
        access: &Access<DataKeysWrite>,
        begun: OffsetDateTime,
    ) -> Result<Option<u32>> {
        let mut tx = access.read().await?;
        let row = sqlx::query!(
            "SELECT generation, created_at FROM cell.data_key ORDER BY generation DESC LIMIT 1"
        )
        .fetch_optional(tx.conn())
        .await?;
        tx.commit().await?;
        let Some(row) = row else { return Ok(None) };
        let generation = u32::try_from(row.generation).map_err(Error::internal)?;
        if row.created_at >= begun {
            return Ok(Some(generation));
        }
        self.add_data_key(access, generation).await?;
        let mut tx = access.begin().await?;
        tx.audit(Act {
            action: "data_key.renewed",
            target: access.tenant().id.to_string(),
            detail: json!({ "after_generation": generation }),
        })
        .await?;
        // Others remember which keys there are.
        tx.announce_credentials().await?;
        tx.commit().await?;
        Ok(newest(access).await?.map(|(generation, _)| generation))
    }

    /// Seals anew whatever is not under the newest data key. `progress` is told of each batch how
    /// many were; the sum is returned.
    pub async fn reseal(
        &self,
        access: &Access<DataKeysWrite>,
        mut progress: impl FnMut(u64),
    ) -> Result<u64> {
        let mut total = 0;
        loop {
            let Some((generation, wrapped)) = newest(access).await? else {
                return Ok(total);
            };
            let key = self.data_key(access, generation, &wrapped).await?;
            let rows = stale(access, generation).await?;
            if rows.is_empty() {
                self.forget(access.tenant().id);
                return Ok(total);
            }
            let keys = self.keys_for(access, &rows).await?;
            let fresh = rows
                .iter()
                .map(|row| reseal(&keys, &key, row))
                .collect::<Result<Vec<_>>>()?;
            let done = match replace(access, &key, &rows, &fresh).await {
                // Somebody wrote the same rows in another order; they are read anew.
                Err(error) if is_deadlock(&error) => 0,
                outcome => outcome?,
            };
            total += done;
            progress(done);
        }
    }

    /// The data keys that these rows need.
    async fn keys_for(
        &self,
        access: &Access<DataKeysWrite>,
        rows: &[Row],
    ) -> Result<BTreeMap<u32, Arc<DataKey>>> {
        let stored: BTreeMap<u32, WrappedKey> = super::stored(access).await?;
        let mut keys = BTreeMap::new();
        for row in rows {
            let generation = generation_of(&row.sealed).map_err(Error::internal)?;
            if keys.contains_key(&generation) {
                continue;
            }
            let wrapped = stored.get(&generation).ok_or_else(|| {
                Error::internal(anyhow::anyhow!(
                    "the data key of generation {generation} is missing"
                ))
            })?;
            keys.insert(
                generation,
                self.data_key(access, generation, wrapped).await?,
            );
        }
        Ok(keys)
    }
}

/// Some of the secrets that are not under this generation. No place is kept from batch to batch:
/// what was done is not stale any more, and what somebody moved meanwhile is found wherever it is.
async fn stale(access: &Access<DataKeysWrite>, generation: u32) -> Result<Vec<Row>> {
    let mut tx = access.read().await?;
    // Erased generations stay as they are: nobody can open them.
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT s.credential_id AS credential, s.field, s.slot, s.sealed
           FROM cell.credential_secret s
           JOIN cell.data_key d
               ON d.generation = ('x' || encode(substring(s.sealed FROM 3 FOR 4), 'hex'))::bit(32)::integer
           WHERE d.generation < $1
           ORDER BY s.credential_id, s.field, s.slot LIMIT $2"#,
        i32::try_from(generation).map_err(Error::internal)?,
        BATCH
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(rows)
}

fn reseal(keys: &BTreeMap<u32, Arc<DataKey>>, new: &DataKey, row: &Row) -> Result<Vec<u8>> {
    let id = CredentialId::from(row.credential);
    let generation = generation_of(&row.sealed).map_err(Error::internal)?;
    let old = keys
        .get(&generation)
        .ok_or_else(|| Error::internal(anyhow::anyhow!("generation {generation} was not read")))?;
    let value = open(old, id, &row.field, &row.sealed)?;
    Ok(seal(new, id, &row.field, &value))
}

/// Puts the new values in the place of the old ones, where those are still there.
async fn replace(
    access: &Access<DataKeysWrite>,
    key: &DataKey,
    rows: &[Row],
    fresh: &[Vec<u8>],
) -> Result<u64> {
    let credentials: Vec<Uuid> = rows.iter().map(|row| row.credential).collect();
    let fields: Vec<String> = rows.iter().map(|row| row.field.clone()).collect();
    let slots: Vec<String> = rows.iter().map(|row| row.slot.clone()).collect();
    let old: Vec<Vec<u8>> = rows.iter().map(|row| row.sealed.clone()).collect();
    let mut tx = access.begin().await?;
    hold(&mut tx, key).await?;
    // In the order in which whoever replaces a credential's secrets locks them: else each might wait
    // for the other.
    sqlx::query!(
        "SELECT field FROM cell.credential_secret s
         WHERE (credential_id, field, slot) IN (
             SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[])
         ) ORDER BY credential_id, field, slot FOR UPDATE",
        &credentials,
        &fields,
        &slots
    )
    .fetch_all(tx.conn())
    .await?;
    let replaced = sqlx::query!(
        "UPDATE cell.credential_secret s SET sealed = n.fresh
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::bytea[])
             AS n (credential_id, field, slot, sealed, fresh)
         WHERE s.credential_id = n.credential_id AND s.field = n.field AND s.slot = n.slot
             AND s.sealed = n.sealed",
        &credentials,
        &fields,
        &slots,
        &old,
        fresh
    )
    .execute(tx.conn())
    .await?;
    tx.announce_credentials().await?;
    tx.commit().await?;
    Ok(replaced.rows_affected())
}

fn is_deadlock(error: &Error) -> bool {
    let Error::Internal(cause) = error else {
        return false;
    };
    // Class 40: the transaction was rolled back for the sake of another one.
    cause
        .downcast_ref::<sqlx::Error>()
        .and_then(sqlx::Error::as_database_error)
        .and_then(|error| error.code())
        .is_some_and(|code| code.starts_with("40"))
}
