//! A browser's way to a provider and back. What binds the two ends: a state that comes back in the
//! address and names its tenant, and a handle in a cookie that only the browser which left has.
//!
//! The database knows the digests of both. The code verifier is derived from the two, so that neither
//! a copy of the database nor an address in somebody's history is enough to end what was begun.

use aws_lc_rs::{digest, hmac};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use kernel::{
    Access, Error, Result,
    access::{
        link::LinkToken,
        session::{NewToken, digest_of},
    },
    error::ConflictCode,
    id::{ConnectSessionId, CredentialId, UserId},
    permission::CredentialsWrite,
    secret::{Secret, constant_time_eq},
};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use url::Url;

use super::{Way, conflict, exchange::Grant, grant::Kept};
use crate::{
    Connect,
    catalogue::{OAuth, Provider},
};

/// Where providers send browsers back to, below the public URL.
pub const CALLBACK: &str = "/oauth/callback";
/// Long enough to sign in at the provider first.
pub(super) const LIFE: Duration = Duration::minutes(10);
/// The most scopes that are asked for.
const SCOPES: usize = 50;

/// Who begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Beginner {
    Person(UserId),
    Link(ConnectSessionId),
}

/// What is wanted.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// What to call the credential; the account's own name when absent.
    pub name: Option<String>,
    /// Instead of the provider's usual ones.
    pub scopes: Option<Vec<String>>,
    /// Which connection is to be renewed.
    pub credential: Option<CredentialId>,
    /// Where the browser goes at the end. Checked by whoever took it in.
    pub return_to: Option<String>,
    pub installation: bool,
}

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
    pub provider: String,
    pub way: Way,
    pub by_link: bool,
    pub credential: Option<CredentialId>,
    pub name: Option<String>,
    pub return_to: Option<String>,
    scopes: Vec<String>,
    redirect_uri: String,
    client_id: String,
    verifier: Secret,
}

/// What a provider sends a browser back with (RFC 6749, section 4.1.2; RFC 9207; for installations,
/// docs.github.com, "About the setup URL").
#[derive(Debug, Default, Deserialize)]
pub(super) struct Answer {
    pub state: Option<String>,
    code: Option<Secret>,
    error: Option<String>,
    iss: Option<String>,
    installation_id: Option<String>,
    setup_action: Option<String>,
}

pub(super) fn stale() -> Error {
    conflict(
        ConflictCode::ConnectionStale,
        "the way back is too late, was used already, or began in another browser",
    )
}

pub(super) fn invalid(detail: impl Into<String>) -> Error {
    conflict(ConflictCode::ConnectionInvalid, detail)
}

/// 43 characters, which suits RFC 7636, section 4.1.
fn verifier(handle: &Secret, state: &str) -> Secret {
    let key = hmac::Key::new(hmac::HMAC_SHA256, handle.expose().as_bytes());
    let tag = hmac::sign(&key, format!("connect\0{state}").as_bytes());
    Secret::new(BASE64_URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

fn challenge(verifier: &Secret) -> String {
    let digest = digest::digest(&digest::SHA256, verifier.expose().as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(digest.as_ref())
}

/// Scopes as they were asked for: none empty, none with what parts them.
pub(super) fn checked(scopes: &[String], oauth: &OAuth) -> Result<()> {
    let sound = |scope: &String| {
        !scope.is_empty()
            && scope.len() <= 200
            && !scope.contains(&oauth.scope_separator)
            && scope.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if scopes.is_empty() || scopes.len() > SCOPES || !scopes.iter().all(sound) {
        return Err(Error::field(
            "scopes",
            format!("must be 1 to {SCOPES} scopes of the provider's"),
        ));
    }
    Ok(())
}

/// Whether the connection is an app's installation.
async fn is_installation(access: &Access<CredentialsWrite>, id: CredentialId) -> Result<bool> {
    let mut tx = access.read().await?;
    let way = sqlx::query_scalar!(
        "SELECT way FROM cell.oauth_grant WHERE credential_id = $1",
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(way.is_some_and(|way| way == Way::Installation.as_str()))
}

impl Connect {
    /// The one address that providers send browsers back to, letter by letter.
    pub(crate) fn redirect_uri(&self) -> String {
        format!("{}{CALLBACK}", self.settings().public_url)
    }

    /// How a provider's accounts are connected by consent.
    pub(super) fn consenting(&self, id: &str) -> Result<(&Provider, &OAuth)> {
        let provider = self.catalogue().get(id);
        provider
            .and_then(|provider| Some((provider, provider.oauth.as_ref()?)))
            .ok_or(Error::NotFound(
                "provider that accounts are connected to by consent",
            ))
    }

    /// Remembers the browser and says where to send it. A browser that is on its way in another tab
    /// keeps its handle.
    pub(super) async fn leave(
        &self,
        access: &Access<CredentialsWrite>,
        provider: &str,
        wanted: Wanted,
        beginner: Beginner,
        handle: Option<Secret>,
    ) -> Result<Leaving> {
        let (provider, oauth) = self.consenting(provider)?;
        if wanted
            .name
            .as_ref()
            .is_some_and(|name| name.trim().is_empty() || name.chars().count() > 100)
        {
            return Err(Error::field("name", "must be 1 to 100 characters"));
        }
        let scopes = wanted.scopes.unwrap_or_else(|| oauth.scopes.clone());
        checked(&scopes, oauth)?;
        let app = self.oauth_app(access, provider).await?.app;
        let handle = handle.unwrap_or_else(|| NewToken::generate().text);
        let state = LinkToken::generate(access.tenant().id);
        let redirect_uri = self.redirect_uri();
        let (person, link) = match beginner {
            Beginner::Person(id) => (Some(id.uuid()), None),
            Beginner::Link(id) => (None, Some(id.uuid())),
        };
        // What was installed is renewed by the same way.
        let installed = match wanted.credential {
            Some(id) => is_installation(access, id).await?,
            None => false,
        };
        let way = match wanted.installation || installed {
            true => Way::Installation,
            false => Way::Code,
        };
        let to = match way {
            Way::Installation => self.to_install(provider, oauth, &app, &state.text)?,
            Way::Code => {
                let mut to = self.beside(provider, &oauth.authorize_url)?;
                {
                    let mut query = to.query_pairs_mut();
                    query
                        .append_pair("response_type", "code")
                        .append_pair("client_id", &app.client_id)
                        .append_pair("redirect_uri", &redirect_uri)
                        .append_pair("scope", &scopes.join(&oauth.scope_separator))
                        .append_pair("state", state.text.expose());
                    if oauth.pkce {
                        let challenge = challenge(&verifier(&handle, state.text.expose()));
                        query
                            .append_pair("code_challenge", &challenge)
                            .append_pair("code_challenge_method", "S256");
                    }
                    query.extend_pairs(&oauth.parameters);
                }
                to
            }
        };
        let mut tx = access.begin().await?;
        // Those that nobody came back from go when others leave.
        sqlx::query!("DELETE FROM cell.oauth_flow WHERE expires_at < now()")
            .execute(tx.conn())
            .await?;
        if let Some(id) = wanted.credential {
            sqlx::query!(
                "SELECT id FROM cell.credential WHERE id = $1 AND provider = $2",
                id.uuid(),
                provider.id
            )
            .fetch_optional(tx.conn())
            .await?
            .ok_or(Error::NotFound("connection"))?;
        }
        sqlx::query!(
            "INSERT INTO cell.oauth_flow (state_sha256, browser_sha256, provider, way, redirect_uri,
                 client_id, user_id, connect_session_id, credential_id, name, scopes, return_to, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            state.sha256,
            digest_of(handle.expose()),
            provider.id,
            way.as_str(),
            redirect_uri,
            app.client_id,
            person,
            link,
            wanted.credential.map(CredentialId::uuid),
            wanted.name,
            &scopes,
            wanted.return_to,
            OffsetDateTime::now_utc() + LIFE
        )
        .execute(tx.conn())
        .await?;
        tx.commit().await?;
        Ok(Leaving { to, handle })
    }

    /// Recognises a browser, once: of several requests with one state the first gets it.
    ///
    /// # Errors
    /// `connection_stale` for a state that is unknown, used, too old, or another browser's, which
    /// can't use it up either.
    pub(super) async fn come_back(
        &self,
        access: &Access<CredentialsWrite>,
        handle: &Secret,
        state: &str,
    ) -> Result<Returned> {
        let mut tx = access.begin().await?;
        // Of several at once the others wait for the row, and find it gone.
        let row = sqlx::query!(
            "DELETE FROM cell.oauth_flow WHERE state_sha256 = $1 AND expires_at > now()
             RETURNING browser_sha256, provider, way, redirect_uri, client_id, connect_session_id,
                 credential_id, name, scopes, return_to",
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
        Ok(Returned {
            provider: row.provider,
            way: Way::parse(&row.way)?,
            by_link: row.connect_session_id.is_some(),
            credential: row.credential_id.map(CredentialId::from),
            name: row.name,
            return_to: row.return_to,
            scopes: row.scopes,
            redirect_uri: row.redirect_uri,
            client_id: row.client_id,
            verifier: verifier(handle, state),
        })
    }

    /// Has the provider say what was granted, and keeps it. Which credential it is.
    ///
    /// # Errors
    /// `connection_denied`, `connection_invalid`, [`Error::Provider`]; `identifier_taken`. Nothing
    /// is kept then.
    pub(super) async fn complete(
        &self,
        access: &Access<CredentialsWrite>,
        returned: &Returned,
        answer: &Answer,
    ) -> Result<CredentialId> {
        let (provider, oauth) = self.consenting(&returned.provider)?;
        self.check(provider, oauth, answer)?;
        let chosen = self.oauth_app(access, provider).await?;
        if chosen.app.client_id != returned.client_id {
            return Err(invalid("the app was replaced meanwhile; begin again"));
        }
        let Some(code) = &answer.code else {
            return Err(without_code(provider, answer));
        };
        let grant = Grant::Code {
            code,
            redirect_uri: &returned.redirect_uri,
            verifier: (oauth.pkce && returned.way == Way::Code).then_some(&returned.verifier),
        };
        let tokens = self
            .ask_for_tokens(access, provider, oauth, &chosen.app, grant)
            .await?;
        let tokens = match tokens {
            Ok(tokens) => tokens,
            Err(super::exchange::NoTokens::Ended(detail)) => {
                return Err(invalid(format!("{} {detail}; begin again", provider.name)));
            }
            Err(failed) => return Err(failed.told(provider)),
        };
        let kept = match returned.way {
            Way::Code => {
                let account = self
                    .connected_account(access, provider, oauth, &tokens)
                    .await?;
                Kept::of_tokens(provider, oauth, &chosen, &returned.scopes, tokens, account)
            }
            Way::Installation => {
                let id = answer.installation_id.as_deref().unwrap_or_default();
                self.installed(access, provider, oauth, &chosen, id, &tokens)
                    .await?
            }
        };
        self.keep(
            access,
            provider,
            kept,
            returned.credential,
            returned.name.as_deref(),
        )
        .await
    }

    /// What a provider sent a browser back with, before anything is asked there.
    fn check(&self, provider: &Provider, oauth: &OAuth, answer: &Answer) -> Result<()> {
        if let (Some(known), Some(named)) = (&oauth.issuer, &answer.iss) {
            let known = self.beside(provider, known)?;
            if known.as_str().trim_end_matches('/') != named.trim_end_matches('/') {
                tracing::warn!("an answer is of another issuer's than the one that was asked");
                return Err(invalid(
                    "the answer came from another provider than the one that was asked",
                ));
            }
        }
        match answer.error.as_deref() {
            None => Ok(()),
            Some("access_denied") => Err(conflict(
                ConflictCode::ConnectionDenied,
                format!("{} was told not to connect the account", provider.name),
            )),
            Some(error) => {
                let error: String = error
                    .chars()
                    .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
                    .take(60)
                    .collect();
                Err(invalid(format!("{} refused: {error}", provider.name)))
            }
        }
    }
}

fn without_code(provider: &Provider, answer: &Answer) -> Error {
    match (answer.setup_action.as_deref(), &answer.installation_id) {
        (Some("request"), _) => conflict(
            ConflictCode::ConnectionDenied,
            format!(
                "an owner of the organisation at {} has to approve the app first; connect it again \
                 when they have",
                provider.name
            ),
        ),
        (_, Some(_)) => invalid(
            "the app does not ask who installs it: switch on \"Request user authorization (OAuth) \
             during installation\" in its settings",
        ),
        _ => invalid(format!("{} sent no code; begin again", provider.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_depends_on_browser_and_state() {
        let (a, b) = (Secret::new("a"), Secret::new("b"));
        let one = verifier(&a, "s");
        assert_eq!(one.expose().len(), 43);
        assert_eq!(verifier(&a, "s").expose(), one.expose());
        for other in [verifier(&b, "s"), verifier(&a, "t")] {
            assert_ne!(other.expose(), one.expose());
        }
    }

    #[test]
    fn the_challenge_is_that_of_the_specification() {
        // RFC 7636, appendix B.
        let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(
            challenge(&verifier),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}
