//! Which provider a sign-in is by, and what its word counts for.

use kernel::{
    Error, Result,
    access::Vouched,
    db::{Tenant, Whose},
    id::{IdentityProviderId, TenantId},
    secret::Secret,
    suspension::Effect,
};
use vault::{Context, Owner, WrappedKey};

use super::{CALLBACK, Oidc, PlatformProvider, wire::Wire};
use crate::{input, sealed::Sealed};

/// A provider that somebody signs in by.
#[derive(Debug)]
pub(super) struct Relying {
    pub place: Place,
    pub label: String,
    pub issuer: String,
    pub client_id: String,
}

/// Where a provider's word counts.
#[derive(Debug)]
pub(super) enum Place {
    Platform(PlatformProvider),
    Tenant(Box<TenantProvider>),
}

/// What a tenant's provider may do.
#[derive(Debug)]
pub(super) struct TenantProvider {
    pub id: IdentityProviderId,
    pub tenant: Tenant,
    pub domains: Vec<String>,
    /// What newcomers become.
    pub role: String,
    pub vouched: Vouched,
    secret: Sealed,
}

/// A provider, as a browser's way to it is stored.
#[derive(Clone, Debug)]
pub(super) enum Which {
    Platform(String),
    Tenant(TenantId, IdentityProviderId),
}

/// Whether a provider of the settings can be used.
///
/// # Errors
/// `invalid_request`, naming the setting.
pub(super) fn check(wire: &Wire, provider: &PlatformProvider) -> Result<()> {
    let setting = |name: &str| format!("sign_in.providers.{}.{name}", provider.id);
    input::token(&format!("sign_in.providers.{}", provider.id), &provider.id)?;
    // The address of the provider's button would be that of the way back.
    if CALLBACK.ends_with(&format!("/{}", provider.id)) {
        return Err(Error::field(
            setting("name"),
            "a provider can't be called so",
        ));
    }
    let address = wire.address(&provider.issuer);
    address.map_err(|message| Error::field(setting("issuer"), message))?;
    for (name, value) in [
        ("name", provider.name.as_str()),
        ("client_id", provider.client_id.as_str()),
        ("client_secret", provider.client_secret.expose()),
    ] {
        if value.trim().is_empty() {
            return Err(Error::field(setting(name), "must not be empty"));
        }
    }
    Ok(())
}

/// What a tenant's client secret is bound to.
pub(crate) fn sealed_for<'a>(tenant: TenantId, provider: &'a [u8]) -> (Owner, Context<'a>) {
    let context = Context {
        domain: "control.identity_provider",
        record: provider,
        field: "client_secret",
        schema: 1,
    };
    (Owner(*tenant.uuid().as_bytes()), context)
}

impl Oidc {
    /// # Errors
    /// `not_found`.
    pub(super) fn platform(&self, id: &str) -> Result<Relying> {
        let found = self.0.platform.iter().find(|provider| provider.id == id);
        let provider = found.ok_or(Error::NotFound("resource"))?.clone();
        Ok(Relying {
            label: provider.name.clone(),
            issuer: provider.issuer.clone(),
            client_id: provider.client_id.clone(),
            place: Place::Platform(provider),
        })
    }

    /// A tenant's provider by the names in its address. Tenants whose people may not sign in, and providers
    /// that are turned off, are not there.
    pub(super) async fn of_tenant(&self, slug: &str, name: &str) -> Result<Relying> {
        let tenant = self.db().directory().by_slug(slug).await?;
        let tenant = tenant.ok_or(Error::NotFound("resource"))?;
        self.enabled(tenant, None, Some(name)).await
    }

    pub(super) async fn which(&self, which: &Which) -> Result<Relying> {
        match which {
            Which::Platform(id) => self.platform(id),
            Which::Tenant(tenant, id) => {
                let tenant = self.db().directory().by_id(*tenant).await?;
                let tenant = tenant.ok_or(Error::NotFound("resource"))?;
                self.enabled(tenant, Some(*id), None).await
            }
        }
    }

    async fn enabled(
        &self,
        tenant: Tenant,
        id: Option<IdentityProviderId>,
        name: Option<&str>,
    ) -> Result<Relying> {
        if tenant.effects().login != Effect::Allow {
            return Err(Error::NotFound("resource"));
        }
        let mut tx = self.people().begin(Whose::tenant(tenant.id)).await?;
        let row = sqlx::query!(
            "SELECT id, label, issuer, client_id, kek, wrapped, sealed, domains, role, vouches_for,
                 vouches_for_owners
             FROM control.identity_provider WHERE enabled AND (id = $1 OR name = $2)",
            id.map(IdentityProviderId::uuid),
            name
        )
        .fetch_optional(tx.conn())
        .await?;
        tx.commit().await?;
        let row = row.ok_or(Error::NotFound("resource"))?;
        let vouched = Vouched::stored(Some(row.vouches_for), Some(row.vouches_for_owners));
        Ok(Relying {
            label: row.label,
            issuer: row.issuer,
            client_id: row.client_id,
            place: Place::Tenant(Box::new(TenantProvider {
                id: row.id.into(),
                tenant,
                domains: row.domains,
                role: row.role,
                vouched: vouched.ok_or(Error::NotFound("resource"))?,
                secret: Sealed {
                    key: WrappedKey {
                        kek: row.kek,
                        bytes: row.wrapped,
                    },
                    secret: row.sealed,
                },
            })),
        })
    }
}

impl Relying {
    pub fn which(&self) -> Which {
        match &self.place {
            Place::Platform(provider) => Which::Platform(provider.id.clone()),
            Place::Tenant(provider) => Which::Tenant(provider.tenant.id, provider.id),
        }
    }

    /// Whose rows a sign-in by it reaches.
    pub fn whose(&self) -> Whose {
        match &self.place {
            Place::Platform(_) => Whose::nobody(),
            Place::Tenant(provider) => Whose::tenant(provider.tenant.id),
        }
    }

    /// Where people go who did not say where to.
    pub fn home(&self) -> String {
        match &self.place {
            Place::Platform(_) => "/app".to_owned(),
            Place::Tenant(provider) => format!("/app/{}", provider.tenant.slug),
        }
    }

    /// The client's secret, opened for one use.
    pub async fn secret(&self, oidc: &Oidc) -> Result<Secret> {
        let provider = match &self.place {
            Place::Platform(provider) => return Ok(provider.client_secret.clone()),
            Place::Tenant(provider) => provider,
        };
        let record = provider.id.uuid();
        let (owner, context) = sealed_for(provider.tenant.id, record.as_bytes());
        let plain = provider
            .secret
            .open(oidc.people().keys(), owner, &context)
            .await?;
        let text = std::str::from_utf8(&plain).map_err(Error::internal)?;
        Ok(Secret::new(text))
    }
}
