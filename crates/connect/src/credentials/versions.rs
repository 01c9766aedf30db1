//! What a credential was before: its versions, going back to one, and ending the time in which
//! replaced secrets still count.

use std::collections::BTreeMap;

use kernel::{
    Access, Error, Result,
    error::ConflictCode,
    id::CredentialId,
    permission::{CredentialsWrite, Permission},
    secret::{Secret, constant_time_eq},
};
use serde_json::json;

use super::{
    identifiers::release,
    model::{CredentialView, VersionReason, VersionSecret, VersionView},
    read,
    values::{self, KEPT_VERSIONS, Next, slot},
};
use crate::{Connect, oauth};

/// A credential's versions that are kept, newest first; ten at most.
pub(super) async fn versions<P: Permission>(
    access: &Access<P>,
    id: CredentialId,
) -> Result<Vec<VersionView>> {
    let mut tx = access.read().await?;
    let rows = sqlx::query!(
        r#"SELECT v.version, v.version = c.version AS "current!", v.fields, v.changed,
                  v.reason AS "reason: VersionReason", v.restored_from, v.created_by, v.created_at,
                  s.secrets AS "secrets!"
           FROM cell.credential c
           JOIN cell.credential_version v ON v.credential_id = c.id
           CROSS JOIN LATERAL (
               SELECT COALESCE(jsonb_agg(jsonb_build_object('field', field, 'last4', last4)
                   ORDER BY field), '[]') AS secrets
               FROM cell.credential_secret
               WHERE credential_id = c.id
                   AND slot = CASE v.version WHEN c.version THEN 'current' ELSE 'v' || v.version END
           ) s
           WHERE c.id = $1 ORDER BY v.version DESC LIMIT $2"#,
        id.uuid(),
        KEPT_VERSIONS
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    // Every credential has the version that it is.
    if rows.is_empty() {
        return Err(Error::NotFound("credential"));
    }
    rows.into_iter()
        .map(|row| {
            Ok(VersionView {
                version: row.version,
                current: row.current,
                created_by: row.created_by,
                created_at: row.created_at,
                reason: row.reason,
                restored_from: row.restored_from,
                changed: row.changed,
                fields: serde_json::from_value(row.fields).map_err(Error::internal)?,
                secrets: serde_json::from_value::<Vec<VersionSecret>>(row.secrets)
                    .map_err(Error::internal)?,
            })
        })
        .collect()
}

/// What an archived version held.
struct Archived {
    fields: BTreeMap<String, String>,
    /// The names of its secrets.
    secrets: Vec<String>,
}

impl Connect {
    /// Makes a new version with the values of an earlier one. The present secrets go on verifying
    /// webhooks until the grace ends, as in a rotation.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the version isn't kept; `changed_meanwhile`; `keys_erased` where
    /// its secrets can't be opened any more; [`Error::Invalid`] where its values are the present.
    pub async fn restore_credential(
        &self,
        access: &Access<CredentialsWrite>,
        id: CredentialId,
        version: i64,
        grace_seconds: u32,
    ) -> Result<CredentialView> {
        let before = read::get(access, id).await?;
        let provider = self.known_provider(&before.provider)?;
        let archived = archived(access, &before, version).await?;
        if oauth::is_connected(access, id).await? {
            return Err(Error::field(
                "version",
                "is of a connection by consent, whose tokens of before are good for nothing; connect the account again",
            ));
        }
        let mut removed: Vec<String> = before
            .secrets
            .iter()
            .filter(|secret| secret.slot == "current")
            .map(|secret| secret.field.clone())
            .collect();
        let mut secrets = BTreeMap::new();
        for field in &archived.secrets {
            let was_present = removed.contains(field);
            removed.retain(|present| present != field);
            let value = self.opened(access, id, field, &slot(version)).await?;
            let is_same = match was_present {
                true => {
                    let present = self.opened(access, id, field, "current").await;
                    // One that can't be opened is replaced whatever it was.
                    present.is_ok_and(|present| {
                        constant_time_eq(present.expose().as_bytes(), value.expose().as_bytes())
                    })
                }
                false => false,
            };
            if !is_same {
                secrets.insert(field.clone(), value);
            }
        }
        let next = Next {
            before: &before,
            provider,
            fields: archived.fields,
            secrets,
            removed,
            grace_seconds,
            reason: VersionReason::Restored,
            restored_from: Some(version),
        };
        let changed = next.changed();
        if changed.is_empty() {
            return Err(Error::field("version", "has the values that are in use"));
        }
        let prepared = self.prepare(access, &next).await?;
        let mut tx = access.begin().await?;
        let unowned = values::write(&mut tx, &next, &prepared).await?;
        self.test_soon(&mut tx, provider, id).await?;
        let detail = json!({ "provider": provider.id, "version": version, "fields": changed,
            "rolled_back_from": before.version, "grace_seconds": grace_seconds });
        self.finish(tx, "credential.restored", id, detail).await?;
        release(access, provider, &unowned).await?;
        read::get(access, id).await
    }

    /// A secret that was there a moment ago.
    async fn opened(
        &self,
        access: &Access<CredentialsWrite>,
        id: CredentialId,
        field: &str,
        slot: &str,
    ) -> Result<Secret> {
        let value = self.open_stored(access, (id, field), slot).await?;
        value.ok_or_else(|| Error::Conflict {
            code: ConflictCode::ChangedMeanwhile,
            detail:
                "the credential was changed by somebody else meanwhile; look at it and try again"
                    .to_owned(),
        })
    }

    /// Ends the time in which replaced secrets still verify webhooks: they are deleted.
    pub async fn end_grace(
        &self,
        access: &Access<CredentialsWrite>,
        id: CredentialId,
    ) -> Result<CredentialView> {
        let mut tx = access.begin().await?;
        let provider = sqlx::query_scalar!(
            "SELECT provider FROM cell.credential WHERE id = $1 FOR UPDATE",
            id.uuid()
        )
        .fetch_optional(tx.conn())
        .await?
        .ok_or(Error::NotFound("credential"))?;
        let ended = sqlx::query_scalar!(
            "DELETE FROM cell.credential_secret WHERE credential_id = $1 AND slot = 'previous'
             RETURNING field",
            id.uuid()
        )
        .fetch_all(tx.conn())
        .await?;
        match ended.is_empty() {
            true => tx.commit().await?,
            false => {
                let detail = json!({ "provider": provider, "fields": ended });
                self.finish(tx, "credential.grace_ended", id, detail)
                    .await?;
            }
        }
        read::get(access, id).await
    }
}

async fn archived(
    access: &Access<CredentialsWrite>,
    before: &CredentialView,
    version: i64,
) -> Result<Archived> {
    if version == before.version {
        return Err(Error::field("version", "is the one that is in use"));
    }
    let mut tx = access.read().await?;
    let row = sqlx::query!(
        r#"SELECT v.fields, ARRAY(
               SELECT s.field FROM cell.credential_secret s
               WHERE s.credential_id = v.credential_id AND s.slot = 'v' || v.version
               ORDER BY s.field
           ) AS "secrets!"
           FROM cell.credential_version v WHERE v.credential_id = $1 AND v.version = $2"#,
        before.id.uuid(),
        version
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(Error::NotFound("version"))?;
    tx.commit().await?;
    Ok(Archived {
        fields: serde_json::from_value(row.fields).map_err(Error::internal)?,
        secrets: row.secrets,
    })
}
