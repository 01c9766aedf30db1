//! The tenant's own view of its audit log: a list with filters, the whole as an export, and the
//! checkpoints that the export can be held to.

mod export;
mod list;

use axum::extract::FromRef;
use kernel::{
    Access, Db, Result,
    error::Problem,
    extract::{Json, Query},
    page::{Page, PageQuery},
    permission::AuditRead,
};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use export::{download, lines};
pub use list::{AuditFilter, AuditView, find, list};

/// The routes under `/v1/audit`.
pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list::audit_list))
        .routes(routes!(export::audit_export))
        .routes(routes!(audit_checkpoints))
}

/// A signed statement of how long the log was and what it ended in.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckpointView {
    /// How many entries the log had.
    pub size: i64,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: OffsetDateTime,
    /// The signed note (c2sp.org/tlog-checkpoint).
    pub note: String,
}

/// Checkpoints of the tenant's log, newest first.
pub async fn checkpoints(
    access: &Access<AuditRead>,
    query: &PageQuery,
) -> Result<Page<CheckpointView>> {
    let (limit, before) = (query.limit()?, query.after::<i64>()?);
    let mut tx = access.read().await?;
    let rows = sqlx::query_as!(
        CheckpointView,
        "SELECT size, at, note FROM cell.audit_checkpoint WHERE size < $1
         ORDER BY size DESC LIMIT $2",
        before.unwrap_or(i64::MAX),
        limit + 1
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    Page::cut(rows, limit, |row: &CheckpointView| row.size)
}

/// List checkpoints
///
/// Newest first. Keep them apart from the log: an export that was shortened or written anew does
/// not agree with them.
#[utoipa::path(get, path = "/v1/audit/checkpoints", operation_id = "audit_checkpoints", tag = "audit",
    params(PageQuery),
    responses(
        (status = 200, body = Page<CheckpointView>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])))]
async fn audit_checkpoints(
    access: Access<AuditRead>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<CheckpointView>>> {
    Ok(Json(checkpoints(&access, &query).await?))
}
