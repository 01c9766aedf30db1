//! A transaction on one tenant's cell: the only way to tenant rows.

use std::{fmt, sync::Arc};

use sqlx::{
    AssertSqlSafe, Executor, PgConnection, Postgres, Row, pool::PoolConnection, postgres::PgRow,
};

use super::{Cell, Db, Tenant};
use crate::{
    access::Actor,
    audit::Pending,
    bus::Announcement,
    error::{Error, Result},
    id::CorrelationId,
};

/// Which login role serves the transaction, and whether it may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Read,
    Write,
}

/// An open transaction inside one tenant. Dropping it rolls back; only `commit` keeps its work.
/// No network call may be awaited while it lives.
pub struct Tx {
    /// Present until committed or dropped.
    conn: Option<PoolConnection<Postgres>>,
    db: Db,
    cell: Arc<Cell>,
    tenant: Tenant,
    actor: Actor,
    correlation: CorrelationId,
    enqueued: bool,
    /// Acts whose entries are written by commit.
    acts: Vec<Pending>,
    /// What Postgres does not announce itself.
    announcements: Vec<Announcement>,
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("tenant", &self.tenant.id)
            .finish_non_exhaustive()
    }
}

impl Tx {
    /// One round trip: begin, name the tenant, and ask the cell which epoch it knows for it.
    pub(crate) async fn begin(
        db: &Db,
        tenant: &Tenant,
        actor: Actor,
        correlation: CorrelationId,
        route: Route,
    ) -> Result<Self> {
        let cell = Arc::clone(db.cell(tenant.cell)?);
        let begin = match route {
            Route::Read => "BEGIN READ ONLY",
            Route::Write => "BEGIN",
        };
        // A literal in SET LOCAL, not set_config: distributed Postgres propagates the former. The
        // only value spliced in is a UUID that this program formatted.
        let batch = format!(
            "{begin}; SET LOCAL freehold.tenant_id = '{}'; SELECT epoch FROM cell.tenancy",
            tenant.id.uuid()
        );
        let mut tx = Self {
            conn: Some(cell.pools.app.acquire().await?),
            db: db.clone(),
            cell,
            tenant: tenant.clone(),
            actor,
            correlation,
            enqueued: false,
            acts: Vec::new(),
            announcements: Vec::new(),
        };
        let row = sqlx::raw_sql(AssertSqlSafe(batch))
            .fetch_optional(tx.conn())
            .await?;
        let epoch: Option<i64> = row.map(|row| row.try_get(0)).transpose()?;
        if epoch != Some(tenant.epoch) {
            db.directory().forget(tenant);
            return Err(Error::StaleEpoch);
        }
        Ok(tx)
    }

    /// The rows of one statement that reads, in one round trip altogether. The protocol of prepared
    /// statements takes one statement at a time, so this is a batch of text: whatever is spliced
    /// into it has to be letters and digits that the caller has looked at.
    pub(crate) async fn glance(db: &Db, tenant: &Tenant, statement: &str) -> Result<Vec<PgRow>> {
        let batch = format!(
            "BEGIN READ ONLY; SET LOCAL freehold.tenant_id = '{}';
             SELECT (SELECT epoch FROM cell.tenancy) AS epoch; {statement}; COMMIT",
            tenant.id.uuid()
        );
        let mut conn = db.cell(tenant.cell)?.pools.app.acquire().await?;
        let mut rows = match conn.fetch_all(sqlx::raw_sql(AssertSqlSafe(batch))).await {
            Ok(rows) => rows.into_iter(),
            Err(error) => {
                // The batch broke off inside its transaction.
                conn.close_on_drop();
                return Err(error.into());
            }
        };
        drop(conn);
        let epoch: Option<i64> = match rows.next() {
            Some(row) => row.try_get(0)?,
            None => None,
        };
        if epoch != Some(tenant.epoch) {
            db.directory().forget(tenant);
            return Err(Error::StaleEpoch);
        }
        Ok(rows.collect())
    }

    /// The connection, for `query!(…).execute(tx.conn())`. Every statement sees this tenant alone.
    pub fn conn(&mut self) -> &mut PgConnection {
        self.conn
            .as_mut()
            .expect("the connection is taken only by commit and drop, which consume the Tx")
    }

    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    pub fn correlation(&self) -> CorrelationId {
        self.correlation
    }

    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    pub(crate) fn acts(&mut self) -> &mut Vec<Pending> {
        &mut self.acts
    }

    /// Remembers to wake the workers once the work is committed.
    pub(crate) fn mark_enqueued(&mut self) {
        self.enqueued = true;
    }

    /// Remembers what to tell the other nodes once the work is committed.
    pub(crate) fn announce_after_commit(&mut self, announcement: Announcement) {
        self.announcements.push(announcement);
    }

    /// Makes the work durable, with the audit entries of its acts. What was written counts only
    /// after this returned.
    pub async fn commit(mut self) -> Result<()> {
        self.write_audit().await?;
        // Postgres answers COMMIT after a failed statement with a silent ROLLBACK; the statement in
        // front of it raises there.
        sqlx::raw_sql("SELECT; COMMIT").execute(self.conn()).await?;
        self.conn.take();
        if self.enqueued {
            self.cell.wake.notify_one();
        }
        if let Some(announcer) = self.db.announcer() {
            for announcement in self.announcements.drain(..) {
                // Nobody waits for it: what does not fit is found by those who look.
                let _ = announcer.try_send(announcement);
            }
        }
        Ok(())
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        roll_back(self.conn.take());
    }
}

/// Ends an abandoned transaction in the background, so that its connection can serve again.
/// Without a runtime the connection is closed, which ends the transaction too.
pub(super) fn roll_back(conn: Option<PoolConnection<Postgres>>) {
    let Some(mut conn) = conn else { return };
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => {
            runtime.spawn(async move {
                if sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await.is_err() {
                    conn.close_on_drop();
                }
            });
        }
        Err(_) => conn.close_on_drop(),
    }
}
