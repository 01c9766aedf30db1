//! The proxy, between clients and providers: what each sees of the other, and what neither does.

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod answers;
mod limits;
mod provider;
mod records;
mod refusals;
mod requests;
mod sdks;
mod streaming;
