//! Who a session is: the statement that every request of a signed-in person begins with.

use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Db, Whose};
use crate::{
    access::{impersonation::Live, session::Vouched},
    error::{Error, Result},
    id::{SessionId, TenantId, UserId},
};

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
    /// The statement to execute, with literals: UUIDs and hexadecimal digits that this program
    /// formatted.
    fn statement(self, tenant: Uuid) -> String {
        match self {
            Self::Cookie(digest) => {
                let digest = hex::encode(digest);
                format!("EXECUTE session_by_cookie('{tenant}', '\\x{digest}')")
            }
            Self::Session { session, user } => format!(
                "EXECUTE session_by_id('{tenant}', '{}', '{}')",
                session.uuid(),
                user.uuid()
            ),
        }
    }
}

/// `$1` is the tenant that is asked about.
macro_rules! prepare {
    ($name:literal, $condition:literal) => {
        concat!(
            "PREPARE ",
            $name,
            " AS
             SELECT s.id, s.user_id, s.authenticated_at, s.second_factor_at, u.name, s.confined_to,
                 CASE WHEN s.confined_to IS NULL THEN u.platform_role END AS platform_role,
                 m.role, r.permissions, p.vouches_for, p.vouches_for_owners, i.may_write,
                 s.last_seen_at < now() - interval '1 minute' AS unseen
             FROM control.session s
             JOIN control.user u ON u.id = s.user_id AND u.status = 'active'
             LEFT JOIN control.membership m ON m.tenant_id = $1 AND m.user_id = s.user_id
                 AND COALESCE(s.confined_to, m.tenant_id) = m.tenant_id
             LEFT JOIN control.tenant_role r ON r.tenant_id = m.tenant_id AND r.name = m.role
             LEFT JOIN control.identity_provider p ON p.tenant_id = s.confined_to AND p.id = s.provider_id
                 AND p.enabled
             LEFT JOIN control.impersonation i ON i.tenant_id = $1 AND i.session_id = s.id
                 AND s.confined_to IS NULL AND i.ended_at IS NULL AND i.expires_at > now()
             WHERE ",
            $condition,
            " AND s.revoked_at IS NULL AND s.expires_at > now()
                 AND s.last_seen_at + s.idle_limit > now();"
        )
    };
}

/// What every new connection is told, so that no request waits for the plan of six joined tables.
/// They are prepared by SQL, because the protocol's own prepared statements take a round trip of
/// their own each, and `EXECUTE` goes into one batch with the transaction around it.
const PREPARE: &str = concat!(
    prepare!("session_by_cookie(uuid, bytea)", "s.token_sha256 = $2"),
    prepare!(
        "session_by_id(uuid, uuid, uuid)",
        "s.id = $2 AND s.user_id = $3 AND (s.tenant_id IS NULL OR s.tenant_id = $1)"
    )
);

pub(super) async fn prepare(conn: &mut PgConnection) -> sqlx::Result<()> {
    conn.execute(PREPARE).await.map(drop)
}

impl LiveSession {
    /// Everything that a request's access depends on, in one round trip.
    pub async fn find(db: &Db, shown: Shown<'_>, tenant: Option<TenantId>) -> Result<Option<Self>> {
        let whose = Whose { tenant, user: None };
        let statement = shown.statement(tenant.map_or(Uuid::nil(), TenantId::uuid));
        let batch = format!("BEGIN READ ONLY; {}; {statement}; COMMIT", whose.settings());
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
