//! `/v1/integrations`.

use axum::extract::{FromRef, State};
use kernel::{
    Access, Db, Error, Result,
    error::Problem,
    extract::{Json, Path, Query},
    page::{Page, PageQuery},
    permission::CredentialsRead,
};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Connected, Health, Integration, Next,
    guide::SetupView,
    read::{all, one},
};
use crate::{Connect, catalogue::Category};

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    Connect: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
}

/// A provider, and how the tenant's accounts there do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Integration)]
struct IntegrationView {
    /// The provider's id in the catalogue.
    provider: String,
    name: String,
    category: Category,
    /// The provider's own documentation.
    docs: String,
    /// Whether an account can be connected by the provider's consent page.
    consent: bool,
    /// That of the credential which does worst; `null` where none is connected.
    health: Option<Health>,
    next: Next,
    /// What to do about the credential which does worst.
    advice: Option<String>,
    /// The connected accounts, oldest first; at most 50 of them.
    credentials: Vec<Connected>,
    /// How many are connected.
    credentials_total: i64,
    /// Absent where the provider sends none.
    webhooks: Option<WebhooksView>,
    /// When it was last called.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<OffsetDateTime>,
}

/// What comes in from the provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IntegrationWebhooks)]
struct WebhooksView {
    /// The URL to enter at the provider.
    url: String,
    /// Whether they are let in.
    enabled: bool,
    /// When the latest one came that proved to be genuine.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_received_at: Option<OffsetDateTime>,
}

impl IntegrationView {
    fn of(connect: &Connect, slug: &str, integration: Integration<'_>) -> Self {
        let provider = integration.provider;
        let inbound = integration.inbound;
        Self {
            provider: provider.id.clone(),
            name: provider.name.clone(),
            category: provider.category,
            docs: provider.docs.clone(),
            consent: provider.oauth.is_some(),
            health: integration.health(),
            next: integration.next(),
            advice: integration.worst().and_then(|worst| worst.advice.clone()),
            webhooks: provider.webhook.as_ref().map(|_| WebhooksView {
                url: connect.hook_url(slug, &provider.id),
                enabled: inbound.is_open == Some(true),
                last_received_at: inbound.last_received_at,
            }),
            last_used_at: integration.last_used_at(),
            credentials_total: integration.total,
            credentials: integration.credentials,
        }
    }
}

/// Every provider of the catalogue with what is connected of it, how that does, and what to do next.
#[utoipa::path(get, path = "/v1/integrations", operation_id = "integrations_list", tag = "integrations", params(PageQuery),
    security(("api_key" = [])), responses(
    (status = 200, body = Page<IntegrationView>),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn list(
    access: Access<CredentialsRead>,
    State(connect): State<Connect>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<IntegrationView>>> {
    let limit = page.limit()?;
    let after: Option<String> = page.after()?;
    let slug = &access.tenant().slug;
    let found = all(&access, connect.catalogue()).await?;
    let rows = found
        .into_iter()
        .filter(|i| after.as_ref().is_none_or(|after| i.provider.id > *after))
        .take(usize::try_from(limit).map_err(Error::internal)? + 1)
        .map(|integration| IntegrationView::of(&connect, slug, integration))
        .collect();
    Ok(Json(Page::cut(rows, limit, |row: &IntegrationView| {
        row.provider.clone()
    })?))
}

/// A provider with what to do there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IntegrationGuide)]
struct GuideView {
    #[serde(flatten)]
    integration: IntegrationView,
    /// `null` where nobody has written it down.
    setup: Option<SetupView>,
}

/// One provider of the catalogue, with the steps of its set-up: where to click there, which URL to
/// enter, and which field each value is for.
#[utoipa::path(get, path = "/v1/integrations/{provider}", operation_id = "integrations_get", tag = "integrations",
    params(("provider" = String, Path, description = "The provider's id in the catalogue")),
    security(("api_key" = [])), responses(
    (status = 200, body = GuideView),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
async fn get(
    access: Access<CredentialsRead>,
    State(connect): State<Connect>,
    Path(provider): Path<String>,
) -> Result<Json<GuideView>> {
    let provider = connect.catalogue().get(&provider);
    let provider = provider.ok_or(Error::NotFound("provider"))?;
    let integration = one(&access, provider).await?;
    let slug = &access.tenant().slug;
    let setup = provider.setup.as_ref();
    Ok(Json(GuideView {
        setup: setup.map(|setup| SetupView::of(&connect, slug, provider, setup)),
        integration: IntegrationView::of(&connect, slug, integration),
    }))
}
