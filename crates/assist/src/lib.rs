//! Agents: how each tenant's are configured, and how they answer the contacts who write to it.
//!
//! This crate knows conversations only as rows. Assist and converse do not depend on each other:
//! they meet through the events of `kernel::events` and through the tables of a cell. Assist reads
//! `cell.message`, and in `cell.job` which of its own jobs wait, with queries of its own; it writes
//! neither. A model is reached with the tenant's own credential, through `connect` alone.

pub mod agents;
mod completion;
pub mod reply;
#[cfg(test)]
mod testing;

use axum::extract::FromRef;
use connect::Connect;
use kernel::{Db, jobs::Registry};
use utoipa_axum::router::OpenApiRouter;

/// Registers the jobs of this crate.
pub fn register(registry: &mut Registry, connect: &Connect) {
    reply::register(registry, connect);
}

/// The API of this crate.
pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    agents::routes()
}
