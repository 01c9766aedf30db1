//! Replacing a credential's values by those of another version: what was is archived, replaced
//! secrets go on verifying webhooks for a while, and of old versions the newest are kept.

use std::collections::BTreeMap;

use kernel::{
    Access, Error, Result, Tx, error::ConflictCode, id::CredentialId, permission::CredentialsWrite,
    secret::Secret,
};
use serde_json::json;
use time::{Duration, OffsetDateTime};
use vault::DataKey;

use super::{
    identifiers::{bequeath, claim, identifiers, put_identifiers},
    model::{CredentialView, VersionReason},
};
use crate::{
    Connect,
    catalogue::Provider,
    seal::{hold, seal},
};

/// How many versions of a credential there are at most, the present one among them.
pub(super) const KEPT_VERSIONS: i64 = 10;

/// The slot in which a version's secrets are archived.
pub(super) fn slot(version: i64) -> String {
    format!("v{version}")
}

/// What the next version of a credential has.
pub(super) struct Next<'a> {
    /// The credential as it was read: what somebody else has changed since is not overwritten.
    pub before: &'a CredentialView,
    pub provider: &'a Provider,
    /// All fields that are not secret.
    pub fields: BTreeMap<String, String>,
    /// The secrets that get another value.
    pub secrets: BTreeMap<String, Secret>,
    /// The secrets that it has no longer.
    pub removed: Vec<String>,
    pub grace_seconds: u32,
    pub reason: VersionReason,
    /// The version whose values these are.
    pub restored_from: Option<i64>,
}

impl Next<'_> {
    /// The fields that differ from the version before.
    pub fn changed(&self) -> Vec<String> {
        let before = &self.before.fields;
        let names = before.keys().chain(
            self.fields
                .keys()
                .filter(|name| !before.contains_key(*name)),
        );
        let fields = names.filter(|name| before.get(*name) != self.fields.get(*name));
        let secrets = self.secrets.keys().chain(&self.removed);
        let mut changed: Vec<String> = fields.chain(secrets).cloned().collect();
        changed.sort_unstable();
        changed
    }
}

/// A version that is about to be written: its key is at hand, and its ids are claimed.
pub(super) struct Prepared {
    key: std::sync::Arc<DataKey>,
    claimed: Vec<(String, String)>,
}

impl Connect {
    /// What has to be done before a version's transaction, because it takes calls or another
    /// database.
    pub(super) async fn prepare(
        &self,
        access: &Access<CredentialsWrite>,
        next: &Next<'_>,
    ) -> Result<Prepared> {
        let key = self.sealing_key(access).await?;
        let claimed = identifiers(next.provider, &next.fields);
        claim(access, next.provider, &claimed).await?;
        Ok(Prepared { key, claimed })
    }
}

/// Writes a version. The ids that the tenant has no credential for any more, to be released once it
/// is committed.
pub(super) async fn write(
    tx: &mut Tx,
    next: &Next<'_>,
    prepared: &Prepared,
) -> Result<Vec<(String, String)>> {
    let id = next.before.id;
    // What is archived may be under older keys than the newest, so all of them have to stay.
    sqlx::query!("SELECT generation FROM cell.data_key ORDER BY generation FOR KEY SHARE")
        .fetch_all(tx.conn())
        .await?;
    hold(tx, &prepared.key).await?;
    let replaces_secret = !next.secrets.is_empty() || !next.removed.is_empty();
    let updated = sqlx::query!(
        "UPDATE cell.credential SET fields = $2, version = version + 1, updated_at = now(),
             expires_at = CASE WHEN $4 THEN NULL ELSE expires_at END
         WHERE id = $1 AND version = $3",
        id.uuid(),
        json!(next.fields),
        next.before.version,
        replaces_secret
    )
    .execute(tx.conn())
    .await?;
    if updated.rows_affected() == 0 {
        return Err(Error::Conflict {
            code: ConflictCode::ChangedMeanwhile,
            detail:
                "the credential was changed by somebody else meanwhile; look at it and try again"
                    .to_owned(),
        });
    }
    archive(tx, id, next.before.version).await?;
    let grace_end = OffsetDateTime::now_utc() + Duration::seconds(i64::from(next.grace_seconds));
    for field in next.secrets.keys().chain(&next.removed) {
        retire_secret(tx, id, field, grace_end).await?;
    }
    for (field, value) in &next.secrets {
        put_secret(tx, &prepared.key, id, field, value).await?;
    }
    record_version(tx, id, &next.changed(), next.reason, next.restored_from).await?;
    prune(tx, id).await?;
    put_identifiers(tx, next.provider, id, &prepared.claimed).await?;
    let lost = identifiers(next.provider, &next.before.fields);
    let lost = lost.into_iter().filter(|id| !prepared.claimed.contains(id));
    bequeath(tx, next.provider, lost).await
}

/// Copies the present secrets into the archive. They are locked first, so that whoever seals them
/// anew under another data key comes before the copy or finds it.
async fn archive(tx: &mut Tx, id: CredentialId, version: i64) -> Result<()> {
    sqlx::query!(
        "SELECT field FROM cell.credential_secret WHERE credential_id = $1
         ORDER BY field, slot FOR UPDATE",
        id.uuid()
    )
    .fetch_all(tx.conn())
    .await?;
    sqlx::query!(
        "INSERT INTO cell.credential_secret (credential_id, field, slot, sealed, last4, created_at)
         SELECT credential_id, field, $2, sealed, last4, created_at
         FROM cell.credential_secret WHERE credential_id = $1 AND slot = 'current'",
        id.uuid(),
        slot(version)
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes down the version that the credential's row has now.
pub(crate) async fn record_version(
    tx: &mut Tx,
    id: CredentialId,
    changed: &[String],
    reason: VersionReason,
    restored_from: Option<i64>,
) -> Result<()> {
    let actor = tx.actor().to_string();
    sqlx::query!(
        "INSERT INTO cell.credential_version
             (credential_id, version, fields, changed, reason, restored_from, created_by)
         SELECT id, version, fields, $2, $3, $4, $5 FROM cell.credential WHERE id = $1",
        id.uuid(),
        changed,
        reason.as_str(),
        restored_from,
        actor
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Removes what is older than the newest versions.
async fn prune(tx: &mut Tx, id: CredentialId) -> Result<()> {
    sqlx::query!(
        "WITH gone AS (
             DELETE FROM cell.credential_version v
             USING cell.credential c
             WHERE c.id = $1 AND v.credential_id = c.id AND v.version <= c.version - $2
             RETURNING v.version
         )
         DELETE FROM cell.credential_secret s USING gone
         WHERE s.credential_id = $1 AND s.slot = 'v' || gone.version",
        id.uuid(),
        KEPT_VERSIONS
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn put_secret(
    tx: &mut Tx,
    key: &DataKey,
    id: CredentialId,
    field: &str,
    value: &Secret,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO cell.credential_secret (credential_id, field, slot, sealed, last4)
         VALUES ($1, $2, 'current', $3, $4)",
        id.uuid(),
        field,
        seal(key, id, field, value),
        value.last4()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Makes the current value the previous one, in the place of the one before it.
async fn retire_secret(
    tx: &mut Tx,
    id: CredentialId,
    field: &str,
    until: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "DELETE FROM cell.credential_secret WHERE credential_id = $1 AND field = $2 AND slot = 'previous'",
        id.uuid(),
        field
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "UPDATE cell.credential_secret SET slot = 'previous', valid_until = $3
         WHERE credential_id = $1 AND field = $2 AND slot = 'current'",
        id.uuid(),
        field,
        until
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
