//! When credentials are tested by themselves: after a change, once a day at a time of their own,
//! and again after a pause where nothing was learned.

use kernel::{
    Access, Error, Result, Tx,
    id::CredentialId,
    jobs::{NewJob, Registry},
    permission::CredentialsUse,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Outcome, judge};
use crate::{Connect, credentials::expiry};

/// The kind of the jobs that test.
pub const JOB: &str = "connect.verify";
/// How often a test that taught nothing is repeated before the next day's takes over.
const REPEATS: u8 = 4;

#[derive(Debug, Serialize, Deserialize)]
struct Due {
    credential: CredentialId,
    /// How often it was repeated.
    #[serde(default)]
    repeat: u8,
}

/// Registers the jobs of this crate: tests of credentials, and the look-out for their ends.
pub fn register(registry: &mut Registry, connect: &Connect) {
    expiry::register(registry);
    let connect = connect.clone();
    registry.job(JOB, move |access: Access<CredentialsUse>, due: Due| {
        let connect = connect.clone();
        async move { run(&connect, &access, due).await }
    });
}

async fn run(connect: &Connect, access: &Access<CredentialsUse>, due: Due) -> Result<()> {
    let (found, wait) = match connect.verify_later(access, due.credential).await {
        Ok(found) => found,
        // It was disconnected since, or the catalogue has its provider no longer.
        Err(Error::NotFound(_) | Error::CredentialMissing { .. } | Error::Invalid { .. }) => {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let again = found.outcome == Outcome::Unknown
        && found.reason != Some(crate::catalogue::Reason::Incomplete)
        && due.repeat < REPEATS;
    if again {
        let next = Due {
            credential: due.credential,
            repeat: due.repeat + 1,
        };
        let mut tx = access.begin().await?;
        tx.enqueue_raw(NewJob {
            run_at: Some(OffsetDateTime::now_utc() + judge::pause(wait)),
            ..job(&next)?
        })
        .await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Has a credential that was saved just now tested at once, and every day from then on.
pub(crate) async fn begin(tx: &mut Tx, credential: CredentialId) -> Result<()> {
    let due = Due {
        credential,
        repeat: 0,
    };
    tx.enqueue_raw(job(&due)?).await?;
    tx.schedule(&name(credential), &daily(credential.uuid()), JOB, &due)
        .await
}

/// Ends the daily test.
pub(crate) async fn end(tx: &mut Tx, credential: CredentialId) -> Result<()> {
    tx.unschedule(&name(credential)).await.map(|_| ())
}

fn job(due: &Due) -> Result<NewJob> {
    let payload = serde_json::to_value(due).map_err(Error::internal)?;
    Ok(NewJob {
        // Every save has a test of its own: one that runs already may be of the values before. A
        // repeat is for whatever is saved by then, so one of each number is enough.
        dedup_key: (due.repeat > 0).then(|| format!("{}/{}", due.credential, due.repeat)),
        ordering_key: Some(format!("verify/{}", due.credential)),
        ..NewJob::new(JOB, payload)
    })
}

fn name(credential: CredentialId) -> String {
    format!("verify/{credential}")
}

/// Once a day, in a minute that the id decides: ids end in random bits, so all credentials of all
/// tenants spread over the day, and none moves.
pub(crate) fn daily(id: Uuid) -> String {
    let [.., a, b] = *id.as_bytes();
    let minute = u32::from(u16::from_be_bytes([a, b])) * 1440 / 65_536;
    format!("{} {} * * *", minute % 60, minute / 60)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_daily_tests_spread_over_the_day() {
        let times: BTreeSet<String> = (0..2_000)
            .map(|_| daily(CredentialId::new().uuid()))
            .collect();
        assert!(times.len() > 900, "{}", times.len());
        for time in &times {
            let (minute, hour) = time
                .strip_suffix(" * * *")
                .and_then(|time| time.split_once(' '))
                .expect("is a cron pattern");
            assert!(minute.parse::<u8>().expect("a minute") < 60);
            assert!(hour.parse::<u8>().expect("an hour") < 24);
        }
        let one = CredentialId::new().uuid();
        assert_eq!(daily(one), daily(one));
    }
}
