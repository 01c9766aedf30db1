//! `/v1/config`.

use axum::extract::FromRef;
use kernel::{
    Access, Db, Result,
    configuration::{Configuration, Version},
    error::Problem,
    extract::{Json, Query},
    page::{Page, PageQuery},
    permission::{SettingsRead, SettingsWrite},
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(get, replace))
        .routes(routes!(history))
}

/// What is to hold, and what the caller has seen.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Replacement {
    /// The version that this replaces.
    version: i64,
    /// The whole document: what is left out of it gets its default.
    configuration: Configuration,
}

/// The configuration that holds.
#[utoipa::path(
    get, path = "/v1/config", tag = "configuration", operation_id = "config_get",
    responses(
        (status = 200, description = "The configuration", body = Version),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `settings:read` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn get(access: Access<SettingsRead>) -> Result<Json<Version>> {
    Ok(Json(super::get(&access).await?))
}

/// Replace the configuration. One that changes nothing makes no new version.
#[utoipa::path(
    put, path = "/v1/config", tag = "configuration", operation_id = "config_replace",
    request_body = Replacement,
    responses(
        (status = 200, description = "The configuration that holds now", body = Version),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `settings:write` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`changed_meanwhile`: another version holds", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Values that do not fit, each named", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn replace(
    access: Access<SettingsWrite>,
    Json(new): Json<Replacement>,
) -> Result<Json<Version>> {
    let version = super::replace(&access, new.version, &new.configuration).await?;
    Ok(Json(version))
}

/// The stored versions, newest first.
#[utoipa::path(
    get, path = "/v1/config/history", tag = "configuration", operation_id = "config_history",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of versions", body = Page<Version>),
        (status = 401, description = "No valid key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `settings:read` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn history(
    access: Access<SettingsRead>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Version>>> {
    let past = super::history(&access, &query).await?;
    Ok(Json(past.map(|past| past.version)))
}
