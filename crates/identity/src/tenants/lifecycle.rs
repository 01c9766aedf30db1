//! Changing a tenant that exists: suspending, activating, closing, and its name, plan and share.
//!
//! The status in the control database is what interfaces and webhooks obey; the lane in the cell
//! is what the queue obeys, and it is paused exactly while the tenant's standing holds its jobs. The status is
//! changed first and the lane follows, because the status is what people see: a suspension that
//! breaks off in between already keeps callers out and says `suspended`, and repeating it stops the
//! queue too. An activation that breaks off lets callers in while the jobs still wait, and loses
//! nothing. Two changes at once leave the lane as the last status demands: whoever has set the lane
//! looks again, and sets it anew if the status is no longer the one it acted on.

use kernel::error::ConflictCode;
use kernel::{
    Error, Operator, Result,
    db::{OperatorTx, Tenant, TenantStatus},
    id::TenantId,
    jobs::{self, Lane, LaneChange},
    permission::TenantsWrite,
    suspension::{Effect, SuspensionKind},
};
use serde_json::{Value, json};

use super::{
    model::{Row, TenantChanges, TenantView, check_weight},
    query::{locate, lock, read_lane, row},
};
use crate::{input, notes};

/// The longest note on a suspension, in characters.
const NOTE: usize = 1000;

/// Suspends a tenant: what of it still works is said by the kind's row of catalogue/suspension.toml.
/// The note stays among the staff's. May be repeated, also with another kind.
pub async fn suspend(
    operator: &Operator<TenantsWrite>,
    tenant: &str,
    kind: SuspensionKind,
    note: &str,
) -> Result<TenantView> {
    let note = note.trim();
    if note.is_empty() || note.chars().count() > NOTE || note.contains('\0') {
        return Err(Error::field(
            "note",
            format!("must have from 1 to {NOTE} characters"),
        ));
    }
    let change = Change {
        to: TenantStatus::Suspended,
        suspension: Some(kind),
        action: "tenant.suspended",
        note: Some(format!("Suspended ({}): {note}", kind.as_str())),
        detail: json!({ "kind": kind, "note": note }),
    };
    change.make(operator, tenant).await
}

/// Ends a suspension; what waited runs. May be repeated.
pub async fn activate(operator: &Operator<TenantsWrite>, tenant: &str) -> Result<TenantView> {
    let change = Change::plain(TenantStatus::Active, "tenant.activated");
    change.make(operator, tenant).await
}

/// Ends the tenant for good: nobody enters it, nothing is received or run for it, and its
/// providers' ids are free for others. Its rows stay, and so does its slug, which URLs in other
/// people's hands may name. May be repeated; also gives up a provisioning that broke off.
pub async fn close(operator: &Operator<TenantsWrite>, tenant: &str) -> Result<TenantView> {
    let change = Change::plain(TenantStatus::Closed, "tenant.closed");
    change.make(operator, tenant).await
}

/// Whether a tenant in one state may be brought into another. Reaching a state again is allowed,
/// so that a change that broke off can be finished by repeating it.
fn allowed(from: TenantStatus, to: TenantStatus) -> bool {
    use TenantStatus::{Active, Closed, Provisioning, Suspended};
    match (from, to) {
        (_, Provisioning) | (Provisioning, Active | Suspended) => false,
        (Closed, to) => to == Closed,
        (Provisioning | Active | Suspended, Active | Suspended | Closed) => true,
    }
}

fn refused(status: TenantStatus, detail: &str) -> Error {
    Error::Conflict {
        code: ConflictCode::InvalidTransition,
        detail: format!("the tenant is {}; {detail}", status.as_str()),
    }
}

/// A step of the lifecycle.
struct Change {
    to: TenantStatus,
    suspension: Option<SuspensionKind>,
    action: &'static str,
    detail: Value,
    /// What to write among the staff's notes.
    note: Option<String>,
}

impl Change {
    fn plain(to: TenantStatus, action: &'static str) -> Self {
        Self {
            to,
            suspension: None,
            action,
            detail: json!({}),
            note: None,
        }
    }

    async fn make(self, operator: &Operator<TenantsWrite>, tenant: &str) -> Result<TenantView> {
        let tenant = locate(operator.db(), tenant).await?;
        let detail = self.detail.clone();
        let mut tx = operator.begin(self.action, Some(tenant.id), detail).await?;
        let from = lock(&mut tx, tenant.id).await?.status()?;
        if !allowed(from, self.to) {
            let detail = format!("it can't become {}", self.to.as_str());
            return Err(refused(from, &detail));
        }
        let row = self.write(&mut tx, tenant.id).await?;
        if let Some(note) = &self.note {
            notes::write(&mut tx, operator, tenant.id, note).await?;
        }
        tx.commit().await?;
        operator.db().directory().forget(&tenant);
        let (row, lane) = follow(operator, row).await?;
        row.view(Some(lane))
    }

    async fn write(&self, tx: &mut OperatorTx, tenant: TenantId) -> Result<Row> {
        let row = sqlx::query_as!(
            Row,
            "UPDATE control.tenant SET status = $2, suspension = $3,
             suspended_at = CASE WHEN $3::text IS NULL THEN NULL WHEN suspension = $3 THEN suspended_at
                 ELSE now() END,
             updated_at = CASE WHEN status = $2 AND suspension IS NOT DISTINCT FROM $3 THEN updated_at
                 ELSE now() END
         WHERE id = $1
         RETURNING id, slug, name, plan, region, status, suspension, suspended_at, cell_id, epoch,
             created_at, updated_at",
            tenant.uuid(),
            self.to.as_str(),
            self.suspension.map(SuspensionKind::as_str)
        )
        .fetch_one(tx.conn())
        .await?;
        if self.to == TenantStatus::Closed {
            sqlx::query!(
                "DELETE FROM control.provider_route WHERE tenant_id = $1",
                tenant.uuid()
            )
            .execute(tx.conn())
            .await?;
        }
        Ok(row)
    }
}

/// Brings the lane in line with the standing, and looks whether the standing is still the same.
async fn follow(operator: &Operator<TenantsWrite>, mut known: Row) -> Result<(Row, Lane)> {
    loop {
        let tenant = known.entry()?;
        let paused = tenant.effects().jobs != Effect::Allow;
        let action = if paused {
            "tenant.queue_paused"
        } else {
            "tenant.queue_resumed"
        };
        let change = LaneChange {
            paused: Some(paused),
            ..LaneChange::default()
        };
        let lane = set_lane(operator, &tenant, action, change).await?;
        let detail = json!({ "status": known.status, "paused": lane.paused });
        let mut tx = operator
            .begin("tenant.settled", Some(tenant.id), detail)
            .await?;
        let current = row(&mut tx, tenant.id).await?;
        if (&current.status, &current.suspension) == (&known.status, &known.suspension) {
            tx.commit().await?;
            operator.db().directory().forget(&tenant);
            return Ok((current, lane));
        }
        known = current;
    }
}

/// Changes name, plan and share. Every part may be repeated.
pub async fn update(
    operator: &Operator<TenantsWrite>,
    tenant: &str,
    changes: TenantChanges,
) -> Result<TenantView> {
    let changes = TenantChanges {
        name: changes.name.as_deref().map(input::name).transpose()?,
        plan: changes
            .plan
            .as_deref()
            .map(|plan| input::token("plan", plan))
            .transpose()?,
        weight: changes.weight.map(check_weight).transpose()?,
    };
    let tenant = locate(operator.db(), tenant).await?;
    let detail = serde_json::to_value(&changes).map_err(Error::internal)?;
    let mut tx = operator
        .begin("tenant.updated", Some(tenant.id), detail)
        .await?;
    let status = lock(&mut tx, tenant.id).await?.status()?;
    match status {
        TenantStatus::Active | TenantStatus::Suspended => {}
        TenantStatus::Provisioning => {
            return Err(refused(status, "finish by creating it again"));
        }
        TenantStatus::Closed => return Err(refused(status, "it is not changed any more")),
    }
    let row = sqlx::query_as!(
        Row,
        "UPDATE control.tenant
         SET name = COALESCE($2, name), plan = COALESCE($3, plan), updated_at = now()
         WHERE id = $1
         RETURNING id, slug, name, plan, region, status, suspension, suspended_at, cell_id, epoch,
             created_at, updated_at",
        tenant.id.uuid(),
        changes.name,
        changes.plan
    )
    .fetch_one(tx.conn())
    .await?;
    tx.commit().await?;
    let tenant = row.entry()?;
    let lane = match changes.weight {
        Some(_) => {
            let change = LaneChange {
                weight: changes.weight,
                ..LaneChange::default()
            };
            Some(set_lane(operator, &tenant, "tenant.weight_changed", change).await?)
        }
        None => read_lane(operator, &tenant).await?,
    };
    operator.db().directory().forget(&tenant);
    row.view(lane)
}

async fn set_lane(
    operator: &Operator<TenantsWrite>,
    tenant: &Tenant,
    action: &str,
    change: LaneChange,
) -> Result<Lane> {
    let mut tx = operator
        .begin_in_cell(tenant.cell, action, Some(tenant.id))
        .await?;
    let lane = jobs::set_lane(&mut tx, tenant.id, change).await?;
    tx.commit().await?;
    Ok(lane)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_is_final_and_nothing_goes_back_to_provisioning() {
        use TenantStatus::{Active, Closed, Provisioning, Suspended};
        let all = [Provisioning, Active, Suspended, Closed];
        let reachable =
            |from| -> Vec<_> { all.into_iter().filter(|to| allowed(from, *to)).collect() };
        assert_eq!(reachable(Provisioning), [Closed]);
        assert_eq!(reachable(Active), [Active, Suspended, Closed]);
        assert_eq!(reachable(Suspended), [Active, Suspended, Closed]);
        assert_eq!(reachable(Closed), [Closed]);
    }
}
