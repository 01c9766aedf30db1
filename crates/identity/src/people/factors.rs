//! What people show beside their password: codes of an authenticator, passkeys, recovery codes. Who
//! has one is signed in only once it was shown; who changes them has shown everything lately.

pub mod authenticator;
mod challenge;
pub mod passkeys;
pub mod recovery;
#[cfg(test)]
mod tests;
mod totp;

use kernel::{
    Error, Result,
    access::{Actor, Person, Visitor},
    db::{PeopleTx, Whose},
    id::UserId,
};
use serde_json::json;
use time::{Duration, OffsetDateTime};
use url::{Host, Url};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use super::{
    Email, NewSession, People, note,
    pending::{self, PendingSignIn},
    sessions::{self, Shown},
};
use challenge::Asked;
use passkeys::PasskeyView;

/// How authenticators and browsers name what a secret or a passkey is for.
const ISSUER: &str = "Freehold";

/// How long showing one's password counts for changing the factors.
const RECENT: Duration = Duration::minutes(15);

/// The second factors of an account, as its owner sees them.
#[derive(Clone, Debug)]
pub struct Factors {
    /// Since when there is an authenticator.
    pub authenticator: Option<OffsetDateTime>,
    pub passkeys: Vec<PasskeyView>,
    pub recovery_codes_left: i64,
}

impl Factors {
    pub fn has_any(&self) -> bool {
        self.authenticator.is_some() || !self.passkeys.is_empty()
    }
}

/// The person's factors, in two queries.
pub async fn list(person: &Person) -> Result<Factors> {
    let mut tx = person.begin().await?;
    let factors = read(&mut tx, person.id()).await?;
    tx.commit().await?;
    Ok(factors)
}

async fn read(tx: &mut PeopleTx, user: UserId) -> Result<Factors> {
    let row = sqlx::query!(
        r#"SELECT (SELECT confirmed_at FROM control.totp WHERE user_id = $1) AS authenticator,
             (SELECT count(*) FROM control.recovery_code WHERE user_id = $1 AND used_at IS NULL) AS "left!""#,
        user.uuid()
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(Factors {
        authenticator: row.authenticator,
        passkeys: passkeys::list(tx, user).await?,
        recovery_codes_left: row.left,
    })
}

/// Whether signing in takes a second factor.
pub(crate) async fn has_any(tx: &mut PeopleTx, user: UserId) -> Result<bool> {
    let has = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM control.totp WHERE user_id = $1 AND confirmed_at IS NOT NULL)
             OR EXISTS (SELECT FROM control.passkey WHERE user_id = $1) AS "has!""#,
        user.uuid()
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(has)
}

async fn require_any(tx: &mut PeopleTx, user: UserId) -> Result<()> {
    match has_any(tx, user).await? {
        true => Ok(()),
        false => Err(Error::NotFound("resource")),
    }
}

/// Recovery codes without a factor to recover from would be factors themselves.
async fn after_removal(tx: &mut PeopleTx, user: UserId) -> Result<()> {
    match has_any(tx, user).await? {
        true => Ok(()),
        false => recovery::forget(tx, user).await,
    }
}

async fn address_of(tx: &mut PeopleTx, user: UserId) -> Result<Email> {
    let row = sqlx::query!(
        "SELECT email, email_as_typed FROM control.user WHERE id = $1",
        user.uuid()
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(Email::stored(row.email, row.email_as_typed))
}

/// A person who has shown their password within a quarter of an hour and, where the account has one,
/// a second factor in this session: what changing the factors takes.
#[derive(Debug)]
pub struct Confirmed(Person);

/// What somebody has yet to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Password,
    SecondFactor,
}

impl Confirmed {
    pub async fn of(person: Person) -> Result<std::result::Result<Self, Missing>> {
        if person.second_factor_at().is_none() {
            let mut tx = person.begin().await?;
            let has = has_any(&mut tx, person.id()).await?;
            tx.commit().await?;
            if has {
                return Ok(Err(Missing::SecondFactor));
            }
        }
        let is_recent = OffsetDateTime::now_utc() - person.authenticated_at() < RECENT;
        Ok(if is_recent {
            Ok(Self(person))
        } else {
            Err(Missing::Password)
        })
    }

    pub fn person(&self) -> &Person {
        &self.0
    }
}

/// Who is to show a second factor.
#[derive(Debug)]
pub enum Claimant {
    /// Somebody whose password or provider's word was right, and whose sign-in waits.
    Waiting(PendingSignIn, UserId),
    /// Somebody who is signed in, by a session that has shown none.
    SignedIn(Person),
}

impl Claimant {
    /// The sign-in that waits goes before the session of whoever sat there earlier.
    pub fn of(waiting: Option<PendingSignIn>, person: Option<Person>) -> Option<Self> {
        let waiting = waiting.and_then(|waiting| Some(Self::Waiting(waiting, waiting.user?)));
        waiting.or(person.map(Self::SignedIn))
    }

    fn user(&self) -> UserId {
        match self {
            Self::Waiting(_, user) => *user,
            Self::SignedIn(person) => person.id(),
        }
    }

    fn asked(&self) -> Asked {
        match self {
            Self::Waiting(waiting, _) => Asked::Pending(waiting.id),
            Self::SignedIn(person) => Asked::Session(person.session()),
        }
    }

    /// What they can show.
    pub async fn factors(&self, people: &People) -> Result<Factors> {
        let mut tx = people.begin(Whose::nobody()).await?;
        let factors = read(&mut tx, self.user()).await?;
        tx.commit().await?;
        Ok(factors)
    }
}

/// What somebody shows, as it was typed or as the browser gave it.
#[derive(Debug)]
pub enum Evidence<'a> {
    /// An authenticator's code or a recovery code; their lengths tell them apart.
    Code(&'a str),
    /// A passkey's answer, in the JSON form of WebAuthn.
    Passkey(&'a str),
}

/// Looks at a second factor, and ends the sign-in or raises the session. `None` for whatever is not
/// right.
///
/// # Errors
/// `rate_limited` after too many tries at the account or from the network.
pub async fn show(
    people: &People,
    visitor: &Visitor,
    claimant: &Claimant,
    evidence: Evidence<'_>,
) -> Result<Option<NewSession>> {
    let user = claimant.user();
    people.attempts_of(visitor).await?;
    people.attempts().at_second_factor(user).await?;
    let (is_right, mut tx) = match evidence {
        Evidence::Code(code) if is_recovery(code) => {
            let mut tx = people.begin(Whose::nobody()).await?;
            (recovery::consume(&mut tx, user, code).await?, tx)
        }
        Evidence::Code(code) => {
            let step = authenticator::step_of(people, user, code).await?;
            let mut tx = people.begin(Whose::nobody()).await?;
            let taken = match step {
                Some(step) => authenticator::take(&mut tx, user, step).await?,
                None => false,
            };
            (taken, tx)
        }
        Evidence::Passkey(answer) => {
            let shown = passkeys::check_second_factor(people, claimant, answer).await?;
            let mut tx = people.begin(Whose::nobody()).await?;
            let used = match &shown {
                Some(shown) => passkeys::used(&mut tx, user, shown).await?,
                None => false,
            };
            (used, tx)
        }
    };
    let with = match evidence {
        Evidence::Code(code) if is_recovery(code) => "recovery_code",
        Evidence::Code(_) => "authenticator",
        Evidence::Passkey(_) => "passkey",
    };
    let session = match is_right {
        true => finish(&mut tx, visitor, claimant).await?,
        false => None,
    };
    let Some(session) = session else {
        drop(tx);
        refuse(people, visitor, user, with).await?;
        return Ok(None);
    };
    let (action, confined) = match claimant {
        Claimant::Waiting(waiting, _) => ("account.signed_in", waiting.confined),
        Claimant::SignedIn(_) => ("account.second_factor_shown", None),
    };
    let mut detail = json!({ "session": session.id, "with": with });
    if let Some(confined) = confined {
        detail["confined_to"] = json!(confined.tenant);
    }
    let actor = Actor::user(user);
    note(&mut tx, visitor, Some(user), &actor, action, detail).await?;
    tx.commit().await?;
    people.attempts().second_factor_shown(visitor, user).await?;
    Ok(Some(session))
}

/// `None` where the sign-in was ended meanwhile, or the account disabled.
async fn finish(
    tx: &mut PeopleTx,
    visitor: &Visitor,
    claimant: &Claimant,
) -> Result<Option<NewSession>> {
    match claimant {
        Claimant::SignedIn(person) => sessions::shown(tx, person, Shown::Two).await.map(Some),
        Claimant::Waiting(waiting, user) => {
            let active = sqlx::query!(
                "SELECT id FROM control.user WHERE id = $1 AND status = 'active' FOR SHARE",
                user.uuid()
            )
            .fetch_optional(tx.conn())
            .await?;
            if active.is_none() || !pending::consume(tx, waiting).await? {
                return Ok(None);
            }
            let session = sessions::open(tx, *user, visitor, Shown::Two, waiting.confined).await?;
            Ok(Some(session))
        }
    }
}

async fn refuse(people: &People, visitor: &Visitor, user: UserId, with: &str) -> Result<()> {
    let mut tx = people.begin(Whose::nobody()).await?;
    note(
        &mut tx,
        visitor,
        Some(user),
        &Actor::stranger(),
        "account.second_factor_refused",
        json!({ "with": with }),
    )
    .await?;
    tx.commit().await
}

/// Authenticators' codes are short.
pub(super) fn is_recovery(code: &str) -> bool {
    code.chars().filter(|c| c.is_alphanumeric()).count() > 8
}

/// What browsers know this installation as. None for an IP address, for which they keep no passkeys
/// (WebAuthn level 3, §5.1.3, "effective domain").
pub(super) fn relying_party(public_url: &str) -> Result<Option<Webauthn>> {
    let url = Url::parse(public_url).map_err(Error::internal)?;
    let Some(Host::Domain(domain)) = url.host() else {
        return Ok(None);
    };
    let built = WebauthnBuilder::new(domain, &url)
        .map(|builder| builder.rp_name(ISSUER))
        .and_then(WebauthnBuilder::build);
    built.map(Some).map_err(Error::internal)
}
