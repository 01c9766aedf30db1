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
