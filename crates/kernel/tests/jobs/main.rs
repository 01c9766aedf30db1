//! The job queue against a real Postgres: what tenants, nodes and operators can rely on.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod api;
mod enqueue;
mod fairness;
mod history;
mod leases;
mod order;
mod outcomes;
mod schedules;
mod world;
