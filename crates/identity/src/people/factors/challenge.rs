//! What a browser was asked to sign: kept here, bound to one session or one sign-in, and gone with
//! the first answer, right or wrong.

use kernel::{
    Error, Result,
    db::PeopleTx,
    id::{PendingSignInId, SessionId},
};
use serde::{Serialize, de::DeserializeOwned};
use time::{Duration, OffsetDateTime};

const LIFE: Duration = Duration::minutes(5);

/// What the answer is for. One for one purpose is none for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Register,
    SecondFactor,
    SignIn,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::SecondFactor => "second_factor",
            Self::SignIn => "sign_in",
        }
    }
}

/// Whose browser was asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    Session(SessionId),
    Pending(PendingSignInId),
}

impl Asked {
    fn columns(self) -> (Option<uuid::Uuid>, Option<uuid::Uuid>) {
        match self {
            Self::Session(id) => (Some(id.uuid()), None),
            Self::Pending(id) => (None, Some(id.uuid())),
        }
    }
}

/// Keeps a challenge in place of the one that the same browser was asked before.
pub(super) async fn keep(
    tx: &mut PeopleTx,
    purpose: Purpose,
    asked: Asked,
    state: &impl Serialize,
) -> Result<()> {
    let (session, pending) = asked.columns();
    sqlx::query!(
        "DELETE FROM control.passkey_challenge WHERE expires_at < now()
             OR purpose = $1 AND (session_id = $2 OR pending_id = $3)",
        purpose.as_str(),
        session,
        pending
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "INSERT INTO control.passkey_challenge (id, purpose, session_id, pending_id, state, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        uuid::Uuid::now_v7(),
        purpose.as_str(),
        session,
        pending,
        serde_json::to_value(state).map_err(Error::internal)?,
        OffsetDateTime::now_utc() + LIFE
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes the challenge away. The caller commits before it looks at the answer.
pub(super) async fn take<T: DeserializeOwned>(
    tx: &mut PeopleTx,
    purpose: Purpose,
    asked: Asked,
) -> Result<Option<T>> {
    let (session, pending) = asked.columns();
    let rows = sqlx::query!(
        "DELETE FROM control.passkey_challenge
         WHERE purpose = $1 AND (session_id = $2 OR pending_id = $3)
         RETURNING state, expires_at > now() AS \"is_live!\"",
        purpose.as_str(),
        session,
        pending
    )
    .fetch_all(tx.conn())
    .await?;
    let live = rows.into_iter().rfind(|row| row.is_live);
    live.map(|row| serde_json::from_value(row.state).map_err(Error::internal))
        .transpose()
}
