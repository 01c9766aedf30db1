//! The isolation of tenants, tried from every side against a real Postgres.
//!
//! `catalogue` reads what the migrations made and holds every table to the rules. `tenants` runs
//! every kind of statement on every table as one tenant and looks for any trace of another. `roles`
//! tries what the other login roles can reach, `transactions` how transactions end and share
//! connections, and `migrations` the way down and up again. Each check is a function that returns
//! what it found, so that beside the test on the real schema stands one that breaks the schema and
//! expects to be told (`mistakes` for the catalogue). `people` holds the control database to the same.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(
    clippy::disallowed_methods,
    reason = "these tests stand where only the program's own roads may lead"
)]

mod catalogue;
mod grants;
mod migrations;
mod mistakes;
mod people;
mod roles;
mod rows;
mod schema;
mod sources;
mod statement;
mod tenants;
mod transactions;
mod worlds;
