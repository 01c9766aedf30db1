//! Tenants: their lifecycle `provisioning → active → suspended → closed`, name, plan and share of
//! the queue. Staff alone may see or change them: the operator API, the command line and the demo
//! stand on the functions of this module.
//!
//! A tenant stands in two databases that share no transaction: the control database says that it
//! exists and in which state, its cell admits its transactions and runs its jobs. **Control says,
//! the cell follows**: every change is made in the control database first and then carried to the
//! cell by a step that can be repeated. What breaks off in between is visible (the status, the
//! audit log) and is finished by making the same request again. See [`provision`] and
//! [`lifecycle`] for what each break leaves behind.

mod api;
mod detail;
mod lifecycle;
mod model;
pub mod pages;
mod provision;
mod query;
mod slug;
#[cfg(test)]
mod tests;

pub use api::routes;
pub use detail::{TenantDetail, detail};
pub use lifecycle::{activate, close, suspend, update};
pub use model::{NewTenant, TenantChanges, TenantOrder, TenantQuery, TenantView};
pub use provision::create;
pub(crate) use query::locate;
pub use query::{get, list};
pub(crate) use slug::check as check_slug;
