//! This crate against a real database: each test has tenants of its own in it.

mod api;
mod harness;
mod inbound;
mod outbound;
mod providers;
