//! `/v1/api-keys`.

use axum::{
    extract::{FromRef, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use kernel::{
    Access, Db, Result,
    access::Visitor,
    error::Problem,
    extract::{Json, Path, Query},
    id::ApiKeyId,
    page::{Page, PageQuery},
    permission::{ApiKeysRead, ApiKeysWrite},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiKeyView, IssuedApiKey, NewApiKey, Rotation,
    leaks::{self, LeakedToken},
    prefix::{self, Prefix},
    usage::{self, Usage, UsageQuery},
};
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
        .routes(routes!(rotate))
        .routes(routes!(used))
        .routes(routes!(show_prefix, set_prefix))
        .routes(routes!(report))
}

/// Issue an API key. Its text is in this answer and in no other.
#[utoipa::path(
    post, path = "/v1/api-keys", tag = "api-keys", operation_id = "api_keys_create",
    request_body = NewApiKey,
    responses(
        (status = 201, description = "The key", body = IssuedApiKey),
        (status = 401, description = "No valid API key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `api_keys:write` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn create(access: Access<ApiKeysWrite>, Json(new): Json<NewApiKey>) -> Result<Response> {
    let issued = super::create(&access, new).await?;
    Ok(not_to_be_kept((StatusCode::CREATED, Json(issued))))
}

/// An answer that holds a secret: nothing on its way may keep it.
fn not_to_be_kept(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// List the tenant's API keys, newest first, masked.
#[utoipa::path(
    get, path = "/v1/api-keys", tag = "api-keys", operation_id = "api_keys_list",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of keys", body = Page<ApiKeyView>),
        (status = 401, description = "No valid API key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `api_keys:read` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn list(
    access: Access<ApiKeysRead>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<ApiKeyView>>> {
    Ok(Json(super::list(&access, &query).await?))
}

/// Revoke an API key. It is refused from the next request on.
#[utoipa::path(
    delete, path = "/v1/api-keys/{key}", tag = "api-keys", operation_id = "api_keys_revoke",
    params(("key" = String, Path, description = "The key's id, `key_…`")),
    responses(
        (status = 204, description = "The key is revoked"),
        (status = 401, description = "No valid API key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `api_keys:write` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such key", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn revoke(access: Access<ApiKeysWrite>, Path(key): Path<ApiKeyId>) -> Result<StatusCode> {
    super::revoke(&access, key).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a key another secret. The old one is taken until the grace period ends.
#[utoipa::path(
    post, path = "/v1/api-keys/{key}/rotate", tag = "api-keys", operation_id = "api_keys_rotate",
    params(("key" = String, Path, description = "The key's id, `key_…`")),
    request_body = Rotation,
    responses(
        (status = 200, description = "The key with its new secret", body = IssuedApiKey),
        (status = 401, description = "No valid API key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `api_keys:write` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such key", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The key has ended", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn rotate(
    access: Access<ApiKeysWrite>,
    Path(key): Path<ApiKeyId>,
    Json(rotation): Json<Rotation>,
) -> Result<Response> {
    let issued = super::rotate(&access, key, &rotation).await?;
    Ok(not_to_be_kept(Json(issued)))
}

/// Show how much a key was used, per day.
#[utoipa::path(
    get, path = "/v1/api-keys/{key}/usage", tag = "api-keys", operation_id = "api_keys_usage",
    params(("key" = String, Path, description = "The key's id, `key_…`"), UsageQuery),
    responses(
        (status = 200, description = "The days on which it was used, newest first", body = Usage),
        (status = 401, description = "No valid API key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `api_keys:read` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such key", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn used(
    access: Access<ApiKeysRead>,
    Path(key): Path<ApiKeyId>,
    Query(query): Query<UsageQuery>,
) -> Result<Json<Usage>> {
    Ok(Json(usage::of(&access, key, &query).await?))
}

/// Show what the tenant's new keys begin with.
#[utoipa::path(
    get, path = "/v1/api-keys/prefix", tag = "api-keys", operation_id = "api_keys_prefix_get",
    responses(
        (status = 200, description = "The prefix", body = Prefix),
        (status = 401, description = "No valid API key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `api_keys:read` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn show_prefix(access: Access<ApiKeysRead>) -> Result<Json<Prefix>> {
    Ok(Json(prefix::show(&access).await?))
}

/// Let the tenant's new keys begin with a prefix of its own. Keys that there are stay as they are.
#[utoipa::path(
    put, path = "/v1/api-keys/prefix", tag = "api-keys", operation_id = "api_keys_prefix_set",
    request_body = Prefix,
    responses(
        (status = 200, description = "The prefix", body = Prefix),
        (status = 401, description = "No valid API key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `api_keys:write` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn set_prefix(
    access: Access<ApiKeysWrite>,
    Json(prefix): Json<Prefix>,
) -> Result<Json<Prefix>> {
    Ok(Json(prefix::set(&access, prefix).await?))
}

/// Report keys that were found in public. Those that are valid end at once, and the owners of their
/// tenants are told; the answer is the same for every report.
#[utoipa::path(
    post, path = "/v1/api-keys/leaks", tag = "api-keys", operation_id = "api_keys_report_leaks",
    request_body = Vec<LeakedToken>,
    responses(
        (status = 202, description = "What was valid is so no longer"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many reports; see `Retry-After`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn report(
    State(people): State<People>,
    visitor: Visitor,
    Json(found): Json<Vec<LeakedToken>>,
) -> Result<StatusCode> {
    leaks::report(&people, &visitor, &found).await?;
    Ok(StatusCode::ACCEPTED)
}
