//! What this node holds leases of: keeps them alive, and writes down what became of the jobs.
//!
//! One task per cell does both, so that its two statements never wait for each other's rows.
//! Jobs that end while a settlement is under way share the next one: one flush for many jobs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{attempt::Outcome, begin_planned};
use crate::{db::Cell, error::Result, id::JobId};

/// Jobs settled by one statement at most.
const BATCH: usize = 256;
/// Between two tries to settle while the database does not answer.
const RETRY: Duration = Duration::from_millis(200);

/// A job that has ended here.
#[derive(Debug)]
pub(super) struct Settlement {
    pub lease: Lease,
    pub outcome: Outcome,
}

/// A claim on one job. Settling or extending it with a token that is no longer the job's changes
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lease {
    pub tenant: Uuid,
    pub id: Uuid,
    pub token: i64,
}

/// The jobs that run on this node, and how to stop each.
#[derive(Clone, Debug, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<Lease, CancellationToken>>>);

impl Running {
    pub fn add(&self, lease: Lease) -> CancellationToken {
        let cancel = CancellationToken::new();
        self.held().insert(lease, cancel.clone());
        cancel
    }

    pub fn remove(&self, lease: Lease) {
        self.held().remove(&lease);
    }

    pub fn cancel_all(&self) {
        for cancel in self.held().values() {
            cancel.cancel();
        }
    }

    fn cancel(&self, lease: Lease) {
        if let Some(cancel) = self.held().get(&lease) {
            cancel.cancel();
        }
    }

    fn leases(&self) -> Vec<Lease> {
        self.held().keys().copied().collect()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Lease, CancellationToken>> {
        // The map is whole between any two calls, so a panic elsewhere can't have torn it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that extends leases and settles jobs.
pub(super) struct Ledger {
    pub cell: Arc<Cell>,
    pub running: Running,
    pub lease: Duration,
    pub ended: mpsc::UnboundedReceiver<Settlement>,
    /// Cancelled once no more jobs will end: settle what has, and stop.
    pub finish: CancellationToken,
}

impl Ledger {
    pub async fn run(mut self) {
        // Two heartbeats may fail before a lease runs out.
        let period = self.lease / 3;
        let mut heartbeat = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                _ = heartbeat.tick() => self.extend().await,
                count = self.ended.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    self.settle(std::mem::take(&mut batch)).await;
                }
                () = self.finish.cancelled() => break,
            }
        }
        self.ended.close();
        while self.ended.recv_many(&mut batch, BATCH).await > 0 {
            self.settle(std::mem::take(&mut batch)).await;
        }
    }

    async fn extend(&self) {
        let leases = self.running.leases();
        if leases.is_empty() {
            return;
        }
        match extend(&self.cell.pools.worker, self.lease, &leases).await {
            Ok(kept) => {
                let kept: std::collections::HashSet<Uuid> = kept.into_iter().collect();
                for lease in leases {
                    if !kept.contains(&lease.id) {
                        // Somebody else may be running it already. Where it has ended here just
                        // now, there is nothing left to cancel.
                        self.running.cancel(lease);
                    }
                }
            }
            Err(error) => tracing::warn!(cause = ?error, "leases can't be extended"),
        }
    }

    /// Tries until the leases that it would settle have run out anyway.
    async fn settle(&self, batch: Vec<Settlement>) {
        let deadline = Instant::now() + self.lease;
        loop {
            match settle(&self.cell.pools.worker, &batch).await {
                Ok(settled) => {
                    let settled: std::collections::HashSet<Uuid> = settled.into_iter().collect();
                    for Settlement { lease, outcome } in &batch {
                        if !settled.contains(&lease.id) {
                            tracing::warn!(job_id = %JobId::from(lease.id), token = lease.token, ?outcome,
                                "the job's lease was taken over; its outcome here does not count");
                        }
                    }
                    // What just ended may have held up others, by its ordering key or its lane's cap.
                    self.cell.wake.notify_one();
                    return;
                }
                Err(error) if Instant::now() < deadline => {
                    tracing::warn!(cause = ?error, jobs = batch.len(), "jobs can't be settled yet");
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => {
                    tracing::error!(cause = ?error, jobs = batch.len(),
                        "jobs were not settled and will run again when their leases have run out");
                    return;
                }
            }
        }
    }
}

/// Extends leases; gives back the jobs of those that still hold.
async fn extend(pool: &PgPool, lease: Duration, leases: &[Lease]) -> Result<Vec<Uuid>> {
    let (tenants, ids, tokens) = columns(leases.iter().copied());
    let mut tx = begin_planned(pool).await?;
    let kept = sqlx::query_scalar!(
        "UPDATE cell.job j SET lease_until = now() + make_interval(secs => $4)
         FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS l (tenant_id, id, token)
         WHERE j.tenant_id = l.tenant_id AND j.id = l.id AND j.lease_token = l.token
             AND j.state = 'running'
         RETURNING j.id",
        &tenants,
        &ids,
        &tokens,
        lease.as_secs_f64(),
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(kept)
}

/// Writes outcomes down; gives back the jobs whose leases still held.
async fn settle(pool: &PgPool, batch: &[Settlement]) -> Result<Vec<Uuid>> {
    let (tenants, ids, tokens) = columns(batch.iter().map(|settlement| settlement.lease));
    let mut states = Vec::with_capacity(batch.len());
    let mut delays = Vec::with_capacity(batch.len());
    let mut errors = Vec::with_capacity(batch.len());
    let mut refunds = Vec::with_capacity(batch.len());
    for settlement in batch {
        let (state, after, error, refund) = match &settlement.outcome {
            Outcome::Done => ("done", Duration::ZERO, None, 0),
            Outcome::Retry { after, error } => ("scheduled", *after, Some(error.clone()), 0),
            Outcome::Dead { error } => ("dead", Duration::ZERO, Some(error.clone()), 0),
            Outcome::Waits { after, error } => ("scheduled", *after, Some(error.clone()), 1),
            Outcome::GivenBack { after } if after.is_zero() => ("ready", *after, None, 1),
            Outcome::GivenBack { after } => ("scheduled", *after, None, 1),
        };
        states.push(state.to_owned());
        delays.push(after.as_secs_f64());
        errors.push(error);
        refunds.push(refund);
    }
    let mut tx = begin_planned(pool).await?;
    let settled = sqlx::query_scalar!(
        "UPDATE cell.job j
         SET state = o.state,
             attempt = j.attempt - o.refund,
             run_at = CASE WHEN o.state = 'scheduled' THEN now() + make_interval(secs => o.delay)
                 ELSE j.run_at END,
             last_error = CASE WHEN o.state = 'done' THEN NULL ELSE COALESCE(o.error, j.last_error) END,
             finished_at = CASE WHEN o.state IN ('done', 'dead') THEN now() END,
             lease_owner = NULL, lease_until = NULL
         FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::double precision[],
                 $6::text[], $7::integer[]) AS o (tenant_id, id, token, state, delay, error, refund)
         WHERE j.tenant_id = o.tenant_id AND j.id = o.id AND j.lease_token = o.token
             AND j.state = 'running'
         RETURNING j.id",
        &tenants,
        &ids,
        &tokens,
        &states,
        &delays,
        &errors as &[Option<String>],
        &refunds,
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(settled)
}

fn columns(leases: impl Iterator<Item = Lease>) -> (Vec<Uuid>, Vec<Uuid>, Vec<i64>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for lease in leases {
        columns.0.push(lease.tenant);
        columns.1.push(lease.id);
        columns.2.push(lease.token);
    }
    columns
}
