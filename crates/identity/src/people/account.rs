//! A person's own account: what it is, where it may go, its name, password and address.

use kernel::{
    Error, Result,
    access::Person,
    db::TenantStatus,
    id::{TenantId, UserId},
    secret::Secret,
};
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{
    Email, NewSession, People, mailbox, password,
    sessions::{self, Shown, noted},
    sign_up::{self, OwnTenant},
};
use crate::{
    input,
    mail::{self, Letter},
    tenants::TenantView,
};

/// An account, as its owner sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AccountView {
    #[schema(value_type = String, example = "usr_01h455vb4pex5vsknk084sn02q")]
    pub id: UserId,
    #[schema(example = "Ada.Lovelace@example.com")]
    pub email: String,
    pub email_verified: bool,
    pub name: String,
    pub has_password: bool,
    /// `administrator` or `support` for members of staff.
    pub platform_role: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}

/// A tenant that the person belongs to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MembershipView {
    #[schema(value_type = String, example = "ten_01h455vb4pex5vsknk084sn02q")]
    pub tenant: TenantId,
    #[schema(example = "acme")]
    pub slug: String,
    pub name: String,
    pub status: TenantStatus,
    #[schema(example = "developer")]
    pub role: String,
}

pub async fn get(person: &Person) -> Result<AccountView> {
    let mut tx = person.begin().await?;
    let row = sqlx::query!(
        r#"SELECT email_as_typed, email_verified_at, name, password_hash IS NOT NULL AS "has_password!",
               platform_role, created_at
           FROM control.user WHERE id = $1"#,
        person.id().uuid()
    )
    .fetch_one(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(AccountView {
        id: person.id(),
        email: row.email_as_typed,
        email_verified: row.email_verified_at.is_some(),
        name: row.name,
        has_password: row.has_password,
        platform_role: row.platform_role,
        created_at: row.created_at,
    })
}

/// The tenants that the person belongs to, by name. Closed ones are left out.
pub async fn memberships(person: &Person) -> Result<Vec<MembershipView>> {
    let mut tx = person.begin().await?;
    let rows = sqlx::query!(
        "SELECT t.id, t.slug, t.name, t.status, m.role
         FROM control.membership m JOIN control.tenant t ON t.id = m.tenant_id
         WHERE m.user_id = $1 AND t.status <> 'closed'
         ORDER BY t.name, t.slug LIMIT 1000",
        person.id().uuid()
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    rows.into_iter()
        .map(|row| {
            Ok(MembershipView {
                tenant: row.id.into(),
                slug: row.slug,
                name: row.name,
                status: TenantStatus::parse(&row.status)?,
                role: row.role,
            })
        })
        .collect()
}

pub async fn rename(person: &Person, name: &str) -> Result<AccountView> {
    let name = input::name(name)?;
    let mut tx = person.begin().await?;
    sqlx::query!(
        "UPDATE control.user SET name = $2, updated_at = now() WHERE id = $1",
        person.id().uuid(),
        name
    )
    .execute(tx.conn())
    .await?;
    noted(&mut tx, person, "account.renamed", json!({})).await?;
    tx.commit().await?;
    get(person).await
}

/// Sets another password, ends all other sessions, and gives this one a new token.
///
/// # Errors
/// `invalid_request` when the current password is another, or the new one unfit; `rate_limited`
/// after too many wrong ones, counted with those at sign-in.
pub async fn change_password(
    people: &People,
    person: &Person,
    current: &Secret,
    new: &Secret,
) -> Result<NewSession> {
    let email = show_password(people, person, "current", current).await?;
    password::check(new, &email)?;
    let hash = people.passwords().hash(new).await?;
    let mut tx = person.begin().await?;
    sqlx::query!(
        "UPDATE control.user SET password_hash = $2, updated_at = now() WHERE id = $1",
        person.id().uuid(),
        hash
    )
    .execute(tx.conn())
    .await?;
    let ended = sessions::end_all(&mut tx, person.id(), Some(person.session())).await?;
    let session = sessions::shown(&mut tx, person, Shown::One).await?;
    mail::enqueue(&mut tx, &email, &Letter::password_changed()).await?;
    let detail = json!({ "sessions_ended": ended });
    noted(&mut tx, person, "account.password_changed", detail).await?;
    tx.commit().await?;
    Ok(session)
}

/// Has the person show their password once more, before what a found cookie must not be enough for.
///
/// # Errors
/// As for the current password in [`change_password`].
pub async fn confirm(people: &People, person: &Person, password: &Secret) -> Result<NewSession> {
    show_password(people, person, "password", password).await?;
    let mut tx = person.begin().await?;
    let session = sessions::shown(&mut tx, person, Shown::One).await?;
    noted(&mut tx, person, "account.password_shown", json!({})).await?;
    tx.commit().await?;
    Ok(session)
}

/// Asks for another address: it is the account's once the link that is sent there was used.
pub async fn change_email(
    people: &People,
    person: &Person,
    password: &Secret,
    email: &Email,
) -> Result<()> {
    show_password(people, person, "password", password).await?;
    mailbox::send_change(people, person, email).await
}

/// Makes a tenant that the person owns, where the installation lets people do so. The session,
/// which now opens more than before, gets a new token.
pub async fn found_tenant(
    people: &People,
    person: &Person,
    new: OwnTenant,
) -> Result<(TenantView, NewSession)> {
    sign_up::require_open(people)?;
    if !get(person).await?.email_verified {
        return Err(Error::invalid("confirm your e-mail address first"));
    }
    people.attempts().by_network(person.visitor()).await?;
    let tenant = sign_up::found(people, person.id(), new).await?;
    let mut tx = person.begin().await?;
    let session = sessions::rotate(&mut tx, person).await?;
    tx.commit().await?;
    Ok((tenant, session))
}

/// Has the person show their password once more. Gives the account's address.
async fn show_password(
    people: &People,
    person: &Person,
    field: &str,
    shown: &Secret,
) -> Result<Email> {
    let mut tx = person.begin().await?;
    let row = sqlx::query!(
        "SELECT email, email_as_typed, password_hash FROM control.user WHERE id = $1",
        person.id().uuid()
    )
    .fetch_one(tx.conn())
    .await?;
    tx.commit().await?;
    let email = Email::stored(row.email, row.email_as_typed);
    people.attempts().at_account(&email).await?;
    let verdict = people.passwords().verify(shown, row.password_hash).await?;
    if !verdict.right {
        let mut tx = person.begin().await?;
        noted(&mut tx, person, "account.password_refused", json!({})).await?;
        tx.commit().await?;
        return Err(Error::field(field, "is not the account's password"));
    }
    people
        .attempts()
        .succeeded(person.visitor(), &email)
        .await?;
    Ok(email)
}
