//! What a tenant sees of its jobs, and the replay of dead letters. Payloads are not shown: they
//! may hold what the reader has no permission for.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::ConflictCode;
use crate::{
    audit::Act,
    db::Tx,
    error::{Error, OnConstraint, Result},
    id::{CorrelationId, JobId},
    page::{Page, PageQuery},
};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for its time, or for another attempt.
    Scheduled,
    /// Waits for its turn.
    Ready,
    Running,
    Done,
    /// Put aside after its last attempt, or after a failure that no attempt can mend.
    Dead,
}

impl JobState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        [
            Self::Scheduled,
            Self::Ready,
            Self::Running,
            Self::Done,
            Self::Dead,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| Error::internal(anyhow::anyhow!("unknown job state {text:?}")))
    }
}

/// A job as its tenant sees it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Job {
    #[schema(value_type = String, example = "job_01h455vb4pex5vsknk084sn02q")]
    pub id: JobId,
    #[schema(example = "converse.send")]
    pub kind: String,
    pub state: JobState,
    /// Attempts so far, a running one included.
    pub attempt: i32,
    pub max_attempts: i32,
    /// When it may run, or might first have.
    #[serde(with = "time::serde::rfc3339")]
    pub run_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When the last attempt began.
    #[serde(with = "time::serde::rfc3339::option")]
    pub started_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
    /// The code and text of the error that the last attempt ended with.
    pub last_error: Option<String>,
    /// Who or what enqueued it.
    #[schema(example = "webhook:whatsapp")]
    pub actor: String,
    #[schema(value_type = String, example = "cor_01h455vb4pex5vsknk084sn02q")]
    pub correlation_id: CorrelationId,
}

/// Which jobs a list holds.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct JobFilter {
    /// Only jobs in this state: `dead` lists the dead letters.
    #[param(inline)]
    pub state: Option<JobState>,
    /// Only jobs of this kind.
    pub kind: Option<String>,
}

/// A row as it stands in the table.
struct Row {
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

impl TryFrom<Row> for Job {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id.into(),
            state: JobState::parse(&row.state)?,
            kind: row.kind,
            attempt: row.attempt,
            max_attempts: row.max_attempts,
            run_at: row.run_at,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            last_error: row.last_error,
            actor: row.actor,
            correlation_id: row.correlation_id.into(),
        })
    }
}

/// The tenant's jobs, newest first.
pub async fn list(tx: &mut Tx, filter: &JobFilter, page: &PageQuery) -> Result<Page<Job>> {
    let limit = page.limit()?;
    let before: Option<JobId> = page.after()?;
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, kind, state, attempt, max_attempts, run_at, created_at, started_at, finished_at,
             last_error, actor, correlation_id
         FROM cell.job
         WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR kind = $2)
             AND ($3::uuid IS NULL OR id < $3)
         ORDER BY id DESC LIMIT $4",
        filter.state.map(JobState::as_str),
        filter.kind.as_deref(),
        before.map(JobId::uuid),
        limit + 1,
    )
    .fetch_all(tx.conn())
    .await?;
    let jobs = rows
        .into_iter()
        .map(Job::try_from)
        .collect::<Result<Vec<_>>>()?;
    Page::cut(jobs, limit, |job| job.id)
}

/// The tenant's dead letters, newest first; of one kind, if given.
pub async fn dead_letters(tx: &mut Tx, kind: Option<&str>, page: &PageQuery) -> Result<Page<Job>> {
    let filter = JobFilter {
        state: Some(JobState::Dead),
        kind: kind.map(str::to_owned),
    };
    list(tx, &filter, page).await
}

pub async fn get(tx: &mut Tx, id: JobId) -> Result<Job> {
    sqlx::query_as!(
        Row,
        "SELECT id, kind, state, attempt, max_attempts, run_at, created_at, started_at, finished_at,
             last_error, actor, correlation_id
         FROM cell.job WHERE id = $1",
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(Error::NotFound("job"))?
    .try_into()
}

/// Makes a dead letter ready again, with all its attempts before it. Its id stays, so among jobs
/// with its ordering key it goes first.
pub async fn replay(tx: &mut Tx, id: JobId) -> Result<Job> {
    let replayed = sqlx::query_as!(
        Row,
        "UPDATE cell.job SET state = 'ready', attempt = 0, run_at = now(), finished_at = NULL
         WHERE id = $1 AND state = 'dead'
         RETURNING id, kind, state, attempt, max_attempts, run_at, created_at, started_at, finished_at,
             last_error, actor, correlation_id",
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await
    .on_constraint("job_unique", || Error::Conflict {
        code: ConflictCode::JobDuplicate,
        detail: "a job of the same kind for the same thing is already waiting or running".into(),
    })?;
    let Some(row) = replayed else {
        let state = get(tx, id).await?.state.as_str();
        return Err(Error::Conflict {
            code: ConflictCode::JobNotDead,
            detail: format!("only dead jobs can be replayed; this one is {state}"),
        });
    };
    let job = Job::try_from(row)?;
    tx.audit(Act {
        action: "job.replayed",
        target: job.id.to_string(),
        detail: serde_json::json!({ "kind": job.kind }),
    })
    .await?;
    tx.mark_enqueued();
    Ok(job)
}

/// Replays all dead letters of a kind. Gives back how many: of those that share a dedup key only
/// the oldest is replayed, and none while a job with that key waits or runs.
pub async fn replay_all(tx: &mut Tx, kind: &str) -> Result<u64> {
    let replayed = sqlx::query!(
        "UPDATE cell.job SET state = 'ready', attempt = 0, run_at = now(), finished_at = NULL
         WHERE id IN (
             SELECT d.id FROM cell.job d
             WHERE d.state = 'dead' AND d.kind = $1 AND (d.dedup_key IS NULL OR NOT EXISTS (
                 SELECT FROM cell.job o
                 WHERE o.kind = $1 AND o.dedup_key = d.dedup_key
                     AND (o.state IN ('scheduled', 'ready', 'running')
                         OR (o.state = 'dead' AND o.id < d.id)))))",
        kind
    )
    .execute(tx.conn())
    .await
    .on_constraint("job_unique", || Error::Conflict {
        code: ConflictCode::JobDuplicate,
        detail: "a job for the same thing was enqueued just now; try again".into(),
    })?
    .rows_affected();
    if replayed > 0 {
        tx.audit(Act {
            action: "jobs.replayed",
            target: kind.to_owned(),
            detail: serde_json::json!({ "jobs": replayed }),
        })
        .await?;
        tx.mark_enqueued();
    }
    Ok(replayed)
}
