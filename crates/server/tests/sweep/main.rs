//! A sweep over every route: what strangers, lesser keys, the wrong plane and other tenants get. The
//! routes are read from the router and the OpenAPI document, so that a new one is swept unasked.

#[path = "../common/mod.rs"]
mod common;

mod answer;
mod browser;
mod objects;
mod others;
mod own_pages;
mod pages;
mod permissions;
mod routes;
mod staff_pages;
mod strangers;
