//! A transaction on the people's tables of the control database, as `freehold_identity`: the one
//! login role that reaches accounts, sessions and what tenants own there.

use std::{fmt, sync::Arc};

use serde::Serialize;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Postgres, Row, pool::PoolConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Db, Inner, Route, Tenant, Tx, tx::roll_back};
use crate::{
    access::{Actor, impersonation::Live, session::Vouched},
    audit::Act,
    error::{Error, Result},
    id::{SessionId, TenantId, UserId},
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
    fn settings(self) -> String {
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

/// A session that is valid now, whose it is, and what its owner is in one tenant.
#[derive(Debug)]
pub(crate) struct LiveSession {
    pub id: SessionId,
    pub user: UserId,
    pub authenticated_at: OffsetDateTime,
    pub second_factor_at: Option<OffsetDateTime>,
    pub name: String,
    pub platform_role: Option<String>,
    /// The role in the tenant that was asked about, and its permissions where the tenant defined it.
    pub role: Option<String>,
    pub permissions: Option<Vec<String>>,
    /// The one tenant that a session is good in which that tenant's identity provider opened. In any
    /// other, and on the platform, it has no role; there it has one while the provider is enabled and
    /// vouches for the role.
    pub confined_to: Option<TenantId>,
    /// What this session impersonates in that tenant.
    pub impersonation: Option<Live>,
    /// Whether it is time to write down that it was seen.
    unseen: bool,
}

/// What of a session is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shown<'a> {
    /// The digest of a cookie's token.
    Cookie(&'a [u8]),
    /// What a token of ours says: a client's session, which is for one tenant, or a browser's.
    Session { session: SessionId, user: UserId },
}

impl Shown<'_> {
    fn condition(self, tenant: Uuid) -> String {
        match self {
            Self::Cookie(digest) => {
                let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("s.token_sha256 = '\\x{digest}'")
            }
            Self::Session { session, user } => format!(
                "s.id = '{}' AND s.user_id = '{}' AND (s.tenant_id IS NULL OR s.tenant_id = '{tenant}')",
                session.uuid(),
                user.uuid()
            ),
        }
    }
}

impl LiveSession {
    /// Everything that a request's access depends on, in one round trip. The protocol of prepared
    /// statements takes one statement at a time, so this is a batch; what is spliced into it are
    /// UUIDs and hexadecimal digits that this program formatted.
    pub async fn find(db: &Db, shown: Shown<'_>, tenant: Option<TenantId>) -> Result<Option<Self>> {
        let whose = Whose { tenant, user: None };
        let tenant = tenant.map_or(Uuid::nil(), TenantId::uuid);
        let condition = shown.condition(tenant);
        let batch = format!(
            "BEGIN READ ONLY; {};
             SELECT s.id, s.user_id, s.authenticated_at, s.second_factor_at, u.name, s.confined_to,
                 CASE WHEN s.confined_to IS NULL THEN u.platform_role END AS platform_role,
                 m.role, r.permissions, p.vouches_for, p.vouches_for_owners, i.may_write,
                 s.last_seen_at < now() - interval '1 minute' AS unseen
             FROM control.session s
             JOIN control.user u ON u.id = s.user_id AND u.status = 'active'
             LEFT JOIN control.membership m ON m.tenant_id = '{tenant}' AND m.user_id = s.user_id
                 AND COALESCE(s.confined_to, m.tenant_id) = m.tenant_id
             LEFT JOIN control.tenant_role r ON r.tenant_id = m.tenant_id AND r.name = m.role
             LEFT JOIN control.identity_provider p ON p.tenant_id = s.confined_to AND p.id = s.provider_id
                 AND p.enabled
             LEFT JOIN control.impersonation i ON i.tenant_id = '{tenant}' AND i.session_id = s.id
                 AND s.confined_to IS NULL AND i.ended_at IS NULL AND i.expires_at > now()
             WHERE {condition} AND s.revoked_at IS NULL
                 AND s.expires_at > now() AND s.last_seen_at + s.idle_limit > now();
             COMMIT",
            whose.settings()
        );
        let mut conn = db.0.identity.acquire().await?;
        let rows = match conn.fetch_all(sqlx::raw_sql(AssertSqlSafe(batch))).await {
            Ok(rows) => rows,
            Err(error) => {
                // The batch broke off inside its transaction.
                conn.close_on_drop();
                return Err(error.into());
            }
        };
        drop(conn);
        let Some(row) = rows.into_iter().next() else {
            return Ok(None);
        };
        let vouched = Vouched::stored(
            row.try_get("vouches_for")?,
            row.try_get("vouches_for_owners")?,
        );
        let mut session = Self {
            id: row.try_get::<Uuid, _>("id")?.into(),
            user: row.try_get::<Uuid, _>("user_id")?.into(),
            authenticated_at: row.try_get("authenticated_at")?,
            second_factor_at: row.try_get("second_factor_at")?,
            name: row.try_get("name")?,
            platform_role: row.try_get("platform_role")?,
            role: row.try_get("role")?,
            permissions: row.try_get("permissions")?,
            confined_to: row
                .try_get::<Option<Uuid>, _>("confined_to")?
                .map(Into::into),
            impersonation: row
                .try_get::<Option<bool>, _>("may_write")?
                .map(|may_write| Live { may_write }),
            unseen: row.try_get("unseen")?,
        };
        // With every request, because roles change while sessions last.
        if session.confined_to.is_some() {
            session.role = session.role.filter(|role| {
                vouched.is_some_and(|vouched| vouched.covers(role, session.permissions.as_deref()))
            });
        }
        if session.unseen {
            session.seen(db).await?;
        }
        Ok(Some(session))
    }

    /// At most once a minute, however many requests arrive at once.
    async fn seen(&self, db: &Db) -> Result<()> {
        sqlx::query!(
            "UPDATE control.session SET last_seen_at = now()
             WHERE id = $1 AND last_seen_at < now() - interval '1 minute'",
            self.id.uuid()
        )
        .execute(&db.0.identity)
        .await
        .map(drop)
        .map_err(Error::from)
    }
}

impl Db {
    /// Waits until this node has committed mail to send.
    pub async fn mail_waiting(&self) {
        self.0.mail.notified().await;
    }
}
