//! Tells the nodes what changed, so that their caches need not wait for their entries to expire.
//!
//! A change is written down with the transaction that makes it (`cell.change`) and announced when that
//! commits: by Postgres' NOTIFY, or by Redis where one is configured. Announcements are heard within
//! milliseconds and can be lost; what was written down is looked for every other second. Every cache
//! bounds the age of its entries besides.

mod notify;
mod poll;
#[cfg(feature = "redis")]
mod redis;
mod seen;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::{broadcast, mpsc};

use crate::{
    db::{Db, Tx},
    error::Result,
    id::TenantId,
};

#[cfg(feature = "redis")]
pub use self::redis::{Redis, RedisError};
use seen::Seen;

/// Messages a slow listener may lag behind before it must assume that anything changed.
const BACKLOG: usize = 1024;

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A tenant's credentials or endpoints.
    Credentials(TenantId),
    /// A tenant's data keys: some were destroyed, or are wrapped by another key-encryption key now,
    /// so that none may be used from memory.
    Keys(TenantId),
    /// Messages may have been missed: anything can have changed.
    Unknown,
}

const CREDENTIALS: &str = "credentials";
const KEYS: &str = "keys";

impl Change {
    fn new(tenant: TenantId, what: &str) -> Self {
        match what {
            CREDENTIALS => Self::Credentials(tenant),
            KEYS => Self::Keys(tenant),
            // Of a newer version of this program.
            _ => Self::Unknown,
        }
    }
}

/// A change that is committed, on its way to the other nodes.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "redis"),
    expect(dead_code, reason = "Postgres is told by the statement itself")
)]
pub(crate) struct Announcement {
    tenant: TenantId,
    what: &'static str,
    /// How often it changed, this time included.
    version: i64,
}

/// Where announcements go that Postgres does not carry.
pub(crate) type Announcer = mpsc::Sender<Announcement>;

impl Tx {
    /// Announces, when this transaction commits, that the tenant's credentials changed.
    pub async fn announce_credentials(&mut self) -> Result<()> {
        self.announce(CREDENTIALS).await
    }

    /// Announces, when this transaction commits, that data keys of the tenant's were destroyed, or
    /// put under another key-encryption key.
    pub async fn announce_keys(&mut self) -> Result<()> {
        self.announce(KEYS).await
    }

    async fn announce(&mut self, what: &'static str) -> Result<()> {
        let tenant = self.tenant().id;
        let by_postgres = self.db().announcer().is_none();
        let version = sqlx::query_scalar!(
            r#"WITH noted AS (
                   INSERT INTO cell.change AS c (what) VALUES ($1)
                   ON CONFLICT (tenant_id, what) DO UPDATE
                       SET version = c.version + 1, changed_at = clock_timestamp()
                   RETURNING version
               ), told AS (
                   SELECT pg_notify($2, $3 || ':' || version) FROM noted WHERE $4
               )
               SELECT version FROM noted LEFT JOIN told ON true"#,
            what,
            notify::CHANNEL,
            format!("{what}:{tenant}"),
            by_postgres
        )
        .fetch_one(self.conn())
        .await?;
        if !by_postgres {
            self.announce_after_commit(Announcement {
                tenant,
                what,
                version,
            });
        }
        Ok(())
    }
}

/// Listens on every cell until the receivers are gone.
pub fn listen(db: &Db) -> broadcast::Receiver<Change> {
    let (sender, receiver) = broadcast::channel(BACKLOG);
    let seen = Arc::new(Seen::default());
    for (_, cell) in db.cells() {
        let pool = cell.pools.worker.clone();
        tokio::spawn(poll::poll(pool, sender.clone(), Arc::clone(&seen)));
        if db.announcer().is_none() {
            let pool = cell.pools.app.clone();
            tokio::spawn(notify::forward(pool, sender.clone(), Arc::clone(&seen)));
        }
    }
    #[cfg(feature = "redis")]
    if let Some(redis) = db.redis() {
        tokio::spawn(redis.clone().forward(sender, seen));
    }
    receiver
}
