//! `/v1/api-keys`.

use axum::{
    extract::FromRef,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use kernel::{
    Access, Db, Result,
    error::Problem,
    extract::{Json, Path, Query},
    id::ApiKeyId,
    page::{Page, PageQuery},
    permission::{ApiKeysRead, ApiKeysWrite},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiKeyView, IssuedApiKey, NewApiKey};

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(revoke))
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
    let mut response = (StatusCode::CREATED, Json(issued)).into_response();
    // The answer holds a secret: nothing on its way may keep it.
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
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
