//! `/v1/credentials`, `/v1/providers`, `/v1/webhook-endpoints`.

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
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    model::{CredentialView, NewCredential, Rotation},
    store,
};
use crate::{Connect, catalogue::Provider, verify::Verification};

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    Connect: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, rotate, delete))
        .routes(routes!(verify))
        .routes(routes!(providers))
        .routes(routes!(endpoints))
        .routes(routes!(set_endpoint))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only credentials of this provider.
    provider: Option<String>,
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
    let rows = store::list(
        &access,
        filter.provider.as_deref(),
        page.after()?,
        limit + 1,
    )
    .await?;
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
    store::get(&access, id).await.map(Json)
}

/// Replaces values of a credential; replaced secrets go on verifying webhooks for the grace given.
#[utoipa::path(patch, path = "/v1/credentials/{credential}", operation_id = "credentials_rotate", tag = "credentials", request_body = Rotation,
    params(("credential" = String, Path)), security(("api_key" = [])), responses(
    (status = 200, body = CredentialView),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "`changed_meanwhile`, or `identifier_taken` by another tenant",
        body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn rotate(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path(id): Path<CredentialId>,
    Json(rotation): Json<Rotation>,
) -> Result<Json<CredentialView>> {
    connect
        .rotate_credential(&access, id, rotation)
        .await
        .map(Json)
}

/// Disconnects an account: its secrets are gone when this answers.
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
    connect.delete_credential(&access, id).await?;
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

/// A provider of the catalogue and what it asks a tenant for.
#[derive(Debug, Serialize, ToSchema)]
struct ProviderView {
    id: String,
    name: String,
    /// The provider's own documentation.
    docs: String,
    /// Whether it sends webhooks here.
    webhooks: bool,
    fields: Vec<FieldView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct FieldView {
    name: String,
    label: String,
    help: String,
    secret: bool,
    required: bool,
    /// A regular expression that covers the whole value.
    pattern: Option<String>,
    /// The only valid values; empty where any will do.
    choices: Vec<ChoiceView>,
    /// What a credential gets that is saved without a value.
    default: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ChoiceView {
    value: String,
    label: String,
}

impl ProviderView {
    fn of(provider: &Provider) -> Self {
        Self {
            id: provider.id.clone(),
            name: provider.name.clone(),
            docs: provider.docs.clone(),
            webhooks: provider.webhook.is_some(),
            fields: provider
                .credential
                .fields
                .iter()
                .map(|field| FieldView {
                    name: field.name.clone(),
                    label: field.label.clone(),
                    help: field.help.clone(),
                    secret: field.secret,
                    required: field.required,
                    pattern: field
                        .pattern
                        .as_ref()
                        .map(|pattern| pattern.as_str().to_owned()),
                    choices: field
                        .choices
                        .iter()
                        .map(|choice| ChoiceView {
                            value: choice.value.clone(),
                            label: choice.label.clone(),
                        })
                        .collect(),
                    default: field.default.clone(),
                })
                .collect(),
        }
    }
}

/// The catalogue: which providers can be connected, and what each asks for.
#[utoipa::path(get, path = "/v1/providers", operation_id = "providers_list", tag = "credentials", params(PageQuery),
    security(("api_key" = [])), responses(
    (status = 200, body = Page<ProviderView>),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn providers(
    _access: Access<CredentialsRead>,
    State(connect): State<Connect>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ProviderView>>> {
    let limit = page.limit()?;
    let after: Option<String> = page.after()?;
    let rows = connect
        .catalogue()
        .iter()
        .filter(|provider| {
            after
                .as_deref()
                .is_none_or(|after| provider.id.as_str() > after)
        })
        .take(usize::try_from(limit).map_err(Error::internal)? + 1)
        .map(ProviderView::of)
        .collect();
    Ok(Json(Page::cut(rows, limit, |provider| {
        provider.id.clone()
    })?))
}

/// Where a provider is to send this tenant's webhooks.
#[derive(Debug, Serialize, ToSchema)]
struct EndpointView {
    provider: String,
    enabled: bool,
    /// The URL to enter at the provider.
    url: String,
}

/// The tenant's inbound endpoints, with the URLs to enter at the providers.
#[utoipa::path(get, path = "/v1/webhook-endpoints", operation_id = "webhook_endpoints_list", tag = "credentials", params(PageQuery),
    security(("api_key" = [])), responses(
    (status = 200, body = Page<EndpointView>),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn endpoints(
    access: Access<CredentialsRead>,
    State(connect): State<Connect>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<EndpointView>>> {
    let limit = page.limit()?;
    let after: Option<String> = page.after()?;
    let mut tx = access.read().await?;
    let rows = sqlx::query!(
        "SELECT provider, enabled FROM cell.webhook_endpoint
         WHERE $1::text IS NULL OR provider > $1 ORDER BY provider LIMIT $2",
        after,
        limit + 1
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    let slug = &access.tenant().slug;
    let rows = rows
        .into_iter()
        .map(|row| EndpointView {
            url: connect.hook_url(slug, &row.provider),
            provider: row.provider,
            enabled: row.enabled,
        })
        .collect();
    Ok(Json(Page::cut(rows, limit, |endpoint| {
        endpoint.provider.clone()
    })?))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EndpointState {
    enabled: bool,
}

/// Opens or closes an inbound endpoint. A closed one answers like one that never existed.
#[utoipa::path(put, path = "/v1/webhook-endpoints/{provider}", operation_id = "webhook_endpoints_set", tag = "credentials",
    request_body = EndpointState, params(("provider" = String, Path)),
    security(("api_key" = [])), responses(
    (status = 204),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn set_endpoint(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path(provider): Path<String>,
    Json(state): Json<EndpointState>,
) -> Result<StatusCode> {
    connect
        .set_endpoint(&access, &provider, state.enabled)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
