//! Tells the other nodes what changed, so that their caches need not wait for their entries to
//! expire. A hint only: a message can be lost, and every cache bounds the age of its entries.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "notifications carry no rows"
)]

use sqlx::postgres::PgListener;
use tokio::sync::broadcast;

use crate::{
    db::{Db, Tx},
    error::Result,
    id::TenantId,
};

const CHANNEL: &str = "freehold_changes";
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

impl Change {
    fn parse(payload: &str) -> Self {
        let change = payload.split_once(':').and_then(|(what, id)| {
            let tenant = id.parse().ok()?;
            match what {
                "credentials" => Some(Self::Credentials(tenant)),
                "keys" => Some(Self::Keys(tenant)),
                _ => None,
            }
        });
        change.unwrap_or(Self::Unknown)
    }
}

impl Tx {
    /// Announces, when this transaction commits, that the tenant's credentials changed.
    pub async fn announce_credentials(&mut self) -> Result<()> {
        self.announce("credentials").await
    }

    /// Announces, when this transaction commits, that data keys of the tenant's were destroyed, or
    /// put under another key-encryption key.
    pub async fn announce_keys(&mut self) -> Result<()> {
        self.announce("keys").await
    }

    async fn announce(&mut self, what: &str) -> Result<()> {
        let payload = format!("{what}:{}", self.tenant().id);
        sqlx::query!("SELECT pg_notify($1, $2)", CHANNEL, payload)
            .execute(self.conn())
            .await?;
        Ok(())
    }
}

/// Listens on every cell until the receivers are gone.
pub fn listen(db: &Db) -> broadcast::Receiver<Change> {
    let (sender, receiver) = broadcast::channel(BACKLOG);
    for (_, cell) in db.cells() {
        tokio::spawn(forward(cell.pools.app.clone(), sender.clone()));
    }
    receiver
}

async fn forward(pool: sqlx::PgPool, sender: broadcast::Sender<Change>) {
    while sender.receiver_count() > 0 && !pool.is_closed() {
        if let Ok(mut listener) = PgListener::connect_with(&pool).await
            && listener.listen(CHANNEL).await.is_ok()
        {
            // What was announced while nobody listened is unknown.
            let _ = sender.send(Change::Unknown);
            while let Ok(Some(message)) = listener.try_recv().await {
                if sender.send(Change::parse(message.payload())).is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}
