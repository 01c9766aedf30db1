//! What operators set for a tenant's lane: its share, its cap, whether it rests.

use serde::Serialize;
use uuid::Uuid;

use crate::{
    db::OperatorTx,
    error::{Error, Result},
    id::TenantId,
};

/// A tenant's share of the queue in its cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Lane {
    #[schema(value_type = String, example = "ten_01h455vb4pex5vsknk084sn02q")]
    pub tenant: TenantId,
    /// Jobs started for each one of a lane with weight 1, while both have jobs waiting: 1 to 1,000.
    pub weight: i32,
    /// Jobs that run at a time, over all nodes.
    pub max_running: i32,
    /// Nothing is started; what runs goes on, what is enqueued waits.
    pub paused: bool,
}

/// A change to a lane: what is absent stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct LaneChange {
    pub weight: Option<i32>,
    pub max_running: Option<i32>,
    pub paused: Option<bool>,
}

struct Row {
    tenant_id: Uuid,
    weight: i32,
    max_running: i32,
    paused: bool,
}

impl From<Row> for Lane {
    fn from(row: Row) -> Self {
        Self {
            tenant: row.tenant_id.into(),
            weight: row.weight,
            max_running: row.max_running,
            paused: row.paused,
        }
    }
}

/// The lane of a tenant in the cell of this transaction.
pub async fn lane(tx: &mut OperatorTx, tenant: TenantId) -> Result<Lane> {
    sqlx::query_as!(
        Row,
        "SELECT tenant_id, weight, max_running, paused FROM cell.job_lane WHERE tenant_id = $1",
        tenant.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .map(Lane::from)
    .ok_or(Error::NotFound("lane"))
}

/// Changes the lane of a tenant in the cell of this transaction, or opens it. Nodes see it with
/// their next claim.
pub async fn set_lane(tx: &mut OperatorTx, tenant: TenantId, change: LaneChange) -> Result<Lane> {
    if let Some(weight) = change.weight
        && !(1..=1000).contains(&weight)
    {
        return Err(Error::field("weight", "must be from 1 to 1000"));
    }
    if let Some(max_running) = change.max_running
        && max_running < 1
    {
        return Err(Error::field("max_running", "must be at least 1"));
    }
    // Opened with the table's defaults first, which therefore stand in one place only.
    sqlx::query!(
        "INSERT INTO cell.job_lane (tenant_id) VALUES ($1) ON CONFLICT (tenant_id) DO NOTHING",
        tenant.uuid()
    )
    .execute(tx.conn())
    .await?;
    let row = sqlx::query_as!(
        Row,
        "UPDATE cell.job_lane
         SET weight = COALESCE($2, weight), max_running = COALESCE($3, max_running),
             paused = COALESCE($4, paused)
         WHERE tenant_id = $1 RETURNING tenant_id, weight, max_running, paused",
        tenant.uuid(),
        change.weight,
        change.max_running,
        change.paused,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(row.into())
}
