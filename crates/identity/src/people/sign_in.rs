//! Signing in with a password. Accounts that have a second factor are not signed in by it alone:
//! their sign-in then waits ([`super::pending`]) for what [`super::factors`] asks for.

use kernel::{
    Result,
    access::{Actor, Visitor},
    db::{PeopleTx, Whose},
    id::{TenantId, UserId},
    secret::Secret,
};
use serde_json::json;

use super::{
    Email, NewSession, People, factors, note,
    pending::{self, NewPending},
    sessions::{self, Shown},
};

/// What became of an attempt.
#[derive(Debug)]
pub enum SignIn {
    Done(NewSession),
    /// The password or a provider's word is right, and the account has a second factor.
    Waits(NewPending),
    /// No such account, another password, an account that is disabled or has none: which of them,
    /// neither the answer nor its time tells.
    Refused,
}

/// Compares the password and opens a session.
///
/// # Errors
/// `rate_limited` after too many tries at the account or from the network, whether or not the
/// account exists.
pub async fn sign_in(
    people: &People,
    visitor: &Visitor,
    email: &Email,
    password: &Secret,
) -> Result<SignIn> {
    let Some(proven) = prove(people, visitor, email, password, None).await? else {
        return Ok(SignIn::Refused);
    };
    let Proven { mut tx, user } = proven;
    if factors::has_any(&mut tx, user).await? {
        let waiting = pending::open(&mut tx, Some(user), None).await?;
        tx.commit().await?;
        no_guess(people, visitor, email).await?;
        return Ok(SignIn::Waits(waiting));
    }
    let session = sessions::open(&mut tx, user, visitor, Shown::One, None).await?;
    let detail = json!({ "session": session.id });
    let actor = Actor::user(user);
    note(
        &mut tx,
        visitor,
        Some(user),
        &actor,
        "account.signed_in",
        detail,
    )
    .await?;
    tx.commit().await?;
    no_guess(people, visitor, email).await?;
    Ok(SignIn::Done(session))
}

/// Somebody who has just shown their password, and the transaction in which that still holds.
pub(crate) struct Proven {
    pub tx: PeopleTx,
    pub user: UserId,
}

/// Compares the password. `None` when refused. The transaction also reaches what `tenant` owns.
pub(crate) async fn prove(
    people: &People,
    visitor: &Visitor,
    email: &Email,
    password: &Secret,
    tenant: Option<TenantId>,
) -> Result<Option<Proven>> {
    people.attempts().by_network(visitor).await?;
    people.attempts().at_account(email).await?;
    let mut tx = people.begin(Whose::nobody()).await?;
    let account = sqlx::query!(
        "SELECT id, password_hash, status FROM control.user WHERE email = $1",
        email.normal()
    )
    .fetch_optional(tx.conn())
    .await?;
    tx.commit().await?;
    let (user, stored) = match account {
        Some(row) => (
            Some(UserId::from(row.id)),
            row.password_hash.filter(|_| row.status == "active"),
        ),
        None => (None, None),
    };
    let verdict = people.passwords().verify(password, stored.clone()).await?;
    let Some(user) = user.filter(|_| verdict.right) else {
        refuse(people, visitor, user).await?;
        return Ok(None);
    };
    let fresh = match verdict.outdated {
        true => Some(people.passwords().hash(password).await?),
        false => None,
    };
    let mut tx = people.begin(Whose { tenant, user: None }).await?;
    // The account may have been disabled, or given another password, since it was read.
    let still = sqlx::query!(
        "UPDATE control.user SET password_hash = COALESCE($3, password_hash)
         WHERE id = $1 AND password_hash = $2 AND status = 'active'",
        user.uuid(),
        stored,
        fresh
    )
    .execute(tx.conn())
    .await?;
    Ok((still.rows_affected() == 1).then_some(Proven { tx, user }))
}

/// The try was right, whatever became of it: it counts as no guess.
pub(crate) async fn no_guess(people: &People, visitor: &Visitor, email: &Email) -> Result<()> {
    people.attempts().succeeded(visitor, email).await
}

async fn refuse(people: &People, visitor: &Visitor, user: Option<UserId>) -> Result<()> {
    let mut tx = people.begin(Whose::nobody()).await?;
    note(
        &mut tx,
        visitor,
        user,
        &Actor::stranger(),
        "account.sign_in_refused",
        json!({}),
    )
    .await?;
    tx.commit().await
}
