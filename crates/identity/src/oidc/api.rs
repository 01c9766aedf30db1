//! `/v1/identity-providers`.

use axum::{
    extract::{FromRef, State},
    http::StatusCode,
};
use kernel::{
    Access, Db, Result,
    error::Problem,
    extract::{Json, Path},
    id::IdentityProviderId,
    permission::{SignInRead, SignInWrite},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Oidc,
    providers::{self, NewProvider, ProviderContent, ProviderView},
};

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    Oidc: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, replace, remove))
}

/// Every identity provider of the tenant's own.
#[derive(Debug, Serialize, ToSchema)]
struct IdentityProviders {
    data: Vec<ProviderView>,
}

/// List the tenant's identity providers, without their secrets.
#[utoipa::path(
    get, path = "/v1/identity-providers", tag = "identity-providers", operation_id = "identity_providers_list",
    responses(
        (status = 200, description = "The identity providers", body = IdentityProviders),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `sign_in:read` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn list(
    access: Access<SignInRead>,
    State(oidc): State<Oidc>,
) -> Result<Json<IdentityProviders>> {
    let data = providers::list(&oidc, &access).await?;
    Ok(Json(IdentityProviders { data }))
}

/// Set up an identity provider of the tenant's own. It signs in nobody who may do more than the
/// caller.
#[utoipa::path(
    post, path = "/v1/identity-providers", tag = "identity-providers", operation_id = "identity_providers_create",
    request_body = NewProvider,
    responses(
        (status = 201, description = "The identity provider", body = ProviderView),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`sign_in:write` or a permission of the newcomers' role is not held, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is an identity provider of this name", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn create(
    access: Access<SignInWrite>,
    State(oidc): State<Oidc>,
    Json(new): Json<NewProvider>,
) -> Result<(StatusCode, Json<ProviderView>)> {
    let made = providers::create(&oidc, &access, new).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Read one of the tenant's identity providers, without its secret.
#[utoipa::path(
    get, path = "/v1/identity-providers/{identity_provider}", tag = "identity-providers", operation_id = "identity_providers_get",
    params(("identity_provider" = String, Path, description = "The id, `idp_…`")),
    responses(
        (status = 200, description = "The identity provider", body = ProviderView),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `sign_in:read` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such identity provider", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn get(
    access: Access<SignInRead>,
    State(oidc): State<Oidc>,
    Path(id): Path<IdentityProviderId>,
) -> Result<Json<ProviderView>> {
    Ok(Json(providers::get(&oidc, &access, id).await?))
}

/// Change what an identity provider is. It signs in nobody who may do more than the caller.
#[utoipa::path(
    put, path = "/v1/identity-providers/{identity_provider}", tag = "identity-providers", operation_id = "identity_providers_replace",
    params(("identity_provider" = String, Path, description = "The id, `idp_…`")),
    request_body = ProviderContent,
    responses(
        (status = 200, description = "The identity provider", body = ProviderView),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`sign_in:write` or a permission of the newcomers' role is not held, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such identity provider", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn replace(
    access: Access<SignInWrite>,
    State(oidc): State<Oidc>,
    Path(id): Path<IdentityProviderId>,
    Json(content): Json<ProviderContent>,
) -> Result<Json<ProviderView>> {
    let changed = providers::replace(&oidc, &access, id, content).await?;
    Ok(Json(changed))
}

/// Take an identity provider away, with the sessions that it opened. Members stay members.
#[utoipa::path(
    delete, path = "/v1/identity-providers/{identity_provider}", tag = "identity-providers", operation_id = "identity_providers_remove",
    params(("identity_provider" = String, Path, description = "The id, `idp_…`")),
    responses(
        (status = 204, description = "The identity provider is gone"),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `sign_in:write` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such identity provider", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn remove(
    access: Access<SignInWrite>,
    State(oidc): State<Oidc>,
    Path(id): Path<IdentityProviderId>,
) -> Result<StatusCode> {
    providers::remove(&oidc, &access, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
