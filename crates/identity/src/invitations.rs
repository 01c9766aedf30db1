//! Invitations: letting somebody into a tenant by their address.
//!
//! A link's token carries its tenant before its 256 random bits, so that it is looked up inside the
//! tenant and no policy has to see all invitations.

pub mod api;
pub mod pages;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use kernel::{
    Access, Error, Result,
    access::{
        Actor, Person, Visitor,
        session::{NewToken, digest_of},
    },
    audit::Act,
    db::{PeopleTx, Tenant, TenantStatus, Whose},
    error::ConflictCode,
    id::{InvitationId, TenantId, UserId},
    page::{Page, PageQuery},
    permission::{MembersRead, MembersWrite},
    secret::Secret,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::{
    input,
    mail::{self, Letter},
    people::{
        Email, NewSession, People, password,
        sessions::{self, Shown},
        sign_up, spent,
    },
    roles,
};

const LIFE: Duration = Duration::days(7);

/// An invitation that was neither accepted nor revoked.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InvitationView {
    #[schema(value_type = String, example = "inv_01h455vb4pex5vsknk084sn02q")]
    pub id: InvitationId,
    pub email: String,
    pub role: String,
    /// As in the audit log.
    pub invited_by: String,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: OffsetDateTime,
}

/// Whom to invite.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInvitation {
    #[schema(example = "grace@example.com")]
    pub email: String,
    #[schema(example = "developer")]
    pub role: String,
}

/// The tenant's open invitations, newest first, those that have expired included.
pub async fn list(access: &Access<MembersRead>, query: &PageQuery) -> Result<Page<InvitationView>> {
    let (limit, after) = (query.limit()?, query.after::<InvitationId>()?);
    let mut tx = access.people().await?;
    let rows = sqlx::query!(
        "SELECT id, email, role, invited_by, created_at, expires_at FROM control.invitation
         WHERE accepted_at IS NULL AND revoked_at IS NULL AND ($1::uuid IS NULL OR id < $1)
         ORDER BY id DESC LIMIT $2",
        after.map(InvitationId::uuid),
        limit + 1
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    let views = rows
        .into_iter()
        .map(|row| InvitationView {
            id: row.id.into(),
            email: row.email,
            role: row.role,
            invited_by: row.invited_by,
            created_at: row.created_at,
            expires_at: row.expires_at,
        })
        .collect();
    Page::cut(views, limit, |view: &InvitationView| view.id)
}

/// Sends an invitation. One that is open for the same address is replaced by it.
///
/// # Errors
/// `already_member`; `forbidden` and `invalid_request` as for giving a role.
pub async fn create(
    people: &People,
    access: &Access<MembersWrite>,
    new: &NewInvitation,
) -> Result<InvitationView> {
    let email = Email::parse(&new.email)?;
    people.attempts_to(&email).await?;
    let mut tx = access.people().await?;
    roles::require_givable(access, &mut tx, &new.role).await?;
    let member = sqlx::query!(
        "SELECT m.role FROM control.membership m JOIN control.user u ON u.id = m.user_id
         WHERE m.tenant_id = $1 AND u.email = $2",
        access.tenant().id.uuid(),
        email.normal()
    )
    .fetch_optional(tx.conn())
    .await?;
    if member.is_some() {
        return Err(already_member());
    }
    let token = Token::new(access.tenant().id);
    let row = sqlx::query!(
        "INSERT INTO control.invitation (id, email, role, token_sha256, invited_by, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant_id, email) WHERE accepted_at IS NULL AND revoked_at IS NULL
         DO UPDATE SET role = excluded.role, token_sha256 = excluded.token_sha256,
             invited_by = excluded.invited_by, expires_at = excluded.expires_at
         RETURNING id, email, role, invited_by, created_at, expires_at",
        InvitationId::new().uuid(),
        email.normal(),
        new.role,
        token.sha256,
        access.actor().to_string(),
        OffsetDateTime::now_utc() + LIFE
    )
    .fetch_one(tx.conn())
    .await?;
    send(people, &mut tx, access.tenant(), &email, &new.role, &token).await?;
    let view = InvitationView {
        id: row.id.into(),
        email: row.email,
        role: row.role,
        invited_by: row.invited_by,
        created_at: row.created_at,
        expires_at: row.expires_at,
    };
    commit(access, tx, "invitation.sent", &view).await?;
    Ok(view)
}

/// Sends an open invitation again, with another link and all its time.
pub async fn resend(
    people: &People,
    access: &Access<MembersWrite>,
    id: InvitationId,
) -> Result<InvitationView> {
    let mut tx = access.people().await?;
    let email = Email::parse(&lock(&mut tx, id).await?.email)?;
    drop(tx);
    people.attempts_to(&email).await?;
    let mut tx = access.people().await?;
    let view = lock(&mut tx, id).await?;
    roles::require_givable(access, &mut tx, &view.role).await?;
    let token = Token::new(access.tenant().id);
    let expires_at = sqlx::query_scalar!(
        "UPDATE control.invitation SET token_sha256 = $2, expires_at = $3, invited_by = $4
         WHERE id = $1 RETURNING expires_at",
        id.uuid(),
        token.sha256,
        OffsetDateTime::now_utc() + LIFE,
        access.actor().to_string()
    )
    .fetch_one(tx.conn())
    .await?;
    send(people, &mut tx, access.tenant(), &email, &view.role, &token).await?;
    let view = InvitationView {
        expires_at,
        invited_by: access.actor().to_string(),
        ..view
    };
    commit(access, tx, "invitation.resent", &view).await?;
    Ok(view)
}

/// One open invitation.
pub(crate) async fn find(
    access: &Access<MembersWrite>,
    id: InvitationId,
) -> Result<InvitationView> {
    let mut tx = access.people().await?;
    let view = lock(&mut tx, id).await?;
    tx.commit().await?;
    Ok(view)
}

/// Makes an open invitation void.
pub async fn revoke(access: &Access<MembersWrite>, id: InvitationId) -> Result<()> {
    let mut tx = access.people().await?;
    let view = lock(&mut tx, id).await?;
    sqlx::query!(
        "UPDATE control.invitation SET revoked_at = now() WHERE id = $1",
        id.uuid()
    )
    .execute(tx.conn())
    .await?;
    commit(access, tx, "invitation.revoked", &view).await
}

/// What became of a link that was followed.
#[derive(Debug)]
pub enum Accepted {
    /// They belong to the tenant. The session is new, or has a new token.
    Joined {
        tenant: TenantId,
        slug: String,
        session: NewSession,
    },
    /// The address has an account: sign in as it, then accept again.
    SignInFirst,
}

/// How somebody without an account wants to have one.
#[derive(Debug)]
pub struct Newcomer {
    pub name: String,
    pub password: Secret,
}

/// An open invitation, as whoever has its link sees it.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The tenant's name.
    pub tenant: String,
    pub email: String,
    pub role: String,
    /// Whether the address has an account already. Its mailbox is where the link was read.
    pub has_account: bool,
}

/// Looks at the invitation of a link without using it. `None` for a link that is not valid (any more).
pub async fn look(people: &People, token: &Secret) -> Result<Option<Opened>> {
    let (tenant, digest) = match opened(people, token).await {
        Ok(found) => found,
        Err(Error::Invalid { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut tx = people.begin(Whose::tenant(tenant.id)).await?;
    let row = sqlx::query!(
        r#"SELECT i.email, i.role, t.name,
             EXISTS (SELECT FROM control.user u WHERE u.email = i.email) AS "has_account!"
         FROM control.invitation i JOIN control.tenant t ON t.id = i.tenant_id
         WHERE i.token_sha256 = $1 AND i.accepted_at IS NULL AND i.revoked_at IS NULL
             AND i.expires_at > now()"#,
        digest
    )
    .fetch_optional(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(row.map(|row| Opened {
        tenant: row.name,
        email: row.email,
        role: row.role,
        has_account: row.has_account,
    }))
}

/// Accepts as the person who is signed in.
///
/// # Errors
/// `invalid_request` for a link that is not valid (any more), or is another address's;
/// `already_member`.
pub async fn accept(people: &People, person: &Person, token: &Secret) -> Result<Accepted> {
    people.attempts_of(person.visitor()).await?;
    let (tenant, digest) = opened(people, token).await?;
    let mut tx = people.begin(Whose::tenant(tenant.id)).await?;
    let invitation = consume(&mut tx, &digest, person.id()).await?;
    let own = sqlx::query_scalar!(
        "SELECT email FROM control.user WHERE id = $1 AND email_verified_at IS NOT NULL",
        person.id().uuid()
    )
    .fetch_optional(tx.conn())
    .await?;
    if own.as_deref() != Some(&invitation.email) {
        return Err(Error::field(
            "token",
            "the invitation is for another address; sign in as the account that has it",
        ));
    }
    let session = sessions::rotate(&mut tx, person).await?;
    join(tx, &tenant, person.id(), &invitation, session).await
}

/// Accepts as somebody who has no account yet, and makes it. The link proves the address.
pub async fn accept_as_newcomer(
    people: &People,
    visitor: &Visitor,
    token: &Secret,
    newcomer: &Newcomer,
) -> Result<Accepted> {
    people.attempts_of(visitor).await?;
    let (tenant, digest) = opened(people, token).await?;
    let name = input::name(&newcomer.name)?;
    let mut tx = people.begin(Whose::tenant(tenant.id)).await?;
    let email = sqlx::query_scalar!(
        "SELECT email FROM control.invitation
         WHERE token_sha256 = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > now()",
        digest
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(spent)?;
    let known = sqlx::query_scalar!("SELECT id FROM control.user WHERE email = $1", email)
        .fetch_optional(tx.conn())
        .await?;
    tx.commit().await?;
    if known.is_some() {
        return Ok(Accepted::SignInFirst);
    }
    let email = Email::parse(&email)?;
    password::check(&newcomer.password, &email)?;
    let hash = people.passwords().hash(&newcomer.password).await?;

    let mut tx = people.begin(Whose::tenant(tenant.id)).await?;
    let user = sign_up::insert(&mut tx, visitor, &email, &name, &hash).await?;
    let invitation = consume(&mut tx, &digest, user).await?;
    let session = sessions::open(&mut tx, user, visitor, Shown::One, None).await?;
    join(tx, &tenant, user, &invitation, session).await
}

async fn join(
    mut tx: PeopleTx,
    tenant: &Tenant,
    user: UserId,
    invitation: &Consumed,
    session: NewSession,
) -> Result<Accepted> {
    let joined = sqlx::query!(
        "INSERT INTO control.membership (user_id, role, created_by) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, user_id) DO NOTHING",
        user.uuid(),
        invitation.role,
        invitation.invited_by
    )
    .execute(tx.conn())
    .await?;
    if joined.rows_affected() == 0 {
        return Err(already_member());
    }
    let act = Act {
        action: "member.joined",
        target: user.to_string(),
        detail: json!({ "role": invitation.role, "invitation": invitation.id }),
    };
    tx.commit_noted(tenant, &Actor::user(user), act).await?;
    Ok(Accepted::Joined {
        tenant: tenant.id,
        slug: tenant.slug.clone(),
        session,
    })
}

struct Consumed {
    id: InvitationId,
    email: String,
    role: String,
    invited_by: String,
}

/// Uses the invitation up. Of several at once, one gets it.
async fn consume(tx: &mut PeopleTx, digest: &[u8], user: UserId) -> Result<Consumed> {
    let row = sqlx::query!(
        "UPDATE control.invitation SET accepted_at = now(), accepted_by = $2
         WHERE token_sha256 = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > now()
         RETURNING id, email, role, invited_by",
        digest,
        user.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(spent)?;
    Ok(Consumed {
        id: row.id.into(),
        email: row.email,
        role: row.role,
        invited_by: row.invited_by,
    })
}

/// The tenant that a token names, which takes people in only while it is active.
async fn opened(people: &People, token: &Secret) -> Result<(Tenant, Vec<u8>)> {
    let tenant = Token::tenant_of(token).ok_or_else(spent)?;
    let tenant = people.db().directory().by_id(tenant).await?;
    let tenant = tenant
        .filter(|tenant| tenant.status == TenantStatus::Active)
        .ok_or_else(spent)?;
    Ok((tenant, digest_of(token.expose())))
}

async fn lock(tx: &mut PeopleTx, id: InvitationId) -> Result<InvitationView> {
    let row = sqlx::query!(
        "SELECT email, role, invited_by, created_at, expires_at FROM control.invitation
         WHERE id = $1 AND accepted_at IS NULL AND revoked_at IS NULL FOR UPDATE",
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(Error::NotFound("invitation"))?;
    Ok(InvitationView {
        id,
        email: row.email,
        role: row.role,
        invited_by: row.invited_by,
        created_at: row.created_at,
        expires_at: row.expires_at,
    })
}

async fn send(
    people: &People,
    tx: &mut PeopleTx,
    tenant: &Tenant,
    email: &Email,
    role: &str,
    token: &Token,
) -> Result<()> {
    let name = sqlx::query_scalar!(
        "SELECT name FROM control.tenant WHERE id = $1",
        tenant.id.uuid()
    )
    .fetch_one(tx.conn())
    .await?;
    let link = people.link("/invitation", token.text.expose());
    mail::enqueue(tx, email, &Letter::invitation(&name, role, &link)).await
}

async fn commit(
    access: &Access<MembersWrite>,
    tx: PeopleTx,
    action: &str,
    view: &InvitationView,
) -> Result<()> {
    let act = Act {
        action,
        target: view.id.to_string(),
        detail: json!({ "email": view.email, "role": view.role }),
    };
    tx.commit_noted(access.tenant(), access.actor(), act).await
}

fn already_member() -> Error {
    Error::Conflict {
        code: ConflictCode::AlreadyMember,
        detail: "the person belongs to the tenant already".to_owned(),
    }
}

/// `<tenant>.<random>`, the tenant's UUID in base64url.
struct Token {
    text: Secret,
    sha256: Vec<u8>,
}

impl Token {
    fn new(tenant: TenantId) -> Self {
        let random = NewToken::generate().text;
        let tenant = URL_SAFE_NO_PAD.encode(tenant.uuid().as_bytes());
        let text = format!("{tenant}.{}", random.expose());
        Self {
            sha256: digest_of(&text),
            text: text.into(),
        }
    }

    fn tenant_of(text: &Secret) -> Option<TenantId> {
        let (tenant, _) = text.expose().split_once('.')?;
        let bytes = URL_SAFE_NO_PAD.decode(tenant).ok()?;
        Some(uuid::Uuid::from_slice(&bytes).ok()?.into())
    }
}
