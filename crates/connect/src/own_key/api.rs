//! `/v1/encryption-key`.

use axum::{
    extract::{FromRef, State},
    http::StatusCode,
};
use kernel::{
    Access, Db, Result,
    error::Problem,
    extract::Json,
    permission::{EncryptionKeyRead, EncryptionKeyWrite},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{EncryptionKeyView, NewEncryptionKey, change};
use crate::Connect;

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    Connect: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(get, set, remove))
        .routes(routes!(verify))
}

/// Which key-encryption key wraps the account's data keys: the installation's, or one of its own.
#[utoipa::path(get, path = "/v1/encryption-key", operation_id = "encryption_key_get", tag = "encryption key",
    security(("api_key" = [])), responses(
    (status = 200, body = EncryptionKeyView),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn get(access: Access<EncryptionKeyRead>) -> Result<Json<EncryptionKeyView>> {
    change::view(&access).await.map(Json)
}

/// Puts the account's data keys under a key of its own, or under another one. The key is tried out
/// first; then everything is moved at once, or nothing.
#[utoipa::path(put, path = "/v1/encryption-key", operation_id = "encryption_key_set", tag = "encryption key",
    request_body = NewEncryptionKey, security(("api_key" = [])), responses(
    (status = 200, body = EncryptionKeyView),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "`changed_meanwhile`",
        body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`invalid_request` where the key can't be used, or `address_refused`",
        body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`tenant_key_unavailable` or `tenant_key_withdrawn` of the key that there is now",
        body = Problem, content_type = "application/problem+json")))]
async fn set(
    access: Access<EncryptionKeyWrite>,
    State(connect): State<Connect>,
    Json(new): Json<NewEncryptionKey>,
) -> Result<Json<EncryptionKeyView>> {
    connect.set_encryption_key(&access, new).await.map(Json)
}

/// Puts the account's data keys back under the installation's key. The own key has to give them out
/// for that.
#[utoipa::path(delete, path = "/v1/encryption-key", operation_id = "encryption_key_remove", tag = "encryption key",
    security(("api_key" = [])), responses(
    (status = 204),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "`changed_meanwhile`",
        body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`tenant_key_unavailable` or `tenant_key_withdrawn`",
        body = Problem, content_type = "application/problem+json")))]
async fn remove(
    access: Access<EncryptionKeyWrite>,
    State(connect): State<Connect>,
) -> Result<StatusCode> {
    connect.remove_encryption_key(&access).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks the provider now whether the account's own key can be used, and keeps what was found. A key
/// that can't be used is an answer, not an error; where it was withdrawn, nothing goes on by what is
/// in memory.
#[utoipa::path(post, path = "/v1/encryption-key/verify", operation_id = "encryption_key_verify", tag = "encryption key",
    security(("api_key" = [])), responses(
    (status = 200, body = EncryptionKeyView),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn verify(
    access: Access<EncryptionKeyWrite>,
    State(connect): State<Connect>,
) -> Result<Json<EncryptionKeyView>> {
    connect.verify_encryption_key(&access).await.map(Json)
}
