//! `/admin/v1/integrations`.

use axum::extract::{FromRef, State};
use kernel::{
    Db, Error, Operator, Result,
    access::OperatorToken,
    error::Problem,
    extract::{Json, Query},
    page::{Page, PageQuery},
    permission::TenantsRead,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Figures, Trouble, figures, troubles};
use crate::Connect;

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    Connect: FromRef<S>,
    OperatorToken: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(list_troubles))
}

/// How many tenants have connected each provider, and how they do.
#[utoipa::path(
    get, path = "/admin/v1/integrations", tag = "integrations", operation_id = "operator_integrations_list",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of providers", body = Page<Figures>),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `tenants:read` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn list(
    operator: Operator<TenantsRead>,
    State(connect): State<Connect>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Figures>>> {
    let limit = page.limit()?;
    let after: Option<String> = page.after()?;
    let rows = figures(&operator, connect.catalogue())
        .await?
        .into_iter()
        .filter(|row| after.as_ref().is_none_or(|after| row.provider > *after))
        .take(usize::try_from(limit).map_err(Error::internal)? + 1)
        .collect();
    Ok(Json(Page::cut(rows, limit, |row: &Figures| {
        row.provider.clone()
    })?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only accounts at this provider.
    provider: Option<String>,
}

/// Tenants' accounts whose latest test did not find them good, those first that were connected
/// last. Nothing of what they hold is shown.
#[utoipa::path(
    get, path = "/admin/v1/integrations/troubles", tag = "integrations", operation_id = "operator_integrations_troubles",
    params(Filter, PageQuery),
    responses(
        (status = 200, description = "A page of accounts in trouble", body = Page<Trouble>),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `tenants:read` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn list_troubles(
    operator: Operator<TenantsRead>,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Trouble>>> {
    let provider = filter.provider.as_deref();
    troubles(&operator, provider, &page).await.map(Json)
}
