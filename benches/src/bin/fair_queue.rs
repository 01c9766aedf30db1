//! What one tenant's backlog costs the others: the queue against first in, first out, on the same
//! cluster, with the same jobs, batches and slots.
//!
//! One tenant has a backlog; the others enqueue a trickle meanwhile. Measured is the time from the
//! beginning of a job's enqueueing transaction to its handler, for the others' jobs, and how many
//! jobs are worked off per second in all. Handlers do nothing, so this is the queue itself. The
//! trickle is measured without a backlog first.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's output is what it prints"
)]

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Parser;
use kernel::{
    Access, Db, Operator,
    db::{Server, Tenant},
    id::{JobId, TenantId},
    jobs::{LaneChange, NewJob, Registry, Worker, WorkerOptions, set_lane},
    permission::{JobsRead, JobsReplay, TenantsEnter, TenantsWrite},
    postgres::{Embedded, Options},
};
use rand::RngExt;
use sqlx::{PgPool, postgres::PgConnectOptions};

#[derive(Parser)]
struct Arguments {
    /// Jobs of the one tenant that wait at the beginning.
    #[arg(long, default_value_t = 100_000)]
    backlog: usize,
    /// Tenants that enqueue meanwhile.
    #[arg(long, default_value_t = 49)]
    others: usize,
    /// Their jobs per second, together.
    #[arg(long, default_value_t = 100)]
    rate: u64,
    /// How long each phase lasts.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Slots of the worker.
    #[arg(long, default_value_t = 32)]
    concurrency: usize,
    /// Where to put the cluster; a temporary folder when absent.
    #[arg(long)]
    data: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let data = arguments.data.clone();
    let cluster = Embedded::start(&Options {
        data: data.unwrap_or_else(|| folder.path().to_owned()),
        bin: None,
        settings: Vec::new(),
    })
    .await?;
    println!(
        "{} jobs of one tenant, {} others with {}/s together, {} slots, {} s each, fsync on",
        arguments.backlog,
        arguments.others,
        arguments.rate,
        arguments.concurrency,
        arguments.seconds
    );
    let idle = phase(&cluster, &arguments, Discipline::Fair, 0).await?;
    idle.print("fair, no backlog");
    let fifo = phase(&cluster, &arguments, Discipline::Fifo, arguments.backlog).await?;
    fifo.print("first in, first out");
    let fair = phase(&cluster, &arguments, Discipline::Fair, arguments.backlog).await?;
    fair.print("fair");
    println!(
        "others finished: {:.1} % with fairness, {:.1} % first in, first out",
        100.0 * fair.finished(),
        100.0 * fifo.finished(),
    );
    println!(
        "rate of all jobs, fair : first in, first out = {:.2}",
        fair.rate / fifo.rate
    );
    println!(
        "others' p99, behind the backlog : without = {:.2}",
        fair.quantile(0.99) / idle.quantile(0.99)
    );
    cluster.stop().await?;
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Discipline {
    Fair,
    Fifo,
}

/// What one phase showed.
struct Measured {
    /// Jobs worked off per second, of all tenants.
    rate: f64,
    enqueued: usize,
    /// Of the others' jobs, sorted, in milliseconds.
    latencies: Vec<f64>,
}

impl Measured {
    fn finished(&self) -> f64 {
        self.latencies.len() as f64 / self.enqueued as f64
    }

    fn quantile(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1) as f64;
        let place = (last * share).round() as usize;
        self.latencies.get(place).copied().unwrap_or(f64::NAN)
    }

    fn print(&self, name: &str) {
        println!(
            "{name:<22} {:>7.0} jobs/s; others: {} of {} in time, p50 {:.1} ms, p99 {:.1} ms",
            self.rate,
            self.latencies.len(),
            self.enqueued,
            self.quantile(0.5),
            self.quantile(0.99),
        );
    }
}

/// When the others' jobs were enqueued and how long they took, and how many jobs ran at all.
#[derive(Default)]
struct Record {
    begun: Mutex<HashMap<u64, Instant>>,
    latencies: Mutex<Vec<f64>>,
    done: AtomicU64,
}

impl Record {
    fn ran(&self, number: Option<u64>) {
        self.done.fetch_add(1, Ordering::Relaxed);
        let Some(number) = number else { return };
        let begun = self
            .begun
            .lock()
            .map(|mut begun| begun.remove(&number))
            .unwrap_or_default();
        if let (Some(begun), Ok(mut latencies)) = (begun, self.latencies.lock()) {
            latencies.push(begun.elapsed().as_secs_f64() * 1_000.0);
        }
    }
}

async fn phase(
    cluster: &Embedded,
    arguments: &Arguments,
    discipline: Discipline,
    backlog: usize,
) -> anyhow::Result<Measured> {
    let name = format!("bench_{}", uuid::Uuid::now_v7().simple());
    let server = Server::from_socket(
        cluster.socket_dir(),
        cluster.port(),
        cluster.superuser(),
        &name,
    );
    server.ensure_database(&name).await?;
    kernel::db::migrate(&server).await?;
    let db = Db::connect(&server, &HashMap::new()).await?;
    let owner = PgPool::connect_with(
        PgConnectOptions::new_without_pgpass()
            .socket(cluster.socket_dir())
            .port(cluster.port())
            .username(cluster.superuser())
            .database(&name),
    )
    .await?;
    let mut others = Vec::new();
    for number in 0..arguments.others {
        others.push(tenant(&db, &format!("small-{number}")).await?);
    }
    let big = tenant(&db, "big").await?;
    fill(&big, backlog).await?;
    sqlx::query("CREATE INDEX ON cell.job (id) WHERE state = 'ready'")
        .execute(&owner)
        .await?;
    // What filling left to do is not the phase's to pay for.
    for maintenance in ["VACUUM ANALYZE", "CHECKPOINT"] {
        sqlx::query(maintenance).execute(&owner).await?;
    }

    let record = Arc::new(Record::default());
    let worker = match discipline {
        Discipline::Fair => Running::Fair(fair(&db, &record, arguments.concurrency)),
        Discipline::Fifo => {
            let task = fifo(owner.clone(), Arc::clone(&record), arguments.concurrency);
            Running::Fifo(tokio::spawn(task))
        }
    };
    let length = Duration::from_secs(arguments.seconds);
    let begun = Instant::now();
    let enqueued = trickle(&others, &record, arguments.rate, length).await?;
    // What was enqueued last gets as long as the slowest tolerable job.
    tokio::time::sleep(Duration::from_millis(250)).await;
    let rate = record.done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    match worker {
        Running::Fair(worker) => worker.drain(Duration::from_secs(5)).await,
        Running::Fifo(task) => task.abort(),
    }
    db.close().await;
    owner.close().await;
    let mut latencies = record
        .latencies
        .lock()
        .map(|latencies| latencies.clone())
        .unwrap_or_default();
    latencies.sort_by(f64::total_cmp);
    Ok(Measured {
        rate,
        enqueued,
        latencies,
    })
}

enum Running {
    Fair(Worker),
    Fifo(tokio::task::JoinHandle<anyhow::Result<()>>),
}

fn fair(db: &Db, record: &Arc<Record>, concurrency: usize) -> Worker {
    let record = Arc::clone(record);
    let mut registry = Registry::new();
    registry.job("work", move |_: Access<JobsRead>, number: Option<u64>| {
        record.ran(number);
        async { Ok(()) }
    });
    let options = WorkerOptions {
        concurrency,
        ..WorkerOptions::default()
    };
    Worker::start(db, Arc::new(registry), options)
}

/// The yardstick: the oldest ready jobs first, whoever's they are, claimed and settled in batches
/// as large as the slots of the other discipline allow.
async fn fifo(pool: PgPool, record: Arc<Record>, concurrency: usize) -> anyhow::Result<()> {
    let limit = i64::try_from(concurrency)?;
    loop {
        let jobs: Vec<(uuid::Uuid, uuid::Uuid, serde_json::Value)> = sqlx::query_as(
            "UPDATE cell.job j
             SET state = 'running', attempt = attempt + 1, lease_token = lease_token + 1,
                 lease_until = now() + interval '1 minute', started_at = now()
             FROM (SELECT tenant_id, id FROM cell.job WHERE state = 'ready'
                   ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) c
             WHERE j.tenant_id = c.tenant_id AND j.id = c.id
             RETURNING j.tenant_id, j.id, j.payload",
        )
        .bind(limit)
        .fetch_all(&pool)
        .await?;
        if jobs.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        }
        let (mut tenants, mut ids) = (Vec::new(), Vec::new());
        for (tenant, id, payload) in jobs {
            record.ran(payload.as_u64());
            tenants.push(tenant);
            ids.push(id);
        }
        sqlx::query(
            "UPDATE cell.job j SET state = 'done', finished_at = now(), lease_until = NULL
             FROM unnest($1::uuid[], $2::uuid[]) AS d (tenant_id, id)
             WHERE j.tenant_id = d.tenant_id AND j.id = d.id AND j.state = 'running'",
        )
        .bind(tenants)
        .bind(ids)
        .execute(&pool)
        .await?;
    }
}

async fn tenant(db: &Db, slug: &str) -> anyhow::Result<Access<JobsReplay>> {
    let staff = Operator::<TenantsWrite>::local(db, "bench");
    let cell = staff
        .cells()
        .first()
        .copied()
        .ok_or_else(|| anyhow::anyhow!("a new installation has one cell"))?;
    let id = TenantId::new();
    let mut tx = staff
        .begin("tenant.created", Some(id), serde_json::Value::Null)
        .await?;
    sqlx::query(
        "INSERT INTO control.tenant (id, slug, name, plan, region, status, cell_id)
         VALUES ($1, $2, $2, 'free', 'local', 'active', $3)",
    )
    .bind(id.uuid())
    .bind(slug)
    .bind(cell.uuid())
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    let mut tx = staff
        .begin_in_cell(cell, "tenant.created", Some(id))
        .await?;
    sqlx::query("INSERT INTO cell.tenancy (tenant_id, epoch) VALUES ($1, 1)")
        .bind(id.uuid())
        .execute(tx.conn())
        .await?;
    // First in, first out knows no cap either.
    let change = LaneChange {
        max_running: Some(10_000),
        ..LaneChange::default()
    };
    set_lane(&mut tx, id, change).await?;
    tx.commit().await?;
    let tenant: Tenant = db
        .directory()
        .by_slug(slug)
        .await?
        .ok_or_else(|| anyhow::anyhow!("the tenant was created just now"))?;
    let staff = Operator::<TenantsEnter>::local(db, "bench");
    Ok(staff.enter(tenant, "benchmark").await?)
}

async fn fill(access: &Access<JobsReplay>, jobs: usize) -> anyhow::Result<()> {
    let ids: Vec<uuid::Uuid> = (0..jobs).map(|_| JobId::new().uuid()).collect();
    for ids in ids.chunks(10_000) {
        let mut tx = access.begin().await?;
        sqlx::query(
            "INSERT INTO cell.job (id, kind, payload, state, max_attempts, actor, correlation_id)
             SELECT id, 'work', 'null', 'ready', 10, 'bench', id FROM unnest($1::uuid[]) AS id",
        )
        .bind(ids)
        .execute(tx.conn())
        .await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Enqueues at the rate for as long as told. Gives back how many.
async fn trickle(
    others: &[Access<JobsReplay>],
    record: &Record,
    rate: u64,
    length: Duration,
) -> anyhow::Result<usize> {
    let mut tick = tokio::time::interval(Duration::from_secs(1) / u32::try_from(rate)?);
    let end = Instant::now() + length;
    let mut number = 0;
    while Instant::now() < end {
        tick.tick().await;
        let access = &others[rand::rng().random_range(0..others.len())];
        if let Ok(mut begun) = record.begun.lock() {
            begun.insert(number, Instant::now());
        }
        let mut tx = access.begin().await?;
        tx.enqueue_raw(NewJob::new("work", number.into())).await?;
        tx.commit().await?;
        number += 1;
    }
    Ok(usize::try_from(number)?)
}
