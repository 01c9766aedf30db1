//! What staff did across tenants, as staff read it. The entries are written by
//! `kernel::access::Operator`; a tenant's own audit log is another and lies in its cell.

pub mod pages;

use axum::extract::FromRef;
use kernel::{
    Db, Operator, Result,
    access::OperatorToken,
    audit::Hash,
    db::OperatorTx,
    error::Problem,
    extract::{Json, Query},
    id::{AuditEntryId, CorrelationId, TenantId},
    page::{Page, PageQuery},
    permission::PlatformAuditRead,
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
    /// The address that the request came from; absent for the command line.
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    /// The place in the log's chain (docs/audit.md); `null` for what was recorded before there was
    /// one.
    pub seq: Option<i64>,
    #[schema(value_type = Option<String>)]
    pub hash: Option<Hash>,
    #[schema(value_type = String, example = "cor_01h455vb4pex5vsknk084sn02q")]
    pub correlation_id: CorrelationId,
}

/// Which acts a list is of. What is absent does not restrict it.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditFilter {
    /// Who acted, as in `staff:operator_token`.
    pub actor: Option<String>,
    /// What was done: an act as in `tenant.suspended`, or how it begins, as in `tenant.`.
    pub action: Option<String>,
    /// The tenant that it was done to.
    #[param(value_type = Option<String>)]
    pub tenant: Option<TenantId>,
    /// The request that it belongs to.
    #[param(value_type = Option<String>)]
    pub correlation: Option<CorrelationId>,
    /// Not before this time.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub from: Option<OffsetDateTime>,
    /// Before this time.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub to: Option<OffsetDateTime>,
    /// Also acts that only looked, which is most of them; true when absent.
    pub reading: Option<bool>,
}

/// Acts of staff, newest first. Reading them is an act as well, which the next reading shows.
pub async fn list(
    operator: &Operator<PlatformAuditRead>,
    filter: &AuditFilter,
    query: &PageQuery,
) -> Result<Page<OperatorAuditView>> {
    let mut tx = operator.begin("audit.listed", None, json!({})).await?;
    let page = read(&mut tx, filter, query).await?;
    tx.commit().await?;
    Ok(page)
}

/// A page of acts, from a transaction whose own entry is written.
pub(crate) async fn read(
    tx: &mut OperatorTx,
    filter: &AuditFilter,
    query: &PageQuery,
) -> Result<Page<OperatorAuditView>> {
    let (limit, after) = (query.limit()?, query.after::<AuditEntryId>()?);
    // Planned for the filters at hand: each has an index, among them one of the changes alone, and a
    // plan for all of them would use none.
    sqlx::raw_sql("SET LOCAL plan_cache_mode = force_custom_plan")
        .execute(tx.conn())
        .await?;
    let rows = sqlx::query!(
        r#"SELECT id, at, actor, action, tenant_id, detail AS "detail: Value", ip, user_agent,
               correlation_id, seq, hash
           FROM control.operator_audit
           WHERE ($1::uuid IS NULL OR id < $1) AND ($2::text IS NULL OR actor = $2)
               AND ($3::text IS NULL OR starts_with(action, $3)) AND ($4::uuid IS NULL OR tenant_id = $4)
               AND ($5::uuid IS NULL OR correlation_id = $5)
               AND ($6::timestamptz IS NULL OR at >= $6) AND ($7::timestamptz IS NULL OR at < $7)
               AND ($9 OR action !~ '(viewed|listed)$')
           ORDER BY id DESC LIMIT $8"#,
        after.map(AuditEntryId::uuid),
        filter.actor,
        filter.action,
        filter.tenant.map(TenantId::uuid),
        filter.correlation.map(CorrelationId::uuid),
        filter.from,
        filter.to,
        limit + 1,
        filter.reading.unwrap_or(true)
    )
    .fetch_all(tx.conn())
    .await?;
    let views = rows
        .into_iter()
        .map(|row| OperatorAuditView {
            id: row.id.into(),
            at: row.at,
            actor: row.actor,
            action: row.action,
            tenant: row.tenant_id.map(Into::into),
            detail: row.detail,
            ip: row.ip,
            user_agent: row.user_agent,
            seq: row.seq,
            hash: row.hash.as_deref().and_then(Hash::from_slice),
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
        (status = 403, description = "The permission `platform_audit:read` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn list_page(
    operator: Operator<PlatformAuditRead>,
    Query(filter): Query<AuditFilter>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<OperatorAuditView>>> {
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
        assert_eq!(actions(&first), ["tenant.created", "tenant.placed"]);
        assert_eq!(first["data"][0]["tenant"], json!(tenant.id));
        assert_eq!(first["data"][0]["detail"]["slug"], "acme");
        let cursor = first["next_cursor"].as_str().expect("more");
        let path = format!("/admin/v1/audit?limit=2&cursor={cursor}");
        let (_, second) = app.staff("GET", &path, None).await;
        assert_eq!(actions(&second), ["tenant.registered"]);
        let (_, newest) = app.staff("GET", "/admin/v1/audit?limit=1", None).await;
        assert_eq!(actions(&newest), ["audit.listed"]);
        assert_eq!(newest["data"][0]["actor"], "staff:operator_token");
        let filtered = format!("/admin/v1/audit?action=tenant.placed&tenant={}", tenant.id);
        let (_, placed) = app.staff("GET", &filtered, None).await;
        assert_eq!(actions(&placed), ["tenant.placed"]);
        assert_eq!(placed["data"][0]["seq"], 2);
        let (_, none) = app.staff("GET", "/admin/v1/audit?actor=nobody", None).await;
        assert_eq!(none["data"], json!([]));
    }
}
