//! Renewing tokens by the clock, a few minutes before they end, so that whoever uses one need not
//! wait. The time is that of a schedule row, which each renewal moves on.

use kernel::{
    Access, Error, Result, Tx, id::CredentialId, jobs::Registry, permission::CredentialsUse,
};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::Connect;

/// The kind of the jobs that renew.
pub const JOB: &str = "connect.refresh";
/// How long before the end of a token it is renewed, and by how much more at random, so that what
/// was granted at one time is not renewed at one time.
pub(super) const LEAD: Duration = Duration::minutes(8);
const JITTER: i64 = 6 * 60;

#[derive(Debug, Serialize, Deserialize)]
struct Due {
    credential: CredentialId,
}

/// Registers the jobs of this slice.
pub fn register(registry: &mut Registry, connect: &Connect) {
    let connect = connect.clone();
    registry.job(JOB, move |access: Access<CredentialsUse>, due: Due| {
        let connect = connect.clone();
        async move {
            match connect.refresh_by_clock(&access, due.credential).await {
                // It was disconnected since, has to be connected again, or is tried again by its own
                // schedule.
                Err(
                    Error::NotFound(_)
                    | Error::CredentialMissing { .. }
                    | Error::Conflict { .. }
                    | Error::Provider { .. },
                ) => Ok(()),
                other => other,
            }
        }
    });
}

/// Has a token renewed before it ends.
pub(super) async fn begin(tx: &mut Tx, id: CredentialId, ends: OffsetDateTime) -> Result<()> {
    let jitter = Duration::seconds(rand::random_range(0..JITTER));
    at(tx, id, ends - LEAD - jitter).await
}

/// Has a token renewed at a time, to the minute.
pub(super) async fn at(tx: &mut Tx, id: CredentialId, time: OffsetDateTime) -> Result<()> {
    let soonest = OffsetDateTime::now_utc() + Duration::MINUTE;
    let pattern = pattern(time.max(soonest));
    tx.schedule(&name(id), &pattern, JOB, &Due { credential: id })
        .await
}

/// Ends the renewals by the clock.
pub(crate) async fn end(tx: &mut Tx, id: CredentialId) -> Result<()> {
    tx.unschedule(&name(id)).await.map(drop)
}

fn name(id: CredentialId) -> String {
    format!("refresh/{id}")
}

/// The next minute of that date: comes round again in a year, unless a renewal has moved it on.
fn pattern(time: OffsetDateTime) -> String {
    let time = time + Duration::seconds(59);
    format!(
        "{} {} {} {} *",
        time.minute(),
        time.hour(),
        time.day(),
        u8::from(time.month())
    )
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_time_is_a_pattern_of_its_date() {
        assert_eq!(pattern(datetime!(2026-11-21 14:59:01 UTC)), "0 15 21 11 *");
        assert_eq!(pattern(datetime!(2026-12-31 23:59:30 UTC)), "0 0 1 1 *");
        assert_eq!(pattern(datetime!(2027-02-01 00:00:00 UTC)), "0 0 1 2 *");
    }
}
