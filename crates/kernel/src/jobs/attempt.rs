//! One attempt at a job: from its tenant's standing to what becomes of it.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::future::FutureExt;
use rand::RngExt;
use tracing::Instrument;

use super::{
    claim::Claimed,
    registry::{Context, Ran, Registry},
};
use crate::{
    access::Actor,
    db::{Db, Tenant},
    error::{Error, Result},
    id::{CellId, CorrelationId, JobId, TenantId},
    suspension::Effect,
    telemetry::{self, metric},
};

/// How long a job rests whose tenant may not run now. Long against a suspension's way into the
/// lane, so that a suspended tenant's jobs don't spin; short enough to go on soon afterwards.
const DEFERRED: Duration = Duration::from_secs(30);
/// Bytes of an error that a job keeps.
const ERROR_TEXT: usize = 2_000;

/// How long to wait before the next attempt: a random part of a ceiling that doubles with each
/// failure. The randomness spreads jobs that failed together.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The ceiling after the first failure.
    pub base: Duration,
    /// The ceiling never grows past this.
    pub cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(2),
            cap: Duration::from_secs(15 * 60),
        }
    }
}

impl Backoff {
    fn ceiling(&self, attempt: i32) -> Duration {
        let doublings = u32::try_from(attempt - 1).unwrap_or(0).min(31);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }

    fn delay(&self, attempt: i32) -> Duration {
        self.ceiling(attempt).mul_f64(rand::rng().random::<f64>())
    }
}

/// What becomes of a job after an attempt.
#[derive(Debug)]
pub(super) enum Outcome {
    Done,
    Retry {
        after: Duration,
        error: String,
    },
    Dead {
        error: String,
    },
    /// What it needs is away, for which it can do nothing: the attempt is not counted.
    Waits {
        after: Duration,
        error: String,
    },
    /// Not attempted after all, or interrupted by us: the attempt is not counted.
    GivenBack {
        after: Duration,
    },
}

impl Outcome {
    fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retry { .. } => "retried",
            Self::Dead { .. } => "dead",
            Self::Waits { .. } => "waits",
            Self::GivenBack { .. } => "given_back",
        }
    }
}

/// Runs the job's handler. Never panics, whatever the handler does.
pub(super) async fn attempt(
    db: &Db,
    cell: CellId,
    registry: &Registry,
    backoff: Backoff,
    job: Claimed,
) -> Outcome {
    let correlation = CorrelationId::from(job.correlation);
    let span = tracing::error_span!(
        "job",
        correlation_id = %correlation,
        job_id = %JobId::from(job.id),
        kind = job.kind,
        tenant = %TenantId::from(job.tenant),
        attempt = job.attempt,
    );
    let (kind, attempt, max_attempts) = (job.kind.clone(), job.attempt, job.max_attempts);
    let work = async {
        let started = std::time::Instant::now();
        let outcome = match standing(db, cell, TenantId::from(job.tenant)).await {
            Ok(Some(tenant)) => match run(db, registry, tenant, correlation, job).await {
                Ok(Ran::Done) => Outcome::Done,
                Ok(Ran::Held) => Outcome::GivenBack { after: DEFERRED },
                Err(failure) => failure.outcome(backoff, attempt, max_attempts),
            },
            Ok(None) => Outcome::GivenBack { after: DEFERRED },
            Err(error) => {
                tracing::warn!(cause = ?error, "the job's tenant can't be looked up");
                Outcome::GivenBack {
                    after: backoff.delay(attempt),
                }
            }
        };
        metrics::counter!(metric::JOBS, "kind" => kind.clone(), "outcome" => outcome.name())
            .increment(1);
        metrics::histogram!(metric::JOB_SECONDS, "kind" => kind).record(started.elapsed());
        outcome
    };
    telemetry::with_correlation(correlation, work.instrument(span)).await
}

/// The tenant, if its jobs may run in this cell now. The lane of a tenant whose jobs are held is
/// paused, but the control database knows of a suspension first.
async fn standing(db: &Db, cell: CellId, id: TenantId) -> Result<Option<Tenant>> {
    let tenant = db.directory().by_id(id).await?;
    Ok(tenant.filter(|tenant| tenant.cell == cell && tenant.effects().jobs == Effect::Allow))
}

async fn run(
    db: &Db,
    registry: &Registry,
    tenant: Tenant,
    correlation: CorrelationId,
    job: Claimed,
) -> std::result::Result<Ran, Failure> {
    let handler = registry.handler(&job.kind).ok_or(Failure::NoHandler)?;
    let context = Context {
        db: db.clone(),
        tenant,
        actor: Actor::stored(job.actor),
        correlation,
    };
    // What the handler shares with others is behind locks of its own or in the database, where a
    // panic leaves nothing half done; the unwound future itself is never touched again.
    let work = async { handler(context, job.payload).await };
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(Ok(ran)) => Ok(ran),
        Ok(Err(error)) => Err(Failure::Refused(error)),
        Err(_) => Err(Failure::Panicked),
    }
}

/// Why an attempt failed.
enum Failure {
    Refused(Error),
    Panicked,
    /// Another node may be of a version that has one.
    NoHandler,
}

impl Failure {
    fn outcome(self, backoff: Backoff, attempt: i32, max_attempts: i32) -> Outcome {
        if let Self::Refused(error) = &self
            && error.is_of_a_key()
        {
            // Spread, because it is the same for all who wait.
            let after = DEFERRED.mul_f64(rand::rng().random_range(0.5..1.5));
            tracing::warn!(error = error.code(), cause = self.cause(), after = ?after, "job waits for a key");
            let error = shortened(format!("{}: {error}", error.code()));
            return Outcome::Waits { after, error };
        }
        let last = attempt >= max_attempts;
        let (error, transient, wait) = match &self {
            Self::Refused(error) => {
                let wait = match error {
                    Error::RateLimited { retry_after } => Duration::from_secs(*retry_after),
                    _ => Duration::ZERO,
                };
                let text = format!("{}: {error}", error.code());
                (shortened(text), error.is_transient(), wait)
            }
            // Without the panic's own words, which may hold anything.
            Self::Panicked => (
                "panicked: the handler panicked".to_owned(),
                true,
                Duration::ZERO,
            ),
            Self::NoHandler => (
                "no_handler: no handler for this kind of job runs here".to_owned(),
                true,
                Duration::ZERO,
            ),
        };
        if transient && !last {
            let after = wait.saturating_add(backoff.delay(attempt));
            tracing::warn!(error, cause = self.cause(), after = ?after, "job failed, will be tried again");
            Outcome::Retry { after, error }
        } else {
            tracing::error!(error, cause = self.cause(), "job failed for good");
            Outcome::Dead { error }
        }
    }

    /// What the log alone learns: the chain of causes behind the error's own text.
    fn cause(&self) -> Option<String> {
        match self {
            Self::Refused(error) => {
                std::error::Error::source(error).map(|cause| format!("{cause:?}"))
            }
            Self::Panicked | Self::NoHandler => None,
        }
    }
}

fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(ERROR_TEXT));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        base: Duration::from_secs(2),
        cap: Duration::from_secs(60),
    };

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        let ceilings: Vec<u64> = [1, 2, 3, 6, 40, i32::MAX]
            .map(|attempt| BACKOFF.ceiling(attempt).as_secs())
            .to_vec();
        assert_eq!(ceilings, [2, 4, 8, 60, 60, 60]);
    }

    #[test]
    fn delays_fill_the_range_below_the_ceiling() {
        let delays: Vec<Duration> = (0..1_000).map(|_| BACKOFF.delay(3)).collect();
        let ceiling = BACKOFF.ceiling(3);
        assert!(delays.iter().all(|delay| *delay < ceiling));
        for quarter in 0..4 {
            let range = ceiling * quarter / 4..ceiling * (quarter + 1) / 4;
            let share = delays.iter().filter(|delay| range.contains(*delay)).count();
            assert!((150..350).contains(&share), "quarter {quarter}: {share}");
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let outcome =
            |error: Error, attempt| Failure::Refused(error).outcome(BACKOFF, attempt, 3).name();
        assert_eq!(outcome(Error::StaleEpoch, 1), "retried");
        assert_eq!(outcome(Error::StaleEpoch, 3), "dead");
        assert_eq!(outcome(Error::invalid("no"), 1), "dead");
        assert_eq!(Failure::Panicked.outcome(BACKOFF, 1, 3).name(), "retried");
    }

    #[test]
    fn a_rate_limit_is_waited_out() {
        let error = Error::RateLimited { retry_after: 90 };
        match Failure::Refused(error).outcome(BACKOFF, 1, 3) {
            Outcome::Retry { after, .. } => assert!(after >= Duration::from_secs(90)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn causes_stay_out_of_the_stored_error() {
        let error = Error::internal(anyhow::anyhow!("token=hunter2"));
        match Failure::Refused(error).outcome(BACKOFF, 3, 3) {
            Outcome::Dead { error } => assert_eq!(error, "internal_error: internal error"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn long_errors_are_cut_between_characters() {
        let text = shortened("é".repeat(ERROR_TEXT));
        assert!(text.len() <= ERROR_TEXT && text.chars().all(|c| c == 'é'));
    }
}
