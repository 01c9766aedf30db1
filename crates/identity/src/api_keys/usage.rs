//! How much a key was used. Counting is `kernel::access::api_key`'s; here it is read.

use kernel::{Access, Error, Result, Tx, id::ApiKeyId, permission::ApiKeysRead};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

const DAYS: i32 = 30;
const MOST_DAYS: i32 = 366;

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// How many days to look back, today included; 30 if absent.
    #[param(minimum = 1, maximum = 366)]
    pub days: Option<i32>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Usage {
    pub data: Vec<DayOfUse>,
}

/// One UTC day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DayOfUse {
    #[schema(example = "2026-11-21", format = Date)]
    pub day: String,
    /// Requests that the key was valid for, whether or not it carried the permission.
    pub requests: i64,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub last_at: OffsetDateTime,
    pub last_ip: Option<String>,
}

/// The days on which a key was used, newest first. What nodes have counted in the last seconds is
/// not in it yet.
pub async fn of(access: &Access<ApiKeysRead>, key: ApiKeyId, query: &UsageQuery) -> Result<Usage> {
    let days = query.days.unwrap_or(DAYS);
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(Error::field(
            "days",
            format!("must lie between 1 and {MOST_DAYS}"),
        ));
    }
    let mut tx = access.read().await?;
    super::require_known(&mut tx, key).await?;
    let data = sqlx::query_as!(
        DayOfUse,
        r#"SELECT day::text AS "day!", requests, last_at, last_ip FROM cell.api_key_usage
           WHERE key_id = $1 AND day > (now() AT TIME ZONE 'UTC')::date - $2::int
           ORDER BY api_key_usage.day DESC"#,
        key.uuid(),
        days
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(Usage { data })
}

/// When and from where a key was last used.
pub(super) async fn last(
    tx: &mut Tx,
    key: ApiKeyId,
) -> Result<Option<(OffsetDateTime, Option<String>)>> {
    let row = sqlx::query!(
        "SELECT last_at, last_ip FROM cell.api_key_usage WHERE key_id = $1 ORDER BY day DESC LIMIT 1",
        key.uuid()
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| (row.last_at, row.last_ip)))
}
