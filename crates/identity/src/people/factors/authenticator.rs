//! Authenticators that show codes: setting one up, taking its codes, removing it.

use kernel::{
    Error, Result,
    access::Person,
    db::{PeopleTx, Whose},
    id::UserId,
};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;
use vault::{Context, Owner, WrappedKey};
use zeroize::Zeroizing;

use super::{Confirmed, address_of, recovery, recovery::RecoveryCodes, totp};
use crate::{
    mail::{self, Letter},
    people::{
        NewSession, People,
        sessions::{self, Shown, noted},
    },
    sealed::Sealed,
};

/// What an authenticator's secret is bound to.
pub(crate) fn sealed_for(user: &Uuid) -> (Owner, Context<'_>) {
    let context = Context {
        domain: "control.totp",
        record: user.as_bytes(),
        field: "secret",
        schema: 1,
    };
    (Owner(*user.as_bytes()), context)
}

/// What an authenticator has to be told. Not `Debug`: it holds the secret.
#[allow(missing_debug_implementations, reason = "it holds a secret")]
pub struct Enrolment {
    /// In base32, for typing.
    pub secret: Zeroizing<String>,
    /// `otpauth://…`, for the QR code.
    pub address: Zeroizing<String>,
}

pub(crate) async fn seal(people: &People, user: UserId, secret: &[u8]) -> Result<Sealed> {
    let user = user.uuid();
    let (owner, context) = sealed_for(&user);
    Sealed::seal(people.keys(), owner, &context, secret).await
}

async fn open(people: &People, user: UserId, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>> {
    let user = user.uuid();
    let (owner, context) = sealed_for(&user);
    sealed.open(people.keys(), owner, &context).await
}

/// Makes a secret that waits for its first code, in place of one that waited before.
///
/// # Errors
/// `invalid_request` where there is an authenticator already.
pub async fn begin(people: &People, confirmed: &Confirmed) -> Result<()> {
    let person = confirmed.person();
    let secret = totp::new_secret();
    let sealed = seal(people, person.id(), &secret).await?;
    let mut tx = person.begin().await?;
    let written = sqlx::query!(
        "INSERT INTO control.totp AS t (user_id, secret, kek, wrapped_key) VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, kek = excluded.kek,
             wrapped_key = excluded.wrapped_key, created_at = now(), last_step = 0
         WHERE t.confirmed_at IS NULL",
        person.id().uuid(),
        sealed.secret,
        sealed.key.kek,
        sealed.key.bytes
    )
    .execute(tx.conn())
    .await?;
    if written.rows_affected() == 0 {
        return Err(Error::invalid(
            "there is an authenticator already; remove it to set up another",
        ));
    }
    tx.commit().await
}

/// What the waiting secret's authenticator has to be told.
///
/// # Errors
/// `not_found` where none waits.
pub async fn enrolment(people: &People, confirmed: &Confirmed) -> Result<Enrolment> {
    let person = confirmed.person();
    let mut tx = person.begin().await?;
    let stored = read(&mut tx, person.id(), false).await?;
    let email = address_of(&mut tx, person.id()).await?;
    tx.commit().await?;
    let sealed = stored.ok_or(Error::NotFound("resource"))?;
    let secret = open(people, person.id(), &sealed).await?;
    Ok(Enrolment {
        address: totp::address(super::ISSUER, email.typed(), &secret),
        secret: totp::base32(&secret),
    })
}

/// What came of an authenticator's or a passkey's first use.
#[derive(Debug)]
pub struct Enrolled {
    /// The session has shown a second factor now, and has a new token.
    pub session: NewSession,
    /// Made with somebody's first factor.
    pub codes: Option<RecoveryCodes>,
}

/// Takes the first code, by which the authenticator counts from now on.
///
/// # Errors
/// `invalid_request` for another code; `not_found` where no secret waits.
pub async fn confirm(people: &People, confirmed: &Confirmed, code: &str) -> Result<Enrolled> {
    let person = confirmed.person();
    let mut tx = person.begin().await?;
    let stored = read(&mut tx, person.id(), false).await?;
    tx.commit().await?;
    let sealed = stored.ok_or(Error::NotFound("resource"))?;
    let secret = open(people, person.id(), &sealed).await?;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let wrong = || Error::field("code", "is not what the authenticator shows now");
    let step = totp::matching_step(&secret, &plain(code), now).ok_or_else(wrong)?;
    let mut tx = person.begin().await?;
    // By the sealed bytes, so that it is this very secret that is confirmed.
    let confirmed = sqlx::query!(
        "UPDATE control.totp SET confirmed_at = now(), last_step = $3
         WHERE user_id = $1 AND secret = $2 AND confirmed_at IS NULL",
        person.id().uuid(),
        sealed.secret,
        step
    )
    .execute(tx.conn())
    .await?;
    if confirmed.rows_affected() == 0 {
        return Err(wrong());
    }
    let codes = recovery::ensure(&mut tx, person.id()).await?;
    let session = sessions::shown(&mut tx, person, Shown::Two).await?;
    let email = address_of(&mut tx, person.id()).await?;
    let letter = Letter::factors_changed("An authenticator app was added.");
    mail::enqueue(&mut tx, &email, &letter).await?;
    noted(&mut tx, person, "account.authenticator_added", json!({})).await?;
    tx.commit().await?;
    Ok(Enrolled { session, codes })
}

/// Removes the authenticator, and with the last factor its recovery codes.
pub async fn remove(confirmed: &Confirmed) -> Result<()> {
    let person: &Person = confirmed.person();
    let mut tx = person.begin().await?;
    let removed = sqlx::query!(
        "DELETE FROM control.totp WHERE user_id = $1",
        person.id().uuid()
    )
    .execute(tx.conn())
    .await?;
    if removed.rows_affected() == 0 {
        return Err(Error::NotFound("resource"));
    }
    super::after_removal(&mut tx, person.id()).await?;
    let email = address_of(&mut tx, person.id()).await?;
    let letter = Letter::factors_changed("The authenticator app was removed.");
    mail::enqueue(&mut tx, &email, &letter).await?;
    noted(&mut tx, person, "account.authenticator_removed", json!({})).await?;
    tx.commit().await
}

/// The time step that a code belongs to, if it is the authenticator's.
pub(super) async fn step_of(people: &People, user: UserId, code: &str) -> Result<Option<i64>> {
    let mut tx = people.begin(Whose::nobody()).await?;
    let stored = read(&mut tx, user, true).await?;
    tx.commit().await?;
    let Some(sealed) = stored else {
        return Ok(None);
    };
    let secret = open(people, user, &sealed).await?;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    Ok(totp::matching_step(&secret, &plain(code), now))
}

/// Uses a step's code up, and with it those of earlier steps. Of several at once, one is the first.
pub(super) async fn take(tx: &mut PeopleTx, user: UserId, step: i64) -> Result<bool> {
    let taken = sqlx::query!(
        "UPDATE control.totp SET last_step = $2
         WHERE user_id = $1 AND last_step < $2 AND confirmed_at IS NOT NULL",
        user.uuid(),
        step
    )
    .execute(tx.conn())
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Authenticators show their digits in groups.
fn plain(code: &str) -> String {
    code.chars()
        .filter(|character| !character.is_whitespace())
        .collect()
}

async fn read(tx: &mut PeopleTx, user: UserId, is_confirmed: bool) -> Result<Option<Sealed>> {
    let row = sqlx::query!(
        "SELECT secret, kek, wrapped_key FROM control.totp
         WHERE user_id = $1 AND (confirmed_at IS NOT NULL) = $2",
        user.uuid(),
        is_confirmed
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| {
        let key = WrappedKey {
            kek: row.kek,
            bytes: row.wrapped_key,
        };
        Sealed {
            secret: row.secret,
            key,
        }
    }))
}
