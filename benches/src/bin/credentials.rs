//! What resolving a tenant's credential costs: from the caches, and from the database. Either way
//! each secret is decrypted for this one use, because plaintexts are not kept.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's output is what it prints"
)]

use std::time::Instant;

use benches::{
    installation,
    stats::{median, quantile},
};
use clap::Parser;
use connect::Connect;
use kernel::{Access, permission::CredentialsUse};
use server::program::{self, Program};
use vault::{KeyProvider, Keyring};

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 100)]
    tenants: usize,
    #[arg(long, default_value_t = 200_000)]
    hits: usize,
    /// How often all tenants are resolved with empty caches.
    #[arg(long, default_value_t = 10)]
    passes: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // Counting hits and misses is part of the cost, as in the running program.
    metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder()?;
    let folder = tempfile::tempdir()?;
    let cluster = installation::cluster(folder.path()).await?;
    let program = installation::program(folder.path()).await?;
    let tenants = installation::tenants(&program, arguments.tenants).await?;
    let mut accesses = Vec::new();
    for tenant in &tenants {
        accesses.push(installation::enter::<CredentialsUse>(&program.db, &tenant.slug).await?);
    }
    println!("{} tenants; microseconds, p50 and p99", tenants.len());
    let mut pings = Vec::new();
    for _ in 0..1_000 {
        let begun = Instant::now();
        accesses[0].read().await?.commit().await?;
        pings.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    show("an empty transaction, two round trips", &mut pings);
    for (provider, secrets) in [("whatsapp", 3), ("twilio", 1)] {
        println!("{provider}, {secrets} secret(s) opened at each use:");
        let misses = misses(&program, &accesses, provider, arguments.passes).await?;
        let hits = hits(&program, &accesses, provider, arguments.hits).await?;
        let (mut cold, mut known) = misses;
        show("miss, data key unwrapped too", &mut cold);
        show("miss, data key cached", &mut known);
        let mut hits = hits;
        show("hit", &mut hits);
        println!("  hit : miss = {:.3}", median(&hits) / median(&known));
    }
    program.close().await?;
    cluster.stop().await?;
    Ok(())
}

/// Resolutions with empty caches, and those that found the tenant's data key in its cache because
/// another provider was resolved before.
async fn misses(
    program: &Program,
    accesses: &[Access<CredentialsUse>],
    provider: &str,
    passes: usize,
) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let other = match provider {
        "whatsapp" => "twilio",
        _ => "whatsapp",
    };
    let (mut cold, mut known) = (Vec::new(), Vec::new());
    for _ in 0..passes {
        let connect = empty(program)?;
        for access in accesses {
            cold.push(timed(&connect, access, provider).await?);
        }
        let connect = empty(program)?;
        for access in accesses {
            timed(&connect, access, other).await?;
            known.push(timed(&connect, access, provider).await?);
        }
    }
    Ok((cold, known))
}

async fn hits(
    program: &Program,
    accesses: &[Access<CredentialsUse>],
    provider: &str,
    count: usize,
) -> anyhow::Result<Vec<f64>> {
    let connect = empty(program)?;
    for access in accesses {
        connect.resolve(access, provider).await?;
    }
    let mut hits = Vec::with_capacity(count);
    for access in accesses.iter().cycle().take(count) {
        hits.push(timed(&connect, access, provider).await?);
    }
    Ok(hits)
}

/// The part of the program that resolves, with nothing in its caches.
fn empty(program: &Program) -> anyhow::Result<Connect> {
    let keyring = Keyring::open(program::keys::keyring_path(&program.config.data))?;
    Ok(Connect::new(
        program.connect.catalogue().clone(),
        KeyProvider::Local(keyring),
        program.connect.settings().clone(),
    )?)
}

async fn timed(
    connect: &Connect,
    access: &Access<CredentialsUse>,
    provider: &str,
) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let credential = connect.resolve(access, provider).await?;
    let elapsed = begun.elapsed();
    // Wiping the secrets is not part of finding them.
    drop(credential);
    Ok(elapsed.as_secs_f64() * 1e6)
}

fn show(what: &str, values: &mut [f64]) {
    let (p50, p99) = (quantile(values, 0.5), quantile(values, 0.99));
    println!("  {what:<40} {p50:>7.1} {p99:>7.1}");
}
