//! Making an account, and a tenant for it. The account is made where the link in the mail leads,
//! not before: see [`super`].

use kernel::{
    Error, Operator, Result,
    access::{Actor, OWNER, Visitor},
    audit::Act,
    db::{PeopleTx, Whose},
    error::{ConflictCode, OnConstraint},
    id::UserId,
    secret::Secret,
};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{
    Email, NewSession, People,
    mailbox::{self, Purpose},
    note, password,
    sessions::{self, Shown},
    spent,
};
use crate::{
    input,
    mail::{self, Letter},
    tenants::{self, NewTenant, TenantView},
};

/// A tenant that somebody makes for themselves.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnTenant {
    /// A DNS label that is not reserved.
    #[schema(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "acme")]
    pub slug: String,
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
}

/// What somebody gives where the link leads.
#[derive(Clone, Debug)]
pub struct Completion {
    pub token: Secret,
    pub name: String,
    pub password: Secret,
    pub tenant: Option<OwnTenant>,
}

/// An account that was just made.
#[derive(Debug)]
pub struct SignedUp {
    pub session: NewSession,
    /// Absent where none was asked for, and where somebody took the slug in the last moment.
    pub tenant: Option<TenantView>,
}

/// Whether people may sign up by themselves; `not_found` otherwise.
pub(crate) fn require_open(people: &People) -> Result<()> {
    match people.settings().sign_up {
        true => Ok(()),
        false => Err(Error::NotFound("resource")),
    }
}

/// Sends a link: to finish the sign-up, or to sign in where there is an account already.
pub async fn start(people: &People, visitor: &Visitor, email: &Email) -> Result<()> {
    require_open(people)?;
    people.attempts().by_network(visitor).await?;
    people.attempts().to_mailbox(email).await?;
    let mut tx = people.begin(Whose::nobody()).await?;
    let known = sqlx::query_scalar!(
        "SELECT id FROM control.user WHERE email = $1",
        email.normal()
    )
    .fetch_optional(tx.conn())
    .await?;
    let letter = match known {
        Some(_) => Letter::account_exists(&people.link_to("/sign-in")),
        None => {
            let token = mailbox::issue(&mut tx, Purpose::SignUp, None, email).await?;
            Letter::sign_up(&people.link("/sign-up/complete", token.expose()))
        }
    };
    mail::enqueue(&mut tx, email, &letter).await?;
    let (user, stranger) = (known.map(UserId::from), Actor::stranger());
    note(
        &mut tx,
        visitor,
        user,
        &stranger,
        "account.sign_up_asked",
        json!({}),
    )
    .await?;
    tx.commit().await
}

/// Makes the account, signs it in, and makes its tenant.
///
/// # Errors
/// `invalid_request` for a link that is not valid (any more), an unfit name, password or slug;
/// `slug_taken`. The link may be used again after all but the first.
pub async fn finish(people: &People, visitor: &Visitor, new: Completion) -> Result<SignedUp> {
    require_open(people)?;
    people.attempts().by_network(visitor).await?;
    let name = input::name(&new.name)?;
    let mut tx = people.begin(Whose::nobody()).await?;
    let proof = mailbox::peek(&mut tx, Purpose::SignUp, &new.token).await?;
    tx.commit().await?;
    password::check(&new.password, &proof.email)?;
    if let Some(tenant) = &new.tenant {
        require_free(people, tenant).await?;
    }
    let hash = people.passwords().hash(&new.password).await?;

    let mut tx = people.begin(Whose::nobody()).await?;
    let proof = mailbox::consume(&mut tx, Purpose::SignUp, &new.token).await?;
    let user = insert(&mut tx, visitor, &proof.email, &name, &hash).await?;
    let session = sessions::open(&mut tx, user, visitor, Shown::One, None).await?;
    tx.commit().await?;
    let tenant = match new.tenant {
        None => None,
        Some(tenant) => match found(people, user, tenant).await {
            Ok(tenant) => Some(tenant),
            Err(Error::Conflict { .. }) => None,
            Err(error) => return Err(error),
        },
    };
    Ok(SignedUp { session, tenant })
}

/// Makes an account whose mailbox has been proven.
pub(crate) async fn insert(
    tx: &mut PeopleTx,
    visitor: &Visitor,
    email: &Email,
    name: &str,
    hash: &str,
) -> Result<UserId> {
    let user = UserId::new();
    sqlx::query!(
        "INSERT INTO control.user (id, email, email_as_typed, name, password_hash, email_verified_at)
         VALUES ($1, $2, $3, $4, $5, now())",
        user.uuid(),
        email.normal(),
        email.typed(),
        name,
        hash
    )
    .execute(tx.conn())
    .await
    .on_constraint("user_email_key", spent)?;
    note(
        tx,
        visitor,
        Some(user),
        &Actor::user(user),
        "account.created",
        json!({}),
    )
    .await?;
    Ok(user)
}

async fn require_free(people: &People, tenant: &OwnTenant) -> Result<()> {
    tenants::check_slug(&tenant.slug)?;
    input::name(&tenant.name)?;
    match people.db().directory().by_slug(&tenant.slug).await? {
        None => Ok(()),
        Some(_) => Err(Error::Conflict {
            code: ConflictCode::SlugTaken,
            detail: format!("there is a tenant `{}` already", tenant.slug),
        }),
    }
}

/// Makes a tenant and its first owner.
pub(crate) async fn found(people: &People, user: UserId, new: OwnTenant) -> Result<TenantView> {
    require_free(people, &new).await?;
    let new = NewTenant {
        slug: new.slug,
        name: new.name,
        plan: None,
        region: None,
        weight: None,
    };
    let view = tenants::create(&founder(people, user), new).await?;
    let tenant = people.db().directory().by_id(view.id).await?;
    let tenant = tenant.ok_or(Error::NotFound("tenant"))?;
    let actor = Actor::user(user);
    let mut tx = people.begin(Whose::tenant(view.id)).await?;
    sqlx::query!(
        "INSERT INTO control.membership (user_id, role, created_by) VALUES ($1, $2, $3)",
        user.uuid(),
        OWNER,
        actor.to_string()
    )
    .execute(tx.conn())
    .await?;
    let act = Act {
        action: "member.joined",
        target: user.to_string(),
        detail: json!({ "role": OWNER, "how": "founded the tenant" }),
    };
    tx.commit_noted(&tenant, &actor, act).await?;
    Ok(view)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the sign-up that the lint makes an exception of"
)]
fn founder(people: &People, user: UserId) -> Operator<kernel::permission::TenantsWrite> {
    Operator::for_founder(people.db(), user)
}
