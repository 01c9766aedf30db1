//! Staff: what they may do across tenants, and how they enter one. Always audited: the act and
//! its entry share a transaction, or the entry is committed first.

use std::{fmt, marker::PhantomData, sync::Arc};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use serde_json::Value;

use super::{Access, Actor, Authority, Web, api_key, session};
use crate::{
    audit::Act,
    db::{Db, OperatorTx, PeopleTx, Tenant, Whose},
    error::{Error, Result},
    id::{CellId, CorrelationId, SessionId, TenantId, UserId},
    permission::{Permission, PlatformAuditRead, Roles, TenantsEnter, TenantsWrite},
    secret::{Secret, constant_time_eq},
    telemetry,
};

/// The token of the operator API. Whoever holds it has the platform role `administrator`.
#[derive(Clone, Debug)]
pub struct OperatorToken(Arc<Vec<u8>>);

impl OperatorToken {
    pub fn new(token: &Secret) -> Self {
        Self(Arc::new(api_key::sha256(token.expose().as_bytes())))
    }

    /// Compares hashes, so that neither length nor content shows in the timing.
    fn matches(&self, presented: &str) -> bool {
        constant_time_eq(&self.0, &api_key::sha256(presented.as_bytes()))
    }
}

/// Proof that this member of staff may do `P` across tenants.
pub struct Operator<P> {
    db: Db,
    actor: Actor,
    /// The platform role that proved it; founders have none.
    role: Option<String>,
    staff: Option<Staff>,
    correlation: CorrelationId,
    permission: PhantomData<fn() -> P>,
}

/// The member of staff behind a session.
#[derive(Clone, Debug)]
pub struct Staff {
    pub user: UserId,
    pub session: SessionId,
    pub name: String,
}

const ADMINISTRATOR: &str = "administrator";

impl<P: Permission> fmt::Debug for Operator<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Operator<{}>({})", P::NAME, self.actor)
    }
}

impl<P: Permission> Operator<P> {
    /// For the command line on the server's own machine: whoever can read its key files and reach
    /// its database is its administrator. `user` is the login name, for the audit log.
    pub fn local(db: &Db, user: &str) -> Self {
        let actor = Actor::new("staff", format_args!("local/{user}"));
        Self::mint(db, actor, Some(ADMINISTRATOR.to_owned()), None)
    }

    fn mint(db: &Db, actor: Actor, role: Option<String>, staff: Option<Staff>) -> Self {
        Self {
            db: db.clone(),
            actor,
            role,
            staff,
            correlation: telemetry::correlation(),
            permission: PhantomData,
        }
    }

    pub fn correlation(&self) -> CorrelationId {
        self.correlation
    }

    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Opens a transaction on the control database, which commits with the audit entry of the act
    /// or not at all.
    pub async fn begin(
        &self,
        action: &str,
        tenant: Option<TenantId>,
        detail: Value,
    ) -> Result<OperatorTx> {
        let mut tx = OperatorTx::begin(&self.db.control().operator).await?;
        let actor = self.actor.to_string();
        tx.audit(actor, action, tenant, &detail, self.correlation)?;
        Ok(tx)
    }

    /// Opens a transaction on one cell, across its tenants. The audit entry is committed first,
    /// since control and cell share no transaction.
    pub async fn begin_in_cell(
        &self,
        cell: CellId,
        action: &str,
        tenant: Option<TenantId>,
    ) -> Result<OperatorTx> {
        self.begin(action, tenant, serde_json::json!({}))
            .await?
            .commit()
            .await?;
        OperatorTx::begin(&self.db.cell(cell)?.pools.operator).await
    }

    /// Opens a transaction on people's accounts. The audit entry is committed first: the role that
    /// reaches accounts does not reach the log of staff.
    pub async fn people(
        &self,
        action: &str,
        tenant: Option<TenantId>,
        detail: Value,
    ) -> Result<PeopleTx> {
        self.begin(action, tenant, detail).await?.commit().await?;
        let whose = Whose { tenant, user: None };
        PeopleTx::begin(&self.db, whose).await
    }

    /// As [`Self::people`], also reaching one person's memberships in all tenants, to read.
    pub async fn person(&self, action: &str, user: UserId, detail: Value) -> Result<PeopleTx> {
        self.begin(action, None, detail).await?.commit().await?;
        PeopleTx::begin(&self.db, Whose::user(user)).await
    }

    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Who it is, where it is somebody who has signed in.
    pub fn staff(&self) -> Option<&Staff> {
        self.staff.as_ref()
    }

    /// Whether the role behind this proof grants another permission too. Pages offer by it what
    /// would not be refused.
    pub fn may(&self, permission: &str) -> bool {
        self.role
            .as_ref()
            .is_some_and(|role| Roles::builtin().platform_grants(role, permission))
    }

    /// The cells that this node serves.
    pub fn cells(&self) -> Vec<CellId> {
        self.db.cells().map(|(id, _)| *id).collect()
    }
}

impl Operator<TenantsEnter> {
    /// Enters a tenant to do `Q` there. Both the platform's and the tenant's own audit log say so.
    pub async fn enter<Q: Permission>(&self, tenant: Tenant, reason: &str) -> Result<Access<Q>> {
        let detail = serde_json::json!({ "permission": Q::NAME, "reason": reason });
        self.begin("tenant.entered", Some(tenant.id), detail.clone())
            .await?
            .commit()
            .await?;
        let access = Access::<Q>::mint(&self.db, tenant, self.actor.clone(), self.correlation)
            .with(Authority::Staff, None);
        let mut tx = access.begin().await?;
        let target = access.tenant().id.to_string();
        tx.audit(Act {
            action: "tenant.entered",
            target,
            detail,
        })
        .await?;
        tx.commit().await?;
        Ok(access)
    }
}

impl Operator<TenantsWrite> {
    /// For people who make a tenant of their own where the installation lets them. Only the sign-up
    /// of identity calls this: a lint refuses it elsewhere.
    pub fn for_founder(db: &Db, user: UserId) -> Self {
        Self::mint(db, Actor::user(user), None, None)
    }
}

impl Operator<PlatformAuditRead> {
    /// For the program itself, which carries the audit logs on without anybody asking. Only the
    /// server calls this: a lint refuses it elsewhere.
    pub fn for_upkeep(db: &Db) -> Self {
        Self::mint(db, Actor::new("system", "audit"), None, None)
    }
}

/// The platform's own token, or a session of somebody who has a platform role.
impl<P: Permission, S: Send + Sync> FromRequestParts<S> for Operator<P>
where
    Db: FromRef<S>,
    OperatorToken: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let db = Db::from_ref(state);
        let (actor, role, staff) = match api_key::bearer(parts) {
            Some(token) if OperatorToken::from_ref(state).matches(token) => (
                Actor::new("staff", "operator_token"),
                ADMINISTRATOR.to_owned(),
                None,
            ),
            Some(_) => return Err(Error::Unauthenticated),
            None => signed_in(&db, parts).await?,
        };
        if !Roles::builtin().platform_grants(&role, P::NAME) {
            return Err(Error::Forbidden(P::NAME));
        }
        Ok(Self::mint(&db, actor, Some(role), staff))
    }
}

/// The member of staff whose session the request shows, and their platform role. To others the
/// operators' part does not exist.
async fn signed_in(db: &Db, parts: &Parts) -> Result<(Actor, String, Option<Staff>)> {
    let session = session::presented(db, parts, None).await?;
    let role = session.platform_role.ok_or(Error::NotFound("resource"))?;
    let needs_more = parts
        .extensions
        .get::<Web>()
        .is_none_or(Web::staff_second_factor);
    if needs_more && session.second_factor_at.is_none() {
        return Err(Error::SecondFactorRequired);
    }
    let staff = Staff {
        user: session.user,
        session: session.id,
        name: session.name,
    };
    Ok((Actor::new("staff", session.user), role, Some(staff)))
}
