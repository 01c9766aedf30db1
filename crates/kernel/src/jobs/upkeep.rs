//! What is due by the clock: jobs whose time has come, leases that ran out, schedules, old rows,
//! gauges. Every node does all of it; row locks and compare-and-set keep them from doing it twice.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{begin_planned, schedule, worker::WorkerOptions};
use crate::{
    db::Cell,
    error::{Error, Result},
    telemetry::metric,
};

/// Jobs of one tenant that one pass moves, so that no tenant's backlog holds up a pass.
const PER_TENANT: i64 = 500;
const GAUGES: Duration = Duration::from_secs(15);
const PURGE: Duration = Duration::from_secs(60);

pub(super) struct Upkeep {
    cell: Arc<Cell>,
    poll: Duration,
    retention: Duration,
    /// Tenant classes that have been reported: they go to zero, they don't go stale.
    classes: BTreeSet<i32>,
}

impl Upkeep {
    pub fn new(cell: Arc<Cell>, options: WorkerOptions) -> Self {
        Self {
            cell,
            poll: options.poll,
            retention: options.retention,
            classes: BTreeSet::new(),
        }
    }

    pub async fn run(mut self) {
        let mut tick = tokio::time::interval(self.poll);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut gauged: Option<Instant> = None;
        let mut purged: Option<Instant> = None;
        loop {
            tick.tick().await;
            if let Err(error) = self.due().await {
                tracing::warn!(cause = ?error, "due jobs can't be brought forward");
                continue;
            }
            if gauged.is_none_or(|at| at.elapsed() >= GAUGES) {
                gauged = Some(Instant::now());
                if let Err(error) = self.gauge().await {
                    tracing::warn!(cause = ?error, "the queue can't be measured");
                }
            }
            if purged.is_none_or(|at| at.elapsed() >= PURGE) {
                purged = Some(Instant::now());
                if let Err(error) = self.purge().await {
                    tracing::warn!(cause = ?error, "old jobs can't be purged");
                }
            }
        }
    }

    async fn due(&self) -> Result<()> {
        let pool = &self.cell.pools.worker;
        let mut ready = schedule::enqueue_due(pool).await?;
        let mut tx = begin_planned(pool).await?;
        ready += promote(&mut tx).await?;
        ready += reclaim(&mut tx).await?;
        ready += open_lanes(&mut tx).await?;
        tx.commit().await?;
        if ready > 0 {
            self.cell.wake.notify_one();
        }
        Ok(())
    }

    async fn purge(&self) -> Result<()> {
        while purge(&self.cell.pools.worker, self.retention).await? >= PER_TENANT.unsigned_abs() {}
        Ok(())
    }

    async fn gauge(&mut self) -> Result<()> {
        let rows = sqlx::query!(
            r#"SELECT l.weight, count(*) AS "depth!",
                   EXTRACT(epoch FROM now() - min(j.run_at))::double precision AS "age!"
               FROM cell.job j JOIN cell.job_lane l ON l.tenant_id = j.tenant_id
               WHERE j.state = 'ready' GROUP BY l.weight"#
        )
        .fetch_all(&self.cell.pools.worker)
        .await?;
        let mut idle = self.classes.clone();
        for row in rows {
            idle.remove(&row.weight);
            self.classes.insert(row.weight);
            report(row.weight, row.depth as f64, row.age.max(0.0));
        }
        for weight in idle {
            report(weight, 0.0, 0.0);
        }
        Ok(())
    }
}

fn report(weight: i32, depth: f64, age: f64) {
    let class = format!("w{weight}");
    metrics::gauge!(metric::QUEUE_DEPTH, "class" => class.clone()).set(depth);
    metrics::gauge!(metric::QUEUE_AGE, "class" => class).set(age);
}

/// Makes jobs ready whose time has come. Gives back how many.
async fn promote(conn: &mut PgConnection) -> Result<u64> {
    let promoted = sqlx::query!(
        "WITH RECURSIVE waiting AS (
             (SELECT tenant_id FROM cell.job WHERE state = 'scheduled'
              ORDER BY tenant_id, run_at LIMIT 1)
             UNION ALL
             SELECT (SELECT j.tenant_id FROM cell.job j
                     WHERE j.state = 'scheduled' AND j.tenant_id > w.tenant_id
                     ORDER BY j.tenant_id, j.run_at LIMIT 1)
             FROM waiting w WHERE w.tenant_id IS NOT NULL
         ), due AS MATERIALIZED (
             SELECT w.tenant_id, d.id FROM waiting w CROSS JOIN LATERAL (
                 SELECT j.id FROM cell.job j
                 WHERE j.tenant_id = w.tenant_id AND j.state = 'scheduled' AND j.run_at <= now()
                 ORDER BY j.run_at LIMIT $1
                 FOR UPDATE SKIP LOCKED) d
         )
         UPDATE cell.job j SET state = 'ready' FROM due d
         WHERE j.tenant_id = d.tenant_id AND j.id = d.id AND j.state = 'scheduled'",
        PER_TENANT
    )
    .execute(conn)
    .await?;
    Ok(promoted.rows_affected())
}

/// Takes jobs back whose lease ran out. The attempt counts, so that a job that kills its node does
/// not do so for ever. Gives back how many are ready again.
async fn reclaim(conn: &mut PgConnection) -> Result<u64> {
    let states = sqlx::query_scalar!(
        "WITH RECURSIVE leased AS (
             (SELECT tenant_id FROM cell.job WHERE state = 'running'
              ORDER BY tenant_id, lease_until LIMIT 1)
             UNION ALL
             SELECT (SELECT j.tenant_id FROM cell.job j
                     WHERE j.state = 'running' AND j.tenant_id > l.tenant_id
                     ORDER BY j.tenant_id, j.lease_until LIMIT 1)
             FROM leased l WHERE l.tenant_id IS NOT NULL
         ), expired AS MATERIALIZED (
             SELECT l.tenant_id, e.id FROM leased l CROSS JOIN LATERAL (
                 SELECT j.id FROM cell.job j
                 WHERE j.tenant_id = l.tenant_id AND j.state = 'running' AND j.lease_until < now()
                 ORDER BY j.lease_until LIMIT $1
                 FOR UPDATE SKIP LOCKED) e
         )
         UPDATE cell.job j
         SET state = CASE WHEN j.attempt < j.max_attempts THEN 'ready' ELSE 'dead' END,
             finished_at = CASE WHEN j.attempt < j.max_attempts THEN NULL ELSE now() END,
             last_error = 'lease_expired: the node that ran it stopped or lost the database',
             lease_owner = NULL, lease_until = NULL
         FROM expired e
         WHERE j.tenant_id = e.tenant_id AND j.id = e.id AND j.state = 'running'
         RETURNING j.state",
        PER_TENANT
    )
    .fetch_all(conn)
    .await?;
    if !states.is_empty() {
        tracing::warn!(jobs = states.len(), "leases ran out");
    }
    Ok(states.iter().filter(|state| *state == "ready").count() as u64)
}

/// Opens a lane with the default share for each tenant that has jobs but no lane. Provisioning
/// opens lanes; without this, jobs of a tenant that was brought in otherwise would never run.
async fn open_lanes(conn: &mut PgConnection) -> Result<u64> {
    let opened = sqlx::query!(
        "INSERT INTO cell.job_lane (tenant_id)
         WITH RECURSIVE active AS (
             (SELECT tenant_id FROM cell.job WHERE state = 'ready'
              ORDER BY tenant_id, priority DESC, id LIMIT 1)
             UNION ALL
             SELECT (SELECT j.tenant_id FROM cell.job j
                     WHERE j.state = 'ready' AND j.tenant_id > a.tenant_id
                     ORDER BY j.tenant_id, j.priority DESC, j.id LIMIT 1)
             FROM active a WHERE a.tenant_id IS NOT NULL
         )
         SELECT a.tenant_id FROM active a
         WHERE a.tenant_id IS NOT NULL
             AND NOT EXISTS (SELECT FROM cell.job_lane l WHERE l.tenant_id = a.tenant_id)
         ON CONFLICT (tenant_id) DO NOTHING"
    )
    .execute(conn)
    .await?;
    Ok(opened.rows_affected())
}

/// Deletes done jobs that finished longer ago than `retention`. Gives back the most that any
/// tenant lost: less than [`PER_TENANT`] means that none has more.
async fn purge(pool: &PgPool, retention: Duration) -> Result<u64> {
    let before = OffsetDateTime::now_utc() - retention;
    let mut tx = begin_planned(pool).await?;
    let deleted = sqlx::query_scalar!(
        r#"WITH old AS MATERIALIZED (
               SELECT l.tenant_id, o.id FROM cell.job_lane l CROSS JOIN LATERAL (
                   SELECT j.id FROM cell.job j
                   WHERE j.tenant_id = l.tenant_id AND j.id < $2 AND j.state = 'done'
                       AND j.finished_at < $1
                   ORDER BY j.id LIMIT $3
                   FOR UPDATE SKIP LOCKED) o
           ), gone AS (
               DELETE FROM cell.job j USING old o
               WHERE j.tenant_id = o.tenant_id AND j.id = o.id
               RETURNING j.tenant_id
           )
           SELECT COALESCE(max(jobs), 0) AS "most!"
           FROM (SELECT count(*) AS jobs FROM gone GROUP BY tenant_id) per_tenant"#,
        before,
        first_id_at(before)?,
        PER_TENANT,
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    u64::try_from(deleted).map_err(Error::internal)
}

/// The smallest UUIDv7 of a moment. Ids are in the order of time, so the primary key finds what is
/// older without an index of its own.
fn first_id_at(at: OffsetDateTime) -> Result<Uuid> {
    let milliseconds =
        u128::try_from(at.unix_timestamp_nanos() / 1_000_000).map_err(Error::internal)?;
    Ok(Uuid::from_u128(milliseconds << 80))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_made_later_are_greater() {
        let now = OffsetDateTime::now_utc();
        let id = Uuid::now_v7();
        assert!(first_id_at(now).expect("in range") <= id);
        let later = now + time::Duration::seconds(1);
        assert!(first_id_at(later).expect("in range") > id);
    }
}
