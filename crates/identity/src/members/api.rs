//! `/v1/members`.

use axum::{extract::FromRef, http::StatusCode};
use kernel::{
    Access, Db, Result,
    error::Problem,
    extract::{Json, Path, Query},
    id::UserId,
    page::{Page, PageQuery},
    permission::{MembersRead, MembersWrite},
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::MemberView;

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(set_role, remove))
}

/// What to change of a member.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberChanges {
    /// A role of the catalogue or of the tenant's own.
    #[schema(example = "developer")]
    role: String,
}

/// List the tenant's members.
#[utoipa::path(
    get, path = "/v1/members", tag = "members", operation_id = "members_list",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of members", body = Page<MemberView>),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `members:read` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn list(
    access: Access<MembersRead>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<MemberView>>> {
    Ok(Json(super::list(&access, &query).await?))
}

/// Give a member another role. It holds from their next request on.
#[utoipa::path(
    patch, path = "/v1/members/{member}", tag = "members", operation_id = "members_set_role",
    params(("member" = String, Path, description = "The account's id, `usr_…`")),
    request_body = MemberChanges,
    responses(
        (status = 204, description = "The member has the role"),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `members:write` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such member", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The tenant would be left without an owner", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn set_role(
    access: Access<MembersWrite>,
    Path(member): Path<UserId>,
    Json(changes): Json<MemberChanges>,
) -> Result<StatusCode> {
    super::set_role(&access, member, &changes.role).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a member out of the tenant, from their next request on.
#[utoipa::path(
    delete, path = "/v1/members/{member}", tag = "members", operation_id = "members_remove",
    params(("member" = String, Path, description = "The account's id, `usr_…`")),
    responses(
        (status = 204, description = "The member is one no longer"),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `members:write` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such member", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The tenant would be left without an owner", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn remove(access: Access<MembersWrite>, Path(member): Path<UserId>) -> Result<StatusCode> {
    super::remove(&access, member).await?;
    Ok(StatusCode::NO_CONTENT)
}
