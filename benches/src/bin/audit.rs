//! What the chain of the audit log costs: committed acts of one tenant and of many, against the
//! same insert without a chain; and how fast an export is verified.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's output is what it prints"
)]

use std::{
    io::BufReader,
    sync::Arc,
    time::{Duration, Instant},
};

use audit::{key::VerifierKey, verify::verify};
use benches::{
    installation,
    stats::{all, median},
};
use clap::Parser;
use kernel::{
    Access,
    audit::{Act, Entry, GENESIS},
    permission::AgentsWrite,
};
use serde_json::json;
use tokio::task::JoinSet;

#[derive(Parser)]
struct Arguments {
    /// Tasks that act at the same time.
    #[arg(long, default_value_t = 16)]
    clients: usize,
    /// Of each measurement.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Entries of the export that is verified.
    #[arg(long, default_value_t = 100_000)]
    entries: i64,
}

#[derive(Clone, Copy)]
enum Way {
    Chained,
    /// The same row, by a plain insert.
    Plain,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let cluster = installation::cluster(folder.path()).await?;
    let program = installation::program(folder.path()).await?;
    let tenants = installation::tenants(&program, arguments.clients).await?;
    let mut accesses = Vec::new();
    for tenant in &tenants {
        let access = installation::enter::<AgentsWrite>(&program.db, &tenant.slug).await?;
        accesses.push(Arc::new(access));
    }
    println!(
        "{} clients, {} rounds of {} s; transactions with one entry, per second",
        arguments.clients, arguments.rounds, arguments.seconds
    );
    let one = vec![Arc::clone(&accesses[0]); arguments.clients];
    for (name, accesses) in [
        ("one tenant", &one),
        ("a tenant for each client", &accesses),
    ] {
        let (mut chained, mut plain) = (Vec::new(), Vec::new());
        for _ in 0..arguments.rounds {
            plain.push(rate(accesses, Way::Plain, arguments.seconds).await?);
            chained.push(rate(accesses, Way::Chained, arguments.seconds).await?);
        }
        println!(
            "{name}: chained {:.0} {}, plain {:.0} {}",
            median(&chained),
            all(&chained, 0),
            median(&plain),
            all(&plain, 0)
        );
        println!(
            "  chained : plain = {:.2}",
            median(&chained) / median(&plain)
        );
    }
    program.close().await?;
    cluster.stop().await?;

    let export = export(arguments.entries)?;
    let begun = Instant::now();
    let report = verify(BufReader::new(&*export), None::<(&[u8], &VerifierKey)>)?;
    let seconds = begun.elapsed().as_secs_f64();
    anyhow::ensure!(report.is_intact(), "{:?}", report.faults);
    println!(
        "verified {} entries, {:.1} MB, in {seconds:.2} s: {:.0} entries/s",
        report.entries,
        export.len() as f64 / 1e6,
        report.entries as f64 / seconds
    );
    Ok(())
}

/// Transactions per second, of one task for each access.
async fn rate(
    accesses: &[Arc<Access<AgentsWrite>>],
    way: Way,
    seconds: u64,
) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    let mut tasks = JoinSet::new();
    for access in accesses {
        let access = Arc::clone(access);
        tasks.spawn(async move {
            let mut count = 0_u64;
            while Instant::now() < end {
                once(&access, way).await?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut total = 0;
    while let Some(count) = tasks.join_next().await {
        total += count??;
    }
    Ok(total as f64 / begun.elapsed().as_secs_f64())
}

async fn once(access: &Access<AgentsWrite>, way: Way) -> anyhow::Result<()> {
    let mut tx = access.begin().await?;
    let (action, target) = ("agent.changed", "agt_01h455vb4pex5vsknk084sn02q");
    let detail = json!({ "name": "front desk", "model": "gpt-4o-mini" });
    match way {
        Way::Chained => {
            let target = target.to_owned();
            tx.audit(Act {
                action,
                target,
                detail,
            })
            .await?;
        }
        Way::Plain => {
            sqlx::query(
                "INSERT INTO cell.audit_entry (id, actor, action, target, detail, correlation_id)
                 VALUES ($1, $2, $3, $4, $5::text::json, $6)",
            )
            .bind(uuid::Uuid::now_v7())
            .bind(access.actor().to_string())
            .bind(action)
            .bind(target)
            .bind(detail.to_string())
            .bind(uuid::Uuid::now_v7())
            .execute(tx.conn())
            .await?;
        }
    }
    Ok(tx.commit().await?)
}

/// An export as the API gives it, made here because only its verification is measured.
fn export(entries: i64) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut previous = GENESIS;
    for seq in 1..=entries {
        let mut entry = Entry {
            log: "ten_01h455vb4pex5vsknk084sn02q".into(),
            seq,
            id: format!("aud_{seq:026}"),
            at: "2026-11-21T06:24:54.123456Z".into(),
            actor: "api_key:key_01h455vb4pex5vsknk084sn02q".into(),
            action: "agent.changed".into(),
            target: Some("agt_01h455vb4pex5vsknk084sn02q".into()),
            detail: format!(r#"{{"name":"front desk {seq}","model":"gpt-4o-mini"}}"#),
            ip: Some("192.0.2.7".into()),
            user_agent: Some("curl/8.5.0".into()),
            correlation_id: "cor_01h455vb4pex5vsknk084sn02q".into(),
            hash: GENESIS,
        };
        entry.hash = entry.expected_hash(previous);
        previous = entry.hash;
        serde_json::to_writer(&mut text, &entry)?;
        text.push(b'\n');
    }
    Ok(text)
}
