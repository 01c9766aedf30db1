//! The web surface of a running node, pages and API alike: what protects browsers, and what a
//! hostile request, a planted text or another site gets. Pages are read from the router, so that a
//! new one is looked at unasked.

#[path = "../common/mod.rs"]
mod common;

#[allow(dead_code, reason = "the sweep uses all of it")]
#[path = "../sweep/answer.rs"]
mod answer;
#[allow(dead_code, reason = "the sweep uses all of it")]
#[path = "../sweep/objects.rs"]
mod objects;
#[allow(dead_code, reason = "the sweep uses all of it")]
#[path = "../sweep/routes.rs"]
mod routes;

mod cookies;
mod cross_site;
mod errors;
mod escaping;
mod headers;
mod html;
mod injection;
mod limits;
mod policy;
mod redirects;
mod site;
