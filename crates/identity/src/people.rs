//! People: accounts, passwords, sessions and the ways in. What they may do in a tenant is decided
//! by their membership (`crate::members`); how a session becomes access, by `kernel::access`.
//!
//! Nobody has an account before they have read the mailbox that it is named by, and no answer tells
//! a stranger whether there is one: flows that begin with an address end with "if there is an
//! account, mail was sent", and a refused sign-in is the same refusal after the same work.

pub mod account;
pub mod api;
mod attempts;
mod email;
pub mod factors;
pub mod mailbox;
pub mod pages;
pub(crate) mod password;
pub mod pending;
pub mod reset;
pub mod sessions;
pub mod sign_in;
pub mod sign_up;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use kernel::{
    Db, Error, Result,
    access::{Actor, Visitor},
    db::{PeopleTx, Whose},
    id::UserId,
};
use serde_json::Value;
use vault::KeyProviders;
use webauthn_rs::Webauthn;

pub use email::Email;
pub use sessions::NewSession;

use attempts::Attempts;
use password::Passwords;

/// What the flows are told of the installation.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address that links in mails begin with, without a trailing slash.
    pub public_url: String,
    /// Whether people may make an account and a tenant by themselves.
    pub sign_up: bool,
}

/// The flows' common ground. Cheap to clone.
#[derive(Clone)]
pub struct People(Arc<Inner>);

struct Inner {
    db: Db,
    settings: Settings,
    passwords: Passwords,
    keys: Arc<KeyProviders>,
    /// Absent where browsers would refuse passkeys.
    webauthn: Option<Webauthn>,
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("People").field(&self.0.settings).finish()
    }
}

impl People {
    /// `keys` wraps the keys under which people's secrets are sealed.
    ///
    /// # Errors
    /// When the public URL is none.
    pub fn new(db: &Db, settings: Settings, keys: Arc<KeyProviders>) -> Result<Self> {
        let webauthn = factors::relying_party(&settings.public_url)?;
        Ok(Self(Arc::new(Inner {
            db: db.clone(),
            settings,
            passwords: Passwords::new(),
            keys,
            webauthn,
        })))
    }

    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn db(&self) -> &Db {
        &self.0.db
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    pub(crate) fn keys(&self) -> &KeyProviders {
        &self.0.keys
    }

    /// Whether people can have passkeys here: browsers want a domain name, so an installation that
    /// is reached by a bare address has none.
    pub fn has_passkeys(&self) -> bool {
        self.0.webauthn.is_some()
    }

    pub(crate) fn webauthn(&self) -> Result<&Webauthn> {
        self.0.webauthn.as_ref().ok_or(Error::NotFound("resource"))
    }

    pub(crate) fn attempts(&self) -> Attempts<'_> {
        Attempts(self)
    }

    /// Counts a try from the visitor's network.
    pub(crate) async fn attempts_of(&self, visitor: &Visitor) -> Result<()> {
        self.attempts().by_network(visitor).await
    }

    /// Gives the visitor's network its try back.
    pub(crate) async fn attempt_forgiven(&self, visitor: &Visitor) -> Result<()> {
        self.attempts().forgive_network(visitor).await
    }

    /// Counts a letter to an address.
    pub(crate) async fn attempts_to(&self, email: &Email) -> Result<()> {
        self.attempts().to_mailbox(email).await
    }

    /// A transaction for somebody who is about to show who they are.
    #[expect(
        clippy::disallowed_methods,
        reason = "the flows of this module are what proves who somebody is"
    )]
    pub(crate) async fn begin(&self, whose: Whose) -> Result<PeopleTx> {
        PeopleTx::begin(self.db(), whose).await
    }

    /// A link to a page.
    pub(crate) fn link_to(&self, page: &str) -> String {
        format!("{}{page}", self.settings().public_url)
    }

    /// A link to a page, with the single-use token that the page hands on.
    pub(crate) fn link(&self, page: &str, token: &str) -> String {
        format!("{}{page}?token={token}", self.settings().public_url)
    }
}

/// Writes an act on an account into its log, in the act's own transaction.
pub(crate) async fn note(
    tx: &mut PeopleTx,
    visitor: &Visitor,
    user: Option<UserId>,
    actor: &Actor,
    action: &str,
    detail: Value,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO control.account_audit (id, user_id, actor, action, detail, ip, user_agent,
             correlation_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        uuid::Uuid::now_v7(),
        user.map(UserId::uuid),
        actor.to_string(),
        action,
        detail,
        visitor.address.map(|address| address.to_string()),
        visitor.user_agent,
        visitor.correlation.uuid()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The answer to a link that was used, has expired, was replaced by a newer one, or never was.
pub(crate) fn spent() -> Error {
    Error::field("token", "the link is not valid any more; ask for a new one")
}
