//! Capabilities: the proof that a caller may do one thing inside one tenant.
//!
//! An [`Access`] is minted in exactly four places: a session or token ([`operator`], for staff),
//! an API key ([`api_key`]), a resolved webhook endpoint ([`endpoint`]) and a claimed job
//! (`kernel::jobs`). Its fields are private, it is neither `Clone` nor deserialisable, and the only
//! road to tenant rows leads through it.

pub mod api_key;
pub mod endpoint;
pub mod operator;

use std::{fmt, marker::PhantomData};

pub use operator::{Operator, OperatorToken};

use crate::{
    db::{Db, Route, Tenant, TenantStatus, Tx},
    error::{Error, Result},
    id::CorrelationId,
    permission::Permission,
};

/// Who acts, as it stands in audit entries and jobs: `api_key:key_…`, `staff:…`, `webhook:twilio`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    pub(crate) fn new(kind: &str, name: impl fmt::Display) -> Self {
        Self(format!("{kind}:{name}"))
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

/// Proof that the caller may do `P` inside one tenant.
pub struct Access<P> {
    db: Db,
    tenant: Tenant,
    actor: Actor,
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
            correlation,
            permission: PhantomData,
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

    pub fn correlation(&self) -> CorrelationId {
        self.correlation
    }

    pub(crate) fn db(&self) -> &Db {
        &self.db
    }
}

/// Whether the interfaces serve this tenant. Its jobs and webhooks have rules of their own.
pub(crate) fn require_active(tenant: &Tenant) -> Result<()> {
    match tenant.status {
        TenantStatus::Active => Ok(()),
        other => Err(Error::TenantInactive {
            status: other.as_str(),
        }),
    }
}
