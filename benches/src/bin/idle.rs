//! What a server needs that has nothing to do: memory of the release binary and of its private
//! Postgres, a while after the start and again after some traffic, and how long the start took.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's output is what it prints"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use benches::{
    installation, load,
    node::{self, Node},
    traffic::Traffic,
};
use clap::Parser;

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 10)]
    tenants: usize,
    /// How long the server is left alone before it is looked at.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Webhooks that it then gets.
    #[arg(long, default_value_t = 10_000)]
    deliveries: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let program = installation::program(folder.path()).await?;
    let tenants = installation::tenants(&program, arguments.tenants).await?;
    program.close().await?;
    let begun = Instant::now();
    let node = Node::start(folder.path(), 32).await?;
    println!(
        "{} tenants, 32 workers; listening {:.2} s after the start, Postgres' own start included",
        tenants.len(),
        begun.elapsed().as_secs_f64()
    );
    let postmaster = node::postmaster(folder.path())?;
    let used = node.processor_time()?;
    tokio::time::sleep(Duration::from_secs(arguments.seconds)).await;
    let idle = node.processor_time()? - used;
    show("idle", node.pid, postmaster)?;
    println!(
        "  {:.2} % of a processor",
        100.0 * idle.as_secs_f64() / arguments.seconds as f64
    );
    let traffic = Arc::new(Traffic::make(&tenants, arguments.deliveries));
    load::closed(node.address, &traffic, 64).await?;
    tokio::time::sleep(Duration::from_secs(arguments.seconds)).await;
    let what = format!("after {} webhooks", arguments.deliveries);
    show(&what, node.pid, postmaster)?;
    node.stop().await
}

fn show(when: &str, freehold: u32, postmaster: u32) -> anyhow::Result<()> {
    let mut postgres = 0;
    let processes = node::family(postmaster)?;
    for &process in &processes {
        postgres += kilobytes(process, "smaps_rollup", "Pss:").unwrap_or_default();
    }
    println!(
        "{when}: freehold {:.1} MB resident ({:.1} MB of it its own), Postgres {:.1} MB in {} processes (shared memory counted once)",
        kilobytes(freehold, "status", "VmRSS:")? as f64 / 1_024.0,
        kilobytes(freehold, "status", "RssAnon:")? as f64 / 1_024.0,
        postgres as f64 / 1_024.0,
        processes.len()
    );
    Ok(())
}

fn kilobytes(process: u32, file: &str, field: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/{file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number
        .with_context(|| format!("{file} tells {field}"))?
        .parse()?)
}
