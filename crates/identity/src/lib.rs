//! Who there is: tenants and their lifecycle, people and their membership, API keys, and what staff
//! see of the platform.
//!
//! Each slice offers its routes and, for the command line and the demo, the plain functions behind
//! them. Deciding whether a caller may do something is `kernel::access`' part; what a tenant owns
//! beyond its keys belongs to the other slices.

pub mod api_keys;
mod input;
pub mod invitations;
pub mod mail;
pub mod members;
pub mod operator_audit;
pub mod people;
pub mod quarantine;
pub mod roles;
pub mod surroundings;
pub mod tenants;
#[cfg(test)]
mod testing;
pub mod users;

use axum::extract::FromRef;
use kernel::{Db, access::OperatorToken};
use people::People;
use utoipa_axum::router::OpenApiRouter;

/// The tenants' part, `/v1/api-keys`, `/v1/members`, `/v1/invitations`, `/v1/roles`, and people's
/// own, `/v1/auth`, `/v1/me`.
pub fn tenant_routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
{
    api_keys::routes()
        .merge(members::api::routes())
        .merge(invitations::api::routes())
        .merge(roles::api::routes())
        .merge(people::api::routes())
}

/// The operators' part: everything of this crate below `/admin/v1`.
pub fn operator_routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    OperatorToken: FromRef<S>,
{
    tenants::routes()
        .merge(users::api::routes())
        .merge(quarantine::routes())
        .merge(operator_audit::routes())
}
