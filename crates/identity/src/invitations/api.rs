//! `/v1/invitations`.

use axum::{
    extract::{FromRef, State},
    http::StatusCode,
};
use kernel::{
    Access, Db, Result,
    error::Problem,
    extract::{Json, Path, Query},
    id::InvitationId,
    page::{Page, PageQuery},
    permission::{MembersRead, MembersWrite},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{InvitationView, NewInvitation};
use crate::people::People;

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(revoke))
        .routes(routes!(resend))
}

/// List the open invitations, newest first.
#[utoipa::path(
    get, path = "/v1/invitations", tag = "invitations", operation_id = "invitations_list",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of open invitations", body = Page<InvitationView>),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `members:read` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn list(
    access: Access<MembersRead>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<InvitationView>>> {
    Ok(Json(super::list(&access, &query).await?))
}

/// Invite somebody. An open invitation for the same address is replaced.
#[utoipa::path(
    post, path = "/v1/invitations", tag = "invitations", operation_id = "invitations_create",
    request_body = NewInvitation,
    responses(
        (status = 201, description = "The invitation, which is sent by mail", body = InvitationView),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `members:write` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The person belongs to the tenant already", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much mail to this address", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn create(
    State(people): State<People>,
    access: Access<MembersWrite>,
    Json(new): Json<NewInvitation>,
) -> Result<(StatusCode, Json<InvitationView>)> {
    let view = super::create(&people, &access, &new).await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Make an open invitation void.
#[utoipa::path(
    delete, path = "/v1/invitations/{invitation}", tag = "invitations", operation_id = "invitations_revoke",
    params(("invitation" = String, Path, description = "The invitation's id, `inv_…`")),
    responses(
        (status = 204, description = "The invitation is void"),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `members:write` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such open invitation", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn revoke(
    access: Access<MembersWrite>,
    Path(invitation): Path<InvitationId>,
) -> Result<StatusCode> {
    super::revoke(&access, invitation).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Send an open invitation again, with another link and all its time.
#[utoipa::path(
    post, path = "/v1/invitations/{invitation}/resend", tag = "invitations", operation_id = "invitations_resend",
    params(("invitation" = String, Path, description = "The invitation's id, `inv_…`")),
    responses(
        (status = 200, description = "The invitation, sent again", body = InvitationView),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `members:write` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such open invitation", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much mail to this address", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn resend(
    State(people): State<People>,
    access: Access<MembersWrite>,
    Path(invitation): Path<InvitationId>,
) -> Result<Json<InvitationView>> {
    Ok(Json(super::resend(&people, &access, invitation).await?))
}
