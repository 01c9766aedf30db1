//! The tenant's audit log: who did what to what. Written in the transaction of the act itself, so
//! that no act is without its entry, and chained, so that no entry changes or goes unnoticed.
//!
//! Here: recording an act. In the modules: what is hashed (`chain`), what the program itself
//! does with the chains across tenants (`chains`), and the operators' log as a whole (`platform`). The encoding is told in docs/audit.md.

mod chain;
mod chains;
mod platform;

use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

pub use chain::{Entry, GENESIS, Hash, PLATFORM, read_entries, timestamp};
pub use chains::{Carried, Chains, Lag};
pub use platform::PlatformLog;

use crate::{
    client,
    db::{OperatorTx, Tx},
    error::{Error, Result},
    id::{AuditEntryId, CorrelationId, TenantId},
};

/// An act worth an entry.
#[derive(Debug)]
pub struct Act<'a, D: Serialize> {
    /// What was done, as in `credential.created`.
    pub action: &'a str,
    /// The id of what it was done to.
    pub target: String,
    /// What else matters; never a secret.
    pub detail: D,
}

/// An entry that has no place in its chain yet.
pub(crate) struct Pending {
    id: Uuid,
    at: OffsetDateTime,
    actor: String,
    action: String,
    target: Option<String>,
    /// In the operators' log, the tenant that the target is.
    tenant: Option<TenantId>,
    /// JSON, as it is stored and hashed.
    detail: String,
    ip: Option<String>,
    user_agent: Option<String>,
    correlation: Uuid,
}

impl Pending {
    fn new(
        actor: String,
        action: &str,
        target: Option<String>,
        detail: &impl Serialize,
        correlation: CorrelationId,
    ) -> Result<Self> {
        let client = client::current();
        let now = OffsetDateTime::now_utc();
        Ok(Self {
            id: AuditEntryId::new().uuid(),
            // Postgres keeps microseconds, and what it keeps has to be what is hashed.
            at: now
                .replace_microsecond(now.microsecond())
                .map_err(Error::internal)?,
            actor,
            action: action.to_owned(),
            target,
            tenant: None,
            detail: serde_json::to_string(detail).map_err(Error::internal)?,
            ip: client
                .as_ref()
                .and_then(|client| client.address)
                .map(|address| address.to_string()),
            user_agent: client.and_then(|client| client.user_agent.clone()),
            correlation: correlation.uuid(),
        })
    }

    fn content(&self, log: &str) -> Hash {
        let fields = [
            Some(log),
            Some(&AuditEntryId::from(self.id).to_string()),
            Some(&timestamp(self.at)),
            Some(&self.actor),
            Some(&self.action),
            self.target.as_deref(),
            Some(&self.detail),
            self.ip.as_deref(),
            self.user_agent.as_deref(),
            Some(&CorrelationId::from(self.correlation).to_string()),
        ];
        chain::content(fields)
    }
}

impl Tx {
    /// Records an act of this transaction. The entries are written when it commits: appending
    /// locks the end of the tenant's chain, and a lock that is taken last, and by everybody last,
    /// is held for the shortest time and can be part of no deadlock. An entry that can't be
    /// written fails the commit, and with it the act.
    pub async fn audit<D: Serialize>(&mut self, act: Act<'_, D>) -> Result<()> {
        let pending = Pending::new(
            self.actor().to_string(),
            act.action,
            Some(act.target),
            &act.detail,
            self.correlation(),
        )?;
        self.acts().push(pending);
        Ok(())
    }

    /// Appends what was recorded. One statement and one round trip for each entry: the program
    /// hashes the content, and Postgres, which alone knows the chain's end, hashes it onto that.
    pub(crate) async fn write_audit(&mut self) -> Result<()> {
        let log = self.tenant().id.to_string();
        for entry in std::mem::take(self.acts()) {
            let content = entry.content(&log);
            sqlx::query!(
                "WITH head AS (
                     INSERT INTO cell.audit_head AS h (seq, hash)
                     VALUES (1, sha256($1::bytea || $2 || int8send(1) || $3))
                     ON CONFLICT (tenant_id) DO UPDATE
                     SET seq = h.seq + 1, hash = sha256($1 || h.hash || int8send(h.seq + 1) || $3)
                     RETURNING seq, hash
                 )
                 INSERT INTO cell.audit_entry (id, at, actor, action, target, detail, ip, user_agent,
                     correlation_id, seq, hash)
                 SELECT $4, $5, $6, $7, $8, $9::text::json, $10, $11, $12, seq, hash FROM head",
                chain::LINK_DOMAIN,
                GENESIS.as_slice(),
                content.as_slice(),
                entry.id,
                entry.at,
                entry.actor,
                entry.action,
                entry.target,
                entry.detail,
                entry.ip,
                entry.user_agent,
                entry.correlation,
            )
            .execute(self.conn())
            .await?;
        }
        Ok(())
    }
}

impl OperatorTx {
    /// Records the act of this transaction, in the operators' log; as [`Tx::audit`], it is written
    /// by commit.
    pub(crate) fn audit(
        &mut self,
        actor: String,
        action: &str,
        tenant: Option<TenantId>,
        detail: &impl Serialize,
        correlation: CorrelationId,
    ) -> Result<()> {
        let target = tenant.map(|tenant| tenant.to_string());
        let entry = Pending::new(actor, action, target, detail, correlation)?;
        *self.act() = Some(Pending { tenant, ..entry });
        Ok(())
    }

    pub(crate) async fn write_audit(&mut self) -> Result<()> {
        let Some(entry) = self.act().take() else {
            return Ok(());
        };
        let content = entry.content(PLATFORM);
        sqlx::query!(
            "WITH head AS (
                 INSERT INTO control.operator_chain AS h (seq, hash)
                 VALUES (1, sha256($1::bytea || $2 || int8send(1) || $3))
                 ON CONFLICT (one) DO UPDATE
                 SET seq = h.seq + 1, hash = sha256($1 || h.hash || int8send(h.seq + 1) || $3)
                 RETURNING seq, hash
             )
             INSERT INTO control.operator_audit (id, at, actor, action, tenant_id, detail, ip,
                 user_agent, correlation_id, seq, hash)
             SELECT $4, $5, $6, $7, $8, $9::text::json, $10, $11, $12, seq, hash FROM head",
            chain::LINK_DOMAIN,
            GENESIS.as_slice(),
            content.as_slice(),
            entry.id,
            entry.at,
            entry.actor,
            entry.action,
            entry.tenant.map(TenantId::uuid),
            entry.detail,
            entry.ip,
            entry.user_agent,
            entry.correlation,
        )
        .execute(self.conn())
        .await?;
        Ok(())
    }
}
