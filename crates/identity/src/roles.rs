//! Roles of a tenant: those of the program's catalogue, and those that the tenant composes from
//! permissions. Nobody gives more than they hold.

pub mod api;
pub mod pages;
pub mod words;

use kernel::{
    Access, Error, Result,
    access::OWNER,
    audit::Act,
    db::PeopleTx,
    error::{ConflictCode, OnConstraint},
    permission::{Permission, Roles, RolesRead, RolesWrite, grantable},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

const DESCRIPTION: usize = 1000;

/// A role that members of the tenant may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RoleView {
    #[schema(example = "night-shift")]
    pub name: String,
    pub description: String,
    pub permissions: Vec<String>,
    /// Whether it comes with the program and can't be changed.
    pub builtin: bool,
}

/// A role to make.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRole {
    #[schema(pattern = "^[a-z][a-z0-9_-]{0,62}$", example = "night-shift")]
    pub name: String,
    #[serde(default)]
    #[schema(max_length = 1000)]
    pub description: String,
    #[schema(example = json!(["conversations:read", "messages:send"]))]
    pub permissions: Vec<String>,
}

/// What a role is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleContent {
    #[serde(default)]
    #[schema(max_length = 1000)]
    pub description: String,
    #[schema(example = json!(["conversations:read", "messages:send"]))]
    pub permissions: Vec<String>,
}

fn builtin() -> Vec<RoleView> {
    Roles::builtin()
        .tenant
        .iter()
        .map(|(name, permissions)| RoleView {
            name: name.clone(),
            description: String::new(),
            permissions: permissions.clone(),
            builtin: true,
        })
        .collect()
}

/// The program's roles, then the tenant's own by name.
pub async fn list(access: &Access<RolesRead>) -> Result<Vec<RoleView>> {
    all(access).await
}

/// The names of the roles that the caller may give to others.
pub(crate) async fn givable<P: Permission>(access: &Access<P>) -> Result<Vec<String>> {
    let names = all(access).await?.into_iter().filter(|role| {
        (role.name != OWNER || access.may_give_ownership())
            && require_held(access, &role.permissions).is_ok()
    });
    Ok(names.map(|role| role.name).collect())
}

pub(crate) async fn all<P: Permission>(access: &Access<P>) -> Result<Vec<RoleView>> {
    let mut tx = access.people().await?;
    let rows = sqlx::query!(
        "SELECT name, description, permissions FROM control.tenant_role ORDER BY name LIMIT 1000"
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    let own = rows.into_iter().map(|row| RoleView {
        name: row.name,
        description: row.description,
        permissions: row.permissions,
        builtin: false,
    });
    Ok(builtin().into_iter().chain(own).collect())
}

/// Makes a role of the tenant's own.
///
/// # Errors
/// `name_taken`; `invalid_request` for an unfit name or a permission that no role can carry;
/// `forbidden` for one that the caller does not hold.
pub async fn create(access: &Access<RolesWrite>, new: NewRole) -> Result<RoleView> {
    let name = crate::input::token("name", &new.name)?;
    let taken = || Error::Conflict {
        code: ConflictCode::NameTaken,
        detail: format!("there is a role `{}` already", new.name),
    };
    if Roles::builtin().tenant(&name).is_some() {
        return Err(taken());
    }
    let content = RoleContent {
        description: new.description,
        permissions: new.permissions,
    };
    let role = checked(access, name, &content)?;
    let mut tx = access.people().await?;
    sqlx::query!(
        "INSERT INTO control.tenant_role (name, description, permissions, created_by)
         VALUES ($1, $2, $3, $4)",
        role.name,
        role.description,
        &role.permissions,
        access.actor().to_string()
    )
    .execute(tx.conn())
    .await
    .on_constraint("tenant_role_key", taken)?;
    commit(access, tx, "role.created", &role).await?;
    Ok(role)
}

/// Changes what a role of the tenant's own is. Who has it has what it is now, from the next
/// request on.
pub async fn replace(
    access: &Access<RolesWrite>,
    name: &str,
    content: &RoleContent,
) -> Result<RoleView> {
    let role = checked(access, name.to_owned(), content)?;
    let mut tx = access.people().await?;
    let before = lock(&mut tx, name).await?.ok_or(Error::NotFound("role"))?;
    // Taking away what one does not hold is not for everybody either.
    require_held(access, &before)?;
    sqlx::query!(
        "UPDATE control.tenant_role SET description = $2, permissions = $3, updated_at = now()
         WHERE name = $1",
        role.name,
        role.description,
        &role.permissions
    )
    .execute(tx.conn())
    .await?;
    commit(access, tx, "role.changed", &role).await?;
    Ok(role)
}

/// Removes a role of the tenant's own that nobody has.
///
/// # Errors
/// `role_in_use` while members or open invitations have it.
pub async fn remove(access: &Access<RolesWrite>, name: &str) -> Result<()> {
    let mut tx = access.people().await?;
    let permissions = lock(&mut tx, name).await?.ok_or(Error::NotFound("role"))?;
    require_held(access, &permissions)?;
    let used = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM control.membership WHERE role = $1)
               OR EXISTS (SELECT FROM control.invitation WHERE role = $1
                   AND accepted_at IS NULL AND revoked_at IS NULL)
               OR EXISTS (SELECT FROM control.identity_provider WHERE role = $1) AS "used!""#,
        name
    )
    .fetch_one(tx.conn())
    .await?;
    if used {
        return Err(Error::Conflict {
            code: ConflictCode::RoleInUse,
            detail: format!(
                "members, open invitations or identity providers have the role `{name}`"
            ),
        });
    }
    sqlx::query!("DELETE FROM control.tenant_role WHERE name = $1", name)
        .execute(tx.conn())
        .await?;
    let role = RoleView {
        name: name.to_owned(),
        description: String::new(),
        permissions,
        builtin: false,
    };
    commit(access, tx, "role.removed", &role).await
}

async fn commit(
    access: &Access<RolesWrite>,
    tx: PeopleTx,
    action: &str,
    role: &RoleView,
) -> Result<()> {
    let act = Act {
        action,
        target: format!("role:{}", role.name),
        detail: json!({ "permissions": role.permissions }),
    };
    tx.commit_noted(access.tenant(), access.actor(), act).await
}

fn checked(access: &Access<RolesWrite>, name: String, content: &RoleContent) -> Result<RoleView> {
    let description = content.description.trim();
    if description.chars().count() > DESCRIPTION || description.contains('\0') {
        return Err(Error::field(
            "description",
            format!("must have at most {DESCRIPTION} characters"),
        ));
    }
    for permission in &content.permissions {
        grantable(permission).ok_or_else(|| {
            Error::field(
                "permissions",
                format!("{permission:?} is no permission that a role can carry"),
            )
        })?;
    }
    require_held(access, &content.permissions)?;
    let mut permissions = content.permissions.clone();
    permissions.sort_unstable();
    permissions.dedup();
    Ok(RoleView {
        name,
        description: description.to_owned(),
        permissions,
        builtin: false,
    })
}

pub(crate) fn require_held<P: Permission>(
    access: &Access<P>,
    permissions: &[String],
) -> Result<()> {
    let missing = permissions.iter().find(|name| !access.may_give(name));
    match missing {
        None => Ok(()),
        Some(name) => Err(Error::Forbidden(grantable(name).unwrap_or("roles:write"))),
    }
}

/// The permissions of a role of the tenant's own, kept from changing until the transaction ends.
async fn lock(tx: &mut PeopleTx, name: &str) -> Result<Option<Vec<String>>> {
    let permissions = sqlx::query_scalar!(
        "SELECT permissions FROM control.tenant_role WHERE name = $1 FOR UPDATE",
        name
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(permissions)
}

/// Whether a role exists and the caller may give it to somebody, or take it from them.
///
/// # Errors
/// `invalid_request` for a role that does not exist; `forbidden` for one with a permission that the
/// caller does not hold, and for ownership by anybody but an owner.
pub(crate) async fn require_givable<P: Permission>(
    access: &Access<P>,
    tx: &mut PeopleTx,
    role: &str,
) -> Result<()> {
    if role == OWNER && !access.may_give_ownership() {
        return Err(Error::Forbidden("ownership"));
    }
    match Roles::builtin().tenant(role) {
        Some(permissions) => require_held(access, permissions),
        None => match lock(tx, role).await? {
            Some(permissions) => require_held(access, &permissions),
            None => Err(Error::field("role", "there is no such role")),
        },
    }
}
