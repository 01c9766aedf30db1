//! Sign-ins that wait for something more: a second factor after the password or a provider's word, or
//! a passkey of somebody who has not said who they are. Their token lies in a cookie of its own and is looked up
//! here alone, so it opens nothing but the end of its own sign-in.

use kernel::{
    Result,
    access::session::{NewToken, digest_of},
    db::{PeopleTx, Whose},
    id::{PendingSignInId, UserId},
    secret::Secret,
};
use time::{Duration, OffsetDateTime};

use super::{People, sessions::Confined};

/// Long enough to find the telephone.
const LIFE: Duration = Duration::minutes(10);

/// A sign-in that has just begun to wait. Its token is here and nowhere else.
#[derive(Debug)]
pub struct NewPending {
    pub token: Secret,
    pub(crate) id: PendingSignInId,
}

/// A sign-in that waits.
#[derive(Clone, Copy, Debug)]
pub struct PendingSignIn {
    pub(crate) id: PendingSignInId,
    /// Whose password was right, or whom a provider named; nobody where a passkey is to say who it is.
    pub(crate) user: Option<UserId>,
    /// What the session is to be good for, where a tenant's provider named them.
    pub(crate) confined: Option<Confined>,
}

pub(crate) async fn open(
    tx: &mut PeopleTx,
    user: Option<UserId>,
    confined: Option<Confined>,
) -> Result<NewPending> {
    // Those that nobody finished go when others begin, so that the table stays as small as its use.
    sqlx::query!("DELETE FROM control.pending_sign_in WHERE expires_at < now()")
        .execute(tx.conn())
        .await?;
    let (id, token) = (PendingSignInId::new(), NewToken::generate());
    sqlx::query!(
        "INSERT INTO control.pending_sign_in (id, token_sha256, user_id, expires_at, confined_to,
             provider_id)
         VALUES ($1, $2, $3, $4, $5, $6)",
        id.uuid(),
        token.sha256,
        user.map(UserId::uuid),
        OffsetDateTime::now_utc() + LIFE,
        confined.map(|confined| confined.tenant.uuid()),
        confined.map(|confined| confined.provider.uuid())
    )
    .execute(tx.conn())
    .await?;
    Ok(NewPending {
        token: token.text,
        id,
    })
}

/// The sign-in that a browser's cookie stands for, while it waits.
pub async fn find(people: &People, token: Option<&Secret>) -> Result<Option<PendingSignIn>> {
    let Some(token) = token else { return Ok(None) };
    let mut tx = people.begin(Whose::nobody()).await?;
    let row = sqlx::query!(
        "SELECT id, user_id, confined_to, provider_id FROM control.pending_sign_in
         WHERE token_sha256 = $1 AND expires_at > now()",
        digest_of(token.expose())
    )
    .fetch_optional(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(row.map(|row| PendingSignIn {
        id: row.id.into(),
        user: row.user_id.map(Into::into),
        // A check of the table has them both there or neither.
        confined: row
            .confined_to
            .zip(row.provider_id)
            .map(|(tenant, provider)| Confined {
                tenant: tenant.into(),
                provider: provider.into(),
            }),
    }))
}

/// Ends the waiting. Of several at once, one is told that it was the one.
pub(crate) async fn consume(tx: &mut PeopleTx, pending: &PendingSignIn) -> Result<bool> {
    let ended = sqlx::query!(
        "DELETE FROM control.pending_sign_in WHERE id = $1 AND expires_at > now()",
        pending.id.uuid()
    )
    .execute(tx.conn())
    .await?;
    Ok(ended.rows_affected() == 1)
}
