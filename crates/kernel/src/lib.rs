//! The kernel: what every slice stands on and nothing else knows how to do.
//!
//! Isolation (`access`, `permission`, `db`), durable work (`ingest`, `jobs`, `events`),
//! identifiers, errors, configuration, secrets and telemetry live here. Nothing here knows a
//! provider, a page or a route.

pub mod access;
pub mod actors;
pub mod audit;
pub mod bus;
pub mod client;
pub mod configuration;
pub mod db;
pub mod error;
pub mod events;
pub mod extract;
pub mod id;
pub mod ingest;
pub mod jobs;
pub mod lease;
pub mod network;
pub mod page;
pub mod permission;
pub mod postgres;
pub mod refusal;
pub mod routes;
pub mod secret;
pub mod suspension;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod usage;

pub use access::{Access, Operator};
pub use db::{Db, Tx};
pub use error::{Error, Result};
