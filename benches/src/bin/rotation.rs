//! What rotating all keys costs while tenants read and write their credentials: key-encryption key
//! and data keys of every tenant, proof, and the end of the old keys. Reads are timed before and
//! meanwhile.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's output is what it prints"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use std::time::{Duration, Instant};

use anyhow::Context;
use benches::{
    installation,
    node::binary,
    stats::{median, quantile},
};
use clap::Parser;
use connect::{
    Connect,
    credentials::{NewCredential, Rotation as NewValues},
};
use kernel::{
    Access,
    id::CredentialId,
    permission::{CredentialsUse, CredentialsWrite},
    secret::Secret,
};
use server::{key_rotation::SETTLED, program::Program};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 1_000)]
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
    failed_reads: AtomicU64,
    writes: AtomicU64,
    failed_writes: AtomicU64,
}

impl Load {
    /// Microseconds that each read took.
    async fn read(self: Arc<Self>, mut next: usize) -> Vec<f64> {
        let mut times = Vec::new();
        while !self.stop.load(Ordering::Acquire) {
            // A prime step: every credential has its turn.
            next = (next + 7_919) % self.credentials.len();
            let held = &self.credentials[next];
            let begun = Instant::now();
            let opened = self
                .connect
                .resolve_id(&held.usage, PROVIDER, held.id)
                .await;
            times.push(begun.elapsed().as_secs_f64() * 1e6);
            if opened.is_err() {
                self.failed_reads.fetch_add(1, Ordering::Relaxed);
            }
            tokio::task::yield_now().await;
        }
        times
    }

    async fn write(self: Arc<Self>) {
        let mut next = 0;
        while !self.stop.load(Ordering::Acquire) {
            next = (next + 6_007) % self.credentials.len();
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
                Err(_) => &self.failed_writes,
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
        failed_reads: AtomicU64::new(0),
        failed_writes: AtomicU64::new(0),
        writes: AtomicU64::new(0),
    });
    let (before, ()) = beside(&load, arguments.readers, async {
        tokio::time::sleep(Duration::from_secs(arguments.seconds)).await;
        Ok(())
    })
    .await?;
    let quiet = show("reads before", before);
    let work = rotate(folder.path(), arguments.tenants);
    let (meanwhile, ()) = beside(&load, arguments.readers, work).await?;
    let busy = show("reads meanwhile", meanwhile);
    println!("meanwhile : before = {:.2}", busy / quiet);
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{} writes; failed: {} reads, {} writes",
        count(&load.writes),
        count(&load.failed_reads),
        count(&load.failed_writes)
    );
    anyhow::ensure!(count(&load.failed_reads) == 0, "reads failed");
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

/// The commands that an operator gives, as processes of the release binary; those that take long are
/// killed on the way and given again.
async fn rotate(data: &Path, tenants: usize) -> anyhow::Result<()> {
    let begun = Instant::now();
    Vault::of(data, &["rotate"])?.run(None).await?;
    took("rotate", begun);
    let begun = Instant::now();
    // The first line tells of the control database, the second of the first five hundred tenants.
    Vault::of(data, &["rewrap"])?.run(Some(2)).await?;
    Vault::of(data, &["rewrap"])?.run(None).await?;
    took("rewrap, killed once", begun);
    let begun = Instant::now();
    let since = OffsetDateTime::now_utc().format(&Rfc3339)?;
    let renew = ["renew", "--begun", &since];
    // Each line tells of a batch of one tenant's.
    for killed_after in [Some(tenants / 5), Some(2 * tenants / 5), None] {
        Vault::of(data, &renew)?.run(killed_after).await?;
    }
    took("renew, killed twice", begun);
    let begun = Instant::now();
    Vault::of(data, &["verify"])?.run(None).await?;
    took("verify", begun);
    // Old material is kept for a minute after the keyring changed.
    let begun = Instant::now();
    loop {
        let retired = Vault::of(data, &["retire"])?.run(None).await;
        if retired.is_ok() {
            break;
        }
        anyhow::ensure!(begun.elapsed() < 2 * SETTLED, "{retired:?}");
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    took("retire, its wait included", begun);
    for line in Vault::of(data, &["verify"])?.run(None).await? {
        println!("  {line}");
    }
    Ok(())
}

/// `freehold vault …` as a process.
struct Vault(Command);

impl Vault {
    fn of(data: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(binary()?);
        command
            .arg("vault")
            .args(arguments)
            .arg("--data")
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        Ok(Self(command))
    }

    /// What it prints. With `kill_after`, it is killed (SIGKILL) after so many lines.
    async fn run(mut self, kill_after: Option<usize>) -> anyhow::Result<Vec<String>> {
        let mut child = self.0.spawn()?;
        let stdout = child.stdout.take().context("its output is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let mut printed = Vec::new();
        while let Some(line) = lines.next_line().await? {
            printed.push(line);
            if kill_after.is_some_and(|after| printed.len() >= after) {
                child.kill().await?;
                return Ok(printed);
            }
        }
        let status = child.wait().await?;
        anyhow::ensure!(
            kill_after.is_none(),
            "it ended before it was killed: {printed:?}"
        );
        anyhow::ensure!(status.success(), "{status}: {printed:?}");
        Ok(printed)
    }
}

fn took(step: &str, begun: Instant) {
    println!("{step:<28} {:>8.2} s", begun.elapsed().as_secs_f64());
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
    let mut all = Vec::with_capacity(arguments.credentials);
    for slug in installation::bare_tenants(program, arguments.tenants).await? {
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
