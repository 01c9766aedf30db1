//! The binary `freehold`: settings, assembly, HTTP, commands. What the product does is in the
//! feature crates; here it is put together.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to people on its standard streams"
)]

pub mod cli;
pub mod config;
mod console;
pub mod demo;
pub mod http;
pub mod key_rotation;
pub mod logging;
pub mod program;
pub mod serve;
