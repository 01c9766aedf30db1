//! Looking for what was written down of changes: the way that nothing gets lost on.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the worker's role sees which tenants changed, and nothing of them"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::PgPool;
use tokio::sync::broadcast;

use super::{Change, seen::Seen};
use crate::error::Result;

const EVERY: Duration = Duration::from_secs(2);
/// How far back is looked, in seconds: a transaction may commit this long after it wrote its change
/// down and is still heard of.
const WINDOW: f64 = 60.0;
/// After such a silence something may lie before the window.
const GAP: Duration = Duration::from_secs(30);

pub(super) async fn poll(pool: PgPool, sender: broadcast::Sender<Change>, seen: Arc<Seen>) {
    let mut last = Instant::now();
    while sender.receiver_count() > 0 && !pool.is_closed() {
        if let Ok(changes) = news(&pool, &seen).await {
            if last.elapsed() > GAP {
                let _ = sender.send(Change::Unknown);
            }
            last = Instant::now();
            for change in changes {
                let _ = sender.send(change);
            }
            seen.forget_older_than(Duration::from_secs_f64(2.0 * WINDOW));
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn news(pool: &PgPool, seen: &Seen) -> Result<Vec<Change>> {
    let rows = sqlx::query!(
        "SELECT tenant_id, what, version FROM cell.change
         WHERE changed_at > clock_timestamp() - make_interval(secs => $1)
         ORDER BY changed_at",
        WINDOW
    )
    .fetch_all(pool)
    .await?;
    let news = rows.into_iter().filter_map(|row| {
        let tenant = row.tenant_id.into();
        seen.is_news(tenant, &row.what, row.version)
            .then(|| Change::new(tenant, &row.what))
    });
    Ok(news.collect())
}
