//! The HTTP server: every route of every slice under one router, with what all requests share.

mod docs;
mod health;
mod layers;

use axum::{Extension, Router, extract::FromRef, http::Uri, middleware, routing::get};
use connect::Connect;
use identity::{oidc::Oidc, people::People, tokens::Tokens};
use kernel::{
    Db,
    access::{OperatorToken, Web},
    client::{self, TrustedProxies},
};
use metrics_exporter_prometheus::PrometheusHandle;
use time::OffsetDateTime;
use tower_http::catch_panic::CatchPanicLayer;
use ui::Page;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use health::Readiness;

use crate::{console, program::Program};

/// What handlers can ask for.
#[derive(Clone, Debug)]
pub struct AppState {
    db: Db,
    connect: Connect,
    people: People,
    oidc: Oidc,
    tokens: Tokens,
    web: Web,
    operator_token: OperatorToken,
    proxies: TrustedProxies,
    readiness: Readiness,
    metrics: PrometheusHandle,
}

impl AppState {
    /// # Errors
    /// When the public URL is none.
    pub fn new(
        program: &Program,
        readiness: Readiness,
        metrics: PrometheusHandle,
    ) -> kernel::Result<Self> {
        Ok(Self {
            db: program.db.clone(),
            connect: program.connect.clone(),
            people: program.people.clone(),
            oidc: program.oidc.clone(),
            tokens: program.tokens.clone(),
            web: program.web()?,
            operator_token: program.token(),
            proxies: program.config.proxies.clone(),
            readiness,
            metrics,
        })
    }
}

impl AppState {
    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    /// How browsers reach this server.
    pub(crate) fn web(&self) -> &Web {
        &self.web
    }
}

impl FromRef<AppState> for Db {
    fn from_ref(state: &AppState) -> Self {
        state.db.clone()
    }
}

impl FromRef<AppState> for Connect {
    fn from_ref(state: &AppState) -> Self {
        state.connect.clone()
    }
}

impl FromRef<AppState> for People {
    fn from_ref(state: &AppState) -> Self {
        state.people.clone()
    }
}

impl FromRef<AppState> for Oidc {
    fn from_ref(state: &AppState) -> Self {
        state.oidc.clone()
    }
}

impl FromRef<AppState> for Tokens {
    fn from_ref(state: &AppState) -> Self {
        state.tokens.clone()
    }
}

impl FromRef<AppState> for OperatorToken {
    fn from_ref(state: &AppState) -> Self {
        state.operator_token.clone()
    }
}

/// The documented API: every route here is in the OpenAPI document, because being routed and being
/// described is one act.
fn api() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(docs::document())
        .merge(identity::tenant_routes())
        .merge(identity::operator_routes())
        .merge(connect::credentials::routes())
        .merge(connect::own_key::routes())
        .merge(connect::oauth::routes())
        .merge(connect::integrations::routes())
        .merge(connect::integrations::staff::routes())
        .merge(connect::proxy::routes())
        .merge(converse::routes())
        .merge(assist::routes())
        .merge(audit::routes())
        .merge(kernel::jobs::api::routes())
}

/// What people see: pages, and what pages are made of.
fn pages() -> Router<AppState> {
    Router::new()
        .route("/ui", get(gallery))
        .merge(identity::staff_pages())
        .merge(identity::people::pages::pages())
        .merge(ui::assets::routes())
        .merge(identity::oidc::pages())
        .merge(console::overview::pages())
        .merge(identity::tenant_pages())
        .merge(connect::credentials::pages::pages())
        .merge(connect::own_key::pages::pages())
        .merge(connect::oauth::pages::pages())
        .merge(connect::integrations::pages())
        .merge(connect::integrations::staff::pages())
        .merge(converse::pages())
        .merge(audit::pages::pages())
}

/// Every component of the consoles in every state.
async fn gallery(uri: Uri) -> Page {
    let query = ui::Query::new("/ui", uri.query().unwrap_or_default());
    ui::gallery::page(&query, OffsetDateTime::now_utc())
}

/// The OpenAPI document of the whole API.
pub fn openapi() -> OpenApi {
    let mut document = api().into_openapi();
    docs::complete(&mut document);
    document
}

/// The paths outside the documented API, for the sweep that checks that strangers get no further.
pub const UNDOCUMENTED: &[&str] = &[
    "/.well-known/jwks.json",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs/api",
    "/hooks/{tenant}/{provider}",
    "/hooks/{provider}",
    "/sign-in/oidc/callback",
    "/sign-in/oidc/{provider}",
    "/sign-in/oidc/{tenant}/{provider}",
    "/admin",
    "/oauth/callback",
    "/oauth/connected",
    "/connect",
    "/app/{tenant}/impersonations",
    "/ui",
    "/app",
    "/assets/{version}/{name}",
    "/app",
    "/account",
    "/forgot",
    "/invitation",
    "/reset",
    "/sign-in",
    "/sign-out",
    "/sign-up",
    "/verify",
];

pub fn router(state: AppState) -> Router {
    let (api, mut document) = api().split_for_parts();
    docs::complete(&mut document);
    api.layer(axum::extract::DefaultBodyLimit::max(
        kernel::extract::BODY_LIMIT,
    ))
    .merge(connect::inbound::routes())
    .merge(identity::tokens::api::well_known())
    .merge(health::routes())
    .merge(docs::routes(document))
    .merge(pages().layer(axum::extract::DefaultBodyLimit::max(
        kernel::extract::FORM_LIMIT,
    )))
    .fallback(layers::not_found)
    .method_not_allowed_fallback(layers::method_not_allowed)
    .layer(CatchPanicLayer::custom(layers::panicked))
    .layer(middleware::from_fn_with_state(
        state.clone(),
        console::frame,
    ))
    .layer(Extension(state.web.clone()))
    .layer(middleware::from_fn_with_state(
        state.clone(),
        layers::headers,
    ))
    .layer(middleware::from_fn(layers::correlate))
    .layer(middleware::from_fn_with_state(
        state.proxies.clone(),
        client::know,
    ))
    .with_state(state)
}
