//! A node's worker: claims jobs as slots come free, runs them, and stops in order.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use super::{
    attempt::{Backoff, Outcome, attempt},
    claim::{Claimed, claim},
    ledger::{Lease, Ledger, Running, Settlement},
    link::Link,
    registry::Registry,
    upkeep::Upkeep,
};
use crate::{
    db::{Cell, Db},
    id::CellId,
};

/// How long a stopping worker waits for jobs that it has told to stop, and then for the database
/// to take down what became of the last ones.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How a node works on jobs.
#[derive(Clone, Copy, Debug)]
pub struct WorkerOptions {
    /// Jobs that run at a time on this node, over all its cells.
    pub concurrency: usize,
    /// How long a job is this node's unless a heartbeat extends it. When a node is killed, its
    /// jobs run elsewhere after this.
    pub lease: Duration,
    /// How often to look for jobs that no commit of this node announced: those of other nodes,
    /// those that became due, those whose lease ran out.
    pub poll: Duration,
    pub backoff: Backoff,
    /// How long done jobs are kept. Dead letters are kept until somebody replays them.
    pub retention: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            concurrency: 32,
            lease: Duration::from_secs(60),
            poll: Duration::from_millis(500),
            backoff: Backoff::default(),
            retention: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// A running worker. [`drain`](Self::drain) ends it in order; dropping it ends it as a crash
/// would: its jobs are abandoned where they stand and run again when their leases have run out.
pub struct Worker {
    /// No more claims.
    stop: CancellationToken,
    /// No more jobs will end.
    finish: CancellationToken,
    /// Everything ends at once.
    kill: CancellationToken,
    running: Vec<Running>,
    /// Dispatchers and upkeep, which end on `stop`.
    claiming: TaskTracker,
    jobs: TaskTracker,
    ledgers: TaskTracker,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("running", &self.jobs.len())
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// Starts to work on the jobs of every cell that this node serves.
    pub fn start(db: &Db, registry: Arc<Registry>, options: WorkerOptions) -> Self {
        let mut worker = Self {
            stop: CancellationToken::new(),
            finish: CancellationToken::new(),
            kill: CancellationToken::new(),
            running: Vec::new(),
            claiming: TaskTracker::new(),
            jobs: TaskTracker::new(),
            ledgers: TaskTracker::new(),
        };
        let slots = Arc::new(Semaphore::new(options.concurrency));
        for (id, cell) in db.cells() {
            let running = Running::default();
            let (ended, inbox) = mpsc::unbounded_channel();
            let ledger = Ledger {
                cell: Arc::clone(cell),
                running: running.clone(),
                lease: options.lease,
                ended: inbox,
                finish: worker.finish.clone(),
            };
            spawn(&worker.ledgers, &worker.kill, ledger.run());
            let upkeep = Upkeep::new(Arc::clone(cell), options);
            let upkeep = worker.stop.clone().run_until_cancelled_owned(upkeep.run());
            spawn(&worker.claiming, &worker.kill, upkeep);
            let dispatcher = Dispatcher {
                db: db.clone(),
                cell_id: *id,
                cell: Arc::clone(cell),
                registry: Arc::clone(&registry),
                options,
                owner: Uuid::now_v7(),
                slots: Arc::clone(&slots),
                running: running.clone(),
                ended,
                stop: worker.stop.clone(),
                kill: worker.kill.clone(),
                jobs: worker.jobs.clone(),
            };
            spawn(&worker.claiming, &worker.kill, dispatcher.run());
            worker.running.push(running);
        }
        worker
    }

    /// Stops claiming and lets running jobs finish. What still runs at the deadline is stopped and
    /// its lease given back, so that another node takes it up at once.
    pub async fn drain(self, deadline: Duration) {
        let deadline = tokio::time::Instant::now() + deadline;
        self.stop.cancel();
        for tracker in [&self.claiming, &self.jobs, &self.ledgers] {
            tracker.close();
        }
        let orderly = async {
            self.claiming.wait().await;
            self.jobs.wait().await;
        };
        if tokio::time::timeout_at(deadline, orderly).await.is_err() {
            for running in &self.running {
                running.cancel_all();
            }
            // A job that blocks its thread can't be stopped; its lease will run out.
            let _ = tokio::time::timeout(LAST_WORDS, self.jobs.wait()).await;
        }
        self.finish.cancel();
        if tokio::time::timeout(LAST_WORDS, self.ledgers.wait())
            .await
            .is_err()
        {
            tracing::warn!("stopped before all jobs were settled; their leases will run out");
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill.cancel();
    }
}

fn spawn<F>(tracker: &TaskTracker, kill: &CancellationToken, task: F)
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    tracker.spawn(kill.clone().run_until_cancelled_owned(task));
}

/// Claims for one cell and starts what it got.
struct Dispatcher {
    db: Db,
    cell_id: CellId,
    cell: Arc<Cell>,
    registry: Arc<Registry>,
    options: WorkerOptions,
    owner: Uuid,
    /// Shared with the node's other cells.
    slots: Arc<Semaphore>,
    running: Running,
    ended: mpsc::UnboundedSender<Settlement>,
    stop: CancellationToken,
    kill: CancellationToken,
    jobs: TaskTracker,
}

impl Dispatcher {
    async fn run(self) {
        let mut link = Link::new(self.cell.pools.worker.clone());
        while let Some(slots) = self.free_slots().await {
            let wanted = slots.len();
            let claimed = match link.conn().await {
                Ok(conn) => claim(conn, self.owner, self.options.lease, wanted).await,
                Err(error) => Err(error),
            };
            let exhausted = match claimed {
                Ok(jobs) => {
                    let exhausted = jobs.len() < wanted;
                    for (job, slot) in jobs.into_iter().zip(slots) {
                        self.start(job, slot);
                    }
                    exhausted
                }
                Err(error) => {
                    drop(slots);
                    link.reset();
                    tracing::warn!(cause = ?error, "jobs can't be claimed");
                    if self.pause().await {
                        return;
                    }
                    continue;
                }
            };
            if exhausted {
                tokio::select! {
                    () = self.stop.cancelled() => return,
                    () = self.cell.wake.notified() => {}
                    () = tokio::time::sleep(self.options.poll) => {}
                }
            }
        }
    }

    /// Waits for a slot and takes all that are free. `None` once the worker stops.
    async fn free_slots(&self) -> Option<Vec<OwnedSemaphorePermit>> {
        let first = tokio::select! {
            biased;
            () = self.stop.cancelled() => return None,
            slot = Arc::clone(&self.slots).acquire_owned() => slot.ok()?,
        };
        let mut slots = vec![first];
        while let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            slots.push(slot);
        }
        Some(slots)
    }

    /// Rests after a failure. Whether the worker stops meanwhile.
    async fn pause(&self) -> bool {
        self.stop
            .run_until_cancelled(tokio::time::sleep(self.options.poll))
            .await
            .is_none()
    }

    fn start(&self, job: Claimed, slot: OwnedSemaphorePermit) {
        let lease = Lease {
            tenant: job.tenant,
            id: job.id,
            token: job.token,
        };
        let cancel = self.running.add(lease);
        let (db, cell, registry) = (self.db.clone(), self.cell_id, Arc::clone(&self.registry));
        let (running, ended) = (self.running.clone(), self.ended.clone());
        let backoff = self.options.backoff;
        let task = async move {
            let work = attempt(&db, cell, &registry, backoff, job);
            let outcome = cancel.run_until_cancelled(work).await;
            let outcome = outcome.unwrap_or(Outcome::GivenBack {
                after: Duration::ZERO,
            });
            running.remove(lease);
            // Only a ledger that was killed with everything else is gone.
            let _ = ended.send(Settlement { lease, outcome });
            drop(slot);
        };
        spawn(&self.jobs, &self.kill, task);
    }
}
