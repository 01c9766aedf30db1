//! What one inbound message or request caused, step by step: everything that carries its
//! correlation id, in the order of time.

use std::fmt;

use axum::extract::FromRef;
use kernel::{
    Access, Db, Error, Result, Tx,
    error::Problem,
    extract::{Json, Path},
    id::{CorrelationId, InboundEventId, JobId, MessageId, ProviderCallId},
    permission::TracesRead,
};
use serde::Serialize;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Steps of each kind that a trace shows, earliest first. Ordinary traces have a dozen.
const MAX_STEPS: i64 = 500;

#[derive(Debug, Serialize, ToSchema)]
pub struct Trace {
    #[schema(value_type = String, example = "cor_01h455vb4pex5vsknk084sn02q")]
    pub correlation_id: CorrelationId,
    pub steps: Vec<Step>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Step {
    /// When it began: an event's receipt, a job's enqueuing, a call's start, a message's writing.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    pub kind: StepKind,
    /// The event's provider and kind, the job's kind, the call's operation, the message's direction
    /// and author.
    pub what: String,
    /// What else is known, by the kind of the step; never content of messages.
    #[schema(value_type = Object)]
    pub detail: Value,
    /// How long it took, in milliseconds; absent of what takes no time or has not ended.
    pub duration_ms: Option<f64>,
}

/// In the order of cause and effect, in which steps of the same instant are told: what one
/// transaction writes carries one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    InboundEvent,
    Message,
    Job,
    ProviderCall,
}

impl Trace {
    /// Whether nothing of it waits or runs any more.
    pub fn is_settled(&self) -> bool {
        let jobs = self.steps.iter().filter(|step| step.kind == StepKind::Job);
        jobs.filter_map(|step| step.detail["state"].as_str())
            .all(|state| matches!(state, "done" | "dead"))
    }
}

/// One line per step: time, kind, what, how long, and the detail that is a word or a number.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.correlation_id)?;
        for step in &self.steps {
            writeln!(f, "  {step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second, micro) = self.at.to_hms_micro();
        let kind = match self.kind {
            StepKind::InboundEvent => "inbound",
            StepKind::Job => "job",
            StepKind::ProviderCall => "call",
            StepKind::Message => "message",
        };
        let took = self
            .duration_ms
            .map(|duration| format!("{duration:.1} ms"))
            .unwrap_or_default();
        write!(
            f,
            "{hour:02}:{minute:02}:{second:02}.{:03}  {kind:<7}  {:<28}  {took:>10} ",
            micro / 1_000,
            self.what
        )?;
        for (name, value) in self.detail.as_object().into_iter().flatten() {
            match value {
                Value::Null => {}
                // The line has its time and duration already.
                _ if name.ends_with("_at") => {}
                Value::String(text) => write!(f, " {name}={text}")?,
                other => write!(f, " {name}={other}")?,
            }
        }
        Ok(())
    }
}

pub(crate) fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(get))
}

/// What a correlation id ties together
#[utoipa::path(
    get, path = "/v1/traces/{correlation}", operation_id = "traces_get", tag = "traces",
    params(("correlation" = String, Path, description = "`cor_…`, as messages, jobs and errors show it")),
    responses(
        (status = 200, body = Trace),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "No valid key"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The key lacks `traces:read`"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Nothing carries this id"),
    ),
    security(("api_key" = []))
)]
async fn get(access: Access<TracesRead>, Path(id): Path<CorrelationId>) -> Result<Json<Trace>> {
    let mut tx = access.read().await?;
    let trace = trace(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Json(trace))
}

/// Everything of the tenant's that carries the correlation id. `NotFound` when nothing does.
pub async fn trace(tx: &mut Tx, id: CorrelationId) -> Result<Trace> {
    let mut steps = inbound_events(tx, id).await?;
    steps.extend(jobs(tx, id).await?);
    steps.extend(provider_calls(tx, id).await?);
    steps.extend(messages(tx, id).await?);
    if steps.is_empty() {
        return Err(Error::NotFound("trace"));
    }
    steps.sort_by_key(|step| (step.at, step.kind));
    Ok(Trace {
        correlation_id: id,
        steps,
    })
}

async fn inbound_events(tx: &mut Tx, id: CorrelationId) -> Result<Vec<Step>> {
    let rows = sqlx::query!(
        "SELECT id, provider, event_kind, verdict, received_at, normalised_at
         FROM cell.inbound_event WHERE correlation_id = $1 ORDER BY received_at, id LIMIT $2",
        id.uuid(),
        MAX_STEPS
    )
    .fetch_all(tx.conn())
    .await?;
    let steps = rows.into_iter().map(|row| Step {
        at: row.received_at,
        kind: StepKind::InboundEvent,
        what: format!("{} {}", row.provider, row.event_kind),
        detail: json!({
            "id": InboundEventId::from(row.id),
            "verdict": row.verdict,
        }),
        duration_ms: row
            .normalised_at
            .map(|end| milliseconds(end - row.received_at)),
    });
    Ok(steps.collect())
}

async fn jobs(tx: &mut Tx, id: CorrelationId) -> Result<Vec<Step>> {
    let rows = sqlx::query!(
        "SELECT id, kind, state, attempt, last_error, created_at, started_at, finished_at
         FROM cell.job WHERE correlation_id = $1 ORDER BY created_at, id LIMIT $2",
        id.uuid(),
        MAX_STEPS
    )
    .fetch_all(tx.conn())
    .await?;
    let mut steps = Vec::with_capacity(rows.len());
    for row in rows {
        let ran = row.started_at.zip(row.finished_at);
        steps.push(Step {
            at: row.created_at,
            kind: StepKind::Job,
            what: row.kind,
            detail: json!({
                "id": JobId::from(row.id),
                "state": row.state,
                "attempts": row.attempt,
                "started_at": rfc3339(row.started_at)?,
                "finished_at": rfc3339(row.finished_at)?,
                "error": row.last_error,
            }),
            duration_ms: ran.map(|(start, end)| milliseconds(end - start)),
        });
    }
    Ok(steps)
}

async fn provider_calls(tx: &mut Tx, id: CorrelationId) -> Result<Vec<Step>> {
    let rows = sqlx::query!(
        "SELECT id, provider, operation, status, error, started_at, duration_us
         FROM cell.provider_call WHERE correlation_id = $1 ORDER BY started_at, id LIMIT $2",
        id.uuid(),
        MAX_STEPS
    )
    .fetch_all(tx.conn())
    .await?;
    let steps = rows.into_iter().map(|row| Step {
        at: row.started_at,
        kind: StepKind::ProviderCall,
        what: format!("{} {}", row.provider, row.operation),
        detail: json!({
            "id": ProviderCallId::from(row.id),
            "status": row.status,
            "error": row.error,
        }),
        duration_ms: Some(milliseconds(time::Duration::microseconds(row.duration_us))),
    });
    Ok(steps.collect())
}

async fn messages(tx: &mut Tx, id: CorrelationId) -> Result<Vec<Step>> {
    let rows = sqlx::query!(
        "SELECT id, direction, author, kind, status, seq, error, created_at
         FROM cell.message WHERE correlation_id = $1 ORDER BY created_at, id LIMIT $2",
        id.uuid(),
        MAX_STEPS
    )
    .fetch_all(tx.conn())
    .await?;
    let steps = rows.into_iter().map(|row| Step {
        at: row.created_at,
        kind: StepKind::Message,
        what: format!("{} by {}", row.direction, row.author),
        detail: json!({
            "id": MessageId::from(row.id),
            "kind": row.kind,
            "status": row.status,
            "seq": row.seq,
            "error": row.error,
        }),
        duration_ms: None,
    });
    Ok(steps.collect())
}

fn rfc3339(time: Option<OffsetDateTime>) -> Result<Option<String>> {
    time.map(|time| time.format(&Rfc3339))
        .transpose()
        .map_err(Error::internal)
}

/// To the microsecond, which is what the database keeps. Never negative: the ends were noted by
/// different clocks.
fn milliseconds(duration: time::Duration) -> f64 {
    let microseconds = duration.whole_microseconds().max(0);
    i32::try_from(microseconds).map_or_else(
        |_| duration.as_seconds_f64() * 1_000.0,
        |microseconds| f64::from(microseconds) / 1_000.0,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_milliseconds() {
        let of = |microseconds| milliseconds(time::Duration::microseconds(microseconds));
        assert_eq!(of(41_260), 41.26);
        assert_eq!(of(-546), 0.0);
        assert_eq!(of(3_600_000_000_000), 3_600_000_000.0);
    }

    #[test]
    fn a_step_prints_on_one_line() {
        let step = Step {
            at: OffsetDateTime::from_unix_timestamp(1_780_000_000).expect("a time"),
            kind: StepKind::ProviderCall,
            what: "whatsapp messages.send".to_owned(),
            detail: json!({ "status": 200, "error": null, "started_at": "2026-05-28T20:26:40Z" }),
            duration_ms: Some(41.26),
        };
        let line = step.to_string();
        assert_eq!(
            line,
            "20:26:40.000  call     whatsapp messages.send           41.3 ms  status=200"
        );
    }
}
