//! The keys of a whole installation: rotated, destroyed, and held by somebody who goes away.

#[path = "../../../vault/tests/providers/bao.rs"]
mod bao;
#[path = "../common/mod.rs"]
mod common;
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "the vault's own tests use all of it"
)]
#[path = "../../../vault/tests/providers/support.rs"]
mod support;

mod outage;
mod rotation;
