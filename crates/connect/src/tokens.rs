//! Short-lived tokens that a credential is exchanged for: RFC 6749's client credentials and
//! refresh tokens, and GitHub Apps' installation tokens. They are kept until shortly before their
//! end, sealed with the tenant's data key as the credential itself is.

use std::sync::Arc;

use http::{Method, StatusCode};
use kernel::{
    Access, Error, Result,
    id::{CredentialId, TenantId},
    permission::Permission,
    secret::Secret,
};
use quick_cache::sync::Cache;
use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use crate::{
    Authorization, Connect, OpenCredential,
    call::{Failure, Raw},
    catalogue::Auth,
    github_app,
    seal::seal,
};

/// As many as there are accounts in the other cache.
const ENTRIES: usize = 4_000;
/// A token that ends sooner than this is not used: the call would outlast it.
const MARGIN: Duration = Duration::seconds(60);
/// For metrics and traces.
const OPERATION: &str = "tokens.exchange";
/// Stands for the token among a credential's sealed fields; no field's name has a colon.
const FIELD: &str = "token:short-lived";

/// Tokens by tenant and credential.
#[derive(Debug)]
pub(crate) struct Tokens {
    entries: Cache<(TenantId, CredentialId), Arc<Kept>>,
}

#[derive(Debug)]
struct Kept {
    sealed: Vec<u8>,
    until: OffsetDateTime,
}

impl Tokens {
    pub fn new() -> Self {
        Self {
            entries: Cache::new(ENTRIES),
        }
    }

    pub fn forget_tenant(&self, tenant: TenantId) {
        self.entries.retain(|(owner, _), _| *owner != tenant);
    }

    pub fn forget(&self, tenant: TenantId, credential: CredentialId) {
        self.entries.remove(&(tenant, credential));
    }

    pub fn clear(&self) {
        self.entries.clear();
    }
}

/// RFC 6749, section 5.1, and GitHub's own form of it.
#[derive(Deserialize)]
struct Granted {
    #[serde(alias = "token")]
    access_token: Secret,
    expires_in: Option<i64>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
}

impl Connect {
    /// The token for a credential: the one that is kept, or a new one. Callers that miss at the
    /// same time ask the provider once.
    pub(crate) async fn token<P: Permission>(
        &self,
        access: &Access<P>,
        credential: &OpenCredential,
        authorization: &Authorization,
        way: &Auth,
    ) -> Result<Secret> {
        let key = (access.tenant().id, credential.id);
        let tokens = self.tokens();
        let now = OffsetDateTime::now_utc();
        tokens
            .entries
            .remove_if(&key, |kept| kept.until <= now + MARGIN);
        let changes = self.accounts().changes();
        let guard = match tokens.entries.get_value_or_guard_async(&key).await {
            Ok(kept) => match self.open_token(access, credential, &kept.sealed).await? {
                Some(token) => return Ok(token),
                // Its data key is gone: another token is asked for, and kept by the next who asks.
                None => {
                    tokens.entries.remove(&key);
                    None
                }
            },
            Err(guard) => Some(guard),
        };
        let granted = self
            .exchange(access, credential, authorization, way)
            .await?;
        let lasting = granted
            .expires_in
            .map(|seconds| now + Duration::seconds(seconds.clamp(0, 86_400)));
        if let Some(until) = lasting.or(granted.expires_at)
            && until > now + MARGIN
            && let Some(guard) = guard
        {
            let sealed = self
                .seal_token(access, credential, &granted.access_token)
                .await?;
            // A guard whose place was taken meanwhile has nothing to fill; the token serves this call.
            let _placed = guard.insert(Arc::new(Kept { sealed, until }));
            // Asked after the insertion, as for accounts: what was granted to a credential that
            // has changed meanwhile is not kept.
            if self.accounts().changes() != changes {
                tokens.entries.remove(&key);
            }
        }
        Ok(granted.access_token)
    }

    async fn exchange<P: Permission>(
        &self,
        access: &Access<P>,
        credential: &OpenCredential,
        authorization: &Authorization,
        way: &Auth,
    ) -> Result<Granted> {
        let form = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            pairs.iter().map(owned).collect()
        };
        let provider = credential.provider.as_str();
        let request = match way {
            Auth::ClientCredentials(grant) => self
                .outbound(
                    provider,
                    Method::POST,
                    &self.endpoint(&grant.token_url, credential)?,
                )?
                .basic_auth(
                    credential.field(&grant.client_id)?,
                    Some(credential.secret(&grant.client_secret)?.expose()),
                )
                .form(&form(&[("grant_type", "client_credentials")])),
            Auth::RefreshToken(grant) => self
                .outbound(
                    provider,
                    Method::POST,
                    &self.endpoint(&grant.token_url, credential)?,
                )?
                .basic_auth(
                    credential.field(&grant.client_id)?,
                    Some(credential.secret(&grant.client_secret)?.expose()),
                )
                .form(&form(&[
                    ("grant_type", "refresh_token"),
                    (
                        "refresh_token",
                        credential.secret(&grant.refresh_token)?.expose(),
                    ),
                ])),
            Auth::GithubApp(app) => {
                let jwt = github_app::jwt(
                    credential.field(&app.app_id)?,
                    credential.secret(&app.private_key)?,
                    OffsetDateTime::now_utc(),
                )?;
                let installation = credential.field(&app.installation_id)?;
                if installation.is_empty() || !installation.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(Error::invalid("the installation id is not a number"));
                }
                let path = format!("/app/installations/{installation}/access_tokens");
                self.request(provider, authorization, Method::POST, &path)?
                    .bearer_auth(jwt.expose())
            }
            _ => {
                return Err(Error::internal(anyhow::anyhow!(
                    "this way to authenticate has no token"
                )));
            }
        };
        let outcome = self
            .send(access, provider, OPERATION, request, |raw| {
                let granted = granted(raw, authorization);
                let error = granted.as_ref().err().map(|failure| failure.detail.clone());
                (granted, error)
            })
            .await?;
        match outcome {
            Ok(Ok(granted)) => Ok(granted),
            Ok(Err(failure)) => Err(failure.told(provider)),
            Err(unreached) => Err(Failure::from(unreached).told(provider)),
        }
    }

    async fn open_token<P: Permission>(
        &self,
        access: &Access<P>,
        credential: &OpenCredential,
        sealed: &[u8],
    ) -> Result<Option<Secret>> {
        let account = self.account(access, &credential.provider).await?;
        self.open_kept(access, &account, (credential.id, FIELD), sealed)
            .await
    }

    async fn seal_token<P: Permission>(
        &self,
        access: &Access<P>,
        credential: &OpenCredential,
        token: &Secret,
    ) -> Result<Vec<u8>> {
        let account = self.account(access, &credential.provider).await?;
        let key = self.newest_key(access, &account).await?;
        Ok(seal(&key, credential.id, FIELD, token))
    }
}

fn granted(raw: &Raw, authorization: &Authorization) -> std::result::Result<Granted, Failure> {
    let failure = |detail: String, retryable| Failure {
        status: Some(raw.status),
        detail,
        retryable,
    };
    if raw.status.is_success() {
        // Quoting what can't be read might show a token.
        return serde_json::from_str(&raw.text)
            .map_err(|_| failure("answered without a token".to_owned(), true));
    }
    let retryable = raw.status.is_server_error() || raw.status == StatusCode::TOO_MANY_REQUESTS;
    let detail = format!(
        "gave no token, but {}: {}",
        raw.status.as_u16(),
        raw.quote(authorization)
    );
    Err(failure(detail, retryable))
}
