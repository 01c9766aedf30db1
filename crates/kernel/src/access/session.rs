//! People who have signed in: the session in a browser's cookie, and the access that it gives in a
//! tenant that they belong to.
//!
//! The cookie holds 256 random bits in base64url; the database holds their SHA-256. A request's
//! session, person, membership and role are read anew each time, in one round trip, so that an end
//! of any of them holds from the next request on, on every node.

use std::fmt;

use aws_lc_rs::digest;
use axum::{
    extract::{FromRef, FromRequestParts, RawPathParams},
    http::request::Parts,
};
use time::OffsetDateTime;

use super::{Access, Actor, Authority, Visitor, Web, impersonation};
use crate::{
    db::{Db, LiveSession, PeopleTx, Shown, Tenant, Whose},
    error::{Error, Result},
    id::{SessionId, TenantId, UserId},
    permission::{Permission, Roles, TENANT, TenantRead},
    secret::Secret,
    suspension::{Entrance, admit},
    telemetry,
};

/// A session's token, made and digested.
#[derive(Debug)]
pub struct NewToken {
    pub text: Secret,
    pub sha256: Vec<u8>,
}

impl NewToken {
    pub fn generate() -> Self {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        use rand::RngExt;
        let bytes: [u8; 32] = rand::rng().random();
        let text = URL_SAFE_NO_PAD.encode(bytes);
        Self {
            sha256: digest_of(&text),
            text: text.into(),
        }
    }
}

/// What is stored of a token.
pub fn digest_of(token: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, token.as_bytes())
        .as_ref()
        .to_vec()
}

/// Proof that this person has signed in. Says nothing of any tenant.
pub struct Person {
    db: Db,
    id: UserId,
    session: SessionId,
    authenticated_at: OffsetDateTime,
    second_factor_at: Option<OffsetDateTime>,
    confined_to: Option<TenantId>,
    visitor: Visitor,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Person({})", self.id)
    }
}

impl Person {
    fn new(db: &Db, session: &LiveSession, visitor: Visitor) -> Self {
        Self {
            db: db.clone(),
            id: session.user,
            session: session.id,
            authenticated_at: session.authenticated_at,
            second_factor_at: session.second_factor_at,
            confined_to: session.confined_to,
            visitor,
        }
    }

    pub fn id(&self) -> UserId {
        self.id
    }

    pub fn session(&self) -> SessionId {
        self.session
    }

    /// When the password was last shown in this session.
    pub fn authenticated_at(&self) -> OffsetDateTime {
        self.authenticated_at
    }

    /// When a second factor was last shown in this session, if one was.
    pub fn second_factor_at(&self) -> Option<OffsetDateTime> {
        self.second_factor_at
    }

    /// The one tenant that the session is good in, where that tenant's own identity provider opened
    /// it. Handlers that take a `Person` meet no such session; those that take [`SessionHolder`] may.
    pub fn confined_to(&self) -> Option<TenantId> {
        self.confined_to
    }

    pub fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    pub fn actor(&self) -> Actor {
        Actor::user(self.id)
    }

    pub fn db(&self) -> &Db {
        &self.db
    }

    /// A transaction that reaches accounts and this person's memberships.
    pub async fn begin(&self) -> Result<PeopleTx> {
        PeopleTx::begin(&self.db, Whose::user(self.id)).await
    }

    /// A transaction that reaches what a tenant of this person's owns beside its cell. Fails with
    /// `not_found` where they are no member, and where the session is good in another tenant alone.
    pub async fn begin_in(&self, tenant: TenantId) -> Result<PeopleTx> {
        if self.confined_to.is_some_and(|only| only != tenant) {
            return Err(Error::NotFound("tenant"));
        }
        let whose = Whose {
            tenant: Some(tenant),
            user: Some(self.id),
        };
        let mut tx = PeopleTx::begin(&self.db, whose).await?;
        sqlx::query!(
            "SELECT role FROM control.membership WHERE tenant_id = $1 AND user_id = $2",
            tenant.uuid(),
            self.id.uuid()
        )
        .fetch_optional(tx.conn())
        .await?
        .ok_or(Error::NotFound("tenant"))?;
        Ok(tx)
    }
}

impl SessionHolder {
    /// Whoever is signed in and, where the slug is that of an active tenant they belong to, access
    /// to what all its members see: what the frame around a page needs, in one round trip.
    pub async fn visiting(
        db: &Db,
        parts: &Parts,
        slug: Option<&str>,
    ) -> Result<(Self, Option<Access<TenantRead>>)> {
        let tenant = match slug {
            Some(slug) => db.directory().by_slug(slug).await?,
            None => None,
        };
        let session = presented(db, parts, tenant.as_ref().map(|tenant| tenant.id)).await?;
        let holder = Self(Person::new(db, &session, Visitor::here()));
        let access = match tenant {
            Some(tenant) => within(db, tenant, &session).ok(),
            None => None,
        };
        Ok((holder, access))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Person
where
    Db: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        SessionHolder::from_request_parts(parts, state)
            .await?
            .unconfined()
    }
}

/// Whoever holds a session, be it one by a tenant's own identity provider, whose word is good in that
/// tenant alone. For what every session may do, such as end; a person's account asks for [`Person`].
#[derive(Debug)]
pub struct SessionHolder(Person);

impl SessionHolder {
    pub fn person(&self) -> &Person {
        &self.0
    }

    /// # Errors
    /// `session_confined` for a session that is good in one tenant alone.
    pub fn unconfined(self) -> Result<Person> {
        match self.0.confined_to {
            None => Ok(self.0),
            Some(_) => Err(Error::SessionConfined),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SessionHolder
where
    Db: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let db = Db::from_ref(state);
        let session = presented(&db, parts, None).await?;
        Ok(Self(Person::new(&db, &session, Visitor::here())))
    }
}

/// Whom a tenant's identity provider may sign in: nobody who may do more than whoever set it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    permissions: Vec<String>,
    owners: bool,
}

impl Vouched {
    /// What a caller can vouch for: what they hold themselves.
    pub fn by<P: Permission>(access: &Access<P>) -> Self {
        let held = TENANT.iter().filter(|name| access.may_give(name));
        Self {
            permissions: held.map(|name| (*name).to_owned()).collect(),
            owners: access.may_give_ownership(),
        }
    }

    /// As it was stored; nothing where a column is missing.
    pub fn stored(permissions: Option<Vec<String>>, owners: Option<bool>) -> Option<Self> {
        Some(Self {
            permissions: permissions?,
            owners: owners?,
        })
    }

    pub fn permissions(&self) -> &[String] {
        &self.permissions
    }

    pub fn owners(&self) -> bool {
        self.owners
    }

    /// Whether members of a role may be signed in; `defined` are its permissions where the tenant
    /// composed it. An owner's word covers everybody.
    pub fn covers(&self, role: &str, defined: Option<&[String]>) -> bool {
        match Authority::of_role(role, defined.map(<[String]>::to_vec)) {
            _ if self.owners => true,
            Authority::Owner(_) => false,
            Authority::Permissions(needed) => {
                needed.iter().all(|name| self.permissions.contains(name))
            }
            Authority::Nothing | Authority::Staff => false,
        }
    }
}

/// The valid session of the request's cookie, with its person's place in a tenant.
pub(super) async fn presented(
    db: &Db,
    parts: &Parts,
    tenant: Option<TenantId>,
) -> Result<LiveSession> {
    let web = parts
        .extensions
        .get::<Web>()
        .ok_or(Error::Unauthenticated)?;
    let token = web.session_token(parts)?.ok_or(Error::Unauthenticated)?;
    LiveSession::find(db, Shown::Cookie(&digest_of(token)), tenant)
        .await?
        .ok_or(Error::Unauthenticated)
}

/// Access of a signed-in person, or of staff who impersonate in this session, to the tenant that the
/// path names by its slug, `/app/{tenant}/…`.
/// A tenant that does not exist and one that they do not belong to answer alike.
pub(super) async fn authenticate<P: Permission>(
    db: &Db,
    parts: &mut Parts,
    state: &(impl Send + Sync),
) -> Result<Access<P>> {
    let params = RawPathParams::from_request_parts(parts, state)
        .await
        // What is not UTF-8 names nothing.
        .map_err(|_| Error::NotFound("tenant"))?;
    let slug = params
        .iter()
        .find(|(name, _)| *name == "tenant")
        .map(|(_, slug)| slug.to_owned())
        .ok_or(Error::NotFound("tenant"))?;
    let tenant = db.directory().by_slug(&slug).await?;
    let session = presented(db, parts, tenant.as_ref().map(|tenant| tenant.id)).await?;
    within(db, tenant.ok_or(Error::NotFound("tenant"))?, &session)
}

/// Access of a signed-in person to a tenant that the path does not name.
pub(super) async fn of_cookie<P: Permission>(
    db: &Db,
    parts: &Parts,
    tenant: Tenant,
) -> Result<Access<P>> {
    let session = presented(db, parts, Some(tenant.id)).await?;
    within(db, tenant, &session)
}

/// What a session may do in a tenant: as staff who impersonate there, or as a member.
fn within<P: Permission>(db: &Db, tenant: Tenant, session: &LiveSession) -> Result<Access<P>> {
    if let Some(access) = impersonation::access(db, &tenant, session, &Visitor::here()) {
        return access;
    }
    let role = session.role.as_deref().ok_or(Error::NotFound("tenant"))?;
    admit(&tenant, Entrance::Member, P::NAME)?;
    let authority = Authority::of_role(role, session.permissions.clone());
    if P::NAME != TenantRead::NAME && !authority.includes(P::NAME) {
        return Err(Error::Forbidden(P::NAME));
    }
    let actor = Actor::user(session.user);
    let access = Access::mint(db, tenant, actor, telemetry::correlation());
    Ok(access.with(authority, Some(session.user)))
}

impl Authority {
    /// What a member of this role may do, and therefore pass on. A role that no longer exists
    /// allows nothing.
    pub(super) fn of_role(role: &str, defined: Option<Vec<String>>) -> Self {
        match Roles::builtin().tenant(role) {
            Some(permissions) if role == OWNER => Self::Owner(permissions.to_vec()),
            Some(permissions) => Self::Permissions(permissions.to_vec()),
            None => Self::Permissions(defined.unwrap_or_default()),
        }
    }
}

/// The role that only owners give and take, and that a tenant always has somebody in.
pub const OWNER: &str = "owner";
