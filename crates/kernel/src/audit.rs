//! The tenant's audit log: who did what to what. Written in the transaction of the act itself, so
//! that no act is without its entry.

use serde::Serialize;

use crate::{
    db::Tx,
    error::{Error, Result},
    id::AuditEntryId,
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

impl Tx {
    pub async fn audit<D: Serialize>(&mut self, act: Act<'_, D>) -> Result<()> {
        let detail = serde_json::to_value(&act.detail).map_err(Error::internal)?;
        let actor = self.actor().to_string();
        let correlation = self.correlation().uuid();
        sqlx::query!(
            "INSERT INTO cell.audit_entry (id, actor, action, target, detail, correlation_id)
             VALUES ($1, $2, $3, $4, $5, $6)",
            AuditEntryId::new().uuid(),
            actor,
            act.action,
            act.target,
            detail,
            correlation,
        )
        .execute(self.conn())
        .await?;
        Ok(())
    }
}
