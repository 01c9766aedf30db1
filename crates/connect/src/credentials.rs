//! Credentials: what a tenant enters to connect its own account at a provider. Secrets are sealed
//! on the way in and never come out again; lists show their last four characters.
//!
//! Shapes are in `model`. `store` adds and removes, `change` changes, `versions` goes back, all of
//! them through `values`, which writes a version, and `defaults`, which keeps one default of each
//! provider and environment; `identifiers` keeps the provider's ids in step. `read` reads, `expiry` looks
//! out for ends, `import` takes many at once. docs/credentials.md tells it to those who use it.

mod api;
mod change;
pub(crate) mod defaults;
pub(crate) mod expiry;
pub(crate) mod identifiers;
pub mod import;
mod model;
pub mod pages;
mod read;
pub mod state;
mod store;
#[cfg(test)]
mod tests;
pub(crate) mod values;
mod versions;

pub use api::routes;
pub use model::{
    Change, CredentialView, Environment, Filter, LastUse, NewCredential, Rotation, SecretView,
    VersionReason, VersionView,
};
pub use read::list;
