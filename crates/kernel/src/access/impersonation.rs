//! Staff who look at a tenant as its members do: for a reason, for at most an hour, reading unless
//! writing was chosen and their role allows it.
//!
//! An impersonation is bound to the session in which it was begun and works on that session's cookie
//! alone: it has no token that could be carried elsewhere. With every request `session` reads it
//! anew, together with the session and the person's role, so that it ends with its time, by being
//! ended, with the session, and with the role. What it allows is the list in catalogue/roles.toml,
//! in which nothing that touches people, roles, keys or secrets may stand. API keys, tokens and jobs
//! are issued by other roads, on which an impersonation means nothing.

use serde_json::json;
use time::OffsetDateTime;

use super::{Access, Actor, Authority, Operator, Visitor};
use crate::{
    audit::Act,
    db::{Db, LiveSession, PeopleTx, Tenant, Whose},
    error::{ConflictCode, Error, Result},
    id::{ImpersonationId, UserId},
    permission::{Permission, Roles, TenantRead, TenantsImpersonate, TenantsImpersonateWrite},
    suspension::{Entrance, admit},
};

/// The longest time, in minutes. A check of the table says the same.
pub const LONGEST: i32 = 60;
/// The longest reason, in characters.
const REASON: usize = 1000;

/// On what terms staff want to impersonate.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The tenant reads it.
    pub reason: String,
    /// From 1 to [`LONGEST`].
    pub minutes: i32,
    pub may_write: bool,
}

/// A live impersonation, as a request's session comes with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live {
    pub may_write: bool,
}

impl Live {
    /// What it still allows to somebody with this platform role.
    fn permissions(self, platform_role: Option<&str>) -> Option<(bool, Vec<String>)> {
        let roles = Roles::builtin();
        let grants = |name| platform_role.is_some_and(|role| roles.platform_grants(role, name));
        let may_write = self.may_write && grants(TenantsImpersonateWrite::NAME);
        grants(TenantsImpersonate::NAME)
            .then(|| (may_write, roles.impersonation.permissions(may_write)))
    }
}

/// Names the member of staff and the mode, in the tenant's audit log and in jobs.
fn actor(user: UserId, may_write: bool) -> Actor {
    let mode = if may_write { "write" } else { "read" };
    Actor::new("impersonation", format_args!("{user}/{mode}"))
}

/// The access of a session that impersonates in this tenant. `None` where it does not, or not any
/// more.
pub(super) fn access<P: Permission>(
    db: &Db,
    tenant: &Tenant,
    session: &LiveSession,
    visitor: &Visitor,
) -> Option<Result<Access<P>>> {
    let live = session.impersonation?;
    let (may_write, permissions) = live.permissions(session.platform_role.as_deref())?;
    let mint = || {
        admit(tenant, Entrance::Staff, P::NAME)?;
        if P::NAME != TenantRead::NAME && !permissions.iter().any(|name| name == P::NAME) {
            return Err(Error::Forbidden(P::NAME));
        }
        let actor = actor(session.user, may_write);
        let access = Access::mint(db, tenant.clone(), actor, visitor.correlation);
        Ok(access.with(Authority::Permissions(permissions), None))
    };
    Some(mint())
}

impl Operator<TenantsImpersonate> {
    /// Begins to impersonate. Both audit logs say so first.
    ///
    /// # Errors
    /// `forbidden` without a session of one's own (the operator token has none) and for writing
    /// without `tenants:impersonate_write`; `tenant_inactive` for closed tenants;
    /// `already_impersonating` while this session impersonates anywhere.
    pub async fn impersonate(&self, tenant: &Tenant, terms: Terms) -> Result<ImpersonationId> {
        let staff = self
            .staff()
            .ok_or(Error::Forbidden(TenantsImpersonate::NAME))?;
        if terms.may_write && !self.may(TenantsImpersonateWrite::NAME) {
            return Err(Error::Forbidden(TenantsImpersonateWrite::NAME));
        }
        let reason = checked_reason(&terms.reason)?;
        if !(1..=LONGEST).contains(&terms.minutes) {
            let message = format!("must be from 1 to {LONGEST}");
            return Err(Error::field("minutes", message));
        }
        admit(tenant, Entrance::Staff, TenantRead::NAME)?;
        let id = ImpersonationId::new();
        let mode = if terms.may_write { "write" } else { "read" };
        let detail = json!({ "impersonation": id, "reason": reason, "minutes": terms.minutes,
            "mode": mode, "staff_name": staff.name });
        self.begin(
            "tenant.impersonation_started",
            Some(tenant.id),
            detail.clone(),
        )
        .await?
        .commit()
        .await?;
        let whose = Whose {
            tenant: Some(tenant.id),
            user: Some(staff.user),
        };
        let mut tx = PeopleTx::begin(self.db(), whose).await?;
        // Two beginnings of one session wait for each other here.
        sqlx::query!(
            "SELECT id FROM control.session WHERE id = $1 AND revoked_at IS NULL FOR UPDATE",
            staff.session.uuid()
        )
        .fetch_optional(tx.conn())
        .await?
        .ok_or(Error::Unauthenticated)?;
        let other = sqlx::query!(
            "SELECT id FROM control.impersonation
             WHERE session_id = $1 AND ended_at IS NULL AND expires_at > now() LIMIT 1",
            staff.session.uuid()
        )
        .fetch_optional(tx.conn())
        .await?;
        if other.is_some() {
            return Err(Error::Conflict {
                code: ConflictCode::AlreadyImpersonating,
                detail: "this session impersonates already; end that first".to_owned(),
            });
        }
        sqlx::query!(
            "INSERT INTO control.impersonation
                 (id, user_id, staff_name, session_id, reason, may_write, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(mins => $7))",
            id.uuid(),
            staff.user.uuid(),
            staff.name,
            staff.session.uuid(),
            reason,
            terms.may_write,
            terms.minutes
        )
        .execute(tx.conn())
        .await?;
        let act = Act {
            action: "impersonation.started",
            target: id.to_string(),
            detail,
        };
        tx.commit_noted(tenant, &actor(staff.user, terms.may_write), act)
            .await?;
        Ok(id)
    }

    /// Ends what this session impersonates, and says where that was. `None` where it does not.
    pub async fn end_impersonation(&self) -> Result<Option<Tenant>> {
        let Some(staff) = self.staff() else {
            return Ok(None);
        };
        let mut tx = PeopleTx::begin(self.db(), Whose::user(staff.user)).await?;
        let live = sqlx::query!(
            "SELECT tenant_id, id, may_write FROM control.impersonation
             WHERE session_id = $1 AND ended_at IS NULL AND expires_at > now() LIMIT 1",
            staff.session.uuid()
        )
        .fetch_optional(tx.conn())
        .await?;
        tx.commit().await?;
        let Some(live) = live else { return Ok(None) };
        let id = ImpersonationId::from(live.id);
        let tenant = self.db().directory().by_id(live.tenant_id.into()).await?;
        let tenant = tenant.ok_or(Error::NotFound("tenant"))?;
        let detail = json!({ "impersonation": id });
        self.begin(
            "tenant.impersonation_ended",
            Some(tenant.id),
            detail.clone(),
        )
        .await?
        .commit()
        .await?;
        let mut tx = PeopleTx::begin(self.db(), Whose::tenant(tenant.id)).await?;
        sqlx::query!(
            "UPDATE control.impersonation SET ended_at = now() WHERE id = $1 AND ended_at IS NULL",
            id.uuid()
        )
        .execute(tx.conn())
        .await?;
        let act = Act {
            action: "impersonation.ended",
            target: id.to_string(),
            detail,
        };
        tx.commit_noted(&tenant, &actor(staff.user, live.may_write), act)
            .await?;
        Ok(Some(tenant))
    }
}

fn checked_reason(reason: &str) -> Result<&str> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON || reason.contains('\0') {
        let message = format!("must have from 1 to {REASON} characters");
        return Err(Error::field("reason", message));
    }
    Ok(reason)
}

/// When an impersonation was over, if it is: it was ended, its time was up, or its session ended,
/// whichever came first.
pub fn over_since(
    ended_at: Option<OffsetDateTime>,
    session_ended_at: Option<OffsetDateTime>,
    expires_at: OffsetDateTime,
    now: OffsetDateTime,
) -> Option<OffsetDateTime> {
    let expired = (expires_at <= now).then_some(expires_at);
    [ended_at, session_ended_at, expired]
        .into_iter()
        .flatten()
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_bound_what_an_impersonation_allows() {
        let permissions = |may_write, role| Live { may_write }.permissions(role);
        assert!(permissions(true, None).is_none());
        let (may_write, held) = permissions(true, Some("support")).expect("may look");
        assert!(!may_write && held.iter().all(|name| name.ends_with(":read")));
        let (may_write, held) = permissions(true, Some("administrator")).expect("may write");
        assert!(may_write && held.iter().any(|name| name == "messages:send"));
        let (may_write, held) = permissions(false, Some("administrator")).expect("may look");
        assert!(!may_write && held.iter().all(|name| name.ends_with(":read")));
    }
}
