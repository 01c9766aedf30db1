//! The claim: which jobs go next, over all tenants of a cell.
//!
//! Stride scheduling by start tags. A lane's `pass` is where its next job would start in virtual
//! time; a claimed job moves it on by `1 / weight`. A lane that was idle starts where the queue
//! stands now, so that nobody saves up turns. The lane's row is locked while its jobs are claimed,
//! which makes the cap and the ordering keys hold exactly between nodes; a node that finds a lane
//! locked passes on to the next.

use std::time::Duration;

use serde_json::Value;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::error::{Error, Result};

/// Ready jobs of one lane that a claim looks at. It bounds what a lane whose jobs wait for each
/// other costs the rest; where more than these all wait for earlier ones, so does the lane.
const WINDOW: i64 = 1_000;

/// A job that this node holds the lease of.
#[derive(Debug)]
pub(super) struct Claimed {
    pub tenant: Uuid,
    pub id: Uuid,
    pub kind: String,
    pub payload: Value,
    /// This one included.
    pub attempt: i32,
    pub max_attempts: i32,
    pub token: i64,
    pub actor: String,
    pub correlation: Uuid,
}

/// Claims up to `wanted` jobs for the node `owner`. Fewer mean that nothing else can run now.
pub(super) async fn claim(
    conn: &mut PgConnection,
    owner: Uuid,
    lease: Duration,
    wanted: usize,
) -> Result<Vec<Claimed>> {
    let wanted = i64::try_from(wanted).map_err(Error::internal)?;
    let mut tx = conn.begin().await?;
    // Choosing takes a statement of its own, because only one that begins after the lanes are
    // locked sees what their previous holder claimed.
    let mut lanes = sqlx::query_as!(
        Lane,
        r#"WITH RECURSIVE active AS (
               (SELECT tenant_id FROM cell.job WHERE state = 'ready'
                ORDER BY tenant_id, priority DESC, id LIMIT 1)
               UNION ALL
               SELECT (SELECT j.tenant_id FROM cell.job j
                       WHERE j.state = 'ready' AND j.tenant_id > a.tenant_id
                       ORDER BY j.tenant_id, j.priority DESC, j.id LIMIT 1)
               FROM active a WHERE a.tenant_id IS NOT NULL
           ), clock AS (
               -- Where the job that was claimed last began: the greatest start tag given so far.
               SELECT max(pass - 1.0::double precision / weight) AS now FROM cell.job_lane
           )
           SELECT l.tenant_id AS tenant, l.weight, l.max_running, GREATEST(l.pass, clock.now) AS "start!",
               0 AS "taken!"
           FROM active a
           JOIN cell.job_lane l ON l.tenant_id = a.tenant_id
           CROSS JOIN clock
           WHERE NOT l.paused
               AND l.max_running > (SELECT count(*) FROM cell.job r
                                    WHERE r.tenant_id = l.tenant_id AND r.state = 'running')
               AND EXISTS (
                   SELECT FROM (SELECT j.id, j.ordering_key FROM cell.job j
                                WHERE j.tenant_id = l.tenant_id AND j.state = 'ready'
                                ORDER BY j.priority DESC, j.id LIMIT $2) w
                   WHERE w.ordering_key IS NULL OR NOT EXISTS (
                       SELECT FROM cell.job e
                       WHERE e.tenant_id = l.tenant_id AND e.ordering_key = w.ordering_key
                           AND e.state IN ('scheduled', 'ready', 'running')
                           AND (e.id < w.id OR e.state = 'running')))
           ORDER BY GREATEST(l.pass, clock.now), l.tenant_id
           LIMIT $1
           FOR UPDATE OF l SKIP LOCKED"#,
        wanted,
        WINDOW,
    )
    .fetch_all(&mut *tx)
    .await?;
    if lanes.is_empty() {
        tx.rollback().await?;
        return Ok(Vec::new());
    }
    let chosen = sqlx::query!(
        r#"SELECT tenant_id AS "tenant_id!", id
           FROM (
               SELECT lane.tenant_id, j.id, lane.start
                   + (row_number() OVER (PARTITION BY lane.tenant_id ORDER BY j.priority DESC, j.id) - 1)
                     / lane.weight::double precision AS tag
               FROM (
                   SELECT i.tenant_id, i.weight, i.start,
                       i.cap - (SELECT count(*) FROM cell.job r
                                WHERE r.tenant_id = i.tenant_id AND r.state = 'running') AS room
                   FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::double precision[])
                       AS i (tenant_id, weight, cap, start)
               ) lane CROSS JOIN LATERAL (
                   SELECT w.id, w.priority
                   FROM (SELECT j.id, j.priority, j.ordering_key FROM cell.job j
                         WHERE j.tenant_id = lane.tenant_id AND j.state = 'ready'
                         ORDER BY j.priority DESC, j.id LIMIT $6) w
                   WHERE w.ordering_key IS NULL OR NOT EXISTS (
                       SELECT FROM cell.job e
                       WHERE e.tenant_id = lane.tenant_id AND e.ordering_key = w.ordering_key
                           AND e.state IN ('scheduled', 'ready', 'running')
                           AND (e.id < w.id OR e.state = 'running'))
                   ORDER BY w.priority DESC, w.id
                   LIMIT LEAST($5, GREATEST(lane.room, 0))
               ) j
           ) candidate
           ORDER BY tag, tenant_id LIMIT $5"#,
        &column(&lanes, |lane| lane.tenant),
        &column(&lanes, |lane| lane.weight),
        &column(&lanes, |lane| lane.max_running),
        &column(&lanes, |lane| lane.start),
        wanted,
        WINDOW,
    )
    .fetch_all(&mut *tx)
    .await?;
    for job in &chosen {
        if let Some(lane) = lanes.iter_mut().find(|lane| lane.tenant == job.tenant_id) {
            lane.taken += 1;
        }
    }
    lanes.retain(|lane| lane.taken > 0);
    let jobs = sqlx::query_as!(
        Claimed,
        r#"WITH advanced AS (
               UPDATE cell.job_lane l SET pass = i.pass
               FROM unnest($1::uuid[], $2::double precision[]) AS i (tenant_id, pass)
               WHERE l.tenant_id = i.tenant_id
           )
           UPDATE cell.job j
           SET state = 'running', attempt = j.attempt + 1, lease_token = j.lease_token + 1,
               lease_owner = $5, lease_until = now() + make_interval(secs => $6), started_at = now()
           FROM unnest($3::uuid[], $4::uuid[]) AS c (tenant_id, id)
           WHERE j.tenant_id = c.tenant_id AND j.id = c.id AND j.state = 'ready'
           RETURNING j.tenant_id AS tenant, j.id, j.kind, j.payload, j.attempt, j.max_attempts,
               j.lease_token AS token, j.actor, j.correlation_id AS correlation"#,
        &column(&lanes, |lane| lane.tenant),
        &column(&lanes, Lane::next_start),
        &column(&chosen, |job| job.tenant_id),
        &column(&chosen, |job| job.id),
        owner,
        lease.as_secs_f64(),
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(jobs)
}

/// A lane that is locked for this claim.
struct Lane {
    tenant: Uuid,
    weight: i32,
    max_running: i32,
    /// Where its first job starts.
    start: f64,
    /// How many of its jobs this claim takes.
    taken: i32,
}

impl Lane {
    fn next_start(&self) -> f64 {
        self.start + f64::from(self.taken) / f64::from(self.weight)
    }
}

fn column<R, T>(rows: &[R], value: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
