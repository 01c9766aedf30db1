//! `/v1/me/…`.

use axum::{
    Extension,
    extract::{FromRef, State},
    http::StatusCode,
    response::Response,
};
use kernel::{
    Db, Result,
    access::{Person, Web},
    error::Problem,
    extract::{Json, Path},
    id::{SessionId, TenantId},
    secret::Secret,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::with_session;
use crate::{
    members,
    people::{
        Email, People,
        account::{self, AccountView, MembershipView},
        mailbox,
        sessions::{self, SessionView},
        sign_up::OwnTenant,
    },
    tenants::TenantView,
};

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(get, rename))
        .routes(routes!(set_password))
        .routes(routes!(set_email))
        .routes(routes!(send_verification))
        .routes(routes!(list_sessions, revoke_others))
        .routes(routes!(revoke_session))
        .routes(routes!(list_memberships))
        .routes(routes!(leave))
        .routes(routes!(found_tenant))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AccountChanges {
    #[schema(min_length = 1, max_length = 200)]
    name: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    #[schema(value_type = String)]
    current: Secret,
    #[schema(value_type = String, min_length = 10, max_length = 256)]
    password: Secret,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EmailChange {
    /// The account's password.
    #[schema(value_type = String)]
    password: Secret,
    #[schema(example = "ada@example.org")]
    email: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct Sessions {
    data: Vec<SessionView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Memberships {
    data: Vec<MembershipView>,
}

/// Show the account.
#[utoipa::path(
    get, path = "/v1/me", tag = "me", operation_id = "me_get",
    responses(
        (status = 200, description = "The account", body = AccountView),
        (status = 401, description = "No valid session", body = Problem, content_type = "application/problem+json"),
    ),
    security(("session" = [])),
)]
async fn get(person: Person) -> Result<Json<AccountView>> {
    Ok(Json(account::get(&person).await?))
}

/// Change the account's name.
#[utoipa::path(
    patch, path = "/v1/me", tag = "me", operation_id = "me_rename",
    request_body = AccountChanges,
    responses(
        (status = 200, description = "The account", body = AccountView),
        (status = 401, description = "No valid session", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("session" = [])),
)]
async fn rename(person: Person, Json(changes): Json<AccountChanges>) -> Result<Json<AccountView>> {
    Ok(Json(account::rename(&person, &changes.name).await?))
}

/// Change the password. All other sessions end.
#[utoipa::path(
    put, path = "/v1/me/password", tag = "me", operation_id = "me_set_password",
    request_body = PasswordChange,
    responses(
        (status = 204, description = "The password is set; the cookie holds the session's new token"),
        (status = 401, description = "No valid session", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tries; see `Retry-After`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("session" = [])),
)]
async fn set_password(
    State(people): State<People>,
    Extension(web): Extension<Web>,
    person: Person,
    Json(change): Json<PasswordChange>,
) -> Result<Response> {
    let session =
        account::change_password(&people, &person, &change.current, &change.password).await?;
    with_session(&web, &session, StatusCode::NO_CONTENT)
}

/// Ask for another address. It is the account's once the link sent there was used.
#[utoipa::path(
    put, path = "/v1/me/email", tag = "me", operation_id = "me_set_email",
    request_body = EmailChange,
    responses(
        (status = 202, description = "If it applies, mail was sent"),
        (status = 401, description = "No valid session", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tries; see `Retry-After`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("session" = [])),
)]
async fn set_email(
    State(people): State<People>,
    person: Person,
    Json(change): Json<EmailChange>,
) -> Result<StatusCode> {
    let email = Email::parse(&change.email)?;
    account::change_email(&people, &person, &change.password, &email).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Send the link that confirms the account's address.
#[utoipa::path(
    post, path = "/v1/me/verification", tag = "me", operation_id = "me_send_verification",
    responses(
        (status = 202, description = "Unless the address is confirmed already, mail was sent"),
        (status = 401, description = "No valid session", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tries; see `Retry-After`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("session" = [])),
)]
async fn send_verification(State(people): State<People>, person: Person) -> Result<StatusCode> {
    mailbox::send_verification(&people, &person).await?;
    Ok(StatusCode::ACCEPTED)
}

/// List the sessions that are valid, newest first.
#[utoipa::path(
    get, path = "/v1/me/sessions", tag = "me", operation_id = "me_sessions",
    responses(
        (status = 200, description = "The sessions", body = Sessions),
        (status = 401, description = "No valid session", body = Problem, content_type = "application/problem+json"),
    ),
    security(("session" = [])),
)]
async fn list_sessions(person: Person) -> Result<Json<Sessions>> {
    let data = sessions::list(&person).await?;
    Ok(Json(Sessions { data }))
}

/// End all sessions but this one.
#[utoipa::path(
    delete, path = "/v1/me/sessions", tag = "me", operation_id = "me_revoke_other_sessions",
    responses(
        (status = 204, description = "They have ended"),
        (status = 401, description = "No valid session", body = Problem, content_type = "application/problem+json"),
    ),
    security(("session" = [])),
)]
async fn revoke_others(person: Person) -> Result<StatusCode> {
    sessions::revoke_others(&person).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End a session.
#[utoipa::path(
    delete, path = "/v1/me/sessions/{session}", tag = "me", operation_id = "me_revoke_session",
    params(("session" = String, Path, description = "The session's id, `ses_…`")),
    responses(
        (status = 204, description = "It has ended"),
        (status = 401, description = "No valid session", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such session of this account", body = Problem, content_type = "application/problem+json"),
    ),
    security(("session" = [])),
)]
async fn revoke_session(person: Person, Path(session): Path<SessionId>) -> Result<StatusCode> {
    sessions::revoke(&person, session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the tenants that the account belongs to.
#[utoipa::path(
    get, path = "/v1/me/memberships", tag = "me", operation_id = "me_memberships",
    responses(
        (status = 200, description = "The tenants, by name", body = Memberships),
        (status = 401, description = "No valid session", body = Problem, content_type = "application/problem+json"),
    ),
    security(("session" = [])),
)]
async fn list_memberships(person: Person) -> Result<Json<Memberships>> {
    let data = account::memberships(&person).await?;
    Ok(Json(Memberships { data }))
}

/// Leave a tenant.
#[utoipa::path(
    delete, path = "/v1/me/memberships/{tenant}", tag = "me", operation_id = "me_leave",
    params(("tenant" = String, Path, description = "The tenant's id, `ten_…`")),
    responses(
        (status = 204, description = "The account belongs to the tenant no longer"),
        (status = 401, description = "No valid session", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The account does not belong to such a tenant", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The tenant would be left without an owner", body = Problem, content_type = "application/problem+json"),
    ),
    security(("session" = [])),
)]
async fn leave(person: Person, Path(tenant): Path<TenantId>) -> Result<StatusCode> {
    members::leave(&person, tenant).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make a tenant, as its owner.
#[utoipa::path(
    post, path = "/v1/me/tenants", tag = "me", operation_id = "me_found_tenant",
    request_body = OwnTenant,
    responses(
        (status = 201, description = "The tenant; the cookie holds the session's new token", body = TenantView),
        (status = 401, description = "No valid session", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "People do not make tenants by themselves here", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The slug is taken", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tries; see `Retry-After`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("session" = [])),
)]
async fn found_tenant(
    State(people): State<People>,
    Extension(web): Extension<Web>,
    person: Person,
    Json(new): Json<OwnTenant>,
) -> Result<Response> {
    let (tenant, session) = account::found_tenant(&people, &person, new).await?;
    with_session(&web, &session, (StatusCode::CREATED, Json(tenant)))
}
