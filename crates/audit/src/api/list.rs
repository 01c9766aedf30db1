//! The list of entries, newest first, with filters.

use kernel::{
    Access, Error, Result,
    audit::Hash,
    error::Problem,
    extract::{Json, Query},
    id::{AuditEntryId, CorrelationId},
    page::{Page, PageQuery},
    permission::AuditRead,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

/// Which entries a list is of. What is absent does not restrict it.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditFilter {
    /// Who acted, as in `api_key:key_01h455vb4pex5vsknk084sn02q`.
    pub actor: Option<String>,
    /// What was done, as in `api_key.created`.
    pub action: Option<String>,
    /// The id of what it was done to.
    pub target: Option<String>,
    /// The request, job or message that it belongs to.
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
}

/// One act.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditView {
    #[schema(value_type = String, example = "aud_01h455vb4pex5vsknk084sn02q")]
    pub id: AuditEntryId,
    /// The place in the log; `null` for what was recorded before the log was a chain.
    pub seq: Option<i64>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: OffsetDateTime,
    /// As in `api_key:key_…` or `staff:local/root`.
    pub actor: String,
    pub action: String,
    pub target: String,
    #[schema(value_type = Object)]
    pub detail: Box<RawValue>,
    /// The address that the request came from.
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    #[schema(value_type = String, example = "cor_01h455vb4pex5vsknk084sn02q")]
    pub correlation_id: CorrelationId,
    #[schema(value_type = Option<String>)]
    pub hash: Option<Hash>,
}

/// Entries of the tenant's log, newest first.
pub async fn list(
    access: &Access<AuditRead>,
    filter: &AuditFilter,
    query: &PageQuery,
) -> Result<Page<AuditView>> {
    let (limit, before) = (query.limit()?, query.after::<AuditEntryId>()?);
    let views = read(access, None, filter, before, limit + 1).await?;
    Page::cut(views, limit, |view: &AuditView| view.id)
}

/// One entry.
pub async fn find(access: &Access<AuditRead>, entry: AuditEntryId) -> Result<AuditView> {
    let mut views = read(access, Some(entry), &AuditFilter::default(), None, 1).await?;
    views.pop().ok_or(Error::NotFound("audit entry"))
}

async fn read(
    access: &Access<AuditRead>,
    entry: Option<AuditEntryId>,
    filter: &AuditFilter,
    before: Option<AuditEntryId>,
    limit: i64,
) -> Result<Vec<AuditView>> {
    let mut tx = access.read().await?;
    // Planned for the filters at hand: each has an index, and a plan for all of them would use none.
    sqlx::raw_sql("SET LOCAL plan_cache_mode = force_custom_plan")
        .execute(tx.conn())
        .await?;
    let rows = sqlx::query!(
        r#"SELECT id, seq, at, actor, action, target, detail::text AS "detail!", ip, user_agent,
               correlation_id, hash
           FROM cell.audit_entry
           WHERE ($1::uuid IS NULL OR id < $1) AND ($2::text IS NULL OR actor = $2)
               AND ($3::text IS NULL OR action = $3) AND ($4::text IS NULL OR target = $4)
               AND ($5::uuid IS NULL OR correlation_id = $5)
               AND ($6::timestamptz IS NULL OR at >= $6) AND ($7::timestamptz IS NULL OR at < $7)
               AND ($9::uuid IS NULL OR id = $9)
           ORDER BY id DESC LIMIT $8"#,
        before.map(AuditEntryId::uuid),
        filter.actor,
        filter.action,
        filter.target,
        filter.correlation.map(CorrelationId::uuid),
        filter.from,
        filter.to,
        limit,
        entry.map(AuditEntryId::uuid)
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    let views = rows.into_iter().map(|row| {
        Ok(AuditView {
            id: row.id.into(),
            seq: row.seq,
            at: row.at,
            actor: row.actor,
            action: row.action,
            target: row.target,
            detail: RawValue::from_string(row.detail).map_err(Error::internal)?,
            ip: row.ip,
            user_agent: row.user_agent,
            correlation_id: row.correlation_id.into(),
            hash: row.hash.as_deref().and_then(Hash::from_slice),
        })
    });
    views.collect()
}

/// List audit entries
///
/// Newest first.
#[utoipa::path(get, path = "/v1/audit", operation_id = "audit_list", tag = "audit",
    params(AuditFilter, PageQuery),
    responses(
        (status = 200, body = Page<AuditView>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])))]
pub(super) async fn audit_list(
    access: Access<AuditRead>,
    Query(filter): Query<AuditFilter>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<AuditView>>> {
    Ok(Json(list(&access, &filter, &query).await?))
}
