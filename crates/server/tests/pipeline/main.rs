//! The main job over HTTP: a provider's webhook in, the tenant's reply out, and everything that
//! must not happen in between.

#[path = "../common/mod.rs"]
mod common;

mod batches;
mod catalogue;
mod channels;
mod duplicates;
mod erased;
mod handshakes;
mod isolation;
mod refusals;
mod rotation;
