//! What the resolver does for many tenants of whom few are busy, while credentials change: how often
//! the caches answer and how fast, what a miss costs beside what it is made of, and how soon another
//! node knows of a change.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's output is what it prints"
)]

use std::{collections::BTreeMap, time::Instant};

use benches::{installation, stats::quantile, traffic::skewed, transit};
use clap::Parser;
use connect::{
    Connect,
    credentials::{NewCredential, Rotation},
};
use kernel::{
    Access, Db, bus,
    id::CredentialId,
    permission::{CredentialsUse, CredentialsWrite},
    secret::Secret,
};
use rand::RngExt;
use server::program::{self, Program};
use vault::{DataKey, KeyProvider, KeyProviders, Keyring, Owner};

const PROVIDER: &str = "openai";
const FIELD: &str = "api_key";

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 1_000)]
    tenants: usize,
    #[arg(long, default_value_t = 200_000)]
    resolutions: usize,
    /// A credential of some tenant is replaced, on another node, once in so many resolutions.
    #[arg(long, default_value_t = 2_000)]
    changed_every: usize,
    /// Changes of which the time until the other node knows is taken.
    #[arg(long, default_value_t = 200)]
    invalidations: usize,
    #[arg(long, default_value_t = 2_000)]
    unwraps: usize,
}

/// A tenant's credential, as each side holds it.
struct Held {
    id: CredentialId,
    write: Access<CredentialsWrite>,
    used: Access<CredentialsUse>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // Counting hits and misses is part of the cost, as in the running program.
    metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder()?;
    let folder = tempfile::tempdir()?;
    let cluster = installation::cluster(folder.path()).await?;
    let program = installation::program(folder.path()).await?;
    let other = Db::connect(&program.database().server, &Default::default()).await?;
    let node = node(&program, &other)?;
    let held = fill(&program, &other, arguments.tenants).await?;
    println!("{} tenants; microseconds, p50 and p99", held.len());
    skewed_load(&program, &node, &held, &arguments).await?;
    invalidations(&program, &node, &held, arguments.invalidations).await?;
    let mut round_trips = Vec::new();
    for _ in 0..1_000 {
        let begun = Instant::now();
        other.ping().await?;
        round_trips.push(micros(begun));
    }
    show("two round trips to the database", &mut round_trips);
    let local = keyring(&program)?.into();
    unwraps("unwrap, local keyring", &local, arguments.unwraps).await?;
    match transit::Server::start().await? {
        Some(server) => {
            let providers = server.providers()?;
            unwraps("unwrap, Transit", &providers, arguments.unwraps).await?;
        }
        None => println!("  unwrap, Transit: not measured, TRANSIT_SERVER names no program"),
    }
    program.close().await?;
    cluster.stop().await?;
    Ok(())
}

fn keyring(program: &Program) -> anyhow::Result<KeyProvider> {
    let path = program::keys::keyring_path(&program.config.data);
    Ok(KeyProvider::Local(Keyring::open(path)?))
}

/// Another node's part that resolves, with connections and caches of its own.
fn node(program: &Program, db: &Db) -> anyhow::Result<Connect> {
    let connect = Connect::new(
        program.connect.catalogue().clone(),
        keyring(program)?,
        program.connect.settings().clone(),
    )?;
    connect.follow(bus::listen(db));
    Ok(connect)
}

async fn fill(program: &Program, other: &Db, tenants: usize) -> anyhow::Result<Vec<Held>> {
    let mut held = Vec::with_capacity(tenants);
    for tenant in installation::bare_tenants(program, tenants).await? {
        let write = installation::enter(&program.db, &tenant).await?;
        let new = NewCredential {
            provider: PROVIDER.to_owned(),
            name: "default".to_owned(),
            values: value(0),
            ..NewCredential::default()
        };
        let made = program.connect.create_credential(&write, new).await?;
        held.push(Held {
            id: made.id,
            write,
            used: installation::enter(other, &tenant).await?,
        });
    }
    Ok(held)
}

fn value(number: usize) -> BTreeMap<String, Secret> {
    BTreeMap::from([(FIELD.to_owned(), Secret::new(format!("sk-{number:040}")))])
}

async fn replace(program: &Program, held: &Held, number: usize) -> anyhow::Result<()> {
    let rotation = Rotation {
        values: value(number),
        grace_seconds: 0,
    };
    let connect = &program.connect;
    connect
        .rotate_credential(&held.write, held.id, rotation)
        .await?;
    Ok(())
}

async fn skewed_load(
    program: &Program,
    node: &Connect,
    held: &[Held],
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let pick = skewed(held.len());
    let (mut hits, mut misses) = (Vec::new(), Vec::new());
    for number in 1..=arguments.resolutions {
        if number % arguments.changed_every == 0 {
            let changed = &held[pick(rand::rng().random())];
            replace(program, changed, number).await?;
        }
        let access = &held[pick(rand::rng().random())].used;
        let before = node.account_counts().misses;
        let begun = Instant::now();
        let credential = node.resolve(access, PROVIDER).await?;
        let elapsed = micros(begun);
        drop(credential);
        match node.account_counts().misses == before {
            true => hits.push(elapsed),
            false => misses.push(elapsed),
        }
    }
    let rate = hits.len() as f64 / (hits.len() + misses.len()) as f64;
    println!(
        "  hit rate {:.2} % of {}, cold caches included; a credential changes once in {}",
        rate * 100.0,
        arguments.resolutions,
        arguments.changed_every
    );
    show("hit, decryption included", &mut hits);
    show("miss", &mut misses);
    Ok(())
}

/// From the answer to whoever changed a credential to the new value on the other node.
async fn invalidations(
    program: &Program,
    node: &Connect,
    held: &[Held],
    count: usize,
) -> anyhow::Result<()> {
    let mut delays = Vec::with_capacity(count);
    for (number, held) in held.iter().cycle().take(count).enumerate() {
        let number = 1_000_000 + number;
        let wanted = format!("sk-{number:040}");
        node.resolve(&held.used, PROVIDER).await?;
        replace(program, held, number).await?;
        let begun = Instant::now();
        loop {
            let credential = node.resolve(&held.used, PROVIDER).await?;
            if credential.secret(FIELD)?.expose() == wanted {
                break;
            }
            tokio::task::yield_now().await;
        }
        delays.push(micros(begun));
    }
    let slowest = delays.iter().copied().fold(0.0, f64::max);
    show("until another node knows of a change", &mut delays);
    println!("  {:<40} {slowest:>9.1}", "the slowest of them");
    Ok(())
}

async fn unwraps(what: &str, providers: &KeyProviders, count: usize) -> anyhow::Result<()> {
    let owner = Owner([7; 16]);
    let wrapped = providers.wrap(&DataKey::generate(owner, 1)).await?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        providers.unwrap(owner, 1, &wrapped).await?;
        times.push(micros(begun));
    }
    show(what, &mut times);
    Ok(())
}

fn micros(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e6
}

fn show(what: &str, values: &mut [f64]) {
    let (p50, p99) = (quantile(values, 0.5), quantile(values, 0.99));
    println!("  {what:<40} {p50:>9.1} {p99:>9.1}");
}
