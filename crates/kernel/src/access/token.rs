//! Signed access tokens (JWT, ES256) on the API: what they say, and the access that one gives.
//!
//! A signature alone opens nothing here. The session that a token was made for, its person, their
//! membership and role are read with every request, in one round trip, as for a cookie; so an end
//! of any of them holds from the next request on, and the role is the one of now. Others who check
//! our tokens by the published keys learn of an end when the token runs out.

use std::{str::FromStr, time::Duration};

use axum::http::request::Parts;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};

use super::{Access, Actor, Authority, Web};
use crate::{
    db::{Db, LiveSession, Shown},
    error::{Error, Result},
    id::{Id, Kind},
    permission::Permission,
    suspension::{Entrance, admit},
    telemetry,
};

/// How long a token is good for.
pub const LIFE: Duration = Duration::from_secs(600);
pub const ALGORITHM: Algorithm = Algorithm::ES256;
/// What tells an access token from tokens of other uses (RFC 9068 §2.1).
pub const TYPE: &str = "at+jwt";

/// What a token says. Times are in seconds since 1970.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    /// `usr_…`
    pub sub: String,
    pub iat: i64,
    pub exp: i64,
    /// Different in each token.
    pub jti: String,
    /// `ses_…`
    pub sid: String,
    /// `ten_…`
    pub tenant: String,
    /// The role when the token was made, for others than us.
    pub role: String,
}

/// Who signs tokens, and for whom, as the claims `iss` and `aud` name them.
pub fn issuer_and_audience(public_url: &str) -> (String, String) {
    (public_url.to_owned(), format!("{public_url}/v1"))
}

/// An API key has no dot, a signed token has two.
pub(super) fn is_one(text: &str) -> bool {
    text.contains('.')
}

/// Checks a presented token and mints the access that its session gives.
pub(super) async fn authenticate<P: Permission>(
    db: &Db,
    parts: &Parts,
    text: &str,
) -> Result<Access<P>> {
    let web = parts
        .extensions
        .get::<Web>()
        .ok_or(Error::Unauthenticated)?;
    let claims = verify(db, web, text).await?.ok_or(Error::Unauthenticated)?;
    let shown = Shown::Session {
        session: id(&claims.sid)?,
        user: id(&claims.sub)?,
    };
    let tenant = db
        .directory()
        .by_id(id(&claims.tenant)?)
        .await?
        .ok_or(Error::Unauthenticated)?;
    let session = LiveSession::find(db, shown, Some(tenant.id))
        .await?
        .ok_or(Error::Unauthenticated)?;
    let role = session.role.ok_or(Error::Unauthenticated)?;
    admit(&tenant, Entrance::Member, P::NAME)?;
    let authority = Authority::of_role(&role, session.permissions);
    if !authority.includes(P::NAME) {
        return Err(Error::Forbidden(P::NAME));
    }
    let correlation = telemetry::correlation();
    let access = Access::mint(db, tenant, Actor::user(session.user), correlation);
    Ok(access.with(authority, Some(session.user)))
}

/// The claims of a token that one of our keys signed, for this API, and that has not run out. What
/// is wrong with any other is nobody's business.
async fn verify(db: &Db, web: &Web, text: &str) -> Result<Option<Claims>> {
    let Ok(header) = jsonwebtoken::decode_header(text) else {
        return Ok(None);
    };
    let Some(kid) = header.kid.filter(|_| header.typ.as_deref() == Some(TYPE)) else {
        return Ok(None);
    };
    let Some(key) = db.public_keys().find(db, &kid).await? else {
        return Ok(None);
    };
    let (issuer, audience) = issuer_and_audience(web.public_url());
    // The algorithm is ours to say, not the header's.
    let mut rules = Validation::new(ALGORITHM);
    rules.leeway = 0;
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    rules.set_issuer(&[issuer]);
    rules.set_audience(&[audience]);
    let key = DecodingKey::from_ec_der(&key.point);
    Ok(jsonwebtoken::decode::<Claims>(text, &key, &rules)
        .ok()
        .map(|token| token.claims))
}

fn id<K: Kind>(text: &str) -> Result<Id<K>> {
    Id::from_str(text).map_err(|_| Error::Unauthenticated)
}
