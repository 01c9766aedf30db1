//! Access by what stands in an address instead of a session: a link by which somebody connects
//! accounts for a tenant, and the state with which a provider sends a browser back.
//!
//! Either is a token that begins with its tenant's id, so that it is looked up inside the tenant, as
//! API keys are. The database holds its SHA-256.

use axum::http::request::Parts;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::RngExt;
use sqlx::Row;
use uuid::Uuid;

use super::{Access, Actor, session, session::digest_of};
use crate::{
    db::{Db, Tenant, Tx},
    error::{Error, Result},
    id::{ConnectSessionId, TenantId, UserId},
    permission::{CredentialsWrite, Permission, TenantRead},
    secret::{Secret, constant_time_eq},
    suspension::{Entrance, admit},
    telemetry,
};

const TENANT: usize = 16;
/// 256 bits.
const RANDOM: usize = 32;

/// A token that names its tenant.
#[derive(Debug)]
pub struct LinkToken {
    /// 64 characters of base64url.
    pub text: Secret,
    pub sha256: Vec<u8>,
}

impl LinkToken {
    pub fn generate(tenant: TenantId) -> Self {
        let mut bytes = [0; TENANT + RANDOM];
        let (head, tail) = bytes.split_at_mut(TENANT);
        head.copy_from_slice(tenant.uuid().as_bytes());
        tail.copy_from_slice(&rand::rng().random::<[u8; RANDOM]>());
        let text = URL_SAFE_NO_PAD.encode(bytes);
        Self {
            sha256: digest_of(&text),
            text: text.into(),
        }
    }
}

/// The tenant that a well-formed token names, if there is one. Says nothing of valid.
async fn named(db: &Db, token: &str) -> Result<Option<Tenant>> {
    let bytes = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
    let Ok(bytes) = <[u8; TENANT + RANDOM]>::try_from(bytes) else {
        return Ok(None);
    };
    let (head, _) = bytes.split_at(TENANT);
    let id = Uuid::from_slice(head).map_err(Error::internal)?;
    db.directory().by_id(id.into()).await
}

/// What a link to connect accounts gives.
pub trait ByLink: Permission {}

/// Connecting is all that it is for.
impl ByLink for CredentialsWrite {}
/// The brand that stands above its page.
impl ByLink for TenantRead {}

impl<P: ByLink> Access<P> {
    /// Access for whoever has a link to connect accounts, and which link it is. `None` for one that
    /// is unknown, over or revoked.
    pub async fn for_link(db: &Db, token: &str) -> Result<Option<(Self, ConnectSessionId)>> {
        let Some(tenant) = named(db, token).await? else {
            return Ok(None);
        };
        let statement = format!(
            "SELECT id FROM cell.connect_session WHERE token_sha256 = '\\x{}'
                 AND revoked_at IS NULL AND expires_at > now()",
            hex::encode(digest_of(token))
        );
        let rows = Tx::glance(db, &tenant, &statement).await?;
        let Some(row) = rows.into_iter().next() else {
            return Ok(None);
        };
        let id: ConnectSessionId = row.try_get::<Uuid, _>("id")?.into();
        Ok(Some((by_session(db, tenant, id)?, id)))
    }
}

fn by_session<P: ByLink>(db: &Db, tenant: Tenant, id: ConnectSessionId) -> Result<Access<P>> {
    admit(&tenant, Entrance::Key, P::NAME)?;
    let actor = Actor::new("connect_session", id);
    Ok(Access::mint(db, tenant, actor, telemetry::correlation()))
}

impl Access<CredentialsWrite> {
    /// Access for a browser that comes back from a provider with the state that it left with, as
    /// whoever left: the person, if they are signed in and may still, or the link, unless it was
    /// revoked; one that ran out meanwhile was good when the browser left. `None` where the state is not one of this browser's, whose handle has this digest.
    ///
    /// The state is not used up by this.
    pub async fn for_return(
        db: &Db,
        parts: &Parts,
        state: &str,
        browser_sha256: &[u8],
    ) -> Result<Option<Self>> {
        let Some(tenant) = named(db, state).await? else {
            return Ok(None);
        };
        let statement = format!(
            "SELECT f.browser_sha256, f.user_id, f.connect_session_id FROM cell.oauth_flow f
             LEFT JOIN cell.connect_session s ON s.id = f.connect_session_id
             WHERE f.state_sha256 = '\\x{}' AND f.expires_at > now()
                 AND s.revoked_at IS NULL",
            hex::encode(digest_of(state))
        );
        let rows = Tx::glance(db, &tenant, &statement).await?;
        let Some(row) = rows.into_iter().next() else {
            return Ok(None);
        };
        let browser: Vec<u8> = row.try_get("browser_sha256")?;
        if !constant_time_eq(&browser, browser_sha256) {
            return Ok(None);
        }
        if let Some(id) = row.try_get::<Option<Uuid>, _>("connect_session_id")? {
            return by_session(db, tenant, id.into()).map(Some);
        }
        let user: UserId = row.try_get::<Uuid, _>("user_id")?.into();
        let access: Self = session::of_cookie(db, parts, tenant).await?;
        // Somebody else may have signed in meanwhile.
        Ok((access.user() == Some(user)).then_some(access))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_name_their_tenant_and_differ() {
        let tenant = TenantId::new();
        let (a, b) = (LinkToken::generate(tenant), LinkToken::generate(tenant));
        assert_eq!(a.text.expose().len(), 64);
        assert_ne!(a.text.expose(), b.text.expose());
        let bytes = URL_SAFE_NO_PAD.decode(a.text.expose()).expect("base64url");
        assert_eq!(&bytes[..TENANT], tenant.uuid().as_bytes());
        assert_eq!(a.sha256, digest_of(a.text.expose()));
    }
}
