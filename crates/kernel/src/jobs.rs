//! The durable queue, shared fairly between tenants.
//!
//! A job is a row of `cell.job`, enqueued by the transaction that needs it done. The nodes'
//! [`Worker`]s claim jobs lane by lane, a lane being a tenant's share of the queue, run each at
//! least once through the [`Registry`]'s handlers, and settle them: done, tried again later, or
//! put aside as a dead letter. Why fairness is decided at claim time is told in
//! docs/adr/0003-fairness-at-claim.md.
//!
//! Here: what a job to enqueue is. In the modules: handlers (`registry`), the claim (`claim`,
//! `link`), running (`worker`, `attempt`), leases and outcomes (`ledger`), what is due by the clock
//! (`upkeep`, `schedule`), what tenants see and may do again (`history`, `api`), what operators set
//! (`lane`) and what they see across tenants (`staff`). Nothing here knows what any job does.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the queue is claimed across tenants, by a role that sees no other table"
)]

pub mod api;
mod attempt;
mod claim;
mod history;
mod lane;
mod ledger;
mod link;
mod registry;
mod schedule;
mod staff;
mod upkeep;
mod worker;

use serde_json::Value;
use sqlx::{PgPool, PgTransaction};
use time::OffsetDateTime;

pub use attempt::Backoff;
pub use history::{Job, JobFilter, JobState, dead_letters, get, list, replay, replay_all};
pub use lane::{Lane, LaneChange, lane, set_lane};
pub use registry::Registry;
pub use staff::{LaneFigures, TenantJob, in_state, lanes};
pub use worker::{Worker, WorkerOptions};

use crate::{db::Tx, error::Result, id::JobId};

/// Attempts before a job is put aside as a dead letter, unless its kind says otherwise.
pub const DEFAULT_MAX_ATTEMPTS: i32 = 10;

/// A job to enqueue.
#[derive(Debug)]
pub struct NewJob {
    pub kind: &'static str,
    pub payload: Value,
    /// Higher goes first within the tenant. Without effect on a job with an ordering key: an
    /// urgent job that waits for a lesser one would hold up both.
    pub priority: i16,
    /// Not before this time; at once when absent.
    pub run_at: Option<OffsetDateTime>,
    pub max_attempts: i32,
    /// While a job of the same kind and key waits or runs, another adds nothing.
    pub dedup_key: Option<String>,
    /// Jobs with the same key run one at a time, in the order they were enqueued.
    pub ordering_key: Option<String>,
}

impl NewJob {
    pub fn new(kind: &'static str, payload: Value) -> Self {
        Self {
            kind,
            payload,
            priority: 0,
            run_at: None,
            max_attempts: DEFAULT_MAX_ATTEMPTS,
            dedup_key: None,
            ordering_key: None,
        }
    }
}

/// Begins a transaction whose statements are planned for the table as it is; [`link`] says why.
async fn begin_planned(pool: &PgPool) -> Result<PgTransaction<'static>> {
    let begin = "BEGIN; SET LOCAL plan_cache_mode = force_custom_plan";
    Ok(pool.begin_with(begin).await?)
}

impl Tx {
    /// Enqueues a job that exists only if this transaction commits. `None` when a job with the
    /// same dedup key is already waiting or running.
    pub async fn enqueue_raw(&mut self, job: NewJob) -> Result<Option<JobId>> {
        let id = JobId::new();
        let actor = self.actor().to_string();
        let correlation = self.correlation().uuid();
        let inserted = sqlx::query!(
            "INSERT INTO cell.job (id, kind, payload, state, priority, run_at, max_attempts, dedup_key,
                 ordering_key, actor, correlation_id)
             SELECT $1, $2, $3, CASE WHEN $5::timestamptz > now() THEN 'scheduled' ELSE 'ready' END,
                 CASE WHEN $8::text IS NULL THEN $4::smallint ELSE 0 END, COALESCE($5, now()), $6, $7,
                 $8, $9, $10
             ON CONFLICT (tenant_id, kind, dedup_key)
                 WHERE dedup_key IS NOT NULL AND state IN ('scheduled', 'ready', 'running')
                 DO NOTHING",
            id.uuid(),
            job.kind,
            job.payload,
            job.priority,
            job.run_at,
            job.max_attempts,
            job.dedup_key,
            job.ordering_key,
            actor,
            correlation,
        )
        .execute(self.conn())
        .await?;
        self.mark_enqueued();
        Ok((inserted.rows_affected() == 1).then_some(id))
    }
}
