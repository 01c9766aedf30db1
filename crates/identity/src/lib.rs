//! Who there is: tenants and their lifecycle, API keys, and what staff see of the platform.
//!
//! Each slice offers its routes and, for the command line and the demo, the plain functions behind
//! them. Deciding whether a caller may do something is `kernel::access`' part; what a tenant owns
//! beyond its keys belongs to the other slices.

pub mod api_keys;
mod input;
pub mod operator_audit;
pub mod quarantine;
pub mod tenants;
#[cfg(test)]
mod testing;

use axum::extract::FromRef;
use kernel::{Db, access::OperatorToken};
use utoipa_axum::router::OpenApiRouter;

/// The tenants' part: `/v1/api-keys`.
pub fn tenant_routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    api_keys::routes()
}

/// The operators' part: everything of this crate below `/admin/v1`.
pub fn operator_routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    OperatorToken: FromRef<S>,
{
    tenants::routes()
        .merge(quarantine::routes())
        .merge(operator_audit::routes())
}
