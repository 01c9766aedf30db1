//! Sessions of people: opening, listing, ending. How a request's session is recognised lives in
//! `kernel::access::session`.

use kernel::{
    Error, Result,
    access::{Actor, Person, Visitor, session::NewToken},
    db::PeopleTx,
    id::{IdentityProviderId, SessionId, TenantId, UserId},
    secret::Secret,
};
use serde::Serialize;
use serde_json::json;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use super::note;

/// A session that nobody used for this long has ended.
const IDLE_HOURS: i32 = 7 * 24;
/// However much it is used, a session ends after this.
const LIFE: Duration = Duration::days(30);

/// A session that was just opened. Its token is here and nowhere else.
#[derive(Debug)]
pub struct NewSession {
    pub id: SessionId,
    pub user: UserId,
    pub token: Secret,
    pub expires_at: OffsetDateTime,
}

/// A session, as its owner sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionView {
    #[schema(value_type = String, example = "ses_01h455vb4pex5vsknk084sn02q")]
    pub id: SessionId,
    /// An API client's is for this tenant alone; a browser's is for all of its owner's.
    #[schema(value_type = Option<String>, example = "ten_01h455vb4pex5vsknk084sn02q")]
    pub tenant: Option<TenantId>,
    /// Whether it is the one that asks.
    pub current: bool,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// To the minute.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub last_seen_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: OffsetDateTime,
    /// Where it was opened.
    pub ip: Option<String>,
    pub user_agent: Option<String>,
}

/// What somebody has just shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A password, a mailbox at the end of a sign-up, or an identity provider's word.
    One,
    /// A second factor as well, be it at a provider that is trusted to ask for one; or a passkey,
    /// which is two in one.
    Two,
}

/// The one tenant that a session is good in, and the provider of that tenant's that vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Confined {
    pub tenant: TenantId,
    pub provider: IdentityProviderId,
}

/// Opens a session for somebody who has just shown who they are; a confined one where a tenant's
/// provider says so.
pub(crate) async fn open(
    tx: &mut PeopleTx,
    user: UserId,
    visitor: &Visitor,
    shown: Shown,
    confined: Option<Confined>,
) -> Result<NewSession> {
    let (id, token) = (SessionId::new(), NewToken::generate());
    let expires_at = OffsetDateTime::now_utc() + LIFE;
    sqlx::query!(
        "INSERT INTO control.session (id, token_sha256, user_id, idle_limit, expires_at, ip, user_agent,
             second_factor_at, confined_to, provider_id)
         VALUES ($1, $2, $3, make_interval(hours => $4), $5, $6, $7, CASE WHEN $8 THEN now() END, $9, $10)",
        id.uuid(),
        token.sha256,
        user.uuid(),
        IDLE_HOURS,
        expires_at,
        visitor.address.map(|address| address.to_string()),
        visitor.user_agent,
        shown == Shown::Two,
        confined.map(|confined| confined.tenant.uuid()),
        confined.map(|confined| confined.provider.uuid())
    )
    .execute(tx.conn())
    .await?;
    Ok(NewSession {
        id,
        user,
        token: token.text,
        expires_at,
    })
}

/// Opens a session without a cookie, for an API client that acts in one tenant.
pub(crate) async fn open_for_client(
    tx: &mut PeopleTx,
    user: UserId,
    tenant: TenantId,
    visitor: &Visitor,
) -> Result<SessionId> {
    let id = SessionId::new();
    sqlx::query!(
        "INSERT INTO control.session (id, user_id, tenant_id, idle_limit, expires_at, ip, user_agent)
         VALUES ($1, $2, $3, make_interval(hours => $4), $5, $6, $7)",
        id.uuid(),
        user.uuid(),
        tenant.uuid(),
        IDLE_HOURS,
        OffsetDateTime::now_utc() + LIFE,
        visitor.address.map(|address| address.to_string()),
        visitor.user_agent
    )
    .execute(tx.conn())
    .await?;
    Ok(id)
}

/// Gives a session another token, so that whoever learned the old one has nothing. Called whenever
/// the session comes to mean more than before.
pub(crate) async fn rotate(tx: &mut PeopleTx, person: &Person) -> Result<NewSession> {
    renew(tx, person, None).await
}

/// As `rotate`, for a person who has just shown their password once more (`One`) or a second factor
/// (`Two`).
pub(crate) async fn shown(tx: &mut PeopleTx, person: &Person, what: Shown) -> Result<NewSession> {
    renew(tx, person, Some(what)).await
}

async fn renew(tx: &mut PeopleTx, person: &Person, shown: Option<Shown>) -> Result<NewSession> {
    let token = NewToken::generate();
    let row = sqlx::query!(
        "UPDATE control.session SET token_sha256 = $2,
             authenticated_at = CASE WHEN $3 THEN now() ELSE authenticated_at END,
             second_factor_at = CASE WHEN $4 THEN now() ELSE second_factor_at END
         WHERE id = $1 AND revoked_at IS NULL RETURNING expires_at",
        person.session().uuid(),
        token.sha256,
        shown == Some(Shown::One),
        shown == Some(Shown::Two)
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(Error::Unauthenticated)?;
    Ok(NewSession {
        id: person.session(),
        user: person.id(),
        token: token.text,
        expires_at: row.expires_at,
    })
}

/// Ends all sessions of somebody's but one, and whatever sign-in is half done.
pub(crate) async fn end_all(
    tx: &mut PeopleTx,
    user: UserId,
    except: Option<SessionId>,
) -> Result<u64> {
    sqlx::query!(
        "DELETE FROM control.pending_sign_in WHERE user_id = $1",
        user.uuid()
    )
    .execute(tx.conn())
    .await?;
    let ended = sqlx::query!(
        "UPDATE control.session SET revoked_at = now()
         WHERE user_id = $1 AND revoked_at IS NULL AND ($2::uuid IS NULL OR id <> $2)",
        user.uuid(),
        except.map(SessionId::uuid)
    )
    .execute(tx.conn())
    .await?;
    Ok(ended.rows_affected())
}

/// The person's sessions that are valid, newest first.
pub async fn list(person: &Person) -> Result<Vec<SessionView>> {
    let mut tx = person.begin().await?;
    let rows = sqlx::query!(
        "SELECT id, tenant_id, created_at, last_seen_at, expires_at, ip, user_agent FROM control.session
         WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now()
             AND last_seen_at + idle_limit > now()
         ORDER BY id DESC LIMIT 200",
        person.id().uuid()
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(rows
        .into_iter()
        .map(|row| SessionView {
            id: row.id.into(),
            tenant: row.tenant_id.map(Into::into),
            current: row.id == person.session().uuid(),
            created_at: row.created_at,
            last_seen_at: row.last_seen_at,
            expires_at: row.expires_at,
            ip: row.ip,
            user_agent: row.user_agent,
        })
        .collect())
}

/// Ends one session of the person's own. Ending one that has ended changes nothing.
pub async fn revoke(person: &Person, session: SessionId) -> Result<()> {
    let mut tx = person.begin().await?;
    let ended = sqlx::query!(
        "UPDATE control.session SET revoked_at = COALESCE(revoked_at, now())
         WHERE id = $1 AND user_id = $2",
        session.uuid(),
        person.id().uuid()
    )
    .execute(tx.conn())
    .await?;
    if ended.rows_affected() == 0 {
        return Err(Error::NotFound("session"));
    }
    let detail = json!({ "session": session });
    noted(&mut tx, person, "session.revoked", detail).await?;
    tx.commit().await
}

/// Ends all sessions of the person's but the one that asks, and says how many.
pub async fn revoke_others(person: &Person) -> Result<u64> {
    let mut tx = person.begin().await?;
    let ended = end_all(&mut tx, person.id(), Some(person.session())).await?;
    let detail = json!({ "ended": ended });
    noted(&mut tx, person, "session.others_revoked", detail).await?;
    tx.commit().await?;
    Ok(ended)
}

/// Ends the session that asks.
pub async fn sign_out(person: &Person) -> Result<()> {
    let mut tx = person.begin().await?;
    sqlx::query!(
        "UPDATE control.session SET revoked_at = now() WHERE id = $1",
        person.session().uuid()
    )
    .execute(tx.conn())
    .await?;
    noted(&mut tx, person, "account.signed_out", json!({})).await?;
    tx.commit().await
}

/// An act of somebody's on their own account.
pub(crate) async fn noted(
    tx: &mut PeopleTx,
    person: &Person,
    action: &str,
    detail: serde_json::Value,
) -> Result<()> {
    let actor = Actor::user(person.id());
    note(
        tx,
        person.visitor(),
        Some(person.id()),
        &actor,
        action,
        detail,
    )
    .await
}
