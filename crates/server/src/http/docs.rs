//! `/openapi.json`, and `/docs/api`, the page to explore it.

use axum::{
    Router,
    body::Bytes,
    extract::Request,
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, Ref, ResponseBuilder,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::AppState;

/// What the document says apart from its routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Freehold",
        description = "The backbone of a SaaS product whose customers bring their own accounts.\n\n\
            `/v1` is a tenant's: send its API key, or the access token of a person who belongs to it, as a bearer token. `/admin/v1` is the operator's: send \
            the operator token. `/v1/me` is a person's own: sign in, and send the session's cookie. Errors are `application/problem+json` with a stable `code`."
    ),
    modifiers(&Security)
)]
struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        for (name, description) in [
            (
                "api_key",
                "A tenant's API key, or an access token of `/v1/auth/token`.",
            ),
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
        // The name that it has on https; without TLS, as in the demo, the prefix is left out.
        let cookie = ApiKeyValue::with_description(
            "__Host-freehold_session",
            "The session of somebody who has signed in.",
        );
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// What any operation may answer besides what it documents itself: said here once.
pub fn complete(document: &mut utoipa::openapi::OpenApi) {
    // The document has one way of writing parameters, and none for those that hold slashes.
    let paths = std::mem::take(&mut document.paths.paths);
    let paths = paths.into_iter();
    document.paths.paths = paths
        .map(|(path, item)| (path.replace("{*", "{"), item))
        .collect();
    for item in document.paths.paths.values_mut() {
        let methods = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.patch,
        ];
        for operation in methods.into_iter().flatten() {
            let body = operation.request_body.is_some();
            let common = [
                (true, "401", "No valid key or token"),
                (
                    true,
                    "403",
                    "A permission is missing, or the tenant is not active",
                ),
                (body, "413", "The body is too large"),
                (body, "415", "The body is not `application/json`"),
                (true, "422", "The input does not fit"),
                (
                    true,
                    "500",
                    "A fault of ours, logged under the correlation id",
                ),
                (
                    true,
                    "503",
                    "The database does not answer, or the tenant is being moved",
                ),
            ];
            for (_, status, description) in common.into_iter().filter(|(applies, ..)| *applies) {
                operation
                    .responses
                    .responses
                    .entry(status.to_owned())
                    .or_insert_with(|| problem(description).into());
            }
        }
    }
}

fn problem(description: &str) -> utoipa::openapi::Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build()
}

pub fn routes(document: utoipa::openapi::OpenApi) -> Router<AppState> {
    // The browser is not to remember keys that are typed into the page.
    let config = Config::from("/openapi.json")
        .persist_authorization(false)
        .try_it_out_enabled(true);
    let page =
        Router::from(SwaggerUi::new("/docs/api").config(config)).layer(middleware::from_fn(policy));
    // As text, because a handler is copied with each connection and the document is large.
    let text = serde_json::to_vec(&document).expect("the document's keys are all text");
    let text = Bytes::from(text);
    let answer = async move || ([(header::CONTENT_TYPE, "application/json")], text).into_response();
    Router::new()
        .route("/openapi.json", get(answer))
        .merge(page)
}

/// The page runs its own scripts and styles, and calls this server alone.
async fn policy(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
             connect-src 'self'; font-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
        ),
    );
    response
}
