//! What the benchmarks share: an installation with tenants, the release binary as a process of its
//! own, webhooks made beforehand, clients that send them, and the yardstick. What each benchmark
//! measures and prints is in `bin/`.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's output is what it prints"
)]

pub mod accounting;
pub mod client;
pub mod installation;
pub mod load;
pub mod node;
pub mod pgbench;
pub mod stats;
pub mod traffic;
pub mod transit;
