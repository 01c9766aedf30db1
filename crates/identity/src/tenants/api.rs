//! `/admin/v1/tenants`.

use axum::{extract::FromRef, http::StatusCode};
use kernel::{
    Db, Operator, Result,
    access::OperatorToken,
    error::Problem,
    extract::{Json, Path, Query},
    page::Page,
    permission::{TenantsRead, TenantsWrite},
    suspension::SuspensionKind,
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{NewTenant, TenantChanges, TenantQuery, TenantView};

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    OperatorToken: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, update))
        .routes(routes!(suspend))
        .routes(routes!(activate))
        .routes(routes!(close))
}

/// Create a tenant. A creation that broke off is finished by repeating the request.
#[utoipa::path(
    post, path = "/admin/v1/tenants", tag = "tenants", operation_id = "tenants_create",
    request_body = NewTenant,
    responses(
        (status = 201, description = "The tenant, active", body = TenantView),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `tenants:write` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`slug_taken`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A database can't be reached; repeat the request", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn create(
    operator: Operator<TenantsWrite>,
    Json(new): Json<NewTenant>,
) -> Result<(StatusCode, Json<TenantView>)> {
    let tenant = super::create(&operator, new).await?;
    Ok((StatusCode::CREATED, Json(tenant)))
}

/// List tenants.
#[utoipa::path(
    get, path = "/admin/v1/tenants", tag = "tenants", operation_id = "tenants_list",
    params(TenantQuery),
    responses(
        (status = 200, description = "A page of tenants", body = Page<TenantView>),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `tenants:read` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn list(
    operator: Operator<TenantsRead>,
    Query(query): Query<TenantQuery>,
) -> Result<Json<Page<TenantView>>> {
    Ok(Json(super::list(&operator, &query).await?))
}

/// Read a tenant and its share of the queue.
#[utoipa::path(
    get, path = "/admin/v1/tenants/{tenant}", tag = "tenants", operation_id = "tenants_get",
    params(("tenant" = String, Path, description = "The tenant's id (`ten_…`) or slug")),
    responses(
        (status = 200, description = "The tenant", body = TenantView),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `tenants:read` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such tenant", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn get(
    operator: Operator<TenantsRead>,
    Path(tenant): Path<String>,
) -> Result<Json<TenantView>> {
    Ok(Json(super::get(&operator, &tenant).await?))
}

/// Change a tenant's name, plan or share of the queue.
#[utoipa::path(
    patch, path = "/admin/v1/tenants/{tenant}", tag = "tenants", operation_id = "tenants_update",
    params(("tenant" = String, Path, description = "The tenant's id (`ten_…`) or slug")),
    request_body = TenantChanges,
    responses(
        (status = 200, description = "The tenant as it now is", body = TenantView),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `tenants:write` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such tenant", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`invalid_transition`: it is closed or not yet provisioned", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn update(
    operator: Operator<TenantsWrite>,
    Path(tenant): Path<String>,
    Json(changes): Json<TenantChanges>,
) -> Result<Json<TenantView>> {
    Ok(Json(super::update(&operator, &tenant, changes).await?))
}

/// Why a tenant is suspended.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Suspension {
    /// Decides what still works.
    kind: SuspensionKind,
    /// For other staff, and for the audit log.
    #[schema(min_length = 1, max_length = 1000)]
    note: String,
}

/// Suspend a tenant. What still works depends on the kind: see catalogue/suspension.toml. May be
/// repeated, also with another kind.
#[utoipa::path(
    post, path = "/admin/v1/tenants/{tenant}/suspend", tag = "tenants", operation_id = "tenants_suspend",
    params(("tenant" = String, Path, description = "The tenant's id (`ten_…`) or slug")),
    request_body = Suspension,
    responses(
        (status = 200, description = "The tenant, suspended", body = TenantView),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `tenants:write` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such tenant", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`invalid_transition`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A database can't be reached; repeat the request", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn suspend(
    operator: Operator<TenantsWrite>,
    Path(tenant): Path<String>,
    Json(suspension): Json<Suspension>,
) -> Result<Json<TenantView>> {
    let tenant = super::suspend(&operator, &tenant, suspension.kind, &suspension.note).await?;
    Ok(Json(tenant))
}

/// End a tenant's suspension. May be repeated.
#[utoipa::path(
    post, path = "/admin/v1/tenants/{tenant}/activate", tag = "tenants", operation_id = "tenants_activate",
    params(("tenant" = String, Path, description = "The tenant's id (`ten_…`) or slug")),
    responses(
        (status = 200, description = "The tenant, active", body = TenantView),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `tenants:write` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such tenant", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`invalid_transition`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A database can't be reached; repeat the request", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn activate(
    operator: Operator<TenantsWrite>,
    Path(tenant): Path<String>,
) -> Result<Json<TenantView>> {
    Ok(Json(super::activate(&operator, &tenant).await?))
}

/// Close a tenant for good.
#[utoipa::path(
    post, path = "/admin/v1/tenants/{tenant}/close", tag = "tenants", operation_id = "tenants_close",
    params(("tenant" = String, Path, description = "The tenant's id (`ten_…`) or slug")),
    responses(
        (status = 200, description = "The tenant, closed", body = TenantView),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `tenants:write` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such tenant", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A database can't be reached; repeat the request", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn close(
    operator: Operator<TenantsWrite>,
    Path(tenant): Path<String>,
) -> Result<Json<TenantView>> {
    Ok(Json(super::close(&operator, &tenant).await?))
}
