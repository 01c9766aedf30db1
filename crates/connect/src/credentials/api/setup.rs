//! `/v1/providers` and `/v1/webhook-endpoints`: what can be connected, and where providers are to
//! send webhooks.

use axum::{extract::State, http::StatusCode};
use kernel::{
    Access, Error, Result,
    error::Problem,
    extract::{Json, Path, Query},
    page::{Page, PageQuery},
    permission::{CredentialsRead, CredentialsWrite},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Connect, catalogue::Provider};

/// A provider of the catalogue and what it asks a tenant for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProviderView {
    id: String,
    name: String,
    /// The provider's own documentation.
    docs: String,
    /// Whether it sends webhooks here.
    webhooks: bool,
    fields: Vec<FieldView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FieldView {
    name: String,
    label: String,
    help: String,
    secret: bool,
    required: bool,
    /// The names that it usually has among a program's environment variables.
    env: Vec<String>,
    /// A regular expression that covers the whole value.
    pattern: Option<String>,
    /// The only valid values; empty where any will do.
    choices: Vec<ChoiceView>,
    /// What a credential gets that is saved without a value.
    default: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChoiceView {
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
                    env: field.env.clone(),
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
pub(super) async fn providers(
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
pub(super) struct EndpointView {
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
pub(super) async fn endpoints(
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
pub(super) struct EndpointState {
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
pub(super) async fn set_endpoint(
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
