//! Writing and reading credentials. Every change is audited, announced to the other nodes, and
//! keeps the provider's ids in step: which tenant they route to, and which payloads may name them.

use std::collections::BTreeMap;

use kernel::error::ConflictCode;
use kernel::{
    Access, Error, Result, Tx,
    audit::Act,
    error::OnConstraint,
    id::{CredentialId, EndpointId},
    permission::{CredentialsRead, CredentialsWrite},
    secret::Secret,
};
use serde_json::json;
use time::{Duration, OffsetDateTime};
use vault::DataKey;

use super::model::{CredentialView, NewCredential, Rotation, SecretView, sort};
use crate::{
    Connect,
    catalogue::Provider,
    oauth,
    seal::{hold, seal},
    verify::{self, Verification},
};

impl Connect {
    /// Stores a new credential and, where the provider sends webhooks, opens the endpoint for them.
    pub async fn create_credential(
        &self,
        access: &Access<CredentialsWrite>,
        new: NewCredential,
    ) -> Result<CredentialView> {
        let provider = self.known_provider(&new.provider)?;
        if new.name.trim().is_empty() || new.name.chars().count() > 100 {
            return Err(Error::field("name", "must be 1 to 100 characters"));
        }
        let values = sort(new.values, provider, true)?;
        let key = self.sealing_key(access).await?;
        let claimed = identifiers(provider, &values.fields);
        claim(access, provider, &claimed).await?;

        let id = CredentialId::new();
        let mut tx = access.begin().await?;
        hold(&mut tx, &key).await?;
        sqlx::query!(
            "INSERT INTO cell.credential (id, provider, name, fields) VALUES ($1, $2, $3, $4)",
            id.uuid(),
            provider.id,
            new.name,
            json!(values.fields)
        )
        .execute(tx.conn())
        .await
        .on_constraint("credential_name_key", || Error::Conflict {
            code: ConflictCode::NameTaken,
            detail: format!(
                "there is a {} credential named `{}`; rotate it, or choose another name",
                provider.name, new.name
            ),
        })?;
        for (field, value) in &values.secrets {
            put_secret(&mut tx, &key, id, field, value).await?;
        }
        put_identifiers(&mut tx, provider, id, &claimed).await?;
        if provider.webhook.is_some() {
            sqlx::query!(
                "INSERT INTO cell.webhook_endpoint (id, provider) VALUES ($1, $2)
                 ON CONFLICT (tenant_id, provider) DO NOTHING",
                EndpointId::new().uuid(),
                provider.id
            )
            .execute(tx.conn())
            .await?;
        }
        if self.settings().verify_credentials && provider.verification.is_some() {
            verify::begin(&mut tx, id).await?;
        }
        let detail = json!({ "provider": provider.id, "name": new.name });
        self.finish(tx, "credential.created", id, detail).await?;
        self.credential_view(access, id).await
    }

    /// Replaces values. Replaced secrets go on verifying webhooks until the grace ends.
    pub async fn rotate_credential(
        &self,
        access: &Access<CredentialsWrite>,
        id: CredentialId,
        rotation: Rotation,
    ) -> Result<CredentialView> {
        let before = self.credential_view(access, id).await?;
        let provider = self.known_provider(&before.provider)?;
        let values = sort(rotation.values, provider, false)?;
        if values.fields.is_empty() && values.secrets.is_empty() {
            return Err(Error::field("values", "name at least one field to replace"));
        }
        let key = self.sealing_key(access).await?;
        let mut fields = before.fields.clone();
        fields.extend(values.fields.clone());
        let claimed = identifiers(provider, &fields);
        claim(access, provider, &claimed).await?;

        let grace_end =
            OffsetDateTime::now_utc() + Duration::seconds(i64::from(rotation.grace_seconds));
        let mut tx = access.begin().await?;
        hold(&mut tx, &key).await?;
        let updated = sqlx::query!(
            "UPDATE cell.credential SET fields = $2, version = version + 1, updated_at = now()
             WHERE id = $1 AND version = $3",
            id.uuid(),
            json!(fields),
            before.version
        )
        .execute(tx.conn())
        .await?;
        if updated.rows_affected() == 0 {
            return Err(Error::Conflict {
                code: ConflictCode::ChangedMeanwhile,
                detail: "the credential was changed by somebody else meanwhile; look at it and try again".to_owned(),
            });
        }
        for (field, value) in &values.secrets {
            retire_secret(&mut tx, id, field, grace_end).await?;
            put_secret(&mut tx, &key, id, field, value).await?;
        }
        replace_identifiers(&mut tx, provider, id, &claimed).await?;
        if self.settings().verify_credentials && provider.verification.is_some() {
            verify::begin(&mut tx, id).await?;
        }
        let changed: Vec<&String> = values.fields.keys().chain(values.secrets.keys()).collect();
        let detail = json!({ "provider": provider.id, "fields": changed, "grace_seconds": rotation.grace_seconds });
        self.finish(tx, "credential.rotated", id, detail).await?;
        let before_ids = identifiers(provider, &before.fields);
        release(
            access,
            provider,
            before_ids.iter().filter(|old| !claimed.contains(old)),
        )
        .await?;
        self.credential_view(access, id).await
    }

    /// Removes a credential, its secrets and its ids.
    pub async fn delete_credential(
        &self,
        access: &Access<CredentialsWrite>,
        id: CredentialId,
    ) -> Result<()> {
        let before = self.credential_view(access, id).await?;
        let mut tx = access.begin().await?;
        let deleted = sqlx::query!("DELETE FROM cell.credential WHERE id = $1", id.uuid())
            .execute(tx.conn())
            .await?;
        if deleted.rows_affected() == 0 {
            return Err(Error::NotFound("credential"));
        }
        verify::end(&mut tx, id).await?;
        oauth::end(&mut tx, id).await?;
        let detail = json!({ "provider": before.provider, "name": before.name });
        self.finish(tx, "credential.deleted", id, detail).await?;
        if let Some(provider) = self.catalogue().get(&before.provider) {
            release(
                access,
                provider,
                identifiers(provider, &before.fields).iter(),
            )
            .await?;
        }
        Ok(())
    }

    /// Opens or closes the tenant's inbound endpoint for a provider.
    pub async fn set_endpoint(
        &self,
        access: &Access<CredentialsWrite>,
        provider: &str,
        enabled: bool,
    ) -> Result<()> {
        let mut tx = access.begin().await?;
        let row = sqlx::query!(
            "UPDATE cell.webhook_endpoint SET enabled = $2 WHERE provider = $1 RETURNING id",
            provider,
            enabled
        )
        .fetch_optional(tx.conn())
        .await?
        .ok_or(Error::NotFound("webhook endpoint"))?;
        let action = if enabled {
            "webhook_endpoint.enabled"
        } else {
            "webhook_endpoint.disabled"
        };
        let target = EndpointId::from(row.id).to_string();
        tx.audit(Act {
            action,
            target,
            detail: json!({ "provider": provider }),
        })
        .await?;
        tx.announce_credentials().await?;
        let tenant = tx.tenant().id;
        tx.commit().await?;
        self.forget(tenant);
        Ok(())
    }

    async fn finish(
        &self,
        mut tx: Tx,
        action: &str,
        id: CredentialId,
        detail: serde_json::Value,
    ) -> Result<()> {
        tx.audit(Act {
            action,
            target: id.to_string(),
            detail,
        })
        .await?;
        tx.announce_credentials().await?;
        let tenant = tx.tenant().id;
        tx.commit().await?;
        self.forget(tenant);
        Ok(())
    }

    pub(super) async fn credential_view(
        &self,
        access: &Access<CredentialsWrite>,
        id: CredentialId,
    ) -> Result<CredentialView> {
        let mut tx = access.read().await?;
        let mut views = select(&mut tx, Some(id), None, None, 1).await?;
        tx.commit().await?;
        views.pop().ok_or(Error::NotFound("credential"))
    }

    pub(crate) fn known_provider(&self, id: &str) -> Result<&Provider> {
        self.catalogue().get(id).ok_or_else(|| {
            Error::field(
                "provider",
                "is not in the catalogue; GET /v1/providers lists it",
            )
        })
    }
}

/// One credential, masked.
pub(super) async fn get(
    access: &Access<CredentialsRead>,
    id: CredentialId,
) -> Result<CredentialView> {
    let mut tx = access.read().await?;
    let mut views = select(&mut tx, Some(id), None, None, 1).await?;
    tx.commit().await?;
    views.pop().ok_or(Error::NotFound("credential"))
}

/// Credentials after a position, oldest first.
pub async fn list(
    access: &Access<CredentialsRead>,
    provider: Option<&str>,
    after: Option<CredentialId>,
    limit: i64,
) -> Result<Vec<CredentialView>> {
    let mut tx = access.read().await?;
    let views = select(&mut tx, None, provider, after, limit).await?;
    tx.commit().await?;
    Ok(views)
}

async fn select(
    tx: &mut Tx,
    id: Option<CredentialId>,
    provider: Option<&str>,
    after: Option<CredentialId>,
    limit: i64,
) -> Result<Vec<CredentialView>> {
    let rows = sqlx::query!(
        r#"SELECT c.id, c.provider, c.name, c.fields, c.version, c.created_at, c.updated_at,
                  s.secrets AS "secrets!", v.found AS "found?"
           FROM cell.credential c
           CROSS JOIN LATERAL (
               SELECT COALESCE(jsonb_agg(jsonb_build_object('field', field, 'slot', slot, 'last4', last4,
                   'valid_until', to_char(valid_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
                   ORDER BY field, slot), '[]') AS secrets
               FROM cell.credential_secret
               WHERE credential_id = c.id AND (valid_until IS NULL OR valid_until > now())
           ) s
           LEFT JOIN LATERAL (
               SELECT jsonb_build_object('outcome', outcome, 'reason', reason, 'detail', detail,
                   'advice', advice, 'scopes', scopes,
                   'expires_at', to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                   'checked_at', to_char(checked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) AS found
               FROM cell.credential_verification
               WHERE credential_id = c.id AND version = c.version
               ORDER BY checked_at DESC, id DESC LIMIT 1
           ) v ON true
           WHERE ($1::uuid IS NULL OR c.id = $1) AND ($2::text IS NULL OR c.provider = $2)
             AND ($3::uuid IS NULL OR c.id > $3)
           ORDER BY c.id LIMIT $4"#,
        id.map(CredentialId::uuid),
        provider,
        after.map(CredentialId::uuid),
        limit
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(CredentialView {
                id: row.id.into(),
                provider: row.provider,
                name: row.name,
                fields: serde_json::from_value(row.fields).map_err(Error::internal)?,
                secrets: serde_json::from_value::<Vec<SecretView>>(row.secrets)
                    .map_err(Error::internal)?,
                verification: row
                    .found
                    .map(serde_json::from_value::<Verification>)
                    .transpose()
                    .map_err(Error::internal)?,
                version: row.version,
                created_at: row.created_at,
                updated_at: row.updated_at,
            })
        })
        .collect()
}

/// (kind, value) of the ids among a credential's fields.
pub(crate) fn identifiers(
    provider: &Provider,
    fields: &BTreeMap<String, String>,
) -> Vec<(String, String)> {
    provider
        .credential
        .fields
        .iter()
        .filter_map(|field| Some((field.identifies.clone()?, fields.get(&field.name)?.clone())))
        .collect()
}

/// Routes are claimed before the credential is stored and released after it is gone: whatever fails
/// in between leaves a route to a tenant that does not know the id, whose payloads are quarantined.
pub(crate) async fn claim(
    access: &Access<CredentialsWrite>,
    provider: &Provider,
    ids: &[(String, String)],
) -> Result<()> {
    for (kind, value) in ids.iter().filter(|(kind, _)| routes_by(provider, kind)) {
        access.claim_route(&provider.id, kind, value).await?;
    }
    Ok(())
}

pub(crate) async fn release(
    access: &Access<CredentialsWrite>,
    provider: &Provider,
    ids: impl Iterator<Item = &(String, String)>,
) -> Result<()> {
    for (kind, value) in ids.filter(|(kind, _)| routes_by(provider, kind)) {
        access.release_route(&provider.id, kind, value).await?;
    }
    Ok(())
}

fn routes_by(provider: &Provider, kind: &str) -> bool {
    provider
        .webhook
        .as_ref()
        .is_some_and(|webhook| webhook.route.iter().any(|route| route == kind))
}

pub(crate) async fn replace_identifiers(
    tx: &mut Tx,
    provider: &Provider,
    id: CredentialId,
    identifiers: &[(String, String)],
) -> Result<()> {
    sqlx::query!(
        "DELETE FROM cell.identifier WHERE credential_id = $1",
        id.uuid()
    )
    .execute(tx.conn())
    .await?;
    put_identifiers(tx, provider, id, identifiers).await
}

async fn put_identifiers(
    tx: &mut Tx,
    provider: &Provider,
    id: CredentialId,
    identifiers: &[(String, String)],
) -> Result<()> {
    for (kind, value) in identifiers {
        sqlx::query!(
            "INSERT INTO cell.identifier (provider, kind, external_id, credential_id)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant_id, provider, kind, external_id) DO NOTHING",
            provider.id,
            kind,
            value,
            id.uuid()
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

async fn put_secret(
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
         WHERE credential_id = $1 AND field = $2",
        id.uuid(),
        field,
        until
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
