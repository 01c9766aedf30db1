//! Passkeys: registering, listing, renaming and removing them, and signing in with one alone. They
//! are discoverable and verify their person, so one of them is two factors at once (WebAuthn level
//! 3, §1.1 and §6.2.2).

use kernel::{
    Error, Result,
    access::{Actor, Person, Visitor},
    db::{PeopleTx, Whose},
    error::OnConstraint,
    id::{PasskeyId, UserId},
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use webauthn_rs::prelude::{
    AuthenticationResult, DiscoverableAuthentication, Passkey, PasskeyAuthentication,
    PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential,
};

use super::{
    Claimant, Confirmed, address_of,
    authenticator::Enrolled,
    challenge::{self, Asked, Purpose},
    recovery,
};
use crate::{
    input,
    mail::{self, Letter},
    people::{
        NewSession, People, note,
        pending::{self, NewPending, PendingSignIn},
        sessions::{self, Shown, noted},
    },
};

/// So many that nobody needs more, and so few that a browser can be told of all.
const MOST: i64 = 20;

/// A passkey, as its owner sees it.
#[derive(Clone, Debug)]
pub struct PasskeyView {
    pub id: PasskeyId,
    pub name: String,
    pub created_at: OffsetDateTime,
    pub last_used_at: Option<OffsetDateTime>,
}

pub(super) async fn list(tx: &mut PeopleTx, user: UserId) -> Result<Vec<PasskeyView>> {
    let rows = sqlx::query!(
        "SELECT id, name, created_at, last_used_at FROM control.passkey
         WHERE user_id = $1 ORDER BY id",
        user.uuid()
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| PasskeyView {
            id: row.id.into(),
            name: row.name,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
        })
        .collect())
}

/// Options for `navigator.credentials.create`, in the JSON form of WebAuthn level 3, §5.1.
pub async fn begin_registration(people: &People, confirmed: &Confirmed) -> Result<Value> {
    let person = confirmed.person();
    let webauthn = people.webauthn()?;
    let mut tx = person.begin().await?;
    let row = sqlx::query!(
        "SELECT email_as_typed, name FROM control.user WHERE id = $1",
        person.id().uuid()
    )
    .fetch_one(tx.conn())
    .await?;
    let known = stored(&mut tx, person.id()).await?;
    if known.len() as i64 >= MOST {
        return Err(Error::invalid(
            "there are twenty passkeys already; remove one first",
        ));
    }
    let known = known.iter().map(|key| key.cred_id().clone()).collect();
    let (options, state) = webauthn
        .start_passkey_registration(
            person.id().uuid(),
            &row.email_as_typed,
            &row.name,
            Some(known),
        )
        .map_err(Error::internal)?;
    challenge::keep(
        &mut tx,
        Purpose::Register,
        Asked::Session(person.session()),
        &state,
    )
    .await?;
    tx.commit().await?;
    let mut options = public_key(options)?;
    // The library leaves it to the authenticator whether the passkey can be found without a name;
    // signing in without one needs that.
    options["authenticatorSelection"]["residentKey"] = "required".into();
    options["authenticatorSelection"]["requireResidentKey"] = true.into();
    Ok(options)
}

/// Keeps the passkey that the browser made.
///
/// # Errors
/// `invalid_request` for an answer that does not fit what was asked, or an unfit name.
pub async fn register(
    people: &People,
    confirmed: &Confirmed,
    name: &str,
    credential: &str,
) -> Result<Enrolled> {
    let person = confirmed.person();
    let webauthn = people.webauthn()?;
    let name = input::name(name)?;
    let credential: RegisterPublicKeyCredential =
        serde_json::from_str(credential).map_err(|_| unfit())?;
    let asked = Asked::Session(person.session());
    let mut tx = person.begin().await?;
    let state: Option<PasskeyRegistration> =
        challenge::take(&mut tx, Purpose::Register, asked).await?;
    tx.commit().await?;
    let state = state.ok_or_else(unfit)?;
    let passkey = webauthn
        .finish_passkey_registration(&credential, &state)
        .map_err(refused)?;

    let mut tx = person.begin().await?;
    sqlx::query!(
        "INSERT INTO control.passkey (id, user_id, credential_id, credential, name)
         VALUES ($1, $2, $3, $4, $5)",
        PasskeyId::new().uuid(),
        person.id().uuid(),
        passkey.cred_id().as_slice(),
        serde_json::to_value(&passkey).map_err(Error::internal)?,
        name
    )
    .execute(tx.conn())
    .await
    .on_constraint("passkey_credential", unfit)?;
    let codes = recovery::ensure(&mut tx, person.id()).await?;
    let session = sessions::shown(&mut tx, person, Shown::Two).await?;
    let email = address_of(&mut tx, person.id()).await?;
    let letter = Letter::factors_changed("A passkey was added.");
    mail::enqueue(&mut tx, &email, &letter).await?;
    noted(&mut tx, person, "account.passkey_added", json!({})).await?;
    tx.commit().await?;
    Ok(Enrolled { session, codes })
}

pub async fn rename(person: &Person, id: PasskeyId, name: &str) -> Result<()> {
    let name = input::name(name)?;
    let mut tx = person.begin().await?;
    let renamed = sqlx::query!(
        "UPDATE control.passkey SET name = $3 WHERE id = $1 AND user_id = $2",
        id.uuid(),
        person.id().uuid(),
        name
    )
    .execute(tx.conn())
    .await?;
    if renamed.rows_affected() == 0 {
        return Err(Error::NotFound("passkey"));
    }
    noted(&mut tx, person, "account.passkey_renamed", json!({})).await?;
    tx.commit().await
}

/// Removes a passkey, and with the last factor the recovery codes.
pub async fn remove(confirmed: &Confirmed, id: PasskeyId) -> Result<()> {
    let person = confirmed.person();
    let mut tx = person.begin().await?;
    let removed = sqlx::query!(
        "DELETE FROM control.passkey WHERE id = $1 AND user_id = $2",
        id.uuid(),
        person.id().uuid()
    )
    .execute(tx.conn())
    .await?;
    if removed.rows_affected() == 0 {
        return Err(Error::NotFound("passkey"));
    }
    super::after_removal(&mut tx, person.id()).await?;
    let email = address_of(&mut tx, person.id()).await?;
    let letter = Letter::factors_changed("A passkey was removed.");
    mail::enqueue(&mut tx, &email, &letter).await?;
    noted(&mut tx, person, "account.passkey_removed", json!({})).await?;
    tx.commit().await
}

/// Options for `navigator.credentials.get` as a second factor: the account's own passkeys.
///
/// # Errors
/// `not_found` where it has none.
pub async fn begin_second_factor(people: &People, claimant: &Claimant) -> Result<Value> {
    let webauthn = people.webauthn()?;
    let mut tx = people.begin(Whose::nobody()).await?;
    let known = stored(&mut tx, claimant.user()).await?;
    if known.is_empty() {
        return Err(Error::NotFound("passkey"));
    }
    let (options, state) = webauthn
        .start_passkey_authentication(&known)
        .map_err(Error::internal)?;
    challenge::keep(&mut tx, Purpose::SecondFactor, claimant.asked(), &state).await?;
    tx.commit().await?;
    public_key(options)
}

/// What a passkey has shown, for one account.
pub(super) struct Assertion {
    result: AuthenticationResult,
}

/// Looks at the answer of one of the account's passkeys. `None` for any that is not right.
pub(super) async fn check_second_factor(
    people: &People,
    claimant: &Claimant,
    credential: &str,
) -> Result<Option<Assertion>> {
    let webauthn = people.webauthn()?;
    let mut tx = people.begin(Whose::nobody()).await?;
    let state: Option<PasskeyAuthentication> =
        challenge::take(&mut tx, Purpose::SecondFactor, claimant.asked()).await?;
    tx.commit().await?;
    let credential: Option<PublicKeyCredential> = serde_json::from_str(credential).ok();
    let (Some(state), Some(credential)) = (state, credential) else {
        return Ok(None);
    };
    let result = webauthn.finish_passkey_authentication(&credential, &state);
    Ok(result.ok().map(|result| Assertion { result }))
}

/// Options for `navigator.credentials.get` for somebody who has not said who they are, and the
/// sign-in that waits for the answer.
pub async fn begin_sign_in(people: &People, visitor: &Visitor) -> Result<(NewPending, Value)> {
    let webauthn = people.webauthn()?;
    people.attempts_of(visitor).await?;
    let (options, state) = webauthn
        .start_discoverable_authentication()
        .map_err(Error::internal)?;
    let mut tx = people.begin(Whose::nobody()).await?;
    let waiting = pending::open(&mut tx, None, None).await?;
    let asked = Asked::Pending(waiting.id);
    challenge::keep(&mut tx, Purpose::SignIn, asked, &state).await?;
    tx.commit().await?;
    Ok((waiting, public_key(options)?))
}

/// Signs in whoever's passkey answered. `None` for any answer that is not right, whatever is wrong.
pub async fn sign_in(
    people: &People,
    visitor: &Visitor,
    waiting: &PendingSignIn,
    credential: &str,
) -> Result<Option<NewSession>> {
    let webauthn = people.webauthn()?;
    let mut tx = people.begin(Whose::nobody()).await?;
    let asked = Asked::Pending(waiting.id);
    let state: Option<DiscoverableAuthentication> =
        challenge::take(&mut tx, Purpose::SignIn, asked).await?;
    tx.commit().await?;
    let credential: Option<PublicKeyCredential> = serde_json::from_str(credential).ok();
    let (Some(state), Some(credential)) = (state, credential) else {
        return Ok(None);
    };
    let Ok((user, id)) = webauthn.identify_discoverable_authentication(&credential) else {
        return Ok(None);
    };
    let user = UserId::from(user);
    let mut tx = people.begin(Whose::nobody()).await?;
    let known = sqlx::query_scalar!(
        "SELECT p.credential FROM control.passkey p
         JOIN control.user u ON u.id = p.user_id AND u.status = 'active'
         WHERE p.credential_id = $1 AND p.user_id = $2",
        id,
        user.uuid()
    )
    .fetch_optional(tx.conn())
    .await?;
    tx.commit().await?;
    let Some(known) = known else { return Ok(None) };
    let known: Passkey = serde_json::from_value(known).map_err(Error::internal)?;
    let Ok(result) = webauthn.finish_discoverable_authentication_v2(&credential, state, &known)
    else {
        return Ok(None);
    };

    let mut tx = people.begin(Whose::nobody()).await?;
    let is_used = used(&mut tx, user, &Assertion { result }).await?;
    if !is_used || !pending::consume(&mut tx, waiting).await? {
        return Ok(None);
    }
    let session = sessions::open(&mut tx, user, visitor, Shown::Two, None).await?;
    let detail = json!({ "session": session.id, "with": "passkey" });
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
    people.attempts().second_factor_shown(visitor, user).await?;
    Ok(Some(session))
}

/// Writes down that a passkey was used, and what its authenticator counts. `false` where the account
/// has it no longer, or where the count went back: then there are two of it.
pub(super) async fn used(tx: &mut PeopleTx, user: UserId, shown: &Assertion) -> Result<bool> {
    let row = sqlx::query!(
        "SELECT p.id, p.credential FROM control.passkey p
         JOIN control.user u ON u.id = p.user_id AND u.status = 'active'
         WHERE p.credential_id = $1 AND p.user_id = $2 FOR UPDATE OF p",
        shown.result.cred_id().as_slice(),
        user.uuid()
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(false) };
    let mut passkey: Passkey = serde_json::from_value(row.credential).map_err(Error::internal)?;
    let changed = passkey.update_credential(&shown.result) == Some(true);
    let counts = shown.result.counter() > 0;
    if counts && !changed {
        return Ok(false);
    }
    sqlx::query!(
        "UPDATE control.passkey SET credential = $2, last_used_at = now() WHERE id = $1",
        row.id,
        serde_json::to_value(&passkey).map_err(Error::internal)?
    )
    .execute(tx.conn())
    .await?;
    Ok(true)
}

async fn stored(tx: &mut PeopleTx, user: UserId) -> Result<Vec<Passkey>> {
    let rows = sqlx::query_scalar!(
        "SELECT credential FROM control.passkey WHERE user_id = $1",
        user.uuid()
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| serde_json::from_value(row).map_err(Error::internal))
        .collect()
}

/// The part of the library's options that browsers parse.
fn public_key(options: impl serde::Serialize) -> Result<Value> {
    let mut options = serde_json::to_value(options).map_err(Error::internal)?;
    Ok(options["publicKey"].take())
}

fn unfit() -> Error {
    Error::field("credential", "the passkey was not accepted; try once more")
}

fn refused(error: webauthn_rs::prelude::WebauthnError) -> Error {
    tracing::info!(%error, "a passkey was refused");
    unfit()
}
