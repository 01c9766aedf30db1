//! The operator console's first page: how many tenants, how much passes through, what waits or
//! failed, and whether the parts of the installation answer.
//!
//! The number of queries is constant for each cell, and none reads more than the last two weeks: ids
//! hold the time at which they were made, so the beginning of those weeks is a place in every
//! tenant's primary key.

pub mod pages;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use kernel::{
    Operator, Result,
    db::{OperatorTx, TenantStatus},
    id::CellId,
    permission::TenantsRead,
};
use serde_json::json;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

/// Days that the charts show, today included.
pub const DAYS: i64 = 14;

/// What the first page shows.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// Tenants by status, in the order of their lifecycle.
    pub tenants: [i64; 4],
    /// Created in the last 30 days.
    pub new_tenants: i64,
    pub users: i64,
    /// The last [`DAYS`] days, oldest first.
    pub days: Vec<Day>,
    pub queue: Queue,
    /// Signed webhooks that named somebody else's account, in the last 24 hours and in all.
    pub quarantined: (i64, i64),
    /// Calls to providers in the last 24 hours, and how many of them failed.
    pub calls: (i64, i64),
    /// Mail that waits, and mail that could not be sent.
    pub mail: (i64, i64),
    pub cells: Vec<CellHealth>,
    /// How long the control database took for its part.
    pub control_took: Duration,
}

/// What passed through on one day (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    pub date: Date,
    pub received: i64,
    pub sent: i64,
    pub webhooks: i64,
}

/// The queues of all cells together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Queue {
    pub ready: i64,
    pub scheduled: i64,
    pub running: i64,
    pub dead: i64,
    /// Since when the job waits that has waited longest, of tenants whose lanes are open.
    pub waiting_since: Option<OffsetDateTime>,
    /// Leases that ran out and were not taken over: no worker looks after these jobs.
    pub abandoned: i64,
}

#[derive(Clone, Debug)]
pub struct CellHealth {
    pub id: CellId,
    pub name: String,
    pub region: String,
    pub took: Duration,
}

impl Overview {
    fn add(&mut self, part: &CellPart) {
        let queue = &mut self.queue;
        queue.ready += part.queue.ready;
        queue.scheduled += part.queue.scheduled;
        queue.running += part.queue.running;
        queue.dead += part.queue.dead;
        queue.abandoned += part.queue.abandoned;
        queue.waiting_since = [queue.waiting_since, part.queue.waiting_since]
            .into_iter()
            .flatten()
            .min();
        self.calls.0 += part.calls.0;
        self.calls.1 += part.calls.1;
        for day in &mut self.days {
            if let Some((received, sent, webhooks)) = part.days.get(&day.date) {
                day.received += received;
                day.sent += sent;
                day.webhooks += webhooks;
            }
        }
    }
}

/// What one cell contributes.
struct CellPart {
    queue: Queue,
    calls: (i64, i64),
    days: BTreeMap<Date, (i64, i64, i64)>,
}

pub async fn read(operator: &Operator<TenantsRead>, now: OffsetDateTime) -> Result<Overview> {
    let began = Instant::now();
    let mut tx = operator.begin("overview.viewed", None, json!({})).await?;
    let mut overview = Overview {
        days: days(now),
        ..Overview::default()
    };
    let names = control(&mut tx, &mut overview).await?;
    tx.commit().await?;
    overview.control_took = began.elapsed();

    let mut tx = operator.people("overview.viewed", None, json!({})).await?;
    let people = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM control.user) AS "users!",
               count(*) FILTER (WHERE state = 'waiting') AS "waiting!",
               count(*) FILTER (WHERE state = 'dead') AS "dead!"
           FROM control.mail WHERE state <> 'sent'"#
    )
    .fetch_one(tx.conn())
    .await?;
    tx.commit().await?;
    overview.users = people.users;
    overview.mail = (people.waiting, people.dead);

    for cell in operator.cells() {
        let began = Instant::now();
        let mut tx = operator
            .begin_in_cell(cell, "overview.viewed", None)
            .await?;
        let part = in_cell(&mut tx, now).await?;
        tx.commit().await?;
        overview.add(&part);
        let (name, region) = names.get(&cell.uuid()).cloned().unwrap_or_default();
        overview.cells.push(CellHealth {
            id: cell,
            name,
            region,
            took: began.elapsed(),
        });
    }
    Ok(overview)
}

/// The days of the charts, with nothing in them.
fn days(now: OffsetDateTime) -> Vec<Day> {
    let today = now.date();
    (0..DAYS)
        .rev()
        .filter_map(|back| today.checked_sub(time::Duration::days(back)))
        .map(|date| Day {
            date,
            received: 0,
            sent: 0,
            webhooks: 0,
        })
        .collect()
}

type Names = BTreeMap<Uuid, (String, String)>;

/// The control database's part; gives back the cells' names and regions.
async fn control(tx: &mut OperatorTx, overview: &mut Overview) -> Result<Names> {
    let rows = sqlx::query!(
        r#"SELECT status, count(*) AS "count!",
               count(*) FILTER (WHERE created_at > now() - interval '30 days') AS "new!"
           FROM control.tenant GROUP BY status"#
    )
    .fetch_all(tx.conn())
    .await?;
    for row in rows {
        let place = match TenantStatus::parse(&row.status)? {
            TenantStatus::Provisioning => 0,
            TenantStatus::Active => 1,
            TenantStatus::Suspended => 2,
            TenantStatus::Closed => 3,
        };
        overview.tenants[place] = row.count;
        overview.new_tenants += row.new;
    }
    let quarantine = sqlx::query!(
        r#"SELECT count(*) AS "total!",
               count(*) FILTER (WHERE received_at > now() - interval '1 day') AS "lately!"
           FROM control.quarantined_event"#
    )
    .fetch_one(tx.conn())
    .await?;
    overview.quarantined = (quarantine.lately, quarantine.total);
    let cells = sqlx::query!("SELECT id, name, region FROM control.cell")
        .fetch_all(tx.conn())
        .await?;
    let named = cells
        .into_iter()
        .map(|row| (row.id, (row.name, row.region)));
    Ok(named.collect())
}

async fn in_cell(tx: &mut OperatorTx, now: OffsetDateTime) -> Result<CellPart> {
    let midnight = now.date().midnight().assume_utc();
    let first = midnight - time::Duration::days(DAYS - 1);
    let rows = sqlx::query!(
        r#"SELECT (at AT TIME ZONE 'UTC')::date AS "day!", sum(received)::bigint AS "received!",
               sum(sent)::bigint AS "sent!", sum(webhooks)::bigint AS "webhooks!"
           FROM (
               SELECT m.created_at AS at, (m.direction = 'inbound')::int AS received,
                   (m.direction = 'outbound')::int AS sent, 0 AS webhooks
               FROM cell.tenancy t CROSS JOIN LATERAL (
                   SELECT created_at, direction FROM cell.message
                   WHERE tenant_id = t.tenant_id AND id >= $1) m
               UNION ALL
               SELECT e.received_at, 0, 0, 1
               FROM cell.tenancy t CROSS JOIN LATERAL (
                   SELECT received_at FROM cell.inbound_event
                   WHERE tenant_id = t.tenant_id AND id >= $1) e
           ) passed GROUP BY 1"#,
        first_id(first)
    )
    .fetch_all(tx.conn())
    .await?;
    let days = rows
        .into_iter()
        .map(|row| (row.day, (row.received, row.sent, row.webhooks)))
        .collect();
    let calls = sqlx::query!(
        r#"SELECT count(*) AS "made!",
               count(*) FILTER (WHERE error IS NOT NULL OR status >= 400) AS "failed!"
           FROM cell.tenancy t CROSS JOIN LATERAL (
               SELECT error, status FROM cell.provider_call
               WHERE tenant_id = t.tenant_id AND id >= $1) c"#,
        first_id(now - time::Duration::days(1))
    )
    .fetch_one(tx.conn())
    .await?;
    let queue = sqlx::query!(
        r#"SELECT
               (SELECT count(*) FROM cell.job WHERE state = 'ready') AS "ready!",
               (SELECT count(*) FROM cell.job WHERE state = 'scheduled') AS "scheduled!",
               (SELECT count(*) FROM cell.job WHERE state = 'running') AS "running!",
               (SELECT count(*) FROM cell.job WHERE state = 'dead') AS "dead!",
               (SELECT count(*) FROM cell.job WHERE state = 'running'
                   AND lease_until < now() - interval '1 minute') AS "abandoned!",
               (SELECT min(j.run_at) FROM cell.job j JOIN cell.job_lane l ON l.tenant_id = j.tenant_id
                WHERE j.state = 'ready' AND NOT l.paused) AS waiting_since"#
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(CellPart {
        queue: Queue {
            ready: queue.ready,
            scheduled: queue.scheduled,
            running: queue.running,
            dead: queue.dead,
            waiting_since: queue.waiting_since,
            abandoned: queue.abandoned,
        },
        calls: (calls.made, calls.failed),
        days,
    })
}

/// The smallest id that can have been made at a time: the first 48 bits of a UUIDv7 are its
/// milliseconds since 1970 (RFC 9562, section 5.7).
fn first_id(at: OffsetDateTime) -> Uuid {
    let milliseconds = u128::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
    Uuid::from_u128(milliseconds << 80)
}

#[cfg(test)]
mod tests {
    use kernel::testing::database;
    use time::macros::datetime;

    use super::*;
    use crate::testing::App;

    #[test]
    fn ids_hold_their_time() {
        let before = first_id(OffsetDateTime::now_utc() - time::Duration::seconds(1));
        let id = Uuid::now_v7();
        let after = first_id(OffsetDateTime::now_utc() + time::Duration::seconds(1));
        assert!(before < id && id < after);
    }

    #[test]
    fn days_end_today() {
        let days = days(datetime!(2026-03-01 12:00 UTC));
        assert_eq!(days.len(), 14);
        assert_eq!(days[0].date, time::macros::date!(2026 - 02 - 16));
        assert_eq!(days[13].date, time::macros::date!(2026 - 03 - 01));
    }

    #[tokio::test]
    async fn figures_come_from_the_databases() {
        let app = App::new(database().await);
        app.tenant("acme").await;
        app.tenant("globex").await;
        let suspended = app
            .db
            .directory()
            .by_slug("globex")
            .await
            .expect("directory");
        crate::tenants::suspend(
            &app.operator(),
            &suspended.expect("known").slug,
            kernel::suspension::SuspensionKind::Unpaid,
            "invoice 7",
        )
        .await
        .expect("suspended");
        app.user("somebody@example.com").await;
        app.execute(
            "INSERT INTO cell.job (tenant_id, id, kind, payload, state, run_at, max_attempts, actor,
                 correlation_id)
             SELECT tenant_id, gen_random_uuid(), 'k', '{}', s, now() - interval '1 hour', 1, 'a',
                 gen_random_uuid()
             FROM cell.tenancy, unnest(ARRAY['ready', 'dead', 'dead']) AS s;
             INSERT INTO cell.provider_call (tenant_id, id, provider, operation, status, started_at,
                 duration_us, correlation_id)
             SELECT tenant_id, ('01ffffff' || substr(gen_random_uuid()::text, 9))::uuid, 'openai', 'o', s,
                 now(), 1, gen_random_uuid()
             FROM cell.tenancy, unnest(ARRAY[200, 500]) AS s;
             INSERT INTO cell.inbound_event (tenant_id, id, provider, dedup_key, event_kind, received_at,
                 url, headers, body, verdict, correlation_id)
             SELECT tenant_id, ('01ffffff' || substr(gen_random_uuid()::text, 9))::uuid, 'twilio', d::text, 'k',
                 now() - (least(d, 1) || ' days')::interval, 'u', '{}', '', 'v', gen_random_uuid()
             FROM cell.tenancy, generate_series(0, 2) AS d",
        )
        .await;
        let overview = read(&app.operator(), OffsetDateTime::now_utc())
            .await
            .expect("figures");
        assert_eq!(overview.tenants, [0, 1, 1, 0]);
        assert_eq!(overview.new_tenants, 2);
        assert_eq!(overview.users, 1);
        assert_eq!((overview.queue.ready, overview.queue.dead), (2, 4));
        assert!(overview.queue.waiting_since.is_some());
        assert_eq!(overview.calls, (4, 2));
        let webhooks: Vec<i64> = overview.days.iter().map(|day| day.webhooks).collect();
        assert_eq!(webhooks[12..], [4, 2]);
        assert_eq!(overview.cells.len(), 1);
    }
}
