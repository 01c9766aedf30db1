//! What was found, kept per credential: the latest for whoever looks, a few before it to see a
//! change. A credential that was good and is refused now is announced.

use kernel::{
    Access, Error, Result,
    audit::Act,
    events::CredentialRefused,
    id::{CredentialId, VerificationId},
    permission::Permission,
};
use serde_json::json;

use super::{Outcome, Verification};
use crate::{catalogue::Reason, credentials::expiry};

/// How many findings of a credential are kept, besides those that count against the limit.
const KEPT: i64 = 20;
/// How many tests a tenant may have in a minute. Each calls a provider with the tenant's own
/// account, whose limits are not Freehold's to spend.
const PER_MINUTE: i64 = 30;

/// What is under test.
pub(super) struct Tested {
    pub id: CredentialId,
    pub provider: String,
    name: String,
    version: i64,
}

pub(super) async fn tested<P: Permission>(access: &Access<P>, id: CredentialId) -> Result<Tested> {
    let mut tx = access.read().await?;
    let row = sqlx::query!(
        "SELECT provider, name, version FROM cell.credential WHERE id = $1",
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(Error::NotFound("credential"))?;
    tx.commit().await?;
    Ok(Tested {
        id,
        provider: row.provider,
        name: row.name,
        version: row.version,
    })
}

/// Lets a tenant test so much and no more. Requests at the very same moment may pass together.
pub(super) async fn admit<P: Permission>(access: &Access<P>) -> Result<()> {
    let mut tx = access.read().await?;
    let row = sqlx::query!(
        r#"SELECT count(*) AS "count!" FROM cell.credential_verification
           WHERE checked_at > now() - interval '1 minute'"#
    )
    .fetch_one(tx.conn())
    .await?;
    tx.commit().await?;
    if row.count >= PER_MINUTE {
        return Err(Error::RateLimited { retry_after: 60 });
    }
    Ok(())
}

/// Keeps a finding, unless the credential has been changed or removed since.
pub(super) async fn keep<P: Permission>(
    access: &Access<P>,
    tested: &Tested,
    found: &Verification,
) -> Result<()> {
    let mut tx = access.begin().await?;
    // The lock puts tests of one credential in a row, so that a change is announced once.
    let current = sqlx::query!(
        r#"SELECT version, owner_id, EXISTS (
               -- A letter has said so already.
               SELECT FROM cell.oauth_grant g
               WHERE g.credential_id = $1 AND g.status = 'reconnect_required'
           ) AS "is_told!"
           FROM cell.credential WHERE id = $1 FOR UPDATE"#,
        tested.id.uuid()
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(current) = current.filter(|current| current.version == tested.version) else {
        return tx.commit().await;
    };
    let before = sqlx::query!(
        r#"SELECT outcome AS "outcome: Outcome" FROM cell.credential_verification
           WHERE credential_id = $1 AND outcome <> 'unknown'
           ORDER BY checked_at DESC, id DESC LIMIT 1"#,
        tested.id.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .map(|row| row.outcome);
    sqlx::query!(
        "INSERT INTO cell.credential_verification (id, credential_id, version, outcome, reason,
             detail, advice, scopes, expires_at, checked_at, correlation_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        VerificationId::new().uuid(),
        tested.id.uuid(),
        tested.version,
        found.outcome.as_str(),
        found.reason.map(Reason::as_str),
        found.detail,
        found.advice,
        &found.scopes,
        found.expires_at,
        found.checked_at,
        tx.correlation().uuid(),
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "DELETE FROM cell.credential_verification WHERE id IN (
             SELECT id FROM cell.credential_verification WHERE credential_id = $1
             ORDER BY checked_at DESC, id DESC OFFSET $2)
           AND checked_at < now() - interval '1 minute'",
        tested.id.uuid(),
        KEPT
    )
    .execute(tx.conn())
    .await?;
    if found.expires_at.is_some() {
        expiry::watch(&mut tx).await?;
    }
    let action = match (before, found.outcome) {
        (Some(Outcome::Good), Outcome::Refused) => Some("credential.refused"),
        (Some(Outcome::Refused), Outcome::Good) => Some("credential.recovered"),
        _ => None,
    };
    if let Some(action) = action {
        let detail = json!({
            "provider": tested.provider,
            "name": tested.name,
            "reason": found.reason,
        });
        let target = tested.id.to_string();
        tx.audit(Act {
            action,
            target,
            detail,
        })
        .await?;
    }
    if let (false, Some(Outcome::Good), Outcome::Refused, Some(reason)) =
        (current.is_told, before, found.outcome, found.reason)
    {
        tx.emit(&CredentialRefused {
            credential: tested.id,
            provider: tested.provider.clone(),
            name: tested.name.clone(),
            owner: current.owner_id.map(Into::into),
            reason: reason.as_str().to_owned(),
            advice: found.advice.clone().unwrap_or_default(),
        })
        .await?;
    }
    tx.commit().await
}
