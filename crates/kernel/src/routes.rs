//! Which tenant a provider's own id belongs to, and what arrived for somebody else's.

use serde_json::Value;
use time::OffsetDateTime;

use crate::error::ConflictCode;
use crate::{
    access::Access,
    error::{Error, Result},
    permission::{CredentialsWrite, InboundReceive},
};

impl Access<CredentialsWrite> {
    /// Claims an id of a provider's for this tenant. An id has one tenant: the first to claim it.
    pub async fn claim_route(&self, provider: &str, kind: &str, external_id: &str) -> Result<()> {
        let pool = &self.db().control().app;
        sqlx::query!(
            "INSERT INTO control.provider_route (provider, kind, external_id, tenant_id)
             VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            provider,
            kind,
            external_id,
            self.tenant().id.uuid()
        )
        .execute(pool)
        .await?;
        let owner = sqlx::query_scalar!(
            "SELECT tenant_id FROM control.provider_route
             WHERE provider = $1 AND kind = $2 AND external_id = $3",
            provider,
            kind,
            external_id
        )
        .fetch_optional(pool)
        .await?;
        self.db()
            .directory()
            .forget_route(provider, kind, external_id);
        if owner == Some(self.tenant().id.uuid()) {
            return Ok(());
        }
        Err(Error::Conflict {
            code: ConflictCode::IdentifierTaken,
            detail: format!(
                "this {provider} {kind} is connected to another tenant; disconnect it there first"
            ),
        })
    }

    /// Gives up a claim of this tenant's.
    pub async fn release_route(&self, provider: &str, kind: &str, external_id: &str) -> Result<()> {
        sqlx::query!(
            "DELETE FROM control.provider_route
             WHERE provider = $1 AND kind = $2 AND external_id = $3 AND tenant_id = $4",
            provider,
            kind,
            external_id,
            self.tenant().id.uuid()
        )
        .execute(&self.db().control().app)
        .await?;
        self.db()
            .directory()
            .forget_route(provider, kind, external_id);
        Ok(())
    }
}

/// A signed payload that names accounts which are not those of the tenant it was sent to.
#[derive(Debug)]
pub struct Quarantined {
    pub provider: String,
    /// Whether the request's URL named this tenant.
    pub url_named_tenant: bool,
    pub identifiers: Value,
    pub reason: &'static str,
    pub received_at: OffsetDateTime,
    pub headers: Value,
    pub body: Vec<u8>,
}

impl Access<InboundReceive> {
    /// Puts a payload where only staff can see it. Durable when this returns; a repetition adds
    /// nothing.
    pub async fn quarantine(&self, event: Quarantined) -> Result<()> {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &event.body);
        sqlx::query!(
            "INSERT INTO control.quarantined_event (id, received_at, provider, url_tenant_id, identifiers,
                 reason, headers, body, body_sha256, correlation_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (provider, url_tenant_id, body_sha256) DO NOTHING",
            uuid::Uuid::now_v7(),
            event.received_at,
            event.provider,
            event.url_named_tenant.then(|| self.tenant().id.uuid()),
            event.identifiers,
            event.reason,
            event.headers,
            event.body,
            digest.as_ref(),
            self.correlation().uuid(),
        )
        .execute(&self.db().control().ingest)
        .await?;
        Ok(())
    }
}
