//! `/v1/credentials/{credential}/versions` and `…/previous`.

use axum::extract::State;
use kernel::{
    Access, Result,
    error::Problem,
    extract::{Json, Path, Query},
    id::CredentialId,
    page::{Page, PageQuery},
    permission::{CredentialsRead, CredentialsWrite},
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    Connect,
    credentials::{
        model::{CredentialView, DEFAULT_GRACE, VersionView},
        versions,
    },
};

/// The newest versions of a credential, ten at most: who made each, when, and which fields changed.
#[utoipa::path(get, path = "/v1/credentials/{credential}/versions", operation_id = "credential_versions_list", tag = "credentials",
    params(("credential" = String, Path), PageQuery), security(("api_key" = [])), responses(
    (status = 200, body = Page<VersionView>),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    access: Access<CredentialsRead>,
    Path(id): Path<CredentialId>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<VersionView>>> {
    let (limit, after) = (page.limit()?, page.after::<i64>()?);
    let rows = versions::versions(&access, id).await?.into_iter();
    let rows = rows
        .filter(|version| after.is_none_or(|after| version.version < after))
        .collect();
    Ok(Json(Page::cut(rows, limit, |version: &VersionView| {
        version.version
    })?))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CredentialRestore)]
pub(super) struct Restore {
    /// For how long, in seconds, webhooks signed with the secrets of now are still accepted; a day
    /// if absent.
    grace_seconds: Option<u32>,
}

/// Makes a new version with the values of an earlier one, as a rotation to them. It is tested as any
/// change is.
#[utoipa::path(post, path = "/v1/credentials/{credential}/versions/{version}/restore", operation_id = "credential_versions_restore",
    tag = "credentials", request_body = Restore,
    params(("credential" = String, Path), ("version" = i64, Path)), security(("api_key" = [])), responses(
    (status = 200, body = CredentialView),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "`changed_meanwhile`, `keys_erased`, or `identifier_taken` by another tenant",
        body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "Among others: the version has the values that are in use",
        body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn restore(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path((id, version)): Path<(CredentialId, i64)>,
    Json(restore): Json<Restore>,
) -> Result<Json<CredentialView>> {
    let grace = restore.grace_seconds.unwrap_or(DEFAULT_GRACE);
    let restored = connect.restore_credential(&access, id, version, grace);
    restored.await.map(Json)
}

/// Ends the grace of replaced secrets now: webhooks signed with them are refused from then on.
#[utoipa::path(delete, path = "/v1/credentials/{credential}/previous", operation_id = "credential_previous_delete", tag = "credentials",
    params(("credential" = String, Path)), security(("api_key" = [])), responses(
    (status = 200, body = CredentialView),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn end_grace(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path(id): Path<CredentialId>,
) -> Result<Json<CredentialView>> {
    connect.end_grace(&access, id).await.map(Json)
}
