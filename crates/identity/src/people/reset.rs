//! Setting a new password through the mailbox.

use kernel::{
    Result,
    access::{Actor, Visitor},
    db::Whose,
    secret::Secret,
};
use serde_json::json;

use super::{
    Email, People,
    mailbox::{self, Purpose},
    note, password, sessions, spent,
};
use crate::mail::{self, Letter};

/// Sends a link if there is an account. The answer is the same if there is none, and either way
/// one transaction is committed.
pub async fn request(people: &People, visitor: &Visitor, email: &Email) -> Result<()> {
    people.attempts().by_network(visitor).await?;
    people.attempts().to_mailbox(email).await?;
    let mut tx = people.begin(Whose::nobody()).await?;
    let user = sqlx::query_scalar!(
        "SELECT id FROM control.user WHERE email = $1 AND status = 'active'",
        email.normal()
    )
    .fetch_optional(tx.conn())
    .await?
    .map(Into::into);
    if let Some(user) = user {
        let token = mailbox::issue(&mut tx, Purpose::Reset, Some(user), email).await?;
        let link = people.link("/reset", token.expose());
        mail::enqueue(&mut tx, email, &Letter::reset(&link)).await?;
    }
    let stranger = Actor::stranger();
    note(
        &mut tx,
        visitor,
        user,
        &stranger,
        "account.reset_asked",
        json!({}),
    )
    .await?;
    tx.commit().await
}

/// Sets the password and ends every session. The link also proves the address.
///
/// # Errors
/// `invalid_request` for a link that is not valid (any more) and for an unfit password; the link
/// may be used again after the latter.
pub async fn finish(
    people: &People,
    visitor: &Visitor,
    token: &Secret,
    new: &Secret,
) -> Result<()> {
    people.attempts().by_network(visitor).await?;
    let mut tx = people.begin(Whose::nobody()).await?;
    let proof = mailbox::peek(&mut tx, Purpose::Reset, token).await?;
    tx.commit().await?;
    password::check(new, &proof.email)?;
    let hash = people.passwords().hash(new).await?;

    let mut tx = people.begin(Whose::nobody()).await?;
    let proof = mailbox::consume(&mut tx, Purpose::Reset, token).await?;
    let user = proof.user.ok_or_else(spent)?;
    // A link to an address that the account has given up since opens nothing.
    let changed = sqlx::query!(
        "UPDATE control.user SET password_hash = $3, updated_at = now(),
             email_verified_at = COALESCE(email_verified_at, now())
         WHERE id = $1 AND email = $2 AND status = 'active'",
        user.uuid(),
        proof.email.normal(),
        hash
    )
    .execute(tx.conn())
    .await?;
    if changed.rows_affected() == 0 {
        return Err(spent());
    }
    let ended = sessions::end_all(&mut tx, user, None).await?;
    mail::enqueue(&mut tx, &proof.email, &Letter::password_changed()).await?;
    note(
        &mut tx,
        visitor,
        Some(user),
        &Actor::user(user),
        "account.password_reset",
        json!({ "sessions_ended": ended }),
    )
    .await?;
    tx.commit().await?;
    people.attempts().succeeded(visitor, &proof.email).await
}
