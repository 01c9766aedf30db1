//! Credentials that are about to end: looked for once a day, and announced two weeks, three days and
//! no day ahead.

use kernel::{
    Access, Result, Tx, events::CredentialExpiring, jobs::Registry, permission::CredentialsRead,
};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::model::Environment;
use crate::verify::daily;

/// The kind of the jobs that look, and the name of a tenant's schedule.
const JOB: &str = "connect.expiry";

/// How many days ahead an end is announced, the least first.
const AHEAD: [i16; 3] = [0, 3, 14];

/// Providers that tell a remaining time instead of a moment name another one with each test.
const SAME: Duration = Duration::DAY;

#[derive(Debug, Serialize, Deserialize)]
struct Daily {}

pub(crate) fn register(registry: &mut Registry) {
    registry.job(
        JOB,
        |access: Access<CredentialsRead>, _: Daily| async move { announce(&access).await },
    );
}

/// Has the tenant's credentials looked at once a day from now on.
pub(crate) async fn watch(tx: &mut Tx) -> Result<()> {
    let at = daily(tx.tenant().id.uuid());
    tx.schedule(JOB, &at, JOB, &Daily {}).await
}

/// Announces the ends that have come closer since they were announced last.
pub(super) async fn announce(access: &Access<CredentialsRead>) -> Result<()> {
    let now = OffsetDateTime::now_utc();
    let furthest = Duration::days(i64::from(AHEAD[AHEAD.len() - 1]));
    let mut tx = access.begin().await?;
    let rows = sqlx::query!(
        r#"SELECT c.id, c.provider, c.name, c.environment AS "environment: Environment",
                  c.owner_id, c.told_expiry, c.told_days,
                  LEAST(c.expires_at, v.expires_at) AS "ends_at!"
           FROM cell.credential c
           LEFT JOIN LATERAL (
               SELECT expires_at FROM cell.credential_verification
               WHERE credential_id = c.id AND version = c.version
               ORDER BY checked_at DESC, id DESC LIMIT 1
           ) v ON true
           WHERE LEAST(c.expires_at, v.expires_at) <= $1
           ORDER BY c.id FOR UPDATE OF c"#,
        now + furthest
    )
    .fetch_all(tx.conn())
    .await?;
    for row in rows {
        let Some(days) = stage(row.ends_at - now) else {
            continue;
        };
        let is_told = row
            .told_expiry
            .is_some_and(|told| (told - row.ends_at).abs() < SAME)
            && row.told_days.is_some_and(|told| told <= days);
        if is_told {
            continue;
        }
        sqlx::query!(
            "UPDATE cell.credential SET told_expiry = $2, told_days = $3 WHERE id = $1",
            row.id,
            row.ends_at,
            days
        )
        .execute(tx.conn())
        .await?;
        tx.emit(&CredentialExpiring {
            credential: row.id.into(),
            provider: row.provider,
            name: row.name,
            environment: row.environment.as_str().to_owned(),
            owner: row.owner_id.map(Into::into),
            expires_at: row.ends_at,
            days: days.unsigned_abs(),
        })
        .await?;
    }
    tx.commit().await
}

/// Which announcement is due this long before the end: none, or the one of so many days. On the last
/// day it is that of no day.
fn stage(left: Duration) -> Option<i16> {
    if left < Duration::DAY {
        return Some(0);
    }
    let mut ahead = AHEAD.into_iter();
    ahead.find(|days| left <= Duration::days(i64::from(*days)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_is_announced_so_far_ahead() {
        for (hours, days) in [
            (24 * 14 + 1, None),
            (24 * 14, Some(14)),
            (24 * 3 + 1, Some(14)),
            (24 * 3, Some(3)),
            (24, Some(3)),
            (23, Some(0)),
            (0, Some(0)),
            (-1_000, Some(0)),
        ] {
            assert_eq!(stage(Duration::hours(hours)), days, "{hours}");
        }
    }
}
