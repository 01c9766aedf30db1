//! The chain of refresh tokens behind a client's session.
//!
//! Each is used once and gives the next. One that is shown a second time is in two hands, of which
//! one is a thief's: the session ends, whoever was first (RFC 9700 §4.14.2). A client therefore
//! refreshes one at a time. Of requests that race with one token exactly one is answered with
//! tokens; the others are that second showing.

use kernel::{
    Error, Result,
    access::{
        Actor, Visitor,
        session::{NewToken, digest_of},
    },
    db::{PeopleTx, Whose},
    id::{SessionId, TenantId, UserId},
    secret::Secret,
};
use serde_json::json;
use uuid::Uuid;

use super::{Grant, Issued, Tokens, require_login, role};
use crate::people::note;

/// Begins the chain of a session.
pub(super) async fn first(tx: &mut PeopleTx, session: SessionId) -> Result<Secret> {
    let token = NewToken::generate();
    sqlx::query!(
        "INSERT INTO control.refresh_token (id, session_id, token_sha256) VALUES ($1, $2, $3)",
        Uuid::now_v7(),
        session.uuid(),
        token.sha256
    )
    .execute(tx.conn())
    .await?;
    Ok(token.text)
}

/// A client's session that is valid now.
struct Chain {
    session: SessionId,
    user: UserId,
    tenant: TenantId,
}

/// The session of a token, used or not.
async fn chain_of(tx: &mut PeopleTx, token: &Secret) -> Result<Option<Chain>> {
    let row = sqlx::query!(
        r#"SELECT s.id, s.user_id, s.tenant_id AS "tenant_id!" FROM control.refresh_token r
           JOIN control.session s ON s.id = r.session_id AND s.tenant_id IS NOT NULL
           JOIN control.user u ON u.id = s.user_id AND u.status = 'active'
           WHERE r.token_sha256 = $1 AND s.revoked_at IS NULL AND s.expires_at > now()
               AND s.last_seen_at + s.idle_limit > now()"#,
        digest_of(token.expose())
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| Chain {
        session: row.id.into(),
        user: row.user_id.into(),
        tenant: row.tenant_id.into(),
    }))
}

/// Uses a refresh token up. `None` when it is none, was used before, or its session has ended.
///
/// # Errors
/// `tenant_inactive`: the token is not used up then.
pub async fn refresh(tokens: &Tokens, visitor: &Visitor, token: &Secret) -> Result<Option<Issued>> {
    let people = tokens.people();
    let mut tx = people.begin(Whose::nobody()).await?;
    let chain = chain_of(&mut tx, token).await?;
    tx.commit().await?;
    let Some(chain) = chain else { return Ok(None) };
    let Some(tenant) = people.db().directory().by_id(chain.tenant).await? else {
        return Ok(None);
    };
    require_login(&tenant)?;
    let signer = tokens.signer().await?;

    let mut tx = people.begin(Whose::tenant(chain.tenant)).await?;
    // The row is locked by the first of those who race; the others then find it used.
    let used = sqlx::query!(
        "UPDATE control.refresh_token SET used_at = now()
         WHERE token_sha256 = $1 AND used_at IS NULL",
        digest_of(token.expose())
    )
    .execute(tx.conn())
    .await?;
    if used.rows_affected() == 0 {
        end(&mut tx, visitor, &chain, "session.refresh_token_reused").await?;
        tx.commit().await?;
        return Ok(None);
    }
    let Some(role) = role(&mut tx, chain.tenant, chain.user).await? else {
        return Ok(None);
    };
    let seen = sqlx::query!(
        "UPDATE control.session SET last_seen_at = now() WHERE id = $1 AND revoked_at IS NULL",
        chain.session.uuid()
    )
    .execute(tx.conn())
    .await?;
    // Ended since it was looked at.
    if seen.rows_affected() == 0 {
        return Ok(None);
    }
    let next = first(&mut tx, chain.session).await?;
    tx.commit().await?;
    let grant = Grant {
        session: chain.session,
        user: chain.user,
        tenant: &tenant,
        role,
    };
    grant.issue(tokens, &signer, Some(next)).map(Some)
}

/// Ends the session of a refresh token, used or not. One that is none changes nothing.
pub async fn revoke(tokens: &Tokens, visitor: &Visitor, token: &Secret) -> Result<()> {
    let mut tx = tokens.people().begin(Whose::nobody()).await?;
    if let Some(chain) = chain_of(&mut tx, token).await? {
        end(&mut tx, visitor, &chain, "account.client_signed_out").await?;
    }
    tx.commit().await
}

async fn end(tx: &mut PeopleTx, visitor: &Visitor, chain: &Chain, action: &str) -> Result<()> {
    sqlx::query!(
        "UPDATE control.session SET revoked_at = COALESCE(revoked_at, now()) WHERE id = $1",
        chain.session.uuid()
    )
    .execute(tx.conn())
    .await
    .map_err(Error::from)?;
    let detail = json!({ "session": chain.session, "tenant": chain.tenant });
    note(
        tx,
        visitor,
        Some(chain.user),
        &Actor::user(chain.user),
        action,
        detail,
    )
    .await
}
