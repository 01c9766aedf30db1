//! Capabilities: the proof that a caller may do one thing inside one tenant.
//!
//! An [`Access`] is minted for a signed-in person ([`session`]), for staff who enter a tenant
//! ([`operator`]) or impersonate in it ([`impersonation`]), for an API key ([`api_key`]), for a
//! client's signed token ([`token`]), for a resolved webhook endpoint ([`endpoint`]), for a link to
//! connect accounts and a browser that returns from it ([`link`]), and for a
//! claimed job (`kernel::jobs`), and nowhere else. Its fields are private, it is neither `Clone` nor
//! deserialisable, and the only road to tenant rows leads through it.

#![allow(
    clippy::disallowed_methods,
    reason = "transactions on people's tables leave here with whoever proved to be allowed one, and \
              answers to the functions that are named here"
)]

pub mod api_key;
pub mod endpoint;
pub mod impersonation;
pub mod link;
pub mod operator;
pub mod session;
pub mod token;
mod web;

use std::{fmt, marker::PhantomData};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};

use serde::de::DeserializeOwned;
use sqlx::{Row, types::Json};

pub use operator::{Operator, OperatorToken, Staff};
pub use session::{OWNER, Person, SessionHolder, Vouched};
pub use web::{PendingToken, Visitor, Web};

use crate::{
    db::{Db, PeopleTx, Route, Tenant, Tx, Whose},
    error::{Error, Result},
    id::{CorrelationId, UserId},
    permission::{CredentialsUse, Permission, ProxyUse},
};

/// Who acts, as it stands in audit entries and jobs: `user:usr_…`, `api_key:key_…`, `staff:…`,
/// `webhook:twilio`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    pub(crate) fn new(kind: &str, name: impl fmt::Display) -> Self {
        Self(format!("{kind}:{name}"))
    }

    pub fn user(user: UserId) -> Self {
        Self::new("user", user)
    }

    /// Somebody who has not shown who they are.
    pub fn stranger() -> Self {
        Self::new("visitor", "unknown")
    }

    /// The actor that a job was stored with.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a caller may pass on to others: nobody makes anybody mightier than themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authority {
    /// Webhooks and jobs.
    Nothing,
    Permissions(Vec<String>),
    /// As an owner: also ownership itself.
    Owner(Vec<String>),
    /// Staff who entered the tenant.
    Staff,
}

impl Authority {
    pub(crate) fn includes(&self, permission: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Permissions(held) | Self::Owner(held) => {
                held.iter().any(|name| name == permission)
            }
            Self::Staff => true,
        }
    }
}

/// Proof that the caller may do `P` inside one tenant.
pub struct Access<P> {
    db: Db,
    tenant: Tenant,
    actor: Actor,
    user: Option<UserId>,
    authority: Authority,
    correlation: CorrelationId,
    permission: PhantomData<fn() -> P>,
}

impl<P: Permission> fmt::Debug for Access<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Access<{}>({}, {})",
            P::NAME,
            self.tenant.slug,
            self.actor
        )
    }
}

impl<P: Permission> Access<P> {
    pub(crate) fn mint(db: &Db, tenant: Tenant, actor: Actor, correlation: CorrelationId) -> Self {
        Self {
            db: db.clone(),
            tenant,
            actor,
            user: None,
            authority: Authority::Nothing,
            correlation,
            permission: PhantomData,
        }
    }

    pub(crate) fn with(self, authority: Authority, user: Option<UserId>) -> Self {
        Self {
            user,
            authority,
            ..self
        }
    }

    /// Opens a transaction inside the tenant. Commit is explicit.
    pub async fn begin(&self) -> Result<Tx> {
        self.open(Route::Write).await
    }

    /// Opens a transaction that can only read.
    pub async fn read(&self) -> Result<Tx> {
        self.open(Route::Read).await
    }

    /// What a function of the cell's answers to one word, as JSON, in one round trip altogether: for
    /// what has to be fast when no cache has it. The function reads as everybody of the tenant does.
    ///
    /// # Errors
    /// `invalid_request` where the word is none: small letters, digits and underscores.
    pub async fn glance<T: DeserializeOwned>(
        &self,
        function: &'static str,
        word: &str,
    ) -> Result<T> {
        let is_word = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        if word.is_empty() || word.len() > 64 || !word.bytes().all(is_word) {
            return Err(Error::invalid(
                "names have small letters, digits and underscores",
            ));
        }
        let statement = format!("SELECT {function}('{word}') AS answer");
        let rows = Tx::glance(&self.db, &self.tenant, &statement).await?;
        let row = rows
            .first()
            .ok_or_else(|| Error::internal(anyhow::anyhow!("{function} answers with a row")))?;
        let Json(answer) = row.try_get("answer")?;
        Ok(answer)
    }

    /// Opens a transaction on what the tenant owns in the control database: memberships, roles,
    /// invitations.
    pub async fn people(&self) -> Result<PeopleTx> {
        PeopleTx::begin(&self.db, Whose::tenant(self.tenant.id)).await
    }

    async fn open(&self, route: Route) -> Result<Tx> {
        Tx::begin(
            &self.db,
            &self.tenant,
            self.actor.clone(),
            self.correlation,
            route,
        )
        .await
    }

    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The person who acts, where it is one.
    pub fn user(&self) -> Option<UserId> {
        self.user
    }

    /// Whether the caller holds a permission, and so may give it to others.
    pub fn may_give(&self, permission: &str) -> bool {
        self.authority.includes(permission)
    }

    /// Whether the caller may make and unmake owners.
    pub fn may_give_ownership(&self) -> bool {
        matches!(self.authority, Authority::Owner(_) | Authority::Staff)
    }

    /// The same caller's access for another act, where they may do that as well: for pages that
    /// show several things. Staff have none, because each act that they enter a tenant for has an
    /// entry of its own in the logs.
    pub fn also<Q: Permission>(&self) -> Option<Access<Q>> {
        let held = self.authority != Authority::Staff && self.authority.includes(Q::NAME);
        held.then(|| Access {
            db: self.db.clone(),
            tenant: self.tenant.clone(),
            actor: self.actor.clone(),
            user: self.user,
            authority: self.authority.clone(),
            correlation: self.correlation,
            permission: PhantomData,
        })
    }

    /// The same access for work that has to be finished even if its caller goes away, as when a
    /// browser hangs up: what was begun at a provider must be written down.
    pub fn outliving(&self) -> Self {
        Self {
            db: self.db.clone(),
            tenant: self.tenant.clone(),
            actor: self.actor.clone(),
            user: self.user,
            authority: self.authority.clone(),
            correlation: self.correlation,
            permission: PhantomData,
        }
    }

    pub fn correlation(&self) -> CorrelationId {
        self.correlation
    }

    pub(crate) fn db(&self) -> &Db {
        &self.db
    }
}

impl Access<ProxyUse> {
    /// Access to the credential that a call through the proxy is made with, for that call.
    pub fn spend(&self) -> Access<CredentialsUse> {
        let correlation = self.correlation;
        Access::mint(
            &self.db,
            self.tenant.clone(),
            self.actor.clone(),
            correlation,
        )
    }
}

/// A key or a signed token on the API; a session's cookie on the pages of the console, where the path names the
/// tenant.
impl<P: Permission, S: Send + Sync> FromRequestParts<S> for Access<P>
where
    Db: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let db = Db::from_ref(state);
        if parts.uri.path().starts_with("/app/") {
            return session::authenticate(&db, parts, state).await;
        }
        let text = api_key::bearer(parts).ok_or(Error::Unauthenticated)?;
        match token::is_one(text) {
            true => token::authenticate(&db, parts, text).await,
            false => api_key::authenticate(&db, text).await,
        }
    }
}
