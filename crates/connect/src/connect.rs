//! What the parts of this crate share in a running program: catalogue, keys, caches, the way out.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use egress::{AllowList, Egress, Place};
use kernel::{Error, Result, bus::Change, id::TenantId, secret::Secret};
use tokio::sync::broadcast;
use vault::{DataKeys, KeyProviders};

use url::Url;

use crate::{
    account::Accounts,
    catalogue::Catalogue,
    oauth::{OAuthApp, Refreshes},
    own_key::Owns,
    proxy::Memory,
    seal::owner,
    tokens::Tokens,
    uses::Uses,
};

/// How often expired data keys are wiped from memory.
const SWEEP: Duration = Duration::from_secs(60);

/// What the configuration says of one provider.
#[derive(Clone, Debug, Default)]
pub struct ProviderSettings {
    /// Replaces the catalogue's base URL: a simulator, a proxy, a regional host. What is configured
    /// is called wherever it is, for this provider.
    pub base_url: Option<String>,
    /// The token that proves a platform-wide webhook URL to the provider. It answers handshakes
    /// and opens nothing.
    pub handshake_token: Option<Secret>,
    /// The operator's app there, by which tenants connect their accounts.
    pub oauth: Option<OAuthApp>,
}

#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The address under which the outside reaches this server, without a trailing slash.
    pub public_url: String,
    pub providers: HashMap<String, ProviderSettings>,
    /// What may be called inside the operator's network where a tenant names the address.
    pub allow: AllowList,
    /// Where AWS KMS is called for tenants' own keys; absent, where each key's region is.
    pub kms_endpoint: Option<String>,
    /// Whether credentials are tested at their providers when they are saved, and daily. On demand
    /// they always are.
    pub verify_credentials: bool,
    /// Origins, as in `https://app.example.com`, to which browsers may be sent at the end of a link
    /// to connect accounts.
    pub return_to: Vec<String>,
}

/// Everything of this crate that a running program shares. Cheap to clone.
#[derive(Clone)]
pub struct Connect(Arc<Shared>);

struct Shared {
    catalogue: Catalogue,
    settings: Settings,
    keys: Arc<KeyProviders>,
    data_keys: DataKeys,
    owns: Owns,
    accounts: Accounts,
    tokens: Tokens,
    refreshes: Refreshes,
    proxy: Memory,
    uses: Uses,
    /// To providers, where the catalogue or the tenant says they are.
    outside: Egress,
    /// To providers, where the configuration says they are.
    configured: Egress,
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connect")
    }
}

impl Connect {
    pub fn new(
        catalogue: Catalogue,
        keys: impl Into<Arc<KeyProviders>>,
        settings: Settings,
    ) -> Result<Self> {
        Self::with_cache(catalogue, keys, settings, DataKeys::default())
    }

    /// As `new`, with a cache of data keys that goes by another clock, as tests have it.
    pub fn with_cache(
        catalogue: Catalogue,
        keys: impl Into<Arc<KeyProviders>>,
        settings: Settings,
        data_keys: DataKeys,
    ) -> Result<Self> {
        let configured = settings.providers.values();
        let configured = configured.filter_map(|provider| provider.base_url.as_deref());
        let configured = configured.filter_map(|url| Place::of(&Url::parse(url).ok()?));
        Ok(Self(Arc::new(Shared {
            configured: Egress::new(settings.allow.and(configured))?,
            outside: Egress::new(settings.allow.clone())?,
            catalogue,
            settings,
            keys: keys.into(),
            data_keys,
            owns: Owns::new(),
            accounts: Accounts::new(),
            tokens: Tokens::new(),
            refreshes: Refreshes::default(),
            proxy: Memory::new(),
            uses: Uses::new(),
        })))
    }

    /// Keeps the caches true to what other processes change. Ends with the receiver's sender.
    pub fn follow(&self, mut changes: broadcast::Receiver<Change>) {
        let connect = self.clone();
        tokio::spawn(async move {
            let mut sweep = tokio::time::interval(SWEEP);
            loop {
                let change = tokio::select! {
                    change = changes.recv() => change,
                    _ = sweep.tick() => {
                        connect.sweep();
                        continue;
                    }
                };
                match change {
                    Ok(Change::Credentials(tenant)) => connect.forget(tenant),
                    Ok(Change::Keys(tenant)) => connect.forget_keys(tenant),
                    Ok(Change::Unknown) | Err(broadcast::error::RecvError::Lagged(_)) => {
                        connect.0.accounts.clear();
                        connect.0.tokens.clear();
                        connect.0.data_keys.clear();
                        connect.0.owns.clear();
                    }
                    Err(broadcast::error::RecvError::Closed) => return,
                }
            }
        });
    }

    /// Has keys leave the memory whose time is over.
    fn sweep(&self) {
        self.0.data_keys.drop_expired();
        self.0.owns.drop_expired();
        // Reads the file again if it was changed, so that versions retired by another process go.
        if let Some(keyring) = self.keys().keyring()
            && let Err(cause) = keyring.versions()
        {
            tracing::warn!(?cause, "the keyring can't be read");
        }
    }

    /// Drops what this node remembers of a tenant's credentials.
    pub(crate) fn forget(&self, tenant: TenantId) {
        self.0.accounts.forget(tenant);
        self.0.tokens.forget_tenant(tenant);
    }

    /// Drops a tenant's unwrapped data keys, and with them what could be opened by them; also its own
    /// key provider, which may be another one now.
    pub(crate) fn forget_keys(&self, tenant: TenantId) {
        self.forget(tenant);
        self.0.owns.forget(tenant);
        self.0.data_keys.forget(owner(tenant));
    }

    pub fn catalogue(&self) -> &Catalogue {
        &self.0.catalogue
    }

    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Where a provider is to send a tenant's webhooks.
    pub(crate) fn hook_url(&self, slug: &str, provider: &str) -> String {
        format!("{}/hooks/{slug}/{provider}", self.0.settings.public_url)
    }

    /// Who holds the installation's key-encryption keys.
    pub fn keys(&self) -> &KeyProviders {
        &self.0.keys
    }

    /// The unwrapped data keys of this node.
    pub fn data_keys(&self) -> &DataKeys {
        &self.0.data_keys
    }

    pub(crate) fn owns(&self) -> &Owns {
        &self.0.owns
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.0.accounts
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    pub(crate) fn refreshes(&self) -> &Refreshes {
        &self.0.refreshes
    }

    pub(crate) fn proxy(&self) -> &Memory {
        &self.0.proxy
    }

    /// Who used which credential for what.
    pub(crate) fn uses(&self) -> &Uses {
        &self.0.uses
    }

    /// The way to addresses that tenants name.
    pub(crate) fn outside(&self) -> &Egress {
        &self.0.outside
    }

    /// The way to a provider's API.
    pub(crate) fn egress(&self, provider: &str) -> &Egress {
        match self.provider_settings(provider).base_url {
            Some(_) => &self.0.configured,
            None => &self.0.outside,
        }
    }

    /// Begins a request to a provider.
    ///
    /// # Errors
    /// [`Error::AddressRefused`] where the address is not for calling.
    pub(crate) fn outbound(
        &self,
        provider: &str,
        method: http::Method,
        url: &str,
    ) -> Result<reqwest::RequestBuilder> {
        let url = Url::parse(url)
            .map_err(|_| Error::AddressRefused("the provider's address is no URL".to_owned()))?;
        Ok(self.egress(provider).request(method, url)?)
    }

    /// The settings of one provider; the defaults where the configuration says nothing.
    pub(crate) fn provider_settings(&self, provider: &str) -> ProviderSettings {
        self.0
            .settings
            .providers
            .get(provider)
            .cloned()
            .unwrap_or_default()
    }
}
