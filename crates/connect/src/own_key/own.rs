//! A tenant's own provider at work, and the memory of those that are.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use kernel::{
    Access, Error, Result,
    id::{TenantId, TenantKeyId},
    permission::Permission,
    secret::Secret,
};
use quick_cache::sync::Cache;
use tokio::sync::Mutex;
use url::Url;
use vault::{
    Context, DataKey, KeyProvider, KeyProviders, Login, Owner, ProviderError, Transit,
    TransitSettings, WrappedKey,
};
use zeroize::Zeroizing;

use super::{
    Holder, KeyFailure, failure,
    model::{self, LoginKind, Place},
    named,
    row::{self, Row, Sealed},
};
use crate::Connect;

/// How long a provider is used as it was built, its login with it.
const LIFE: Duration = Duration::from_secs(300);
const ENTRIES: usize = 1_000;

/// The version of what is inside the sealed secret: plain UTF-8.
const SCHEMA: u16 = 1;
/// Each secret has a data key of its own and is sealed anew when it changes.
const GENERATION: u32 = 1;

/// A tenant's own provider.
pub(crate) struct Own {
    pub id: TenantKeyId,
    pub providers: KeyProviders,
    holder: Holder,
    /// What is kept of how it does, so that no more than a change is written.
    known: Mutex<Option<KeyFailure>>,
    built: Instant,
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Own({})", self.id)
    }
}

/// The providers that were needed lately, one per tenant.
#[derive(Debug)]
pub(crate) struct Owns(Cache<TenantId, Arc<Own>>);

impl Owns {
    pub fn new() -> Self {
        Self(Cache::new(ENTRIES))
    }

    pub fn put(&self, tenant: TenantId, own: Arc<Own>) {
        self.0.insert(tenant, own);
    }

    pub fn forget(&self, tenant: TenantId) {
        self.0.remove(&tenant);
    }

    pub fn clear(&self) {
        self.0.clear();
    }

    /// Wipes the logins of those that nobody will be given any more.
    pub fn drop_expired(&self) {
        self.0.retain(|_, own| own.built.elapsed() < LIFE);
    }
}

impl Own {
    pub fn new(id: TenantKeyId, providers: KeyProviders, place: &Place) -> Self {
        Self {
            id,
            providers,
            holder: place.holder(),
            known: Mutex::new(None),
            built: Instant::now(),
        }
    }

    fn of(row: &Row, providers: KeyProviders) -> Self {
        Self {
            known: Mutex::new(row.last_failure),
            ..Self::new(row.id, providers, &row.place)
        }
    }

    /// To be said before it is used, where something else was found and kept since the row was read.
    pub fn knowing(mut self, found: Option<KeyFailure>) -> Self {
        self.known = Mutex::new(found);
        self
    }

    pub fn told(&self, error: impl Into<Arc<ProviderError>>) -> Error {
        failure::told(self.holder, error.into())
    }

    /// The name of the KEK that wraps now, as wraps are stored with it.
    pub async fn current_kek(&self) -> std::result::Result<String, ProviderError> {
        let inner = self.providers.current_kek().await?;
        Ok(super::kek_name(self.id, &inner))
    }

    /// A wrap as it is stored.
    pub async fn wrap(&self, key: &DataKey) -> std::result::Result<WrappedKey, ProviderError> {
        Ok(named(self.id, self.providers.wrap(key).await?))
    }

    /// Keeps what was found of the provider, where it is another finding than the last. Whoever finds
    /// the same at the same time goes on without waiting.
    pub async fn note<P: Permission>(&self, access: &Access<P>, found: Option<KeyFailure>) {
        let Ok(mut known) = self.known.try_lock() else {
            return;
        };
        if *known == found {
            return;
        }
        match row::note(access, self.id, found, false).await {
            Ok(()) => *known = found,
            // What needed the key has its answer; the finding is kept with the next one.
            Err(error) => {
                tracing::warn!(tenant = %access.tenant().id, cause = ?error, "the state of the tenant's own key was not kept");
            }
        }
    }
}

/// Wraps and unwraps a key that is thrown away: whether a provider does what is asked of it.
pub(super) async fn round_trip(
    providers: &KeyProviders,
    owner: Owner,
) -> std::result::Result<(), ProviderError> {
    providers.current_kek().await?;
    // No data key is of generation 0, so that this wrap stands for none.
    let key = DataKey::generate(owner, 0);
    let wrapped = providers.wrap(&key).await?;
    let unwrapped = providers.unwrap(owner, 0, &wrapped).await?;
    let context = Context {
        domain: "tenant_key",
        record: &owner.0,
        field: "round_trip",
        schema: SCHEMA,
    };
    match unwrapped.open(&context, &key.seal(&context, b"")) {
        Ok(_) => Ok(()),
        Err(_) => Err(ProviderError::NotItsWrap { kek: wrapped.kek }),
    }
}

/// What the login's secret is bound to: the tenant, and the row.
fn record(tenant: TenantId, id: TenantKeyId) -> [u8; 32] {
    let mut record = [0; 32];
    record[..16].copy_from_slice(tenant.uuid().as_bytes());
    record[16..].copy_from_slice(id.uuid().as_bytes());
    record
}

fn context(record: &[u8; 32]) -> Context<'_> {
    Context {
        domain: "tenant_key",
        record,
        field: "login",
        schema: SCHEMA,
    }
}

/// Whose the login's own data key is.
pub(crate) fn login_owner(id: TenantKeyId) -> (Owner, u32) {
    (Owner(*id.uuid().as_bytes()), GENERATION)
}

/// Whether the login's secret opens by its data key.
pub(crate) fn opens(
    key: &DataKey,
    tenant: TenantId,
    id: TenantKeyId,
    sealed: &[u8],
) -> std::result::Result<(), vault::OpenError> {
    key.open(&context(&record(tenant, id)), sealed).map(drop)
}

impl Connect {
    /// The tenant's own provider, if it is the one of this id still: from memory, or built from the
    /// row by whoever is first to need it.
    pub(crate) async fn own<P: Permission>(
        &self,
        access: &Access<P>,
        id: TenantKeyId,
    ) -> Result<Option<Arc<Own>>> {
        let tenant = access.tenant().id;
        let owns = &self.owns().0;
        if let Some(own) = owns.get(&tenant) {
            if own.id == id && own.built.elapsed() < LIFE {
                return Ok(Some(own));
            }
            owns.remove(&tenant);
        }
        // As one type, for the same reason as calls over a network in the vault.
        let load: std::pin::Pin<Box<dyn Future<Output = Result<Arc<Own>>> + Send + '_>> =
            Box::pin(async {
                let row = row::read(access).await?;
                let row = row.ok_or(Error::NotFound(row::NAME))?;
                let providers = self.open_own(tenant, &row).await?;
                Ok(Arc::new(Own::of(&row, providers)))
            });
        match owns.get_or_insert_async(&tenant, load).await {
            Ok(own) => Ok(Some(own).filter(|own| own.id == id)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The provider of a row, past everything that is remembered of it.
    pub(super) async fn fresh_own(&self, tenant: TenantId, row: &Row) -> Result<Own> {
        Ok(Own::of(row, self.open_own(tenant, row).await?))
    }

    async fn open_own(&self, tenant: TenantId, row: &Row) -> Result<KeyProviders> {
        let (owner, generation) = login_owner(row.id);
        let key = self.keys().unwrap(owner, generation, &row.login.key).await;
        let key = key.map_err(crate::data_key::key_error)?;
        let plain = key
            .open(&context(&record(tenant, row.id)), &row.login.secret)
            .map_err(Error::internal)?;
        let secret = Secret::new(std::str::from_utf8(&plain).map_err(Error::internal)?);
        match self.build_own(&row.place, &secret).await {
            // The operator has closed it since it was set.
            Err(Error::AddressRefused(why)) => Err(Error::TenantKeyWithdrawn {
                cause: anyhow::anyhow!("the address is not called any more"),
                advice: why,
            }),
            built => built,
        }
    }

    /// Seals the login's secret under a data key of its own, which the installation's provider wraps.
    pub(super) async fn seal_login(
        &self,
        tenant: TenantId,
        id: TenantKeyId,
        secret: &Secret,
    ) -> Result<Sealed> {
        let (owner, generation) = login_owner(id);
        let key = DataKey::generate(owner, generation);
        let sealed = key.seal(&context(&record(tenant, id)), secret.expose().as_bytes());
        let wrapped = self.keys().wrap(&key).await;
        Ok(Sealed {
            key: wrapped.map_err(crate::data_key::key_error)?,
            secret: sealed,
        })
    }

    /// # Errors
    /// [`Error::AddressRefused`] for an address that tenants can't have called.
    pub(super) async fn build_own(&self, place: &Place, secret: &Secret) -> Result<KeyProviders> {
        match place {
            Place::Transit(at) => self.transit(at, secret),
            Place::Aws(at) => self.aws(at, secret).await,
        }
    }

    fn transit(&self, at: &model::TransitView, secret: &Secret) -> Result<KeyProviders> {
        let address = Url::parse(&at.address).map_err(Error::internal)?;
        let http = self.outside().client_for(&address)?;
        let secret = Zeroizing::new(secret.expose().to_owned());
        let login = match (at.login, &at.approle_mount, &at.role_id) {
            (LoginKind::Approle, Some(mount), Some(role_id)) => Login::AppRole {
                mount: mount.clone(),
                role_id: role_id.clone(),
                secret_id: secret,
            },
            _ => Login::Token(secret),
        };
        let settings = TransitSettings {
            address,
            namespace: at.namespace.clone(),
            mount: at.mount.clone(),
            key: at.key.clone(),
            login,
        };
        let transit = Transit::new(settings, http).map_err(Error::internal)?;
        Ok(KeyProvider::Transit(Box::new(transit)).into())
    }

    #[cfg(feature = "aws-kms")]
    async fn aws(&self, at: &model::AwsView, secret: &Secret) -> Result<KeyProviders> {
        let region = model::region_of(&at.key)
            .ok_or_else(|| Error::internal(anyhow::anyhow!("{:?} names no region", at.key)))?;
        let settings = vault::AwsKmsSettings {
            key: at.key.clone(),
            region: Some(region.to_owned()),
            endpoint: self.settings().kms_endpoint.clone(),
            // Always the tenant's own: without any, the machine's would be found.
            credentials: Some((
                at.access_key_id.clone(),
                Zeroizing::new(secret.expose().to_owned()),
            )),
        };
        Ok(KeyProvider::AwsKms(vault::AwsKms::new(settings).await).into())
    }

    #[cfg(not(feature = "aws-kms"))]
    async fn aws(&self, _at: &model::AwsView, _secret: &Secret) -> Result<KeyProviders> {
        Err(Error::field(
            "key",
            "this installation is built without AWS KMS; use a Transit engine, or ask the operator for the packaged release",
        ))
    }
}
