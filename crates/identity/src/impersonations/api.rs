//! `/v1/impersonations`.

use axum::extract::FromRef;
use kernel::{
    Access, Db, Result,
    error::Problem,
    extract::{Json, Query},
    page::{Page, PageQuery},
    permission::ImpersonationsRead,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::ImpersonationView;

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(list))
}

/// List when staff looked at the tenant from within, newest first: who, why, and whether they could
/// change things.
#[utoipa::path(
    get, path = "/v1/impersonations", tag = "audit", operation_id = "impersonations_list",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of impersonations", body = Page<ImpersonationView>),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `impersonations:read` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn list(
    access: Access<ImpersonationsRead>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<ImpersonationView>>> {
    Ok(Json(super::list(&access, &query).await?))
}
