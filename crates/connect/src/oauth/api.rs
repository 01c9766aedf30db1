//! `/v1/connections`, `/v1/connect-sessions`.

use axum::{
    extract::{FromRef, State},
    http::StatusCode,
};
use kernel::{
    Access, Db, Error, Result,
    error::Problem,
    extract::{Json, Path, Query},
    id::{ConnectSessionId, CredentialId},
    page::{Page, PageQuery},
    permission::{CredentialsRead, CredentialsWrite},
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ConnectLink, Connection, Disconnected, NewConnectSession, connections};
use crate::Connect;

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    Connect: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, disconnect))
        .routes(routes!(authorize))
        .routes(routes!(create_session))
        .routes(routes!(revoke_session))
}

/// What a browser is to consent to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Authorize {
    /// What the credential is to be called; the account's own name at the provider when left out.
    #[serde(default)]
    name: Option<String>,
    /// Instead of the provider's usual ones.
    #[serde(default)]
    scopes: Option<Vec<String>>,
    /// Where the browser goes at the end: an address of an origin that the operator has allowed.
    #[serde(default)]
    return_to: Option<String>,
    /// Which connection is to be renewed.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    credential: Option<CredentialId>,
}

/// Begins to connect an account by consent: gives the address to open in the browser of whoever
/// consents, which is good for half an hour.
#[utoipa::path(post, path = "/v1/connections/{connector}/authorize", operation_id = "connections_authorize", tag = "connections",
    request_body = Authorize, params(("connector" = String, Path, description = "A provider that accounts are connected to by consent, as in `slack`.")), security(("api_key" = [])), responses(
    (status = 201, body = ConnectLink),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "`oauth_app_missing`", body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn authorize(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path(provider): Path<String>,
    Json(wanted): Json<Authorize>,
) -> Result<(StatusCode, Json<ConnectLink>)> {
    let (known, _) = connect.consenting(&provider)?;
    connect.oauth_app(&access, known).await?;
    let new = NewConnectSession {
        providers: vec![provider],
        name: wanted.name,
        scopes: wanted.scopes,
        expires_in: None,
        return_to: wanted.return_to,
        credential: wanted.credential,
    };
    let link = connect.create_connect_session(&access, new).await?;
    Ok((StatusCode::CREATED, Json(link)))
}

/// The accounts that are connected by consent, oldest first.
#[utoipa::path(get, path = "/v1/connections", operation_id = "connections_list", tag = "connections", params(PageQuery),
    security(("api_key" = [])), responses(
    (status = 200, body = Page<Connection>),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn list(
    access: Access<CredentialsRead>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Connection>>> {
    let limit = page.limit()?;
    let rows = connections(&access, None, page.after()?, limit + 1).await?;
    Ok(Json(Page::cut(rows, limit, |row| row.credential)?))
}

/// One connected account.
#[utoipa::path(get, path = "/v1/connections/{connection}", operation_id = "connections_get", tag = "connections",
    params(("connection" = String, Path, description = "The id of its credential.")), security(("api_key" = [])), responses(
    (status = 200, body = Connection),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn get(
    access: Access<CredentialsRead>,
    Path(id): Path<CredentialId>,
) -> Result<Json<Connection>> {
    let found = connections(&access, Some(id), None, 1).await?.pop();
    found.map(Json).ok_or(Error::NotFound("connection"))
}

/// Disconnects an account: takes back at the provider what was granted, and deletes the credential
/// whether or not the provider could be told.
#[utoipa::path(delete, path = "/v1/connections/{connection}", operation_id = "connections_delete", tag = "connections",
    params(("connection" = String, Path, description = "The id of its credential.")), security(("api_key" = [])), responses(
    (status = 200, body = Disconnected),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn disconnect(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path(id): Path<CredentialId>,
) -> Result<Json<Disconnected>> {
    connect.disconnect(&access, id).await.map(Json)
}

/// Makes a link by which somebody connects accounts for the tenant, without an account here.
#[utoipa::path(post, path = "/v1/connect-sessions", operation_id = "connect_sessions_create", tag = "connections",
    request_body = NewConnectSession, security(("api_key" = [])), responses(
    (status = 201, body = ConnectLink),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn create_session(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Json(new): Json<NewConnectSession>,
) -> Result<(StatusCode, Json<ConnectLink>)> {
    let link = connect.create_connect_session(&access, new).await?;
    Ok((StatusCode::CREATED, Json(link)))
}

/// Ends a link before its time.
#[utoipa::path(delete, path = "/v1/connect-sessions/{connect_session}", operation_id = "connect_sessions_revoke", tag = "connections",
    params(("connect_session" = String, Path)), security(("api_key" = [])), responses(
    (status = 204),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn revoke_session(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path(id): Path<ConnectSessionId>,
) -> Result<StatusCode> {
    connect.revoke_connect_session(&access, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
