//! Recurring jobs: a cron pattern per tenant and name, in UTC.

use std::cmp::Ordering;

use croner::{
    CronDateTime,
    errors::CronError,
    parser::{CronParser, Seconds, Year},
    time::{CivilDate, CivilDateTime, CivilTime, Resolution, Weekday},
};
use serde::Serialize;
use sqlx::PgPool;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

use super::DEFAULT_MAX_ATTEMPTS;
use crate::{
    db::Tx,
    error::{Error, Result},
    id::{CorrelationId, JobId},
};

impl Tx {
    /// Enqueues a job of this kind whenever the pattern says so: five fields, or six with seconds
    /// first, in UTC. Replaces the schedule of the same name; one whose pattern stays the same
    /// keeps its next time, so declaring it at each start postpones nothing. While one of its jobs
    /// waits or runs, another is not added, and times that were missed are made up for by one job.
    pub async fn schedule<T: Serialize>(
        &mut self,
        name: &str,
        cron: &str,
        kind: &'static str,
        payload: &T,
    ) -> Result<()> {
        let next_at = next(cron, OffsetDateTime::now_utc())
            .map_err(|error| Error::field("cron", error.to_string()))?;
        let payload = serde_json::to_value(payload).map_err(Error::internal)?;
        sqlx::query!(
            "INSERT INTO cell.job_schedule (name, kind, payload, cron, next_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (tenant_id, name) DO UPDATE
             SET kind = EXCLUDED.kind, payload = EXCLUDED.payload, cron = EXCLUDED.cron,
                 next_at = CASE WHEN job_schedule.cron = EXCLUDED.cron THEN job_schedule.next_at
                     ELSE EXCLUDED.next_at END",
            name,
            kind,
            payload,
            cron,
            next_at,
        )
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Ends a schedule. Whether there was one. A job that it has enqueued already still runs.
    pub async fn unschedule(&mut self, name: &str) -> Result<bool> {
        let deleted = sqlx::query!("DELETE FROM cell.job_schedule WHERE name = $1", name)
            .execute(self.conn())
            .await?;
        Ok(deleted.rows_affected() == 1)
    }
}

/// Enqueues the job of each schedule that is due and moves the schedule on, in one statement: of
/// several nodes, only the one that finds `next_at` unchanged enqueues. Gives back how many.
pub(super) async fn enqueue_due(pool: &PgPool) -> Result<u64> {
    let due = sqlx::query!(
        "SELECT tenant_id, name, cron, next_at, now() AS \"now!\" FROM cell.job_schedule
         WHERE next_at <= now()"
    )
    .fetch_all(pool)
    .await?;
    let mut enqueued = 0;
    for schedule in due {
        let next_at = match next(&schedule.cron, schedule.now) {
            Ok(next_at) => next_at,
            Err(error) => {
                tracing::error!(schedule = schedule.name, cause = %error, "a schedule has no next time");
                continue;
            }
        };
        let inserted = sqlx::query!(
            "WITH advanced AS (
                 UPDATE cell.job_schedule SET next_at = $4
                 WHERE tenant_id = $1 AND name = $2 AND next_at = $3
                 RETURNING tenant_id, kind, payload
             )
             INSERT INTO cell.job (tenant_id, id, kind, payload, state, max_attempts, dedup_key, actor,
                 correlation_id)
             SELECT tenant_id, $5, kind, payload, 'ready', $6, $7, $7, $8 FROM advanced
             ON CONFLICT (tenant_id, kind, dedup_key)
                 WHERE dedup_key IS NOT NULL AND state IN ('scheduled', 'ready', 'running')
                 DO NOTHING",
            schedule.tenant_id,
            schedule.name,
            schedule.next_at,
            next_at,
            JobId::new().uuid(),
            DEFAULT_MAX_ATTEMPTS,
            format!("schedule:{}", schedule.name),
            CorrelationId::new().uuid(),
        )
        .execute(pool)
        .await?;
        enqueued += inserted.rows_affected();
    }
    Ok(enqueued)
}

/// The first time after `after` that the pattern matches.
fn next(pattern: &str, after: OffsetDateTime) -> std::result::Result<OffsetDateTime, CronError> {
    // Without years, a pattern that matches once matches again.
    let cron = CronParser::builder()
        .seconds(Seconds::Optional)
        .year(Year::Disallowed)
        .build()
        .parse(pattern)?;
    let after = after.to_offset(time::UtcOffset::UTC);
    let after = PrimitiveDateTime::new(after.date(), after.time());
    let found = cron.find_next_occurrence(&Utc(after), false)?;
    Ok(found.0.assume_utc())
}

/// Lets croner count in `time`'s types.
#[derive(Clone)]
struct Utc(PrimitiveDateTime);

impl CronDateTime for Utc {
    fn to_civil(&self) -> CivilDateTime {
        let (hour, minute, second) = self.0.as_hms();
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(
                self.0.year(),
                u8::from(self.0.month()).into(),
                self.0.day().into(),
            ),
            CivilTime::from_parts_unchecked(hour.into(), minute.into(), second.into()),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(self.0.weekday().number_days_from_sunday().into())
    }

    fn resolve_civil(
        &self,
        civil: CivilDateTime,
    ) -> std::result::Result<Resolution<Self>, CronError> {
        resolve(civil)
            .map(|at| Resolution::Single(Self(at)))
            .ok_or(CronError::InvalidDate)
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0
            .checked_add(time::Duration::seconds(seconds))
            .map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

fn resolve(civil: CivilDateTime) -> Option<PrimitiveDateTime> {
    let month = Month::try_from(u8::try_from(civil.month()).ok()?).ok()?;
    let day = u8::try_from(civil.day()).ok()?;
    let hour = u8::try_from(civil.hour()).ok()?;
    let minute = u8::try_from(civil.minute()).ok()?;
    let second = u8::try_from(civil.second()).ok()?;
    let date = Date::from_calendar_date(civil.year(), month, day).ok()?;
    let time = Time::from_hms(hour, minute, second).ok()?;
    Some(PrimitiveDateTime::new(date, time))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_next_time_is_found() {
        let after = datetime!(2026-02-27 23:59:30.5 UTC);
        for (pattern, expected) in [
            ("* * * * *", datetime!(2026-02-28 00:00:00 UTC)),
            ("*/10 * * * * *", datetime!(2026-02-27 23:59:40 UTC)),
            ("0 9 * * MON", datetime!(2026-03-02 09:00:00 UTC)),
            ("30 4 29 2 *", datetime!(2028-02-29 04:30:00 UTC)),
            ("0 0 L * *", datetime!(2026-02-28 00:00:00 UTC)),
            ("@monthly", datetime!(2026-03-01 00:00:00 UTC)),
        ] {
            assert_eq!(next(pattern, after).expect(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn the_next_time_is_later_than_now() {
        let at = datetime!(2026-02-28 00:00:00 UTC);
        let expected = datetime!(2026-02-28 00:01:00 UTC);
        assert_eq!(next("* * * * *", at).expect("pattern"), expected);
    }

    #[test]
    fn other_offsets_are_understood() {
        let at = datetime!(2026-02-28 00:30:00 +02:00);
        let expected = datetime!(2026-02-27 23:00:00 UTC);
        assert_eq!(next("0 * * * *", at).expect("pattern"), expected);
    }

    #[test]
    fn patterns_that_never_match_are_refused() {
        let now = datetime!(2026-02-27 00:00:00 UTC);
        for pattern in ["", "* * *", "61 * * * *", "0 0 30 2 *", "0 0 0 1 1 * 2020"] {
            assert!(next(pattern, now).is_err(), "{pattern:?}");
        }
    }
}
