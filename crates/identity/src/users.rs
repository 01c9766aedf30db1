//! Accounts, as staff see and keep them.

pub mod api;
pub mod pages;
mod reset;
#[cfg(test)]
mod tests;

pub use reset::require_reset;

use kernel::{
    Error, Operator, Result,
    db::PeopleTx,
    id::{TenantId, UserId},
    page::{Page, PageQuery},
    permission::{UsersRead, UsersWrite},
    secret::Secret,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use crate::{
    input,
    people::{Email, People, password, sessions},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    Active,
    /// Can't sign in, and has no session.
    Disabled,
}

impl UserStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlatformRole {
    Administrator,
    Support,
}

impl PlatformRole {
    fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Support => "support",
        }
    }
}

/// An account, as staff see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UserView {
    #[schema(value_type = String, example = "usr_01h455vb4pex5vsknk084sn02q")]
    pub id: UserId,
    pub email: String,
    pub email_verified: bool,
    pub name: String,
    pub status: UserStatus,
    pub platform_role: Option<PlatformRole>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}

/// What to change of an account. What is absent stays; a `platform_role` of `null` takes it away.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChanges {
    pub status: Option<UserStatus>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<PlatformRole>)]
    pub platform_role: Option<Option<PlatformRole>>,
}

/// Tells `null` from absent.
fn present<'de, D, T>(deserializer: D) -> std::result::Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

struct Row {
    id: uuid::Uuid,
    email_as_typed: String,
    email_verified_at: Option<OffsetDateTime>,
    name: String,
    status: String,
    platform_role: Option<String>,
    created_at: OffsetDateTime,
}

impl Row {
    fn view(self) -> UserView {
        let roles = [PlatformRole::Administrator, PlatformRole::Support];
        UserView {
            id: self.id.into(),
            email: self.email_as_typed,
            email_verified: self.email_verified_at.is_some(),
            name: self.name,
            status: match self.status.as_str() {
                "active" => UserStatus::Active,
                _ => UserStatus::Disabled,
            },
            platform_role: roles
                .into_iter()
                .find(|role| self.platform_role.as_deref() == Some(role.as_str())),
            created_at: self.created_at,
        }
    }
}

/// Which accounts to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UserFilter {
    /// Part of the name or of the address, in whichever case.
    pub q: Option<String>,
    #[param(inline)]
    pub status: Option<UserStatus>,
    /// Staff with this role alone.
    #[param(inline)]
    pub platform_role: Option<PlatformRole>,
}

/// Accounts, newest first.
pub async fn list(
    operator: &Operator<UsersRead>,
    filter: &UserFilter,
    query: &PageQuery,
) -> Result<Page<UserView>> {
    let (limit, after) = (query.limit()?, query.after::<UserId>()?);
    let mut tx = operator.people("user.listed", None, json!({})).await?;
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, email_as_typed, email_verified_at, name, status, platform_role, created_at
         FROM control.user
         WHERE ($1::uuid IS NULL OR id < $1)
             AND ($3::text IS NULL OR position(lower($3) in email) > 0
                 OR position(lower($3) in lower(name)) > 0)
             AND ($4::text IS NULL OR status = $4) AND ($5::text IS NULL OR platform_role = $5)
         ORDER BY id DESC LIMIT $2",
        after.map(UserId::uuid),
        limit + 1,
        filter.q.as_deref(),
        filter.status.map(UserStatus::as_str),
        filter.platform_role.map(PlatformRole::as_str)
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    let views = rows.into_iter().map(Row::view).collect();
    Page::cut(views, limit, |view: &UserView| view.id)
}

pub async fn get(operator: &Operator<UsersRead>, user: UserId) -> Result<UserView> {
    let detail = json!({ "user": user });
    let mut tx = operator.people("user.viewed", None, detail).await?;
    let view = read(&mut tx, user).await?;
    tx.commit().await?;
    Ok(view)
}

/// An account with what it opens.
#[derive(Clone, Debug)]
pub struct UserDetail {
    pub user: UserView,
    pub memberships: Vec<Place>,
    /// Sessions that are valid now.
    pub sessions: i64,
    pub last_seen_at: Option<OffsetDateTime>,
    /// Without one, the account waits for its owner to set one.
    pub has_password: bool,
}

/// A tenant that an account belongs to.
#[derive(Clone, Debug)]
pub struct Place {
    pub tenant: TenantId,
    pub slug: String,
    pub name: String,
    pub role: String,
    pub since: OffsetDateTime,
}

/// Memberships that are read.
const PLACES: i64 = 100;

/// Reads it in one transaction.
pub async fn detail(operator: &Operator<UsersRead>, user: UserId) -> Result<UserDetail> {
    let detail = json!({ "user": user });
    let mut tx = operator.person("user.viewed", user, detail).await?;
    let view = read(&mut tx, user).await?;
    let known = sqlx::query!(
        r#"SELECT u.password_hash IS NOT NULL AS "has_password!", count(s.id) AS "sessions!",
               max(s.last_seen_at) AS last_seen_at
           FROM control.user u LEFT JOIN control.session s ON s.user_id = u.id
               AND s.revoked_at IS NULL AND s.expires_at > now()
               AND s.last_seen_at + s.idle_limit > now()
           WHERE u.id = $1 GROUP BY u.id"#,
        user.uuid()
    )
    .fetch_one(tx.conn())
    .await?;
    let rows = sqlx::query!(
        "SELECT t.id, t.slug, t.name, m.role, m.created_at
         FROM control.membership m JOIN control.tenant t ON t.id = m.tenant_id
         WHERE m.user_id = $1 ORDER BY t.name, t.slug LIMIT $2",
        user.uuid(),
        PLACES
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    let memberships = rows.into_iter().map(|row| Place {
        tenant: row.id.into(),
        slug: row.slug,
        name: row.name,
        role: row.role,
        since: row.created_at,
    });
    Ok(UserDetail {
        user: view,
        memberships: memberships.collect(),
        sessions: known.sessions,
        last_seen_at: known.last_seen_at,
        has_password: known.has_password,
    })
}

/// Changes an account. Nobody does it to their own, so that the last administrator stays one.
/// Disabling it ends its sessions; so does another platform role, since a
/// session is not to come to mean more than when it was opened.
pub async fn update(
    operator: &Operator<UsersWrite>,
    user: UserId,
    changes: &UserChanges,
) -> Result<UserView> {
    require_other(operator, user)?;
    let detail = json!({ "user": user, "status": changes.status,
        "platform_role": changes.platform_role });
    let mut tx = operator.people("user.changed", None, detail).await?;
    let changed = sqlx::query!(
        "UPDATE control.user SET status = COALESCE($2, status),
             platform_role = CASE WHEN $3 THEN $4 ELSE platform_role END, updated_at = now()
         WHERE id = $1",
        user.uuid(),
        changes.status.map(UserStatus::as_str),
        changes.platform_role.is_some(),
        changes.platform_role.flatten().map(PlatformRole::as_str)
    )
    .execute(tx.conn())
    .await?;
    if changed.rows_affected() == 0 {
        return Err(Error::NotFound("user"));
    }
    if changes.status == Some(UserStatus::Disabled) || changes.platform_role.is_some() {
        sessions::end_all(&mut tx, user, None).await?;
    }
    let view = read(&mut tx, user).await?;
    tx.commit().await?;
    Ok(view)
}

fn require_other(operator: &Operator<UsersWrite>, user: UserId) -> Result<()> {
    match operator.staff() {
        Some(staff) if staff.user == user => Err(Error::invalid(
            "this is your own account; ask another administrator",
        )),
        _ => Ok(()),
    }
}

/// An account that staff make, whose address they answer for.
#[derive(Debug)]
pub struct NewUser {
    pub email: Email,
    pub name: String,
    pub password: Secret,
    pub platform_role: Option<PlatformRole>,
}

/// Makes an account without the mailbox's part, or gives an existing one this password, name and
/// role: for the first administrator, and for installations without mail.
pub async fn put(
    people: &People,
    operator: &Operator<UsersWrite>,
    new: NewUser,
) -> Result<UserView> {
    let name = input::name(&new.name)?;
    password::check(&new.password, &new.email)?;
    let hash = people.passwords().hash(&new.password).await?;
    let detail = json!({ "email": new.email.normal(), "platform_role": new.platform_role });
    let mut tx = operator.people("user.put", None, detail).await?;
    let user = sqlx::query_scalar!(
        "INSERT INTO control.user (id, email, email_as_typed, name, password_hash,
             email_verified_at, platform_role)
         VALUES ($1, $2, $3, $4, $5, now(), $6)
         ON CONFLICT (email) DO UPDATE SET name = excluded.name, status = 'active',
             password_hash = excluded.password_hash, platform_role = excluded.platform_role,
             email_verified_at = COALESCE(control.user.email_verified_at, now()), updated_at = now()
         RETURNING id",
        UserId::new().uuid(),
        new.email.normal(),
        new.email.typed(),
        name,
        hash,
        new.platform_role.map(PlatformRole::as_str)
    )
    .fetch_one(tx.conn())
    .await?;
    sessions::end_all(&mut tx, user.into(), None).await?;
    let view = read(&mut tx, user.into()).await?;
    tx.commit().await?;
    Ok(view)
}

async fn read(tx: &mut PeopleTx, user: UserId) -> Result<UserView> {
    sqlx::query_as!(
        Row,
        "SELECT id, email_as_typed, email_verified_at, name, status, platform_role, created_at
         FROM control.user WHERE id = $1",
        user.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .map(Row::view)
    .ok_or(Error::NotFound("user"))
}
