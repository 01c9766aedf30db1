//! Who there is: tenants and their lifecycle, people and their membership, API keys, clients' tokens,
//! and what staff
//! see of the platform.
//!
//! Each slice offers its routes and, for the command line and the demo, the plain functions behind
//! them. Deciding whether a caller may do something is `kernel::access`' part; what a tenant owns
//! beyond its keys belongs to the other slices.

pub mod api_keys;
pub mod branding;
pub mod configuration;
mod console;
mod credential_notices;
pub mod figures;
pub mod impersonations;
mod input;
pub mod invitations;
pub mod keys;
pub mod mail;
pub mod members;
pub mod notes;
pub mod oidc;
pub mod operator_audit;
pub mod overview;
pub mod people;
pub mod quarantine;
pub mod queue;
pub mod roles;
mod sealed;
pub mod surroundings;
pub mod tenants;
#[cfg(test)]
mod testing;
pub mod tokens;
pub mod users;

use axum::{Router, extract::FromRef};
use kernel::{Db, access::OperatorToken, jobs::Registry};
use oidc::Oidc;
use people::People;
use tokens::Tokens;
use utoipa_axum::router::OpenApiRouter;

/// Registers the jobs of this crate.
pub fn register(registry: &mut Registry) {
    api_keys::leaks::register(registry);
    credential_notices::register(registry);
}

/// The tenants' part, `/v1/api-keys`, `/v1/members`, `/v1/invitations`, `/v1/roles`,
/// `/v1/identity-providers`, `/v1/config`, and people's
/// own, `/v1/auth`, `/v1/me`.
pub fn tenant_routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
    Oidc: FromRef<S>,
    Tokens: FromRef<S>,
{
    api_keys::routes()
        .merge(members::api::routes())
        .merge(invitations::api::routes())
        .merge(roles::api::routes())
        .merge(oidc::api::routes())
        .merge(configuration::api::routes())
        .merge(impersonations::api::routes())
        .merge(people::api::routes())
        .merge(tokens::api::routes())
}

/// The tenants' console: team, roles, settings and branding.
pub fn tenant_pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
    oidc::Oidc: FromRef<S>,
{
    api_keys::pages::pages()
        .merge(members::pages::pages())
        .merge(invitations::pages::pages())
        .merge(roles::pages::pages())
        .merge(oidc::tenant_pages())
        .merge(configuration::pages::pages())
        .merge(branding::pages::pages())
}

/// The operators' part: everything of this crate below `/admin/v1`.
pub fn operator_routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    OperatorToken: FromRef<S>,
    People: FromRef<S>,
{
    tenants::routes()
        .merge(notes::api::routes())
        .merge(users::api::routes())
        .merge(quarantine::routes())
        .merge(operator_audit::routes())
}

/// The operator console, `/admin`, and the tenants' record of impersonations.
pub fn staff_pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    OperatorToken: FromRef<S>,
    People: FromRef<S>,
{
    overview::pages::pages()
        .merge(tenants::pages::pages())
        .merge(notes::pages::pages())
        .merge(impersonations::pages::pages())
        .merge(users::pages::pages())
        .merge(operator_audit::pages::pages())
        .merge(queue::pages::pages())
        .merge(quarantine::pages::pages())
}
