//! Whose app asks for consent: the tenant's own where it has set one up, else the operator's.

use kernel::{Access, Error, Result, error::ConflictCode, permission::Permission, secret::Secret};

use super::conflict;
use crate::{Connect, OpenCredential, catalogue::Provider};

/// An app as it is registered at a provider. The names are also those of the fields under which a
/// tenant enters its own.
#[derive(Clone, Debug)]
pub struct OAuthApp {
    pub client_id: String,
    pub client_secret: Secret,
    /// Signs the webhooks of every account that the app is connected to, where the provider has such
    /// a secret.
    pub webhook_secret: Option<Secret>,
    /// Of a GitHub App: its number, its name in addresses, and its key in PEM.
    pub app_id: Option<String>,
    pub app_slug: Option<String>,
    pub private_key: Option<Secret>,
}

/// The app that is used, and whether it is the tenant's own.
#[derive(Debug)]
pub(super) struct Chosen {
    pub app: OAuthApp,
    pub own: bool,
}

impl OAuthApp {
    fn entered(credential: &OpenCredential) -> Result<Self> {
        let field = |name: &str| credential.field(name).ok().map(str::to_owned);
        Ok(Self {
            client_id: credential.field("client_id")?.to_owned(),
            client_secret: credential.secret("client_secret")?.clone(),
            webhook_secret: credential.secret("webhook_secret").ok().cloned(),
            app_id: field("app_id"),
            app_slug: field("app_slug"),
            private_key: credential.secret("private_key").ok().cloned(),
        })
    }
}

impl Connect {
    /// The app by which accounts at a provider are connected.
    ///
    /// # Errors
    /// `oauth_app_missing`, and [`Error::Invalid`] where the provider knows no consent.
    pub(super) async fn oauth_app<P: Permission>(
        &self,
        access: &Access<P>,
        provider: &Provider,
    ) -> Result<Chosen> {
        if let Some(app) = self.own_app(access, provider).await? {
            return Ok(Chosen { app, own: true });
        }
        let app = self.app_of(access, provider, false).await?;
        Ok(Chosen { app, own: false })
    }

    /// The app that something was granted to: the tenant's own, or the operator's.
    pub(super) async fn app_of<P: Permission>(
        &self,
        access: &Access<P>,
        provider: &Provider,
        own: bool,
    ) -> Result<OAuthApp> {
        let found = match own {
            true => self.own_app(access, provider).await?,
            false => self.provider_settings(&provider.id).oauth,
        };
        found.ok_or_else(|| missing(provider))
    }

    async fn own_app<P: Permission>(
        &self,
        access: &Access<P>,
        provider: &Provider,
    ) -> Result<Option<OAuthApp>> {
        let described = provider.oauth.as_ref();
        let Some(own) = described.and_then(|oauth| oauth.own_app.as_deref()) else {
            return Ok(None);
        };
        match self.resolve_for(access, own, None).await {
            Ok(credential) => OAuthApp::entered(&credential).map(Some),
            Err(Error::CredentialMissing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn missing(provider: &Provider) -> Error {
    let own = provider
        .oauth
        .as_ref()
        .and_then(|oauth| oauth.own_app.as_deref());
    let own = own.map_or_else(String::new, |own| {
        format!(", or enter one of your own as a credential of `{own}`")
    });
    conflict(
        ConflictCode::OauthAppMissing,
        format!(
            "no {} app is set up here to connect accounts with: the operator sets one up under \
             [providers.{}.oauth]{own}",
            provider.name, provider.id
        ),
    )
}
