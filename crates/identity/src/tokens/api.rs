//! `/v1/auth/token…` for API clients, `/v1/me/token` for browsers, and the published keys.

use axum::{
    Router,
    extract::{FromRef, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use jsonwebtoken::jwk::JwkSet;
use kernel::{
    Db, Error, Result,
    access::{Person, Visitor},
    error::Problem,
    extract::Json,
    secret::Secret,
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Issued, Tokens,
    keys::{REMEMBERED_SECONDS, jwk},
    of_session,
};
use crate::people::Email;

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    Tokens: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(issue))
        .routes(routes!(refresh))
        .routes(routes!(revoke))
        .routes(routes!(exchange))
}

/// The keys that check tokens, where others look for them (RFC 7517 §5).
pub fn well_known<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    Router::new().route("/.well-known/jwks.json", get(published::<S>))
}

async fn published<S: Send + Sync>(State(state): State<S>) -> Result<Response>
where
    Db: FromRef<S>,
{
    let keys = Db::from_ref(&state).published_keys().await?;
    let keys = keys
        .iter()
        .filter_map(|key| jwk(&key.point, Some(&key.kid)))
        .collect();
    let mut response = Json(JwkSet { keys }).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/jwk-set+json"),
    );
    let remember = format!("public, max-age={REMEMBERED_SECONDS}");
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_str(&remember).map_err(Error::internal)?,
    );
    Ok(response)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClientCredentials {
    #[schema(example = "ada@example.com")]
    email: String,
    #[schema(value_type = String)]
    password: Secret,
    /// The slug or the id of a tenant that the person belongs to.
    #[schema(example = "acme")]
    tenant: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefreshToken {
    #[schema(value_type = String)]
    refresh_token: Secret,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenTenant {
    /// The slug or the id of a tenant that the person belongs to.
    #[schema(example = "acme")]
    tenant: String,
}

/// An answer that holds tokens: nothing on its way may keep it.
fn not_to_be_kept(issued: Issued) -> Response {
    let mut response = Json(issued).into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Sign an API client in with a password, to one tenant.
#[utoipa::path(
    post, path = "/v1/auth/token", tag = "auth", operation_id = "auth_token",
    request_body = ClientCredentials,
    responses(
        (status = 200, description = "An access token and a refresh token", body = Issued),
        (status = 401, description = "There is no such account, or the password is another", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The person belongs to no such tenant", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tries; see `Retry-After`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn issue(
    State(tokens): State<Tokens>,
    visitor: Visitor,
    Json(shown): Json<ClientCredentials>,
) -> Result<Response> {
    let email = Email::parse(&shown.email)?;
    let issued = super::sign_in(&tokens, &visitor, &email, &shown.password, &shown.tenant).await?;
    issued.map(not_to_be_kept).ok_or(Error::Unauthenticated)
}

/// Use a refresh token up for the next access token. Showing one a second time ends its session.
#[utoipa::path(
    post, path = "/v1/auth/token/refresh", tag = "auth", operation_id = "auth_token_refresh",
    request_body = RefreshToken,
    responses(
        (status = 200, description = "An access token and the next refresh token", body = Issued),
        (status = 401, description = "No valid refresh token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn refresh(
    State(tokens): State<Tokens>,
    visitor: Visitor,
    Json(shown): Json<RefreshToken>,
) -> Result<Response> {
    let issued = super::refresh(&tokens, &visitor, &shown.refresh_token).await?;
    issued.map(not_to_be_kept).ok_or(Error::Unauthenticated)
}

/// End the session of a refresh token. The answer is the same for what is none.
#[utoipa::path(
    post, path = "/v1/auth/token/revoke", tag = "auth", operation_id = "auth_token_revoke",
    request_body = RefreshToken,
    responses(
        (status = 204, description = "If there was such a session, it has ended"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn revoke(
    State(tokens): State<Tokens>,
    visitor: Visitor,
    Json(shown): Json<RefreshToken>,
) -> Result<StatusCode> {
    super::revoke(&tokens, &visitor, &shown.refresh_token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An access token for one tenant out of the browser's session. It ends with the session.
#[utoipa::path(
    post, path = "/v1/me/token", tag = "me", operation_id = "me_token",
    request_body = TokenTenant,
    responses(
        (status = 200, description = "An access token", body = Issued),
        (status = 401, description = "No valid session", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The request comes from another site, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The person belongs to no such tenant", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("session" = [])),
)]
async fn exchange(
    State(tokens): State<Tokens>,
    person: Person,
    Json(wanted): Json<TokenTenant>,
) -> Result<Response> {
    of_session(&tokens, &person, &wanted.tenant)
        .await
        .map(not_to_be_kept)
}
