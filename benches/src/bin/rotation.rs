//! What rotating all keys costs while tenants read and write their credentials: key-encryption key
//! and data keys of every tenant, proof, and the end of the old keys. Reads are timed before and
//! meanwhile.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's output is what it prints"
)]

use std::collections::BTreeMap;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use std::time::{Duration, Instant};

use benches::{
    installation,
    stats::{median, quantile},
};
use clap::Parser;
use connect::{
    Connect,
    credentials::{NewCredential, Rotation as NewValues},
};
use identity::tenants::{self, NewTenant};
use kernel::{
    Access, Operator,
    id::CredentialId,
    permission::{CredentialsUse, CredentialsWrite, TenantsWrite},
    secret::Secret,
};
use server::{key_rotation::Rotation, program::Program};
use time::OffsetDateTime;

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 20)]
    tenants: usize,
    /// Over all tenants.
    #[arg(long, default_value_t = 10_000)]
    credentials: usize,
    #[arg(long, default_value_t = 2)]
    readers: usize,
    /// How long reads are timed before the rotation.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

const PROVIDER: &str = "openai";
const FIELD: &str = "api_key";

struct Held {
    usage: Arc<Access<CredentialsUse>>,
    write: Arc<Access<CredentialsWrite>>,
    id: CredentialId,
}

struct Load {
    connect: Connect,
    credentials: Vec<Held>,
    stop: AtomicBool,
    failures: AtomicU64,
    writes: AtomicU64,
}

impl Load {
    /// Microseconds that each read took.
    async fn read(self: Arc<Self>, mut next: usize) -> Vec<f64> {
        let mut times = Vec::new();
        while !self.stop.load(Ordering::Acquire) {
            next = (next * 31 + 7) % self.credentials.len();
            let held = &self.credentials[next];
            let begun = Instant::now();
            let opened = self
                .connect
                .resolve_id(&held.usage, PROVIDER, held.id)
                .await;
            times.push(begun.elapsed().as_secs_f64() * 1e6);
            if opened.is_err() {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
            tokio::task::yield_now().await;
        }
        times
    }

    async fn write(self: Arc<Self>) {
        let mut next = 0;
        while !self.stop.load(Ordering::Acquire) {
            next = (next * 17 + 5) % self.credentials.len();
            let held = &self.credentials[next];
            let values = NewValues {
                values: value(next),
                grace_seconds: 0,
            };
            let written = self
                .connect
                .rotate_credential(&held.write, held.id, values)
                .await;
            let counter = match written {
                Ok(_) => &self.writes,
                Err(_) => &self.failures,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            // Writing is rare beside reading.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn value(number: usize) -> BTreeMap<String, Secret> {
    BTreeMap::from([(FIELD.to_owned(), Secret::new(format!("sk-{number:040}")))])
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let cluster = installation::cluster(folder.path()).await?;
    let program = installation::program(folder.path()).await?;
    let credentials = fill(&program, &arguments).await?;
    println!(
        "{} credentials of {} tenants, {} readers and a writer",
        credentials.len(),
        arguments.tenants,
        arguments.readers
    );
    let load = Arc::new(Load {
        connect: program.connect.clone(),
        credentials,
        stop: AtomicBool::new(false),
        failures: AtomicU64::new(0),
        writes: AtomicU64::new(0),
    });
    let (before, ()) = beside(&load, arguments.readers, async {
        tokio::time::sleep(Duration::from_secs(arguments.seconds)).await;
        Ok(())
    })
    .await?;
    let quiet = show("reads before", before);
    let (meanwhile, ()) = beside(&load, arguments.readers, rotate(&program)).await?;
    let busy = show("reads meanwhile", meanwhile);
    println!("meanwhile : before = {:.2}", busy / quiet);
    println!(
        "{} writes, {} failures",
        load.writes.load(Ordering::Relaxed),
        load.failures.load(Ordering::Relaxed)
    );
    drop(load);
    program.close().await?;
    cluster.stop().await?;
    Ok(())
}

/// Reads and writes go on for as long as `work` does.
async fn beside<T>(
    load: &Arc<Load>,
    readers: usize,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<(Vec<f64>, T)> {
    load.stop.store(false, Ordering::Release);
    let writer = tokio::spawn(Arc::clone(load).write());
    let readers: Vec<_> = (0..readers)
        .map(|number| tokio::spawn(Arc::clone(load).read(number)))
        .collect();
    let done = work.await;
    load.stop.store(true, Ordering::Release);
    let mut times = Vec::new();
    for reader in readers {
        times.extend(reader.await?);
    }
    writer.await?;
    Ok((times, done?))
}

async fn rotate(program: &Program) -> anyhow::Result<()> {
    let rotation = Rotation::local(&program.db, &program.connect, &program.people, "bench");
    let mut quiet = |_| {};
    rotation.rotate().await?;
    let begun = Instant::now();
    let rewrapped = rotation.rewrap(&mut quiet).await?;
    took("rewrap", rewrapped, "data keys", begun);
    let begun = Instant::now();
    let sealed = rotation
        .renew(OffsetDateTime::now_utc(), None, &mut quiet)
        .await?;
    took("renew", sealed, "secrets sealed anew", begun);
    let begun = Instant::now();
    let proof = rotation.prove(&mut quiet).await?;
    anyhow::ensure!(proof.faults.is_empty(), "{:?}", proof.faults);
    took(
        "verify",
        proof.secrets.values().sum(),
        "secrets opened",
        begun,
    );
    let begun = Instant::now();
    // Nobody but this process wraps here, and it follows its own rotation at once.
    let retired = rotation.retire(Duration::ZERO, &mut quiet).await?;
    took("retire", retired.data_keys, "data keys destroyed", begun);
    println!("proof: {:?} {:?}", proof.wraps, proof.secrets);
    println!("destroyed versions of the keyring: {:?}", retired.versions);
    Ok(())
}

fn took(step: &str, count: u64, what: &str, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!("{step:<8} {count:>7} {what:<22} {seconds:>8.2} s");
}

/// Prints the median and the 99th percentile; the median again.
fn show(what: &str, mut times: Vec<f64>) -> f64 {
    let p99 = quantile(&mut times, 0.99);
    let p50 = median(&times);
    println!(
        "{what:<16} {:>9} p50 {p50:>8.1} µs p99 {p99:>8.1} µs",
        times.len()
    );
    p50
}

async fn fill(program: &Program, arguments: &Arguments) -> anyhow::Result<Vec<Held>> {
    let operator = Operator::<TenantsWrite>::local(&program.db, "bench");
    let mut all = Vec::with_capacity(arguments.credentials);
    for number in 0..arguments.tenants {
        let slug = format!("rotation-{number}");
        let new = NewTenant {
            slug: slug.clone(),
            name: slug.clone(),
            plan: None,
            region: None,
            weight: None,
        };
        tenants::create(&operator, new).await?;
        let usage = Arc::new(installation::enter::<CredentialsUse>(&program.db, &slug).await?);
        let write = Arc::new(installation::enter::<CredentialsWrite>(&program.db, &slug).await?);
        for _ in 0..arguments.credentials / arguments.tenants {
            let new = NewCredential {
                provider: PROVIDER.to_owned(),
                name: format!("credential {}", all.len()),
                values: value(all.len()),
                ..NewCredential::default()
            };
            let id = program.connect.create_credential(&write, new).await?.id;
            all.push(Held {
                usage: Arc::clone(&usage),
                write: Arc::clone(&write),
                id,
            });
        }
    }
    Ok(all)
}
