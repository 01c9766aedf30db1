//! `/v1/roles`.

use axum::{extract::FromRef, http::StatusCode};
use kernel::{
    Access, Db, Result,
    error::Problem,
    extract::{Json, Path},
    permission::{RolesRead, RolesWrite},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{NewRole, RoleContent, RoleView};

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(replace, remove))
}

/// Every role that members of the tenant may have.
#[derive(Debug, Serialize, ToSchema)]
struct Listed {
    data: Vec<RoleView>,
}

/// List the roles: the program's, then the tenant's own.
#[utoipa::path(
    get, path = "/v1/roles", tag = "roles", operation_id = "roles_list",
    responses(
        (status = 200, description = "The roles", body = Listed),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `roles:read` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn list(access: Access<RolesRead>) -> Result<Json<Listed>> {
    let data = super::list(&access).await?;
    Ok(Json(Listed { data }))
}

/// Compose a role from permissions that the caller holds.
#[utoipa::path(
    post, path = "/v1/roles", tag = "roles", operation_id = "roles_create",
    request_body = NewRole,
    responses(
        (status = 201, description = "The role", body = RoleView),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`roles:write` or one of the permissions is not held, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is a role of this name", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn create(
    access: Access<RolesWrite>,
    Json(new): Json<NewRole>,
) -> Result<(StatusCode, Json<RoleView>)> {
    let role = super::create(&access, new).await?;
    Ok((StatusCode::CREATED, Json(role)))
}

/// Change what a role of the tenant's own is, for all who have it.
#[utoipa::path(
    put, path = "/v1/roles/{role}", tag = "roles", operation_id = "roles_replace",
    params(("role" = String, Path, description = "The name of a role of the tenant's own")),
    request_body = RoleContent,
    responses(
        (status = 200, description = "The role", body = RoleView),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`roles:write` or one of the permissions is not held, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such role of the tenant's own", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn replace(
    access: Access<RolesWrite>,
    Path(role): Path<String>,
    Json(content): Json<RoleContent>,
) -> Result<Json<RoleView>> {
    Ok(Json(super::replace(&access, &role, &content).await?))
}

/// Remove a role of the tenant's own that nobody has.
#[utoipa::path(
    delete, path = "/v1/roles/{role}", tag = "roles", operation_id = "roles_remove",
    params(("role" = String, Path, description = "The name of a role of the tenant's own")),
    responses(
        (status = 204, description = "The role is gone"),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `roles:write` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such role of the tenant's own", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Members or open invitations have it", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn remove(access: Access<RolesWrite>, Path(role): Path<String>) -> Result<StatusCode> {
    super::remove(&access, &role).await?;
    Ok(StatusCode::NO_CONTENT)
}
