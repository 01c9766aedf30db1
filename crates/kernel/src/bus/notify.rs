//! Announcements by Postgres' NOTIFY, which come with the commit and cost no connection but the
//! listener's.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "notifications carry no rows"
)]

use std::{sync::Arc, time::Duration};

use sqlx::{PgPool, postgres::PgListener};
use tokio::sync::broadcast;

use super::{Change, seen::Seen};
use crate::id::TenantId;

pub(super) const CHANNEL: &str = "freehold_changes";
const PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn forward(pool: PgPool, sender: broadcast::Sender<Change>, seen: Arc<Seen>) {
    while sender.receiver_count() > 0 && !pool.is_closed() {
        if let Ok(mut listener) = PgListener::connect_with(&pool).await
            && listener.listen(CHANNEL).await.is_ok()
        {
            // What was announced while nobody listened is unknown.
            let _ = sender.send(Change::Unknown);
            while let Ok(Some(message)) = listener.try_recv().await {
                let change = read(message.payload(), &seen);
                if change.is_some_and(|change| sender.send(change).is_err()) {
                    return;
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What a payload (`credentials:ten_…:7`) says, if it is news.
fn read(payload: &str, seen: &Seen) -> Option<Change> {
    let mut parts = payload.split(':');
    let parts = (parts.next(), parts.next(), parts.next(), parts.next());
    let (Some(what), Some(tenant), Some(version), None) = parts else {
        return Some(Change::Unknown);
    };
    let (Ok(tenant), Ok(version)) = (tenant.parse::<TenantId>(), version.parse()) else {
        return Some(Change::Unknown);
    };
    seen.is_news(tenant, what, version)
        .then(|| Change::new(tenant, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_read_and_others_may_mean_anything() {
        let (seen, tenant) = (Seen::default(), TenantId::new());
        let payload = format!("keys:{tenant}:3");
        assert_eq!(read(&payload, &seen), Some(Change::Keys(tenant)));
        assert_eq!(read(&payload, &seen), None);
        for odd in [
            "",
            "keys",
            "keys:x:1",
            &format!("keys:{tenant}:x"),
            &format!("{payload}:1"),
        ] {
            assert_eq!(read(odd, &seen), Some(Change::Unknown), "{odd}");
        }
        let newer = format!("weather:{tenant}:1");
        assert_eq!(read(&newer, &seen), Some(Change::Unknown));
    }
}
