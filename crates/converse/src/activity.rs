//! How much was said lately: messages by day, for the console's overview.

use kernel::{Access, Result, permission::ConversationsRead};
use time::{Date, Duration, OffsetDateTime};
use uuid::Uuid;

/// One day's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// In UTC.
    pub date: Date,
    pub received: i64,
    /// Written to contacts, whatever became of it.
    pub sent: i64,
    /// Of those, the ones that no provider took.
    pub failed: i64,
}

/// What the latest messages tell.
#[derive(Clone, Debug)]
pub struct Activity {
    /// Each of the days asked for, oldest first; the last is today, as far as it has come.
    pub days: Vec<Day>,
    /// Whether one of the last thousand messages was an agent's.
    pub agent_answered: bool,
}

/// The messages of the last `days` days, today included. Two queries.
pub async fn latest(
    access: &Access<ConversationsRead>,
    days: u16,
    now: OffsetDateTime,
) -> Result<Activity> {
    let today = now.to_offset(time::UtcOffset::UTC).date();
    let first = today - Duration::days(i64::from(days.max(1)) - 1);
    let begin = first.midnight().assume_utc();
    let mut tx = access.read().await?;
    let rows = sqlx::query!(
        r#"SELECT (created_at AT TIME ZONE 'UTC')::date AS "date!",
               count(*) FILTER (WHERE direction = 'inbound') AS "received!",
               count(*) FILTER (WHERE direction = 'outbound') AS "sent!",
               count(*) FILTER (WHERE status = 'failed') AS "failed!"
           FROM cell.message WHERE id >= $1 AND created_at >= $2 GROUP BY 1"#,
        earliest_id(begin),
        begin
    )
    .fetch_all(tx.conn())
    .await?;
    // Bounded, because a tenant whose agents never answer would have all its messages read.
    let agent_answered = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM (SELECT author FROM cell.message ORDER BY id DESC LIMIT 1000) AS latest
               WHERE author = 'agent'
           ) AS "answered!""#
    )
    .fetch_one(tx.conn())
    .await?;
    tx.commit().await?;
    let of = |date: Date| {
        let row = rows.iter().find(|row| row.date == date);
        Day {
            date,
            received: row.map_or(0, |row| row.received),
            sent: row.map_or(0, |row| row.sent),
            failed: row.map_or(0, |row| row.failed),
        }
    };
    Ok(Activity {
        days: (0..i64::from(days.max(1)))
            .map(|day| of(first + Duration::days(day)))
            .collect(),
        agent_answered,
    })
}

/// The smallest id of version 7 that is made at or after a time (RFC 9562 §5.7: 48 bits of
/// milliseconds first), so that the primary key finds what is younger. An hour is left for clocks
/// that differ; the exact bound is on the time itself.
fn earliest_id(time: OffsetDateTime) -> Uuid {
    let millis = (time - Duration::HOUR).unix_timestamp_nanos() / 1_000_000;
    let millis = u128::try_from(millis).unwrap_or(0) & 0xffff_ffff_ffff;
    Uuid::from_u128(millis << 80)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn ids_that_are_younger_are_larger() {
        let now = OffsetDateTime::now_utc();
        let made = Uuid::now_v7();
        assert!(earliest_id(now) < made);
        assert!(earliest_id(now + Duration::hours(2)) > made);
        assert_eq!(
            earliest_id(datetime!(1969-01-01 00:00 UTC)),
            Uuid::nil(),
            "before the epoch"
        );
    }
}
