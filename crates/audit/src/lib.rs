//! What is made of the audit logs: checkpoints that others can hold the logs to, delivery to
//! places outside, exports, and their verification without a database.
//!
//! Entries are written and chained by `kernel::audit`. Here nothing writes one.

pub mod api;
pub mod destination;
pub mod key;
pub mod note;
pub mod pages;
pub mod upkeep;
pub mod verify;

pub use api::routes;
