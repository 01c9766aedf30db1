//! Who belongs to a tenant, and as what.
//!
//! A tenant always has an owner. Whatever changes members locks the owners' rows first, in one
//! order, so that of two owners who demote or remove each other at once the second finds itself no
//! longer one, or the other the last.

pub mod api;
pub mod pages;
#[cfg(test)]
mod tests;

use kernel::{
    Access, Error, Operator, Result,
    access::{Actor, OWNER, Person},
    audit::Act,
    db::{PeopleTx, Tenant},
    error::ConflictCode,
    id::{TenantId, UserId},
    page::{Page, PageQuery},
    permission::{MembersRead, MembersWrite, Permission, Roles, UsersWrite},
};
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::roles;

/// A member of the tenant.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MemberView {
    #[schema(value_type = String, example = "usr_01h455vb4pex5vsknk084sn02q")]
    pub id: UserId,
    pub name: String,
    pub email: String,
    #[schema(example = "developer")]
    pub role: String,
    /// A disabled account can't sign in.
    pub disabled: bool,
    /// Who let them in, as in the audit log.
    pub created_by: String,
    /// Since when they belong to the tenant.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}

/// The tenant's members, by account, newest account first.
pub async fn list(access: &Access<MembersRead>, query: &PageQuery) -> Result<Page<MemberView>> {
    let (limit, after) = (query.limit()?, query.after::<UserId>()?);
    let mut tx = access.people().await?;
    let page = read(&mut tx, access.tenant().id, after, limit).await?;
    tx.commit().await?;
    Ok(page)
}

/// A page of a tenant's members, from a transaction that reaches them.
pub(crate) async fn read(
    tx: &mut PeopleTx,
    tenant: TenantId,
    after: Option<UserId>,
    limit: i64,
) -> Result<Page<MemberView>> {
    let rows = sqlx::query!(
        "SELECT u.id, u.name, u.email_as_typed, m.role, u.status, m.created_by, m.created_at
         FROM control.membership m JOIN control.user u ON u.id = m.user_id
         WHERE m.tenant_id = $3 AND ($1::uuid IS NULL OR m.user_id < $1)
         ORDER BY m.user_id DESC LIMIT $2",
        after.map(UserId::uuid),
        limit + 1,
        tenant.uuid()
    )
    .fetch_all(tx.conn())
    .await?;
    let views = rows
        .into_iter()
        .map(|row| MemberView {
            id: row.id.into(),
            name: row.name,
            email: row.email_as_typed,
            role: row.role,
            disabled: row.status == "disabled",
            created_by: row.created_by,
            created_at: row.created_at,
        })
        .collect();
    Page::cut(views, limit, |view: &MemberView| view.id)
}

/// A member, and what stands in the way of changing them.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub member: MemberView,
    pub is_only_owner: bool,
    /// Whether their role is still one. One that was deleted under them allows nothing.
    pub role_exists: bool,
}

/// One member of the tenant.
pub(crate) async fn find<P: Permission>(access: &Access<P>, member: UserId) -> Result<Found> {
    let mut tx = access.people().await?;
    let row = sqlx::query!(
        r#"SELECT u.name, u.email_as_typed, m.role, u.status, m.created_by, m.created_at,
               m.role = $3 AND NOT EXISTS (
                   SELECT FROM control.membership o
                   WHERE o.tenant_id = $1 AND o.role = $3 AND o.user_id <> m.user_id
               ) AS "is_only_owner!",
               EXISTS (SELECT FROM control.tenant_role r WHERE r.name = m.role) AS "is_own_role!"
           FROM control.membership m JOIN control.user u ON u.id = m.user_id
           WHERE m.tenant_id = $1 AND m.user_id = $2"#,
        access.tenant().id.uuid(),
        member.uuid(),
        OWNER
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(Error::NotFound("member"))?;
    tx.commit().await?;
    Ok(Found {
        is_only_owner: row.is_only_owner,
        role_exists: row.is_own_role || Roles::builtin().tenant(&row.role).is_some(),
        member: MemberView {
            id: member,
            name: row.name,
            email: row.email_as_typed,
            role: row.role,
            disabled: row.status == "disabled",
            created_by: row.created_by,
            created_at: row.created_at,
        },
    })
}

/// Puts somebody into a tenant without an invitation, on behalf of staff. Owners stay owners.
pub async fn put(
    operator: &Operator<UsersWrite>,
    tenant: &Tenant,
    user: UserId,
    role: &str,
) -> Result<()> {
    if Roles::builtin().tenant(role).is_none() {
        return Err(Error::field("role", "there is no such role"));
    }
    let detail = json!({ "user": user, "role": role });
    let mut tx = operator
        .people("member.put", Some(tenant.id), detail)
        .await?;
    sqlx::query!(
        "INSERT INTO control.membership (user_id, role, created_by) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, user_id) DO UPDATE SET role = excluded.role
             WHERE membership.role <> $4",
        user.uuid(),
        role,
        operator.actor().to_string(),
        OWNER
    )
    .execute(tx.conn())
    .await?;
    let act = Act {
        action: "member.joined",
        target: user.to_string(),
        detail: json!({ "role": role }),
    };
    tx.commit_noted(tenant, operator.actor(), act).await
}

/// Gives a member another role, which holds from their next request on.
///
/// # Errors
/// `forbidden` for roles, old or new, beyond the caller's own permissions; `last_owner`;
/// `invalid_request` for a role that does not exist.
pub async fn set_role(access: &Access<MembersWrite>, member: UserId, role: &str) -> Result<()> {
    let mut tx = access.people().await?;
    let owners = lock_owners(&mut tx, access.tenant().id).await?;
    require_still_owner(access, &owners)?;
    let before = lock(&mut tx, access.tenant().id, member).await?;
    roles::require_givable(access, &mut tx, role).await?;
    if before == role {
        return tx.commit().await;
    }
    require_takeable(access, &mut tx, &before).await?;
    if before == OWNER {
        require_another(&owners, member)?;
    }
    sqlx::query!(
        "UPDATE control.membership SET role = $3 WHERE tenant_id = $1 AND user_id = $2",
        access.tenant().id.uuid(),
        member.uuid(),
        role
    )
    .execute(tx.conn())
    .await?;
    let act = Act {
        action: "member.role_changed",
        target: member.to_string(),
        detail: json!({ "before": before, "after": role }),
    };
    tx.commit_noted(access.tenant(), access.actor(), act).await
}

/// Takes a member out of the tenant, from their next request on.
pub async fn remove(access: &Access<MembersWrite>, member: UserId) -> Result<()> {
    let mut tx = access.people().await?;
    let owners = lock_owners(&mut tx, access.tenant().id).await?;
    require_still_owner(access, &owners)?;
    let before = lock(&mut tx, access.tenant().id, member).await?;
    require_takeable(access, &mut tx, &before).await?;
    if before == OWNER {
        require_another(&owners, member)?;
    }
    delete(&mut tx, access.tenant().id, member).await?;
    let act = Act {
        action: "member.removed",
        target: member.to_string(),
        detail: json!({ "role": before }),
    };
    tx.commit_noted(access.tenant(), access.actor(), act).await
}

/// Leaves a tenant, suspended or not.
///
/// # Errors
/// `not_found` where the person is no member; `last_owner`.
pub async fn leave(person: &Person, tenant: TenantId) -> Result<()> {
    let mut tx = person.begin_in(tenant).await?;
    let owners = lock_owners(&mut tx, tenant).await?;
    let before = lock(&mut tx, tenant, person.id()).await?;
    if before == OWNER {
        require_another(&owners, person.id())?;
    }
    delete(&mut tx, tenant, person.id()).await?;
    let entry = person.db().directory().by_id(tenant).await?;
    let entry = entry.ok_or(Error::NotFound("tenant"))?;
    let act = Act {
        action: "member.left",
        target: person.id().to_string(),
        detail: json!({ "role": before }),
    };
    tx.commit_noted(&entry, &Actor::user(person.id()), act)
        .await
}

async fn delete(tx: &mut PeopleTx, tenant: TenantId, member: UserId) -> Result<()> {
    sqlx::query!(
        "DELETE FROM control.membership WHERE tenant_id = $1 AND user_id = $2",
        tenant.uuid(),
        member.uuid()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The owners, kept from changing until the transaction ends. Of a row that another transaction
/// has just changed, Postgres looks at what it became.
async fn lock_owners(tx: &mut PeopleTx, tenant: TenantId) -> Result<Vec<UserId>> {
    let owners = sqlx::query_scalar!(
        "SELECT user_id FROM control.membership WHERE tenant_id = $1 AND role = $2
         ORDER BY user_id FOR UPDATE",
        tenant.uuid(),
        OWNER
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(owners.into_iter().map(Into::into).collect())
}

/// The member's role, kept from changing.
async fn lock(tx: &mut PeopleTx, tenant: TenantId, member: UserId) -> Result<String> {
    sqlx::query_scalar!(
        "SELECT role FROM control.membership WHERE tenant_id = $1 AND user_id = $2 FOR UPDATE",
        tenant.uuid(),
        member.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(Error::NotFound("member"))
}

/// An owner who has just been made something else acts as one no longer.
fn require_still_owner(access: &Access<MembersWrite>, owners: &[UserId]) -> Result<()> {
    match access.user() {
        Some(user) if access.may_give_ownership() && !owners.contains(&user) => {
            Err(Error::Forbidden("ownership"))
        }
        _ => Ok(()),
    }
}

/// Whether the caller may take a role from somebody. One that no longer exists is anybody's to take.
async fn require_takeable(
    access: &Access<MembersWrite>,
    tx: &mut PeopleTx,
    role: &str,
) -> Result<()> {
    match roles::require_givable(access, tx, role).await {
        Err(Error::Invalid { .. }) => Ok(()),
        other => other,
    }
}

fn require_another(owners: &[UserId], than: UserId) -> Result<()> {
    if owners.iter().any(|owner| *owner != than) {
        return Ok(());
    }
    Err(Error::Conflict {
        code: ConflictCode::LastOwner,
        detail: "the tenant would be left without an owner".to_owned(),
    })
}
