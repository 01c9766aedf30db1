//! Finding and reading tenants.

use kernel::{
    Db, Error, Operator, Result,
    db::{OperatorTx, Tenant},
    id::TenantId,
    jobs::{self, Lane},
    page::Page,
    permission::{Permission, TenantsRead},
};
use serde_json::json;

use super::model::{Row, TenantQuery, TenantView};

/// Tenants, newest first. Does not ask their cells: `queue` is absent.
pub async fn list(
    operator: &Operator<TenantsRead>,
    query: &TenantQuery,
) -> Result<Page<TenantView>> {
    let page = query.page();
    let (limit, after) = (page.limit()?, page.after::<TenantId>()?);
    let status = query.status.map(|status| status.as_str());
    let mut tx = operator
        .begin("tenant.listed", None, json!({ "status": status }))
        .await?;
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, slug, name, plan, region, status, cell_id, epoch, created_at, updated_at
         FROM control.tenant
         WHERE ($1::text IS NULL OR status = $1) AND ($2::uuid IS NULL OR id < $2)
         ORDER BY id DESC LIMIT $3",
        status,
        after.map(TenantId::uuid),
        limit + 1
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    let views = rows
        .into_iter()
        .map(|row| row.view(None))
        .collect::<Result<_>>()?;
    Page::cut(views, limit, |view: &TenantView| view.id)
}

/// One tenant, by its id or slug, with its lane.
pub async fn get(operator: &Operator<TenantsRead>, tenant: &str) -> Result<TenantView> {
    let tenant = locate(operator.db(), tenant).await?;
    let mut tx = operator
        .begin("tenant.viewed", Some(tenant.id), json!({}))
        .await?;
    let row = row(&mut tx, tenant.id).await?;
    tx.commit().await?;
    let queue = read_lane(operator, &row.entry()?).await?;
    row.view(queue)
}

/// The tenant that an id or a slug names. A slug has no underscore and an id has one, so neither
/// is ever taken for the other. The directory may answer from memory, which serves here: which
/// tenant a name means never changes.
pub(super) async fn locate(db: &Db, name: &str) -> Result<Tenant> {
    let known = match name.parse::<TenantId>() {
        Ok(id) => db.directory().by_id(id).await?,
        Err(_) if name.contains('_') => None,
        Err(_) => db.directory().by_slug(name).await?,
    };
    known.ok_or(Error::NotFound("tenant"))
}

pub(super) async fn row(tx: &mut OperatorTx, id: TenantId) -> Result<Row> {
    sqlx::query_as!(
        Row,
        "SELECT id, slug, name, plan, region, status, cell_id, epoch, created_at, updated_at
         FROM control.tenant WHERE id = $1",
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(Error::NotFound("tenant"))
}

/// As [`row`], kept from changing until the transaction ends.
pub(super) async fn lock(tx: &mut OperatorTx, id: TenantId) -> Result<Row> {
    sqlx::query_as!(
        Row,
        "SELECT id, slug, name, plan, region, status, cell_id, epoch, created_at, updated_at
         FROM control.tenant WHERE id = $1 FOR UPDATE",
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(Error::NotFound("tenant"))
}

/// Reads the tenant's lane in a transaction of its own on the tenant's cell. `None` where a
/// provisioning that broke off never opened it.
pub(super) async fn read_lane<P: Permission>(
    operator: &Operator<P>,
    tenant: &Tenant,
) -> Result<Option<Lane>> {
    let mut tx = operator
        .begin_in_cell(tenant.cell, "tenant.queue_viewed", Some(tenant.id))
        .await?;
    let lane = match jobs::lane(&mut tx, tenant.id).await {
        Ok(lane) => Some(lane),
        Err(Error::NotFound(_)) => None,
        Err(error) => return Err(error),
    };
    tx.commit().await?;
    Ok(lane)
}
