//! Creating a tenant, in three steps that are each one transaction:
//!
//! 1. control: the tenant's row, `provisioning`, in the cell that is chosen for it;
//! 2. cell: the epoch under which the cell admits the tenant, and its lane in the queue;
//! 3. control: `active`.
//!
//! Every step may be repeated. What breaks off after the first leaves a tenant `provisioning`,
//! which nobody can enter and which receives nothing; a request with the same slug takes it up
//! where it stands, in the cell first chosen. Of two requests that do so at once, the one that
//! reaches the third step first wins, with its name and plan; the other is told `slug_taken`.
//! No data key is made here: the first credential does that.

use kernel::error::ConflictCode;
use kernel::{
    Error, Operator, Result,
    db::{OperatorTx, TenantStatus},
    id::{CellId, TenantId},
    jobs::{self, Lane, LaneChange},
    permission::TenantsWrite,
};
use serde_json::json;

use super::{
    model::{NewTenant, Row, TenantView, check_weight},
    slug,
};
use crate::input;

/// The plan of a tenant for whom none is named.
const DEFAULT_PLAN: &str = "standard";
const DEFAULT_WEIGHT: i32 = 1;

/// A request that has been checked.
struct Plan {
    slug: String,
    name: String,
    plan: String,
    region: Option<String>,
    weight: i32,
}

impl Plan {
    fn check(new: NewTenant) -> Result<Self> {
        slug::check(&new.slug)?;
        Ok(Self {
            slug: new.slug,
            name: input::name(&new.name)?,
            plan: input::token("plan", new.plan.as_deref().unwrap_or(DEFAULT_PLAN))?,
            region: new.region,
            weight: check_weight(new.weight.unwrap_or(DEFAULT_WEIGHT))?,
        })
    }

    fn taken(&self) -> Error {
        Error::Conflict {
            code: ConflictCode::SlugTaken,
            detail: format!("there is a tenant `{}` already", self.slug),
        }
    }
}

/// Creates a tenant and returns it active, or finishes a creation of the same slug that broke off.
///
/// # Errors
/// `slug_taken` when a tenant has the slug, or its unfinished creation is in another region than
/// the one asked for; `invalid_request` for an unfit or reserved slug and for a region without a
/// cell.
pub async fn create(operator: &Operator<TenantsWrite>, new: NewTenant) -> Result<TenantView> {
    let plan = Plan::check(new)?;
    let (id, cell, epoch) = register(operator, &plan).await?;
    let lane = place(operator, &plan, id, cell, epoch).await?;
    let row = open(operator, &plan, id).await?;
    let directory = operator.db().directory();
    directory.forget(&row.entry()?);
    row.view(Some(lane))
}

/// Step 1. The slug's constraint decides between two that arrive at once.
async fn register(
    operator: &Operator<TenantsWrite>,
    plan: &Plan,
) -> Result<(TenantId, CellId, i64)> {
    let detail = json!({
        "slug": plan.slug, "name": plan.name, "plan": plan.plan, "region": plan.region,
        "weight": plan.weight,
    });
    let mut tx = operator.begin("tenant.registered", None, detail).await?;
    let cells = operator.cells();
    let (cell, region) = choose_cell(&mut tx, &cells, plan.region.as_deref()).await?;
    let new = sqlx::query!(
        "INSERT INTO control.tenant (id, slug, name, plan, region, status, cell_id)
         VALUES ($1, $2, $3, $4, $5, 'provisioning', $6)
         ON CONFLICT ON CONSTRAINT tenant_slug_key DO NOTHING
         RETURNING id, epoch",
        TenantId::new().uuid(),
        plan.slug,
        plan.name,
        plan.plan,
        region,
        cell.uuid()
    )
    .fetch_optional(tx.conn())
    .await?;
    let registered = match new {
        Some(row) => (row.id.into(), cell, row.epoch),
        None => unfinished(&mut tx, plan).await?,
    };
    tx.commit().await?;
    Ok(registered)
}

/// The cell of the region with the fewest tenants, among those that this node serves. The region
/// of the first cell is the one of an installation that never heard of regions.
async fn choose_cell(
    tx: &mut OperatorTx,
    served: &[CellId],
    region: Option<&str>,
) -> Result<(CellId, String)> {
    let served: Vec<_> = served.iter().map(|cell| cell.uuid()).collect();
    let cell = sqlx::query!(
        "SELECT c.id, c.region FROM control.cell c
         WHERE c.id = ANY ($1) AND c.region = COALESCE($2,
             (SELECT region FROM control.cell WHERE id = ANY ($1) ORDER BY created_at, id LIMIT 1))
         ORDER BY (SELECT count(*) FROM control.tenant t WHERE t.cell_id = c.id), c.created_at, c.id
         LIMIT 1",
        &served,
        region
    )
    .fetch_optional(tx.conn())
    .await?;
    match (cell, region) {
        (Some(cell), _) => Ok((cell.id.into(), cell.region)),
        (None, Some(region)) => Err(Error::field(
            "region",
            format!("no cell serves the region `{region}`"),
        )),
        (None, None) => Err(Error::internal(MissingCell)),
    }
}

/// The databases were never migrated, or the node was started with cells that do not exist.
#[derive(Debug, thiserror::Error)]
#[error("this node serves no cell")]
struct MissingCell;

/// What an earlier request for the slug left, if it broke off in the region now asked for.
async fn unfinished(tx: &mut OperatorTx, plan: &Plan) -> Result<(TenantId, CellId, i64)> {
    let row = sqlx::query!(
        "SELECT id, cell_id, epoch, status, region FROM control.tenant WHERE slug = $1",
        plan.slug
    )
    .fetch_one(tx.conn())
    .await?;
    let ours = TenantStatus::parse(&row.status)? == TenantStatus::Provisioning
        && plan
            .region
            .as_ref()
            .is_none_or(|region| *region == row.region);
    if ours {
        Ok((row.id.into(), row.cell_id.into(), row.epoch))
    } else {
        Err(plan.taken())
    }
}

/// Step 2.
async fn place(
    operator: &Operator<TenantsWrite>,
    plan: &Plan,
    id: TenantId,
    cell: CellId,
    epoch: i64,
) -> Result<Lane> {
    let mut tx = operator
        .begin_in_cell(cell, "tenant.placed", Some(id))
        .await?;
    sqlx::query!(
        "INSERT INTO cell.tenancy (tenant_id, epoch) VALUES ($1, $2)
         ON CONFLICT (tenant_id) DO NOTHING",
        id.uuid(),
        epoch
    )
    .execute(tx.conn())
    .await?;
    let change = LaneChange {
        weight: Some(plan.weight),
        ..LaneChange::default()
    };
    let lane = jobs::set_lane(&mut tx, id, change).await?;
    tx.commit().await?;
    Ok(lane)
}

/// Step 3.
async fn open(operator: &Operator<TenantsWrite>, plan: &Plan, id: TenantId) -> Result<Row> {
    let detail = json!({ "slug": plan.slug, "name": plan.name, "plan": plan.plan });
    let mut tx = operator.begin("tenant.created", Some(id), detail).await?;
    let row = sqlx::query_as!(
        Row,
        "UPDATE control.tenant SET status = 'active', name = $2, plan = $3, updated_at = now()
         WHERE id = $1 AND status = 'provisioning'
         RETURNING id, slug, name, plan, region, status, suspension, suspended_at, cell_id, epoch,
             created_at, updated_at",
        id.uuid(),
        plan.name,
        plan.plan
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(|| plan.taken())?;
    tx.commit().await?;
    Ok(row)
}
