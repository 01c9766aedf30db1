//! The routes: one per method, because each is an operation of its own in the API's document.

use axum::{
    extract::{FromRef, Request, State},
    middleware,
    response::Response,
};
use kernel::{Access, Db, Result, error::Problem, permission::ProxyUse};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::key;
use crate::Connect;

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    Connect: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(get, post, put, patch, delete))
        .layer(middleware::from_fn(key::around))
}

macro_rules! operations {
    ($($method:ident $id:literal)*) => {$(
        /// Calls a provider's API with the tenant's credential: the path below the provider's base
        /// URL, query, headers and body as for the provider, and an API key or token of this API in
        /// the place of the provider's. The answer is the provider's, unless it has the header
        /// `freehold-error`. See docs/proxy.md.
        #[utoipa::path($method, path = "/v1/proxy/{provider}/{*path}", operation_id = $id, tag = "proxy",
            params(
                ("provider" = String, Path, description = "The provider's id in the catalogue", example = "openai"),
                ("path" = String, Path, description = "The path below the provider's base URL", example = "models"),
                ("freehold-credential" = Option<String>, Header,
                    description = "The id of the credential to use; the default one of the environment if absent"),
                ("freehold-environment" = Option<String>, Header, example = "test",
                    description = "`live` or `test`: of which environment to use the default credential; `live` if absent. None of the other is taken instead"),
            ),
            security(("api_key" = [])), responses(
            (status = 200, description = "The provider's answer, as it is"),
            (status = "default", description = "The provider's answer under any other status, as it is"),
            (status = 401, description = "No valid key; or the provider's own, without `freehold-error`"),
            (status = 403, description = "`proxy:use` is missing; or the provider's own"),
            (status = 404, description = "No such provider or credential; or the provider's own"),
            (status = 409, description = "`credential_missing`; or the provider's own"),
            (status = 422, description = "The path or a header is not passed on, or `address_refused`; or the provider's own"),
            (status = 429, description = "The provider has asked to wait; or the provider's own"),
            (status = 502, description = "The provider can't be reached", body = Problem,
                content_type = "application/problem+json")))]
        async fn $method(
            access: Access<ProxyUse>,
            State(connect): State<Connect>,
            request: Request,
        ) -> Result<Response> {
            connect.forward(&access, request).await
        }
    )*};
}

operations! {
    get "proxy_get"
    post "proxy_post"
    put "proxy_put"
    patch "proxy_patch"
    delete "proxy_delete"
}
