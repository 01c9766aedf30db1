//! What staff did across tenants, as staff read it. The entries are written by
//! `kernel::access::Operator`; a tenant's own audit log is another and lies in its cell.

pub mod pages;

use axum::extract::FromRef;
use kernel::{
    Db, Operator, Result,
    access::OperatorToken,
    db::OperatorTx,
    error::Problem,
    extract::{Json, Query},
    id::{AuditEntryId, CorrelationId, TenantId},
    page::{Page, PageQuery},
    permission::QueueRead,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

/// One act of staff.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OperatorAuditView {
    #[schema(value_type = String, example = "aud_01h455vb4pex5vsknk084sn02q")]
    pub id: AuditEntryId,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: OffsetDateTime,
    /// As in `staff:operator_token` or `staff:local/root`.
    pub actor: String,
    /// As in `tenant.suspended`.
    pub action: String,
    #[schema(value_type = Option<String>, example = "ten_01h455vb4pex5vsknk084sn02q")]
    pub tenant: Option<TenantId>,
    #[schema(value_type = Object)]
    pub detail: Value,
    #[schema(value_type = String, example = "cor_01h455vb4pex5vsknk084sn02q")]
    pub correlation_id: CorrelationId,
}

/// Which acts to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditFilter {
    /// Acts on this tenant alone.
    #[param(value_type = Option<String>)]
    pub tenant: Option<TenantId>,
    /// Acts of exactly this actor, as in `staff:local/root`.
    pub actor: Option<String>,
    /// Acts whose name begins so, as in `tenant.`.
    pub action: Option<String>,
    /// Also acts that only looked, which is most of them. The API's default is true.
    pub reading: Option<bool>,
}

/// Acts of staff, newest first. Reading them is an act as well.
pub async fn list(
    operator: &Operator<QueueRead>,
    filter: &AuditFilter,
    query: &PageQuery,
) -> Result<Page<OperatorAuditView>> {
    let mut tx = operator.begin("audit.listed", None, json!({})).await?;
    let page = read(&mut tx, filter, query).await?;
    tx.commit().await?;
    Ok(page)
}

/// The macros check whole statements, so that what is said with and without a condition are two.
macro_rules! page_of {
    ($tx:ident, $filter:ident, $after:ident, $limit:ident, $which:tt) => {
        sqlx::query_as!(
            Row,
            "SELECT id, at, actor, action, tenant_id, detail, correlation_id
             FROM control.operator_audit
             WHERE ($1::uuid IS NULL OR id < $1) AND ($3::uuid IS NULL OR tenant_id = $3)
                 AND ($4::text IS NULL OR actor = $4)
                 AND ($5::text IS NULL OR starts_with(action, $5)) "
                + $which
                + " ORDER BY id DESC LIMIT $2",
            $after.map(AuditEntryId::uuid),
            $limit + 1,
            $filter.tenant.map(TenantId::uuid),
            $filter.actor.as_deref(),
            $filter.action.as_deref()
        )
        .fetch_all($tx.conn())
        .await?
    };
}

struct Row {
    id: uuid::Uuid,
    at: OffsetDateTime,
    actor: String,
    action: String,
    tenant_id: Option<uuid::Uuid>,
    detail: Value,
    correlation_id: uuid::Uuid,
}

/// A page of acts, from a transaction whose own entry is written.
pub(crate) async fn read(
    tx: &mut OperatorTx,
    filter: &AuditFilter,
    query: &PageQuery,
) -> Result<Page<OperatorAuditView>> {
    let (limit, after) = (query.limit()?, query.after::<AuditEntryId>()?);
    let rows = if filter.reading.unwrap_or(false) {
        page_of!(tx, filter, after, limit, "")
    } else {
        // In the words of the index that holds these alone.
        page_of!(tx, filter, after, limit, "AND action !~ '(viewed|listed)$'")
    };
    let views = rows
        .into_iter()
        .map(|row| OperatorAuditView {
            id: row.id.into(),
            at: row.at,
            actor: row.actor,
            action: row.action,
            tenant: row.tenant_id.map(Into::into),
            detail: row.detail,
            correlation_id: row.correlation_id.into(),
        })
        .collect();
    Page::cut(views, limit, |view: &OperatorAuditView| view.id)
}

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    OperatorToken: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(list_page))
}

/// List what staff did across tenants, newest first.
#[utoipa::path(
    get, path = "/admin/v1/audit", tag = "audit", operation_id = "operator_audit_list",
    params(AuditFilter, PageQuery),
    responses(
        (status = 200, description = "A page of acts", body = Page<OperatorAuditView>),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `queue:read` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn list_page(
    operator: Operator<QueueRead>,
    Query(filter): Query<AuditFilter>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<OperatorAuditView>>> {
    // The API shows everything unless it is asked not to.
    let filter = AuditFilter {
        reading: filter.reading.or(Some(true)),
        ..filter
    };
    Ok(Json(list(&operator, &filter, &query).await?))
}

#[cfg(test)]
mod tests {
    use kernel::testing::database;

    use super::*;
    use crate::testing::App;

    #[tokio::test]
    async fn acts_are_listed_newest_first_and_reading_is_one() {
        let app = App::new(database().await);
        let tenant = app.tenant("acme").await;
        let (_, first) = app.staff("GET", "/admin/v1/audit?limit=2", None).await;
        let actions = |page: &Value| -> Vec<Value> {
            let data = page["data"].as_array().expect("a page");
            data.iter().map(|entry| entry["action"].clone()).collect()
        };
        assert_eq!(actions(&first), ["audit.listed", "tenant.created"]);
        assert_eq!(first["data"][0]["actor"], "staff:operator_token");
        assert_eq!(first["data"][1]["tenant"], json!(tenant.id));
        assert_eq!(first["data"][1]["detail"]["slug"], "acme");
        let cursor = first["next_cursor"].as_str().expect("more");
        let path = format!("/admin/v1/audit?limit=2&cursor={cursor}");
        let (_, second) = app.staff("GET", &path, None).await;
        assert_eq!(actions(&second), ["tenant.placed", "tenant.registered"]);
    }
}
