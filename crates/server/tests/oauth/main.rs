//! Connecting accounts by consent, on running nodes and against the sandbox's authorization servers.

#[path = "../common/mod.rs"]
mod common;

mod app;
mod at_rest;
mod installation;
mod links;
mod nodes;
mod proof;
mod providers;
mod refresh;
mod returns;
mod world;
