//! Signing in by identity providers, on a running node and against the sandbox's.

#[path = "../common/mod.rs"]
mod common;

mod browser;
mod linking;
mod platform;
mod refusals;
mod second_factors;
mod tenants;
