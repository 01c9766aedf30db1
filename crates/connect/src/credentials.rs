//! Credentials: what a tenant enters to connect its own account at a provider. Secrets are sealed
//! on the way in and never come out again; lists show their last four characters.

mod api;
mod model;
pub mod pages;
pub mod state;
pub(crate) mod store;

pub use api::routes;
pub use model::{CredentialView, NewCredential, Rotation, SecretView};
pub use store::list;
