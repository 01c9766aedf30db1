//! `/openapi.json`, and `/docs/api`, the page to explore it.

use axum::{
    Json, Router,
    extract::Request,
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::AppState;

/// What the document says apart from its routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Freehold",
        description = "The backbone of a SaaS product whose customers bring their own accounts.\n\n\
            `/v1` is a tenant's: send its API key as a bearer token. `/admin/v1` is the operator's: send \
            the operator token. Errors are `application/problem+json` with a stable `code`."
    ),
    modifiers(&Security)
)]
struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        for (name, description) in [
            ("api_key", "A tenant's API key."),
            (
                "operator_token",
                "The operator token: operator.token in the data folder.",
            ),
        ] {
            let scheme = HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some(description))
                .build();
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
    }
}

pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

pub fn routes(document: utoipa::openapi::OpenApi) -> Router<AppState> {
    // The browser is not to remember keys that are typed into the page.
    let config = Config::from("/openapi.json")
        .persist_authorization(false)
        .try_it_out_enabled(true);
    let page =
        Router::from(SwaggerUi::new("/docs/api").config(config)).layer(middleware::from_fn(policy));
    Router::new()
        .route("/openapi.json", get(async move || Json(document)))
        .merge(page)
}

/// The page runs its own scripts and styles, and calls this server alone.
async fn policy(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
             connect-src 'self'; font-src 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
    );
    response
}
