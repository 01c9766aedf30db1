//! `/v1/credentials`. Versions are in `versions`, imports in `import`; `setup` has what belongs to
//! no credential: `/v1/providers`, `/v1/webhook-endpoints`.

mod import;
mod setup;
mod versions;

use axum::{
    extract::{FromRef, State},
    http::StatusCode,
};
use kernel::{
    Access, Db, Error, Result,
    error::Problem,
    extract::{Json, Path, Query},
    id::CredentialId,
    page::{Page, PageQuery},
    permission::{CredentialsRead, CredentialsWrite},
};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    model::{self, Change, CredentialView, Environment, NewCredential},
    read,
};
use crate::{Connect, verify::Verification};

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    Connect: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, change, delete))
        .routes(routes!(verify))
        .routes(routes!(import::run))
        .routes(routes!(versions::list))
        .routes(routes!(versions::restore))
        .routes(routes!(versions::end_grace))
        .routes(routes!(setup::providers))
        .routes(routes!(setup::endpoints))
        .routes(routes!(setup::set_endpoint))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only credentials of this provider.
    provider: Option<String>,
    /// Only those for live use, or only those for tests.
    environment: Option<Environment>,
    /// Only those whose end is known and comes within so many days, or has come.
    #[param(maximum = 3650)]
    expiring_within_days: Option<u16>,
}

/// The furthest end that can be asked for, in days.
const FURTHEST: u16 = 3_650;

impl Filter {
    fn read(self) -> Result<model::Filter> {
        if self
            .expiring_within_days
            .is_some_and(|days| days > FURTHEST)
        {
            let message = format!("must be at most {FURTHEST}");
            return Err(Error::field("expiring_within_days", message));
        }
        let days = self.expiring_within_days.map(i64::from);
        Ok(model::Filter {
            provider: self.provider,
            environment: self.environment,
            expiring_before: days.map(|days| OffsetDateTime::now_utc() + Duration::days(days)),
        })
    }
}

/// The tenant's credentials, masked, oldest first.
#[utoipa::path(get, path = "/v1/credentials", operation_id = "credentials_list", tag = "credentials", params(Filter, PageQuery),
    security(("api_key" = [])), responses(
    (status = 200, body = Page<CredentialView>),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn list(
    access: Access<CredentialsRead>,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<CredentialView>>> {
    let limit = page.limit()?;
    let rows = read::list(&access, &filter.read()?, page.after()?, limit + 1).await?;
    Ok(Json(Page::cut(rows, limit, |credential| credential.id)?))
}

/// Connects an account: stores its values, secrets sealed with the tenant's key.
#[utoipa::path(post, path = "/v1/credentials", operation_id = "credentials_create", tag = "credentials", request_body = NewCredential,
    security(("api_key" = [])), responses(
    (status = 201, body = CredentialView),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "`name_taken`, or `identifier_taken` by another tenant",
        body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn create(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Json(new): Json<NewCredential>,
) -> Result<(StatusCode, Json<CredentialView>)> {
    let created = connect.create_credential(&access, new).await?;
    Ok((StatusCode::CREATED, Json(created)))
}

/// One credential, masked.
#[utoipa::path(get, path = "/v1/credentials/{credential}", operation_id = "credentials_get", tag = "credentials",
    params(("credential" = String, Path)), security(("api_key" = [])), responses(
    (status = 200, body = CredentialView),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn get(
    access: Access<CredentialsRead>,
    Path(id): Path<CredentialId>,
) -> Result<Json<CredentialView>> {
    read::get(&access, id).await.map(Json)
}

/// Changes a credential: its values, of which replaced secrets go on verifying webhooks for the grace
/// given; its name, environment, owner and end; or that it is the default one.
#[utoipa::path(patch, path = "/v1/credentials/{credential}", operation_id = "credentials_change", tag = "credentials", request_body = Change,
    params(("credential" = String, Path)), security(("api_key" = [])), responses(
    (status = 200, body = CredentialView),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "`changed_meanwhile`, `name_taken`, or `identifier_taken` by another tenant",
        body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn change(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path(id): Path<CredentialId>,
    Json(change): Json<Change>,
) -> Result<Json<CredentialView>> {
    connect
        .change_credential(&access, id, change)
        .await
        .map(Json)
}

/// Disconnects an account: its secrets are gone when this answers. What was granted by consent is
/// taken back at the provider first, if it can be told.
#[utoipa::path(delete, path = "/v1/credentials/{credential}", operation_id = "credentials_delete", tag = "credentials",
    params(("credential" = String, Path)), security(("api_key" = [])), responses(
    (status = 204),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn delete(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path(id): Path<CredentialId>,
) -> Result<StatusCode> {
    connect.disconnect(&access, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tests a credential at its provider, by a call that changes nothing there, and keeps what was
/// found. A refused credential is an answer, not an error.
#[utoipa::path(post, path = "/v1/credentials/{credential}/verify", operation_id = "credentials_verify", tag = "credentials",
    params(("credential" = String, Path)), security(("api_key" = [])), responses(
    (status = 200, body = Verification),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 429, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn verify(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path(id): Path<CredentialId>,
) -> Result<Json<Verification>> {
    connect.verify(&access, id).await.map(Json)
}
