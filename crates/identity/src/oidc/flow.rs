//! A browser's way to a provider and back. What binds the two ends: a state that comes back in the
//! address, and a handle in a cookie that only the browser which left has.
//!
//! The database knows the digests of both. Nonce and code verifier are derived from the two, so that
//! neither a copy of the database nor an address in somebody's history is enough to end a sign-in.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use kernel::{
    Error, Result,
    access::{
        Visitor,
        session::{NewToken, digest_of},
    },
    db::Whose,
    error::SignInRefusal,
    id::{IdentityProviderId, TenantId},
    secret::{Secret, constant_time_eq},
};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use url::{Url, form_urlencoded};

use super::{
    Oidc,
    id_token::{self, Claims, Expected},
    relying::{Relying, Which},
    wire::unreachable_provider,
};

/// Long enough to find the telephone, for those whom the provider asks for more than a password.
pub(super) const LIFE: Duration = Duration::minutes(10);
/// The longest path that is remembered.
const NEXT: usize = 2000;

/// A browser that is about to leave.
#[derive(Debug)]
pub(super) struct Leaving {
    pub to: Url,
    /// For its cookie.
    pub handle: Secret,
}

/// A browser that has come back to where it began.
#[derive(Debug)]
pub(super) struct Returned {
    pub which: Which,
    pub next: Option<String>,
    issuer: String,
    nonce: String,
    verifier: Secret,
}

/// What a provider sends a browser back with (RFC 6749 §4.1.2, RFC 9207).
#[derive(Debug, Default, Deserialize)]
pub(super) struct Answer {
    pub state: Option<String>,
    pub code: Option<Secret>,
    pub error: Option<String>,
    pub iss: Option<String>,
}

fn stale() -> Error {
    Error::SignIn(SignInRefusal::Stale)
}

/// One value of a sign-in: 43 characters, which suits RFC 7636 §4.1.
fn derived(handle: &Secret, purpose: &str, state: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, handle.expose().as_bytes());
    let tag = hmac::sign(&key, format!("{purpose}\0{state}").as_bytes());
    URL_SAFE_NO_PAD.encode(tag.as_ref())
}

/// Remembers the browser and says where to send it. A browser that is on its way in another tab
/// keeps its handle.
pub(super) async fn leave(
    oidc: &Oidc,
    visitor: &Visitor,
    relying: &Relying,
    handle: Option<Secret>,
    next: Option<&str>,
) -> Result<Leaving> {
    oidc.people().attempts_of(visitor).await?;
    let issuer = oidc.0.issuers.find(&oidc.0.wire, &relying.issuer).await?;
    let handle = handle.unwrap_or_else(|| NewToken::generate().text);
    let state = NewToken::generate();
    let (platform, tenant, provider) = match relying.which() {
        Which::Platform(id) => (Some(id), None, None),
        Which::Tenant(tenant, id) => (None, Some(tenant), Some(id)),
    };
    let next = next.filter(|next| ui::is_local(next) && next.len() <= NEXT);
    let mut tx = oidc.people().begin(Whose::nobody()).await?;
    // Those that nobody came back from go when others leave.
    sqlx::query!("DELETE FROM control.sign_in_flow WHERE expires_at < now()")
        .execute(tx.conn())
        .await?;
    sqlx::query!(
        "INSERT INTO control.sign_in_flow (state_sha256, browser_sha256, platform_provider, for_tenant,
             provider_id, issuer, next, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        state.sha256,
        digest_of(handle.expose()),
        platform,
        tenant.map(TenantId::uuid),
        provider.map(IdentityProviderId::uuid),
        relying.issuer,
        next,
        OffsetDateTime::now_utc() + LIFE
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    let state = state.text.expose();
    let challenge = URL_SAFE_NO_PAD.encode(digest_of(&derived(&handle, "verifier", state)));
    let mut to = issuer.authorization.clone();
    to.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &relying.client_id)
        .append_pair("redirect_uri", &oidc.redirect_uri())
        .append_pair("scope", "openid email profile")
        .append_pair("state", state)
        .append_pair("nonce", &derived(&handle, "nonce", state))
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    Ok(Leaving { to, handle })
}

/// Recognises a browser, once: of several requests with one state the first gets it.
///
/// # Errors
/// `sign_in_stale` for a state that is unknown, used, too old, or another browser's, which can't use
/// it up either.
pub(super) async fn come_back(
    oidc: &Oidc,
    handle: Option<Secret>,
    state: Option<&str>,
) -> Result<Returned> {
    let (Some(handle), Some(state)) = (handle, state) else {
        return Err(stale());
    };
    let mut tx = oidc.people().begin(Whose::nobody()).await?;
    // Of several at once the others wait for the row, and find it gone.
    let row = sqlx::query!(
        "DELETE FROM control.sign_in_flow WHERE state_sha256 = $1 AND expires_at > now()
         RETURNING browser_sha256, platform_provider, for_tenant, provider_id, issuer, next",
        digest_of(state)
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(stale)?;
    // Without a commit the row stays, for the browser that it belongs to.
    if !constant_time_eq(&row.browser_sha256, &digest_of(handle.expose())) {
        return Err(stale());
    }
    tx.commit().await?;
    let which = match (row.platform_provider, row.for_tenant, row.provider_id) {
        (Some(id), None, None) => Which::Platform(id),
        (None, Some(tenant), Some(id)) => Which::Tenant(tenant.into(), id.into()),
        _ => return Err(stale()),
    };
    Ok(Returned {
        which,
        next: row.next,
        issuer: row.issuer,
        nonce: derived(&handle, "nonce", state),
        verifier: Secret::new(derived(&handle, "verifier", state)),
    })
}

/// Has the provider say who came back.
///
/// # Errors
/// `sign_in_denied` where the provider says no; `sign_in_invalid` for an answer of another issuer's,
/// or a token that does not verify; `provider_error`.
pub(super) async fn ask(
    oidc: &Oidc,
    relying: &Relying,
    returned: &Returned,
    answer: &Answer,
) -> Result<Claims> {
    // Somebody may have set up another issuer in the meantime.
    if relying.issuer != returned.issuer {
        return Err(stale());
    }
    let issuer = oidc.0.issuers.find(&oidc.0.wire, &relying.issuer).await?;
    // An issuer that says it names itself does so in refusals as well (RFC 9207 §2.4).
    let named = answer.iss.as_deref();
    if named.is_some_and(|named| named != issuer.issuer) || (issuer.names_itself && named.is_none())
    {
        tracing::warn!("an answer is of another issuer's than the one that was asked");
        return Err(Error::SignIn(SignInRefusal::Invalid));
    }
    if let Some(error) = &answer.error {
        // The code is the provider's own word; it goes no further than the log.
        let error: String = error
            .chars()
            .filter(char::is_ascii_graphic)
            .take(100)
            .collect();
        tracing::info!(error, "an identity provider refused a sign-in");
        return Err(Error::SignIn(SignInRefusal::Denied));
    }
    let code = answer.code.as_ref().ok_or_else(stale)?;
    let secret = relying.secret(oidc).await?;
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code.expose()),
    ];
    let redirect_uri = oidc.redirect_uri();
    form.push(("redirect_uri", &redirect_uri));
    form.push(("code_verifier", returned.verifier.expose()));
    let mut request = oidc.0.wire.post(issuer.token.clone())?;
    if issuer.secret_in_form {
        form.push(("client_id", &relying.client_id));
        form.push(("client_secret", secret.expose()));
    } else {
        // Both are form-encoded before they go into the header (RFC 6749 §2.3.1).
        let encoded =
            |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        request = request.basic_auth(encoded(&relying.client_id), Some(encoded(secret.expose())));
    }
    let tokens: Tokens = oidc.0.wire.read(request.form(&form)).await?;
    let token = tokens.id_token.ok_or_else(|| {
        tracing::warn!("an identity provider sent no ID token");
        unreachable_provider(None)
    })?;
    let expected = Expected {
        client_id: &relying.client_id,
        nonce: &returned.nonce,
    };
    id_token::verify(&oidc.0.wire, &oidc.0.issuers, &issuer, &token, &expected).await
}

/// Of what the token endpoint gives, only what says who somebody is; the access token would open
/// their things at the provider, and is dropped unread.
#[derive(Deserialize)]
struct Tokens {
    id_token: Option<Secret>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_values_depend_on_browser_state_and_purpose() {
        let (a, b) = (Secret::new("a"), Secret::new("b"));
        let values = [
            derived(&a, "nonce", "s"),
            derived(&a, "verifier", "s"),
            derived(&b, "nonce", "s"),
            derived(&a, "nonce", "t"),
        ];
        for (place, value) in values.iter().enumerate() {
            assert_eq!(value.len(), 43);
            assert!(!values[..place].contains(value));
        }
        assert_eq!(derived(&a, "nonce", "s"), values[0]);
    }
}
