//! One tenant as the operator console shows it: everything that staff ask about it first.

use kernel::{
    Operator, Result, db::Tenant, id::AuditEntryId, page::PageQuery, permission::TenantsRead,
};
use serde_json::json;
use time::OffsetDateTime;

use super::{
    model::TenantView,
    query::{locate, row},
};
use crate::{
    members::{self, MemberView},
    notes::{self, NoteView},
    operator_audit::{self, AuditFilter, OperatorAuditView},
};
use kernel::jobs;

/// Rows of each list on the page.
const ROWS: u32 = 10;

/// A tenant with its surroundings.
#[derive(Clone, Debug)]
pub struct TenantDetail {
    pub tenant: TenantView,
    pub members: Vec<MemberView>,
    pub has_more_members: bool,
    /// API keys that open something now.
    pub keys: i64,
    pub credentials: i64,
    pub conversations: i64,
    pub dead_jobs: i64,
    pub notes: Vec<NoteView>,
    /// What staff changed lately.
    pub acts: Vec<OperatorAuditView>,
    /// What its own people changed lately.
    pub own_acts: Vec<OwnAct>,
}

/// An entry of the tenant's own audit log.
#[derive(Clone, Debug)]
pub struct OwnAct {
    pub id: AuditEntryId,
    pub at: OffsetDateTime,
    pub actor: String,
    pub action: String,
    pub target: String,
}

/// Reads it in three transactions: the control database, people's, and the cell.
pub async fn detail(operator: &Operator<TenantsRead>, tenant: &str) -> Result<TenantDetail> {
    let tenant = locate(operator.db(), tenant).await?;
    let mut tx = operator
        .begin("tenant.viewed", Some(tenant.id), json!({}))
        .await?;
    let known = row(&mut tx, tenant.id).await?;
    let notes = notes::about(&mut tx, tenant.id).await?;
    let filter = AuditFilter {
        tenant: Some(tenant.id),
        reading: Some(false),
        ..AuditFilter::default()
    };
    let page = PageQuery {
        limit: Some(ROWS),
        ..PageQuery::default()
    };
    let acts = operator_audit::read(&mut tx, &filter, &page).await?.data;
    tx.commit().await?;

    let mut tx = operator
        .people("member.listed", Some(tenant.id), json!({}))
        .await?;
    let members = members::read(&mut tx, tenant.id, None, i64::from(ROWS)).await?;
    tx.commit().await?;

    let tenant = known.entry()?;
    let inside = inside(operator, &tenant).await?;
    Ok(TenantDetail {
        tenant: known.view(inside.lane)?,
        has_more_members: members.next_cursor.is_some(),
        members: members.data,
        keys: inside.keys,
        credentials: inside.credentials,
        conversations: inside.conversations,
        dead_jobs: inside.dead_jobs,
        notes,
        acts,
        own_acts: inside.acts,
    })
}

/// What the tenant's cell says.
struct Inside {
    lane: Option<jobs::Lane>,
    keys: i64,
    credentials: i64,
    conversations: i64,
    dead_jobs: i64,
    acts: Vec<OwnAct>,
}

async fn inside(operator: &Operator<TenantsRead>, tenant: &Tenant) -> Result<Inside> {
    let mut tx = operator
        .begin_in_cell(tenant.cell, "tenant.cell_viewed", Some(tenant.id))
        .await?;
    let lane = match jobs::lane(&mut tx, tenant.id).await {
        Ok(lane) => Some(lane),
        Err(kernel::Error::NotFound(_)) => None,
        Err(error) => return Err(error),
    };
    let counts = sqlx::query!(
        r#"SELECT
               (SELECT count(*) FROM cell.api_key WHERE tenant_id = $1 AND revoked_at IS NULL
                   AND (expires_at IS NULL OR expires_at > now())) AS "keys!",
               (SELECT count(*) FROM cell.credential WHERE tenant_id = $1) AS "credentials!",
               (SELECT count(*) FROM cell.conversation WHERE tenant_id = $1) AS "conversations!",
               (SELECT count(*) FROM cell.job WHERE tenant_id = $1 AND state = 'dead') AS "dead!""#,
        tenant.id.uuid()
    )
    .fetch_one(tx.conn())
    .await?;
    let rows = sqlx::query!(
        "SELECT id, at, actor, action, target FROM cell.audit_entry
         WHERE tenant_id = $1 ORDER BY id DESC LIMIT $2",
        tenant.id.uuid(),
        i64::from(ROWS)
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    let acts = rows.into_iter().map(|row| OwnAct {
        id: row.id.into(),
        at: row.at,
        actor: row.actor,
        action: row.action,
        target: row.target,
    });
    Ok(Inside {
        lane,
        keys: counts.keys,
        credentials: counts.credentials,
        conversations: counts.conversations,
        dead_jobs: counts.dead,
        acts: acts.collect(),
    })
}
