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

use super::model::{Row, TenantOrder, TenantQuery, TenantView};

/// What a list leaves.
struct Filter<'a> {
    q: Option<&'a str>,
    status: Option<&'a str>,
    plan: Option<&'a str>,
}

/// A page of tenants whose order, and whose place in it, is told by the end of the statement: the
/// macros check whole statements, so each order is one.
macro_rules! page_of {
    ($tx:ident, $filter:ident, $after:expr, $limit:ident, $order:tt) => {
        sqlx::query_as!(
            Row,
            "SELECT id, slug, name, plan, region, status, suspension, suspended_at, cell_id, epoch,
                 created_at, updated_at
             FROM control.tenant
             WHERE ($1::text IS NULL OR position(lower($1) in slug) > 0
                     OR position(lower($1) in lower(name)) > 0)
                 AND ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR plan = $3) "
                + $order
                + " LIMIT $5",
            $filter.q,
            $filter.status,
            $filter.plan,
            $after,
            $limit + 1
        )
        .fetch_all($tx.conn())
        .await?
    };
}

macro_rules! page_by_name {
    ($tx:ident, $filter:ident, $page:ident, $limit:ident, $compare:tt, $direction:tt) => {{
        let (name, id) = $page.after::<(String, TenantId)>()?.unzip();
        sqlx::query_as!(
            Row,
            "SELECT id, slug, name, plan, region, status, suspension, suspended_at, cell_id, epoch,
                 created_at, updated_at
             FROM control.tenant
             WHERE ($1::text IS NULL OR position(lower($1) in slug) > 0
                     OR position(lower($1) in lower(name)) > 0)
                 AND ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR plan = $3)
                 AND ($4::uuid IS NULL OR (lower(name), id) "
                + $compare
                + " (lower($6), $4))
             ORDER BY lower(name)"
                + $direction
                + ", id"
                + $direction
                + " LIMIT $5",
            $filter.q,
            $filter.status,
            $filter.plan,
            id.map(TenantId::uuid),
            $limit + 1,
            name
        )
        .fetch_all($tx.conn())
        .await?
    }};
}

/// Tenants. Does not ask their cells: `queue` is absent.
pub async fn list(
    operator: &Operator<TenantsRead>,
    query: &TenantQuery,
) -> Result<Page<TenantView>> {
    let page = query.page();
    let (limit, order) = (page.limit()?, query.sort.unwrap_or_default());
    let filter = Filter {
        q: query.q.as_deref(),
        status: query.status.map(|status| status.as_str()),
        plan: query.plan.as_deref(),
    };
    let mut tx = operator
        .begin("tenant.listed", None, json!({ "status": filter.status }))
        .await?;
    let rows = match order {
        TenantOrder::CreatedDown => {
            let after = page.after::<TenantId>()?.map(TenantId::uuid);
            page_of!(
                tx,
                filter,
                after,
                limit,
                "AND ($4::uuid IS NULL OR id < $4) ORDER BY id DESC"
            )
        }
        TenantOrder::Created => {
            let after = page.after::<TenantId>()?.map(TenantId::uuid);
            page_of!(
                tx,
                filter,
                after,
                limit,
                "AND ($4::uuid IS NULL OR id > $4) ORDER BY id"
            )
        }
        TenantOrder::NameDown => page_by_name!(tx, filter, page, limit, "<", " DESC"),
        TenantOrder::Name => page_by_name!(tx, filter, page, limit, ">", ""),
    };
    tx.commit().await?;
    let views = rows
        .into_iter()
        .map(|row| row.view(None))
        .collect::<Result<_>>()?;
    Page::cut(views, limit, |view: &TenantView| match order {
        TenantOrder::Created | TenantOrder::CreatedDown => json!(view.id),
        TenantOrder::Name | TenantOrder::NameDown => json!((&view.name, view.id)),
    })
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
pub(crate) async fn locate(db: &Db, name: &str) -> Result<Tenant> {
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
        "SELECT id, slug, name, plan, region, status, suspension, suspended_at, cell_id, epoch,
             created_at, updated_at
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
        "SELECT id, slug, name, plan, region, status, suspension, suspended_at, cell_id, epoch,
             created_at, updated_at
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

/// A page of tenants, with the plans that there are to choose from.
pub(super) async fn list_with_plans(
    operator: &Operator<TenantsRead>,
    query: &TenantQuery,
) -> Result<(Page<TenantView>, Vec<String>)> {
    let page = list(operator, query).await?;
    let mut tx = operator
        .begin("tenant.plans_listed", None, json!({}))
        .await?;
    // Hops from plan to plan in the index, however many tenants have each.
    let plans = sqlx::query_scalar!(
        r#"WITH RECURSIVE plan AS (
               (SELECT plan AS name FROM control.tenant ORDER BY plan LIMIT 1)
               UNION ALL
               SELECT (SELECT t.plan FROM control.tenant t WHERE t.plan > p.name
                       ORDER BY t.plan LIMIT 1)
               FROM plan p WHERE p.name IS NOT NULL
           ) SELECT name AS "name!" FROM plan WHERE name IS NOT NULL"#
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    Ok((page, plans))
}
