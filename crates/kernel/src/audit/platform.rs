//! The operators' log as a whole, in order, for exports.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the operators' log belongs to the installation, not to a tenant"
)]

use super::{Entry, Hash, PLATFORM, timestamp};
use crate::{
    access::Operator,
    db::Db,
    error::Result,
    id::{AuditEntryId, CorrelationId, TenantId},
    permission::PlatformAuditRead,
};

/// A walk over the operators' log up to what was its end when the walk began.
#[derive(Debug)]
pub struct PlatformLog {
    db: Db,
    after: i64,
    end: i64,
}

impl PlatformLog {
    /// Begins behind an entry. Taking the log away is an act as well, which stands behind the end
    /// of the walk.
    pub async fn export(operator: &Operator<PlatformAuditRead>, after: i64) -> Result<Self> {
        let detail = serde_json::json!({ "after": after });
        let mut tx = operator.begin("audit.exported", None, detail).await?;
        let end = sqlx::query_scalar!("SELECT seq FROM control.operator_chain")
            .fetch_optional(tx.conn())
            .await?
            .unwrap_or(0);
        tx.commit().await?;
        let db = operator.db().clone();
        Ok(Self { db, after, end })
    }

    /// The next entries, `limit` at most; none at the end.
    pub async fn next(&mut self, limit: i64) -> Result<Vec<Entry>> {
        let rows = sqlx::query!(
            r#"SELECT seq AS "seq!", id, at, actor, action, tenant_id, detail::text AS "detail!",
                   ip, user_agent, correlation_id, hash AS "hash!"
               FROM control.operator_audit WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3"#,
            self.after,
            self.end,
            limit
        )
        .fetch_all(&self.db.control().operator)
        .await?;
        let entries = rows.into_iter().map(|row| Entry {
            log: PLATFORM.to_owned(),
            seq: row.seq,
            id: AuditEntryId::from(row.id).to_string(),
            at: timestamp(row.at),
            actor: row.actor,
            action: row.action,
            target: row.tenant_id.map(|id| TenantId::from(id).to_string()),
            detail: row.detail,
            ip: row.ip,
            user_agent: row.user_agent,
            correlation_id: CorrelationId::from(row.correlation_id).to_string(),
            hash: Hash::from_slice(&row.hash).expect("the table holds hashes of 32 bytes"),
        });
        let entries: Vec<Entry> = entries.collect();
        self.after = entries.last().map_or(self.after, |entry| entry.seq);
        Ok(entries)
    }
}
