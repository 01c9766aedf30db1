//! Tokens for API clients that act for a person: a short-lived signed access token, and a refresh
//! token that gives the next one. How an access token is checked lives in `kernel::access::token`.
//!
//! A client's session is a row of `control.session` like a browser's: its owner sees it in their
//! list, ends it there, and everything that ends all sessions ends it too. Where a browser has a
//! cookie, a client has a chain of refresh tokens, each of which is used once: [`refresh`].

pub mod api;
mod keys;
mod refresh;
mod schedule;
#[cfg(test)]
mod tests;

use std::fmt;

use jsonwebtoken::Header;
use kernel::{
    Error, Result,
    access::{
        Actor, Person, Visitor,
        token::{ALGORITHM, Claims, LIFE, TYPE, issuer_and_audience},
    },
    db::{PeopleTx, Tenant},
    id::{SessionId, TenantId, UserId},
    secret::{Secret, shown_once},
    suspension::Effect,
};
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use utoipa::ToSchema;

pub(crate) use keys::{PLATFORM, context};
pub use keys::{SigningKey, Urgency};
pub use refresh::{refresh, revoke};
pub use schedule::KeySchedule;

use crate::people::{
    Email, People, factors, note,
    sessions::{self, noted},
    sign_in::{self, Proven},
};
use keys::Signer;

/// What the flows of tokens share. Cheap to clone.
#[derive(Clone)]
pub struct Tokens {
    people: People,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    pub fn new(people: &People) -> Self {
        Self {
            people: people.clone(),
        }
    }

    fn people(&self) -> &People {
        &self.people
    }

    /// The tenant of this slug or id, if it is there and serves.
    async fn tenant(&self, name: &str) -> Result<Tenant> {
        let directory = self.people.db().directory();
        let tenant = match name.parse::<TenantId>() {
            Ok(id) => directory.by_id(id).await?,
            Err(_) => directory.by_slug(name).await?,
        };
        tenant.ok_or(Error::NotFound("tenant"))
    }
}

/// An access token, and what gives the next one.
#[derive(Serialize, ToSchema)]
pub struct Issued {
    /// A JWT (ES256). The keys that check it are at `/.well-known/jwks.json`.
    #[serde(serialize_with = "shown_once")]
    #[schema(value_type = String)]
    pub access_token: Secret,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: u64,
    /// To be used once. Absent where a browser's session stands behind the token.
    #[serde(
        serialize_with = "maybe_shown_once",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>)]
    pub refresh_token: Option<Secret>,
    #[schema(value_type = String, example = "ses_01h455vb4pex5vsknk084sn02q")]
    pub session: SessionId,
    #[schema(value_type = String, example = "ten_01h455vb4pex5vsknk084sn02q")]
    pub tenant: TenantId,
    pub role: String,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issued({})", self.session)
    }
}

fn maybe_shown_once<S: serde::Serializer>(
    token: &Option<Secret>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    match token {
        Some(token) => shown_once(token, serializer),
        None => serializer.serialize_none(),
    }
}

/// For what a token is made.
struct Grant<'a> {
    session: SessionId,
    user: UserId,
    tenant: &'a Tenant,
    role: String,
}

impl Grant<'_> {
    fn issue(self, tokens: &Tokens, signer: &Signer, refresh: Option<Secret>) -> Result<Issued> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let (iss, aud) = issuer_and_audience(&tokens.people.settings().public_url);
        let claims = Claims {
            iss,
            aud,
            sub: self.user.to_string(),
            iat: now,
            exp: now + LIFE.as_secs().cast_signed(),
            jti: uuid::Uuid::new_v4().to_string(),
            sid: self.session.to_string(),
            tenant: self.tenant.id.to_string(),
            role: self.role.clone(),
        };
        let mut header = Header::new(ALGORITHM);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(signer.kid.clone());
        let text = jsonwebtoken::encode(&header, &claims, &signer.key).map_err(Error::internal)?;
        Ok(Issued {
            access_token: text.into(),
            token_type: "Bearer",
            expires_in: LIFE.as_secs(),
            refresh_token: refresh,
            session: self.session,
            tenant: self.tenant.id,
            role: self.role,
        })
    }
}

/// The role that somebody has in the transaction's tenant.
async fn role(tx: &mut PeopleTx, tenant: TenantId, user: UserId) -> Result<Option<String>> {
    Ok(sqlx::query_scalar!(
        "SELECT role FROM control.membership WHERE tenant_id = $1 AND user_id = $2",
        tenant.uuid(),
        user.uuid()
    )
    .fetch_optional(tx.conn())
    .await?)
}

fn require_login(tenant: &Tenant) -> Result<()> {
    match tenant.effects().login {
        Effect::Allow => Ok(()),
        Effect::Hold | Effect::Refuse => Err(Error::TenantInactive {
            status: tenant.status.as_str(),
        }),
    }
}

/// Signs a client in with a password, to one tenant. `None` when refused, as signing in is.
///
/// # Errors
/// `rate_limited`; `second_factor_required` where the account has one; `not_found` where the person
/// belongs to no such tenant; `tenant_inactive`.
pub async fn sign_in(
    tokens: &Tokens,
    visitor: &Visitor,
    email: &Email,
    password: &Secret,
    tenant: &str,
) -> Result<Option<Issued>> {
    let people = tokens.people();
    let signer = tokens.signer().await?;
    let tenant = tokens.tenant(tenant).await;
    let id = tenant.as_ref().ok().map(|tenant| tenant.id);
    let Some(proven) = sign_in::prove(people, visitor, email, password, id).await? else {
        return Ok(None);
    };
    // Only now, so that nobody learns of tenants without a password.
    let Proven { mut tx, user } = proven;
    let entered = async {
        // A client has no way to show one here; it signs in with a browser, and exchanges that
        // session for a token.
        if factors::has_any(&mut tx, user).await? {
            return Err(Error::SecondFactorRequired);
        }
        let tenant = tenant?;
        let role = role(&mut tx, tenant.id, user).await?;
        let role = role.ok_or(Error::NotFound("tenant"))?;
        require_login(&tenant)?;
        let session = sessions::open_for_client(&mut tx, user, tenant.id, visitor).await?;
        let token = refresh::first(&mut tx, session).await?;
        let detail = json!({ "session": session, "tenant": tenant.id });
        let actor = Actor::user(user);
        note(
            &mut tx,
            visitor,
            Some(user),
            &actor,
            "account.client_signed_in",
            detail,
        )
        .await?;
        tx.commit().await?;
        let grant = Grant {
            session,
            user,
            tenant: &tenant,
            role,
        };
        grant.issue(tokens, &signer, Some(token))
    }
    .await;
    sign_in::no_guess(people, visitor, email).await?;
    entered.map(Some)
}

/// A token for a page's scripts or for another service, out of a browser's session: it ends with it.
///
/// # Errors
/// `not_found` where the person belongs to no such tenant; `tenant_inactive`.
pub async fn of_session(tokens: &Tokens, person: &Person, tenant: &str) -> Result<Issued> {
    let signer = tokens.signer().await?;
    let tenant = tokens.tenant(tenant).await?;
    let mut tx = person.begin_in(tenant.id).await?;
    let role = role(&mut tx, tenant.id, person.id()).await?;
    let role = role.ok_or(Error::NotFound("tenant"))?;
    require_login(&tenant)?;
    let detail = json!({ "session": person.session(), "tenant": tenant.id });
    noted(&mut tx, person, "session.token_issued", detail).await?;
    tx.commit().await?;
    let grant = Grant {
        session: person.session(),
        user: person.id(),
        tenant: &tenant,
        role,
    };
    grant.issue(tokens, &signer, None)
}
