//! How fast webhooks are durably stored and acknowledged, with signature, tenant, row-level
//! security, deduplication and job: against pgbench's plain single-row insert on the same cluster.
//!
//! Each round measures pgbench and Freehold after each other, each at its best of several numbers of
//! clients; the ratio is of one round, and the median of the rounds counts. Then webhooks arrive at
//! half the peak rate at random moments, and the time to the acknowledgement is measured from the
//! moment of arrival. After each phase the database has to hold what was acknowledged.
//!
//! Postgres, Freehold and whatever generates the load share the machine's processors, in both
//! measurements.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's output is what it prints"
)]

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use benches::{
    accounting, installation,
    load::{self, Sent},
    node::{self, Node},
    pgbench::Pgbench,
    stats::{all, median, quantile},
    traffic::Traffic,
};
use clap::Parser;
use kernel::postgres::Embedded;
use sqlx::PgPool;

/// How long jobs may take that wait at the end of a phase.
const DRAIN: Duration = Duration::from_secs(300);

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    #[arg(long, default_value_t = 100)]
    tenants: usize,
    /// Deliveries of each phase that looks for the peak.
    #[arg(long, default_value_t = 40_000)]
    deliveries: usize,
    /// Numbers of clients to try, of pgbench and of Freehold.
    #[arg(long, value_delimiter = ',', default_values_t = [16, 32, 64])]
    clients: Vec<usize>,
    /// Further numbers of clients to try with Freehold: Postgres admits no more than 100.
    #[arg(long, value_delimiter = ',', default_values_t = [128])]
    more_clients: Vec<usize>,
    /// How long each of pgbench's runs takes, and the phase at half the peak.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Jobs that the node works at a time in the second part; 0 leaves that part out.
    #[arg(long, default_value_t = 32)]
    concurrency: usize,
}

/// What the phases share.
struct Stand {
    arguments: Arguments,
    cluster: Embedded,
    /// The server process of the cluster, whose children are its backends.
    postmaster: u32,
    pool: PgPool,
    tenants: Vec<installation::Tenant>,
    pgbench: Pgbench,
}

struct Round {
    /// Per second.
    pgbench: f64,
    peak: Peak,
    /// In milliseconds, at half the peak.
    p50: f64,
    p99: f64,
}

/// Freehold at its best number of clients.
#[derive(Default)]
struct Peak {
    /// Acknowledged deliveries per second.
    rate: f64,
    clients: usize,
    /// Processor time per delivery in microseconds: Freehold's and Postgres'.
    freehold: f64,
    postgres: f64,
    /// How long the jobs took that still waited when the last delivery was acknowledged.
    drained: Duration,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let cluster = installation::cluster(folder.path()).await?;
    let program = installation::program(folder.path()).await?;
    let tenants = installation::tenants(&program, arguments.tenants).await?;
    program.close().await?;
    let pool = installation::superuser(&cluster).await?;
    let sample = Traffic::make(&tenants, 100);
    let largest = sample.events.iter().map(|event| &event.request);
    let largest = largest
        .max_by_key(|request| request.len())
        .cloned()
        .unwrap_or_default();
    let stand = Stand {
        pgbench: Pgbench::like(&largest)?,
        postmaster: postmaster(&pool).await?,
        arguments,
        cluster,
        pool,
        tenants,
    };
    println!(
        "{} tenants, the one of rank n with 1/n of the first one's traffic; half WhatsApp, half SMS; 5 % duplicates",
        stand.tenants.len()
    );
    println!(
        "fsync on; the larger webhooks have {} bytes, head and body, and so have pgbench's rows",
        largest.len()
    );
    part(&stand, folder.path(), 0).await?;
    if stand.arguments.concurrency > 0 {
        part(&stand, folder.path(), stand.arguments.concurrency).await?;
    }
    stand.pool.close().await;
    stand.cluster.stop().await?;
    Ok(())
}

async fn postmaster(pool: &PgPool) -> anyhow::Result<u32> {
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(pool)
        .await?;
    node::parent(u32::try_from(backend)?)
}

async fn part(stand: &Stand, data: &Path, concurrency: usize) -> anyhow::Result<()> {
    match concurrency {
        0 => println!("\nIngest alone"),
        _ => println!("\nIngest beside {concurrency} workers that normalise what arrives"),
    }
    let mut rounds = Vec::new();
    for number in 1..=stand.arguments.rounds {
        let node = Node::start(data, concurrency).await?;
        let round = stand.round(&node, concurrency > 0, number % 2 == 0).await?;
        node.stop().await?;
        round.print(number, concurrency > 0);
        rounds.push(round);
    }
    let of = |figure: fn(&Round) -> f64| rounds.iter().map(figure).collect::<Vec<f64>>();
    let ratios = of(|round| round.peak.rate / round.pgbench);
    println!(
        "  Freehold : pgbench = {:.2}, the median of {}",
        median(&ratios),
        all(&ratios, 2)
    );
    println!(
        "  {:.0} acknowledged/s; at half of that p50 {:.1} ms, p99 {:.1} ms (medians)",
        median(&of(|round| round.peak.rate)),
        median(&of(|round| round.p50)),
        median(&of(|round| round.p99))
    );
    Ok(())
}

impl Round {
    fn print(&self, number: usize, working: bool) {
        println!(
            "  {number}: pgbench {:.0}/s, Freehold {:.0}/s ({} clients; {:.0} µs of Freehold and {:.0} µs of Postgres each); at half p50 {:.1} ms, p99 {:.1} ms",
            self.pgbench,
            self.peak.rate,
            self.peak.clients,
            self.peak.freehold,
            self.peak.postgres,
            self.p50,
            self.p99,
        );
        if working {
            println!(
                "     the last jobs were done {:.1} s after the last acknowledgement",
                self.peak.drained.as_secs_f64()
            );
        }
    }
}

impl Stand {
    /// Which of the two goes first alternates, so that neither always finds the quieter machine.
    async fn round(
        &self,
        node: &Node,
        working: bool,
        freehold_first: bool,
    ) -> anyhow::Result<Round> {
        let (pgbench, peak);
        if freehold_first {
            peak = self.peak(node, working).await?;
            pgbench = self.best_of_pgbench().await?;
        } else {
            pgbench = self.best_of_pgbench().await?;
            peak = self.peak(node, working).await?;
        }
        let mut latencies = self.at_half(node, &peak, working).await?;
        Ok(Round {
            pgbench,
            peak,
            p50: quantile(&mut latencies, 0.5),
            p99: quantile(&mut latencies, 0.99),
        })
    }

    async fn best_of_pgbench(&self) -> anyhow::Result<f64> {
        let mut best: f64 = 0.0;
        for &clients in &self.arguments.clients {
            self.pgbench.prepare(&self.pool).await?;
            let seconds = self.arguments.seconds;
            let rate = self.pgbench.run(&self.cluster, clients, seconds).await?;
            best = best.max(rate);
        }
        Ok(best)
    }

    async fn peak(&self, node: &Node, working: bool) -> anyhow::Result<Peak> {
        let mut best = Peak::default();
        let clients = self.arguments.clients.iter();
        for &clients in clients.chain(&self.arguments.more_clients) {
            let traffic = Arc::new(Traffic::make(&self.tenants, self.arguments.deliveries));
            accounting::clear(&self.pool).await?;
            let before = self.processor_times(node)?;
            let sent = load::closed(node.address, &traffic, clients).await?;
            let after = self.processor_times(node)?;
            let drained = self.settle(&traffic, &sent, working).await?;
            let each = |time: Duration| time.as_secs_f64() * 1e6 / traffic.deliveries.len() as f64;
            if sent.rate > best.rate {
                best = Peak {
                    rate: sent.rate,
                    clients,
                    freehold: each(after.0 - before.0),
                    postgres: each(after.1 - before.1),
                    drained,
                };
            }
        }
        Ok(best)
    }

    /// What Freehold and Postgres have used so far.
    fn processor_times(&self, node: &Node) -> anyhow::Result<(Duration, Duration)> {
        let mut postgres = Duration::ZERO;
        for pid in node::family(self.postmaster)? {
            // A backend may end while it is looked at.
            postgres += node::processor_time(pid).unwrap_or_default();
        }
        Ok((node::processor_time(node.pid)?, postgres))
    }

    /// The latencies at half the peak, in milliseconds.
    async fn at_half(&self, node: &Node, peak: &Peak, working: bool) -> anyhow::Result<Vec<f64>> {
        let rate = peak.rate / 2.0;
        let deliveries = (rate * self.arguments.seconds as f64) as usize;
        let traffic = Arc::new(Traffic::make(&self.tenants, deliveries));
        accounting::clear(&self.pool).await?;
        let sent = load::open(node.address, &traffic, 256, rate).await?;
        self.settle(&traffic, &sent, working).await?;
        Ok(sent.latencies)
    }

    /// Checks that the database holds what was acknowledged. Where there are workers, their jobs
    /// are waited for first, so that the next phase does not pay for them.
    async fn settle(
        &self,
        traffic: &Traffic,
        sent: &Sent,
        working: bool,
    ) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        if working {
            node::wait_until("working the jobs off", DRAIN, async || {
                let waiting: bool = sqlx::query_scalar(
                    "SELECT EXISTS (SELECT FROM cell.job
                                    WHERE state IN ('scheduled', 'ready', 'running'))",
                )
                .fetch_one(&self.pool)
                .await?;
                Ok(!waiting)
            })
            .await?;
        }
        let drained = begun.elapsed();
        accounting::check(&self.pool, traffic, sent).await?;
        Ok(drained)
    }
}
