//! `/admin/v1/users`.

use axum::extract::{FromRef, State};
use kernel::{
    Db, Operator, Result,
    access::OperatorToken,
    error::Problem,
    extract::{Json, Path, Query},
    id::UserId,
    page::{Page, PageQuery},
    permission::{UsersRead, UsersWrite},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{UserChanges, UserFilter, UserView};
use crate::people::People;

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    OperatorToken: FromRef<S>,
    People: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, update))
        .routes(routes!(require_reset))
}

/// List accounts, newest first.
#[utoipa::path(
    get, path = "/admin/v1/users", tag = "users", operation_id = "users_list",
    params(UserFilter, PageQuery),
    responses(
        (status = 200, description = "A page of accounts", body = Page<UserView>),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `users:read` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn list(
    operator: Operator<UsersRead>,
    Query(filter): Query<UserFilter>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<UserView>>> {
    Ok(Json(super::list(&operator, &filter, &query).await?))
}

/// Show an account.
#[utoipa::path(
    get, path = "/admin/v1/users/{user}", tag = "users", operation_id = "users_get",
    params(("user" = String, Path, description = "The account's id, `usr_…`")),
    responses(
        (status = 200, description = "The account", body = UserView),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `users:read` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such account", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn get(operator: Operator<UsersRead>, Path(user): Path<UserId>) -> Result<Json<UserView>> {
    Ok(Json(super::get(&operator, user).await?))
}

/// Disable or enable an account, or appoint staff. Its sessions end.
#[utoipa::path(
    patch, path = "/admin/v1/users/{user}", tag = "users", operation_id = "users_update",
    params(("user" = String, Path, description = "The account's id, `usr_…`")),
    request_body = UserChanges,
    responses(
        (status = 200, description = "The account", body = UserView),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `users:write` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such account", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn update(
    operator: Operator<UsersWrite>,
    Path(user): Path<UserId>,
    Json(changes): Json<UserChanges>,
) -> Result<Json<UserView>> {
    Ok(Json(super::update(&operator, user, &changes).await?))
}

/// Take an account's password away: its sessions end, and it gets a letter with a link by which to
/// set another.
#[utoipa::path(
    post, path = "/admin/v1/users/{user}/require-reset", tag = "users", operation_id = "users_require_reset",
    params(("user" = String, Path, description = "The account's id, `usr_…`")),
    responses(
        (status = 200, description = "The account", body = UserView),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `users:write` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such account", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It is disabled, or one's own", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn require_reset(
    State(people): State<People>,
    operator: Operator<UsersWrite>,
    Path(user): Path<UserId>,
) -> Result<Json<UserView>> {
    Ok(Json(super::require_reset(&people, &operator, user).await?))
}
