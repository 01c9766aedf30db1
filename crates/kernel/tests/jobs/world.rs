//! Tenants, nodes and a log of what ran.

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use kernel::{
    Access, Db, Operator, Tx,
    db::{OperatorTx, Tenant},
    id::{JobId, TenantId},
    jobs::{Backoff, Lane, LaneChange, NewJob, Registry, Worker, WorkerOptions, set_lane},
    permission::{JobsRead, JobsReplay, TenantsWrite},
    testing::TestDb,
};
use sqlx::PgConnection;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The permission that the handlers of these tests run with.
pub type Allowed = JobsRead;

pub struct World {
    test: TestDb,
    pub db: Db,
}

impl World {
    pub async fn new() -> Self {
        let test = kernel::testing::database().await;
        let db = test.db.clone();
        Self { test, db }
    }

    /// Another node's own connections to the same databases.
    pub async fn other_node(&self) -> Db {
        Db::connect(&self.test.server, &Default::default())
            .await
            .unwrap()
    }

    /// A connection that no policy binds, to look at and to disturb what the queue holds.
    pub async fn superuser(&self) -> PgConnection {
        self.test.superuser().await
    }

    pub async fn tenant(&self, slug: &str) -> Tenant {
        self.test.tenant(slug).await
    }

    /// The text of an API key with these permissions.
    pub async fn key(&self, tenant: &Tenant, permissions: &[&str]) -> String {
        self.test.key(tenant, permissions).await.expose().to_owned()
    }

    pub async fn staff_tx(&self) -> OperatorTx {
        let staff = Operator::<TenantsWrite>::local(&self.db, "test");
        let cell = staff.cells()[0];
        staff.begin_in_cell(cell, "test", None).await.unwrap()
    }

    pub async fn lane(&self, tenant: TenantId, change: LaneChange) -> Lane {
        let mut tx = self.staff_tx().await;
        let lane = set_lane(&mut tx, tenant, change).await.unwrap();
        tx.commit().await.unwrap();
        lane
    }

    pub async fn tx(&self, tenant: &Tenant) -> Tx {
        let access = self.test.enter::<JobsReplay>(tenant).await;
        access.begin().await.unwrap()
    }

    pub async fn enqueue(&self, tenant: &Tenant, job: NewJob) -> JobId {
        let mut tx = self.tx(tenant).await;
        let id = tx.enqueue_raw(job).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Jobs of kind `work` whose payloads are the numbers from 0.
    pub async fn backlog(&self, tenant: &Tenant, jobs: i32) {
        let mut tx = self.tx(tenant).await;
        let ids: Vec<uuid::Uuid> = (0..jobs).map(|_| JobId::new().uuid()).collect();
        sqlx::query(
            "INSERT INTO cell.job (id, kind, payload, state, max_attempts, actor, correlation_id)
             SELECT id, 'work', to_jsonb(n - 1), 'ready', 10, 'test:backlog', id
             FROM unnest($1::uuid[]) WITH ORDINALITY AS job (id, n)",
        )
        .bind(ids)
        .execute(tx.conn())
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }

    pub async fn job(&self, id: JobId) -> Row {
        let mut conn = self.superuser().await;
        sqlx::query_as(
            "SELECT state, attempt, lease_token, last_error, run_at FROM cell.job WHERE id = $1",
        )
        .bind(id.uuid())
        .fetch_one(&mut conn)
        .await
        .unwrap()
    }

    /// Waits until the job stands so, and says how.
    pub async fn until_job(&self, id: JobId, is: impl Fn(&Row) -> bool) -> Row {
        until(async || {
            let row = self.job(id).await;
            is(&row).then_some(row)
        })
        .await
    }

    /// How many jobs are in a state.
    pub async fn count(&self, state: &str) -> i64 {
        let mut conn = self.superuser().await;
        sqlx::query_scalar("SELECT count(*) FROM cell.job WHERE state = $1")
            .bind(state)
            .fetch_one(&mut conn)
            .await
            .unwrap()
    }
}

#[derive(Debug, sqlx::FromRow)]
pub struct Row {
    pub state: String,
    pub attempt: i32,
    pub lease_token: i64,
    pub last_error: Option<String>,
    pub run_at: time::OffsetDateTime,
}

/// Asks again and again until there is an answer.
pub async fn until<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            Instant::now() < deadline,
            "nothing came within {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A worker whose clocks run fast.
pub fn options() -> WorkerOptions {
    WorkerOptions {
        concurrency: 8,
        lease: Duration::from_secs(30),
        poll: Duration::from_millis(25),
        backoff: Backoff {
            base: Duration::from_millis(2),
            cap: Duration::from_millis(20),
        },
        ..WorkerOptions::default()
    }
}

pub fn start(db: &Db, registry: Registry, options: WorkerOptions) -> Worker {
    Worker::start(db, Arc::new(registry), options)
}

pub fn work(payload: impl serde::Serialize) -> NewJob {
    NewJob::new("work", serde_json::to_value(payload).unwrap())
}

/// What handlers did, in order.
pub struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone + Send + 'static> Log<T> {
    pub fn new() -> Self {
        Self(Arc::default())
    }

    pub fn push(&self, entry: T) {
        self.0.lock().unwrap().push(entry);
    }

    pub fn entries(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub async fn until_len(&self, len: usize) -> Vec<T> {
        until(async || (self.len() >= len).then(|| self.entries())).await
    }
}

/// A registry whose `work` jobs with payload `T` are handled so.
pub fn working<T, F, Fut>(handle: F) -> Registry
where
    T: serde::de::DeserializeOwned + Send + 'static,
    F: Fn(Access<Allowed>, T) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = kernel::Result<()>> + Send + 'static,
{
    let mut registry = Registry::new();
    registry.job("work", handle);
    registry
}
