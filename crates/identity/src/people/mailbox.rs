//! Links that prove that somebody reads a mailbox: making them, using them up, and confirming an
//! address with one.

use kernel::{
    Error, Result,
    access::{
        Actor, Person, Visitor,
        session::{NewToken, digest_of},
    },
    db::{PeopleTx, Whose},
    error::OnConstraint,
    id::UserId,
    secret::Secret,
};
use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::{Email, People, note, sessions::noted, spent};
use crate::mail::{self, Letter};

/// What a link is for. One made for one purpose opens nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    SignUp,
    Verify,
    Change,
    Reset,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "sign_up",
            Self::Verify => "verify",
            Self::Change => "change",
            Self::Reset => "reset",
        }
    }

    fn life(self) -> Duration {
        match self {
            Self::Reset => Duration::hours(1),
            Self::SignUp | Self::Verify | Self::Change => Duration::days(1),
        }
    }
}

/// Makes a link's token. Older ones of the same purpose for the same account, or address where
/// there is no account yet, are void.
pub(crate) async fn issue(
    tx: &mut PeopleTx,
    purpose: Purpose,
    user: Option<UserId>,
    email: &Email,
) -> Result<Secret> {
    sqlx::query!(
        "UPDATE control.email_token SET used_at = now()
         WHERE purpose = $1 AND used_at IS NULL
             AND CASE WHEN $2::uuid IS NULL THEN email = $3 ELSE user_id = $2 END",
        purpose.as_str(),
        user.map(UserId::uuid),
        email.normal()
    )
    .execute(tx.conn())
    .await?;
    let token = NewToken::generate();
    sqlx::query!(
        "INSERT INTO control.email_token (id, purpose, token_sha256, user_id, email, email_as_typed,
             expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        uuid::Uuid::now_v7(),
        purpose.as_str(),
        token.sha256,
        user.map(UserId::uuid),
        email.normal(),
        email.typed(),
        OffsetDateTime::now_utc() + purpose.life()
    )
    .execute(tx.conn())
    .await?;
    Ok(token.text)
}

/// What a token stands for.
#[derive(Debug)]
pub(crate) struct Proof {
    pub user: Option<UserId>,
    pub email: Email,
}

/// Looks at a token without using it.
pub(crate) async fn peek(tx: &mut PeopleTx, purpose: Purpose, token: &Secret) -> Result<Proof> {
    let row = sqlx::query!(
        "SELECT user_id, email, email_as_typed FROM control.email_token
         WHERE token_sha256 = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > now()",
        digest_of(token.expose()),
        purpose.as_str()
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(spent)?;
    Ok(Proof {
        user: row.user_id.map(Into::into),
        email: Email::stored(row.email, row.email_as_typed),
    })
}

/// The address that a link of a mail was sent to, while it can be used.
pub(crate) async fn address(
    people: &People,
    purpose: Purpose,
    token: &Secret,
) -> Result<Option<Email>> {
    let mut tx = people.begin(Whose::nobody()).await?;
    let proof = peek(&mut tx, purpose, token).await;
    tx.commit().await?;
    match proof {
        Ok(proof) => Ok(Some(proof.email)),
        Err(Error::Invalid { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Uses a token up. Of several at once, one gets the proof.
pub(crate) async fn consume(tx: &mut PeopleTx, purpose: Purpose, token: &Secret) -> Result<Proof> {
    let row = sqlx::query!(
        "UPDATE control.email_token SET used_at = now()
         WHERE token_sha256 = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > now()
         RETURNING user_id, email, email_as_typed",
        digest_of(token.expose()),
        purpose.as_str()
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(spent)?;
    Ok(Proof {
        user: row.user_id.map(Into::into),
        email: Email::stored(row.email, row.email_as_typed),
    })
}

/// Sends the link that confirms the account's own address.
pub async fn send_verification(people: &People, person: &Person) -> Result<()> {
    let mut tx = person.begin().await?;
    let row = sqlx::query!(
        "SELECT email, email_as_typed, email_verified_at FROM control.user WHERE id = $1",
        person.id().uuid()
    )
    .fetch_one(tx.conn())
    .await?;
    drop(tx);
    if row.email_verified_at.is_some() {
        return Ok(());
    }
    let email = Email::stored(row.email, row.email_as_typed);
    people.attempts().to_mailbox(&email).await?;
    let mut tx = person.begin().await?;
    let token = issue(&mut tx, Purpose::Verify, Some(person.id()), &email).await?;
    let link = people.link("/verify", token.expose());
    mail::enqueue(&mut tx, &email, &Letter::verify(&link)).await?;
    noted(&mut tx, person, "account.verification_sent", json!({})).await?;
    tx.commit().await
}

/// Sends a link to a new address; the account has it once the link is used. An address that
/// another account has gets a letter that says so, and the answer is the same.
pub async fn send_change(people: &People, person: &Person, email: &Email) -> Result<()> {
    people.attempts().to_mailbox(email).await?;
    let mut tx = person.begin().await?;
    let owner = sqlx::query_scalar!(
        "SELECT id FROM control.user WHERE email = $1",
        email.normal()
    )
    .fetch_optional(tx.conn())
    .await?;
    if owner.is_some_and(|owner| owner != person.id().uuid()) {
        mail::enqueue(
            &mut tx,
            email,
            &Letter::account_exists(&people.link_to("/sign-in")),
        )
        .await?;
    } else {
        let token = issue(&mut tx, Purpose::Change, Some(person.id()), email).await?;
        let link = people.link("/verify", token.expose());
        mail::enqueue(&mut tx, email, &Letter::change_email(&link)).await?;
    }
    noted(&mut tx, person, "account.email_change_asked", json!({})).await?;
    tx.commit().await
}

/// Confirms an address with the token of a link: the account's own, or the one to change to.
pub async fn confirm(people: &People, visitor: &Visitor, token: &Secret) -> Result<()> {
    people.attempts().by_network(visitor).await?;
    let mut tx = people.begin(Whose::nobody()).await?;
    let (proof, purpose) = match peek(&mut tx, Purpose::Verify, token).await {
        Ok(_) => (
            consume(&mut tx, Purpose::Verify, token).await?,
            Purpose::Verify,
        ),
        Err(_) => (
            consume(&mut tx, Purpose::Change, token).await?,
            Purpose::Change,
        ),
    };
    let user = proof.user.ok_or_else(spent)?;
    let before = sqlx::query!(
        "SELECT email, email_as_typed FROM control.user WHERE id = $1 AND status = 'active' FOR UPDATE",
        user.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(spent)?;
    if purpose == Purpose::Verify && before.email != proof.email.normal() {
        return Err(spent());
    }
    sqlx::query!(
        "UPDATE control.user SET email = $2, email_as_typed = $3, email_verified_at = now(),
             updated_at = now()
         WHERE id = $1",
        user.uuid(),
        proof.email.normal(),
        proof.email.typed()
    )
    .execute(tx.conn())
    .await
    .on_constraint("user_email_key", spent)?;
    if purpose == Purpose::Change {
        // Whoever loses the account to somebody else learns of it where they still read.
        let old = Email::stored(before.email, before.email_as_typed);
        mail::enqueue(&mut tx, &old, &Letter::email_changed()).await?;
    }
    let action = match purpose {
        Purpose::Change => "account.email_changed",
        _ => "account.email_verified",
    };
    note(
        &mut tx,
        visitor,
        Some(user),
        &Actor::user(user),
        action,
        json!({}),
    )
    .await?;
    tx.commit().await
}
