//! Adding and removing credentials. Every change is audited, announced to the other nodes, and
//! keeps the provider's ids in step: which tenant they route to, and which payloads may name them.

use kernel::{
    Access, Error, Result, Tx,
    audit::Act,
    id::{CredentialId, EndpointId, UserId},
    permission::{CredentialsWrite, Permission},
};
use serde_json::json;
use time::{OffsetDateTime, UtcOffset};

use super::{
    defaults::{self, NewRow},
    identifiers::{bequeath, claim, identifiers, put_identifiers, release},
    model::{CredentialView, NewCredential, VersionReason, sort},
    read,
    values::{put_secret, record_version},
};
use crate::{Connect, catalogue::Provider, oauth, seal::hold, verify};

impl Connect {
    /// Stores a new credential and, where the provider sends webhooks, opens the endpoint for them.
    /// It is the default one if it is the first of its provider and environment.
    pub async fn create_credential(
        &self,
        access: &Access<CredentialsWrite>,
        new: NewCredential,
    ) -> Result<CredentialView> {
        self.add_credential(access, new, VersionReason::Created)
            .await
    }

    pub(super) async fn add_credential(
        &self,
        access: &Access<CredentialsWrite>,
        new: NewCredential,
        reason: VersionReason,
    ) -> Result<CredentialView> {
        let provider = self.known_provider(&new.provider)?;
        check_name(&new.name)?;
        check_end(new.expires_at)?;
        let values = sort(new.values, provider, true)?;
        if let Some(owner) = new.owner {
            check_member(access, owner).await?;
        }
        let key = self.sealing_key(access).await?;
        let claimed = identifiers(provider, &values.fields);
        claim(access, provider, &claimed).await?;

        let id = CredentialId::new();
        let mut tx = access.begin().await?;
        hold(&mut tx, &key).await?;
        let row = NewRow {
            id,
            provider: &provider.id,
            name: &new.name,
            environment: new.environment,
            owner: new.owner,
            expires_at: new.expires_at,
            fields: json!(values.fields),
        };
        let is_default = defaults::insert(&mut tx, &row).await?;
        for (field, value) in &values.secrets {
            put_secret(&mut tx, &key, id, field, value).await?;
        }
        let changed: Vec<String> = values
            .fields
            .keys()
            .chain(values.secrets.keys())
            .cloned()
            .collect();
        record_version(&mut tx, id, &changed, reason, None).await?;
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
        if new.expires_at.is_some() {
            super::expiry::watch(&mut tx).await?;
        }
        self.test_soon(&mut tx, provider, id).await?;
        let detail = json!({ "provider": provider.id, "name": new.name,
            "environment": new.environment, "default": is_default, "reason": reason });
        self.finish(tx, "credential.created", id, detail).await?;
        read::get(access, id).await
    }

    /// Removes a credential, its secrets, its versions and its ids. The default one is followed by
    /// the oldest that is left of its environment.
    pub async fn delete_credential(
        &self,
        access: &Access<CredentialsWrite>,
        id: CredentialId,
    ) -> Result<()> {
        let before = read::get(access, id).await?;
        let mut tx = access.begin().await?;
        let standing = defaults::lock(&mut tx, &before.provider, id).await?;
        sqlx::query!("DELETE FROM cell.credential WHERE id = $1", id.uuid())
            .execute(tx.conn())
            .await?;
        let heir = defaults::appoint(&mut tx, &before.provider, standing.environment).await?;
        verify::end(&mut tx, id).await?;
        oauth::end(&mut tx, id).await?;
        let provider = self.catalogue().get(&before.provider);
        let unowned = match provider {
            Some(provider) => {
                let lost = identifiers(provider, &standing.fields);
                bequeath(&mut tx, provider, lost).await?
            }
            None => Vec::new(),
        };
        let mut detail = json!({ "provider": before.provider, "name": before.name,
            "environment": standing.environment });
        if let Some(heir) = heir {
            detail["default_is_now"] = json!(heir);
        }
        self.finish(tx, "credential.deleted", id, detail).await?;
        if let Some(provider) = provider {
            release(access, provider, &unowned).await?;
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

    /// Has a changed credential tested, where that is wanted and can be done.
    pub(crate) async fn test_soon(
        &self,
        tx: &mut Tx,
        provider: &Provider,
        id: CredentialId,
    ) -> Result<()> {
        if self.settings().verify_credentials && provider.verification.is_some() {
            verify::begin(tx, id).await?;
        }
        Ok(())
    }

    pub(super) async fn finish(
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

    pub(crate) fn known_provider(&self, id: &str) -> Result<&Provider> {
        self.catalogue().get(id).ok_or_else(|| {
            Error::field(
                "provider",
                "is not in the catalogue; GET /v1/providers lists it",
            )
        })
    }
}

pub(super) fn check_name(name: &str) -> Result<()> {
    match name.trim().is_empty() || name.chars().count() > 100 {
        true => Err(Error::field("name", "must be 1 to 100 characters")),
        false => Ok(()),
    }
}

/// Refuses ends that can't be stored, or not be told again.
pub(super) fn check_end(end: Option<OffsetDateTime>) -> Result<()> {
    let fits = |end: OffsetDateTime| {
        let end = end.checked_to_offset(UtcOffset::UTC);
        end.is_some_and(|end| (1970..=9998).contains(&end.year()))
    };
    match end.is_none_or(fits) {
        true => Ok(()),
        false => Err(Error::field(
            "expires_at",
            "must be in the years 1970 to 9998",
        )),
    }
}

/// Refuses an owner who does not belong to the tenant.
pub(super) async fn check_member<P: Permission>(access: &Access<P>, member: UserId) -> Result<()> {
    let mut tx = access.people().await?;
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM control.membership WHERE tenant_id = $1 AND user_id = $2) AS "is!""#,
        access.tenant().id.uuid(),
        member.uuid()
    )
    .fetch_one(tx.conn())
    .await?;
    tx.commit().await?;
    match found {
        true => Ok(()),
        false => Err(Error::field("owner", "is no member of the tenant")),
    }
}
