//! What staff see of the queue across the tenants of one cell. As for tenants, payloads are not shown.

use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Job, JobState};
use crate::{
    db::OperatorTx,
    error::{Error, Result},
    id::{JobId, TenantId},
    page::{Page, PageQuery},
};

/// How much of a tenant's stands in the queue.
#[derive(Clone, Debug, Serialize)]
pub struct LaneFigures {
    pub tenant: TenantId,
    pub weight: i32,
    pub max_running: i32,
    pub paused: bool,
    pub ready: i64,
    pub scheduled: i64,
    pub running: i64,
    pub dead: i64,
    /// Since when the job waits that has waited longest.
    pub waiting_since: Option<OffsetDateTime>,
}

/// The lanes of the cell in which something stands, those with most waiting first.
pub async fn lanes(tx: &mut OperatorTx, limit: i64) -> Result<Vec<LaneFigures>> {
    // One branch for each state, so that each is read from its own partial index and jobs that are
    // done cost nothing.
    let rows = sqlx::query!(
        r#"SELECT l.tenant_id, l.weight, l.max_running, l.paused,
               count(*) FILTER (WHERE j.state = 'ready') AS "ready!",
               count(*) FILTER (WHERE j.state = 'scheduled') AS "scheduled!",
               count(*) FILTER (WHERE j.state = 'running') AS "running!",
               count(*) FILTER (WHERE j.state = 'dead') AS "dead!",
               min(j.run_at) FILTER (WHERE j.state = 'ready') AS waiting_since
           FROM (
               SELECT tenant_id, state, run_at FROM cell.job WHERE state = 'ready'
               UNION ALL SELECT tenant_id, state, run_at FROM cell.job WHERE state = 'scheduled'
               UNION ALL SELECT tenant_id, state, run_at FROM cell.job WHERE state = 'running'
               UNION ALL SELECT tenant_id, state, run_at FROM cell.job WHERE state = 'dead'
           ) j JOIN cell.job_lane l ON l.tenant_id = j.tenant_id
           GROUP BY l.tenant_id
           ORDER BY 5 DESC, 8 DESC, l.tenant_id LIMIT $1"#,
        limit
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| LaneFigures {
            tenant: row.tenant_id.into(),
            weight: row.weight,
            max_running: row.max_running,
            paused: row.paused,
            ready: row.ready,
            scheduled: row.scheduled,
            running: row.running,
            dead: row.dead,
            waiting_since: row.waiting_since,
        })
        .collect())
}

/// A job with the tenant whose it is.
#[derive(Debug)]
pub struct TenantJob {
    pub tenant: TenantId,
    pub job: Job,
}

struct Row {
    tenant_id: Uuid,
    id: Uuid,
    kind: String,
    state: String,
    attempt: i32,
    max_attempts: i32,
    run_at: OffsetDateTime,
    created_at: OffsetDateTime,
    started_at: Option<OffsetDateTime>,
    finished_at: Option<OffsetDateTime>,
    last_error: Option<String>,
    actor: String,
    correlation_id: Uuid,
}

impl TryFrom<Row> for TenantJob {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            tenant: row.tenant_id.into(),
            job: Job {
                id: row.id.into(),
                kind: row.kind,
                state: JobState::parse(&row.state)?,
                attempt: row.attempt,
                max_attempts: row.max_attempts,
                run_at: row.run_at,
                created_at: row.created_at,
                started_at: row.started_at,
                finished_at: row.finished_at,
                last_error: row.last_error,
                actor: row.actor,
                correlation_id: row.correlation_id.into(),
            },
        })
    }
}

/// Jobs of all tenants in one state, newest first; of one tenant, if given.
pub async fn in_state(
    tx: &mut OperatorTx,
    state: JobState,
    tenant: Option<TenantId>,
    page: &PageQuery,
) -> Result<Page<TenantJob>> {
    let (limit, before) = (page.limit()?, page.after::<JobId>()?);
    let rows = sqlx::query_as!(
        Row,
        "SELECT tenant_id, id, kind, state, attempt, max_attempts, run_at, created_at, started_at,
             finished_at, last_error, actor, correlation_id
         FROM cell.job
         WHERE state = $1 AND ($2::uuid IS NULL OR tenant_id = $2) AND ($3::uuid IS NULL OR id < $3)
         ORDER BY id DESC LIMIT $4",
        state.as_str(),
        tenant.map(TenantId::uuid),
        before.map(JobId::uuid),
        limit + 1,
    )
    .fetch_all(tx.conn())
    .await?;
    let jobs = rows
        .into_iter()
        .map(TenantJob::try_from)
        .collect::<Result<Vec<_>>>()?;
    Page::cut(jobs, limit, |found| found.job.id)
}
