//! A transaction on the people's tables of the control database, as `freehold_identity`: the one
//! login role that reaches accounts, sessions and what tenants own there.

use std::{fmt, sync::Arc};

use serde::Serialize;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, pool::PoolConnection};
use uuid::Uuid;

use super::{Db, Inner, Route, Tenant, Tx, tx::roll_back};
use crate::{
    access::Actor,
    audit::Act,
    error::Result,
    id::{TenantId, UserId},
    telemetry,
};

/// Whose rows a transaction may reach beside the accounts themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Whose {
    /// Memberships, roles and invitations of this tenant.
    pub tenant: Option<TenantId>,
    /// This person's memberships, wherever they are; to read.
    pub user: Option<UserId>,
}

impl Whose {
    pub fn nobody() -> Self {
        Self::default()
    }

    pub fn tenant(tenant: TenantId) -> Self {
        Self {
            tenant: Some(tenant),
            user: None,
        }
    }

    pub fn user(user: UserId) -> Self {
        Self {
            tenant: None,
            user: Some(user),
        }
    }

    /// Literals in SET LOCAL, as for a tenant's cell. The nil UUID is nobody's.
    pub(super) fn settings(self) -> String {
        let tenant = self.tenant.map_or(Uuid::nil(), TenantId::uuid);
        let user = self.user.map_or(Uuid::nil(), UserId::uuid);
        format!("SET LOCAL freehold.tenant_id = '{tenant}'; SET LOCAL freehold.user_id = '{user}'")
    }
}

/// An open transaction. Dropping it rolls back.
pub struct PeopleTx {
    conn: Option<PoolConnection<Postgres>>,
    inner: Arc<Inner>,
    mail: bool,
}

impl fmt::Debug for PeopleTx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeopleTx")
    }
}

impl PeopleTx {
    /// Begins and says whose rows are meant, in one round trip. A lint keeps this to the slices
    /// that decide who somebody is: having a `Db` is no proof of anything.
    pub async fn begin(db: &Db, whose: Whose) -> Result<Self> {
        let mut tx = Self {
            conn: Some(db.0.identity.acquire().await?),
            inner: Arc::clone(&db.0),
            mail: false,
        };
        let batch = format!("BEGIN; {}", whose.settings());
        sqlx::raw_sql(AssertSqlSafe(batch))
            .execute(tx.conn())
            .await?;
        Ok(tx)
    }

    pub fn conn(&mut self) -> &mut PgConnection {
        self.conn
            .as_mut()
            .expect("the connection is taken only by commit and drop, which consume the PeopleTx")
    }

    /// Remembers to wake this node's sender of mail once the work is committed.
    pub fn mark_mail(&mut self) {
        self.mail = true;
    }

    /// Commits an act that belongs into the tenant's own audit log. Control and cell share no
    /// transaction, so the entry is committed first: what breaks off in between leaves an entry
    /// without its act, never an act without its entry.
    pub async fn commit_noted<D: Serialize>(
        self,
        tenant: &Tenant,
        actor: &Actor,
        act: Act<'_, D>,
    ) -> Result<()> {
        let db = Db(Arc::clone(&self.inner));
        let correlation = telemetry::correlation();
        let mut tx = Tx::begin(&db, tenant, actor.clone(), correlation, Route::Write).await?;
        tx.audit(act).await?;
        tx.commit().await?;
        self.commit().await
    }

    pub async fn commit(mut self) -> Result<()> {
        // Postgres answers COMMIT after a failed statement with a silent ROLLBACK; the statement in
        // front of it raises there.
        sqlx::raw_sql("SELECT; COMMIT").execute(self.conn()).await?;
        self.conn.take();
        if self.mail {
            self.inner.mail.notify_one();
        }
        Ok(())
    }
}

impl Drop for PeopleTx {
    fn drop(&mut self) {
        roll_back(self.conn.take());
    }
}

impl Db {
    /// Waits until this node has committed mail to send.
    pub async fn mail_waiting(&self) {
        self.0.mail.notified().await;
    }
}
