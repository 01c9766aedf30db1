//! Signing in through identity providers, by OpenID Connect's authorization code flow with PKCE
//! (OpenID Connect Core 1.0, RFC 7636, RFC 9207, RFC 9700).
//!
//! The operator's providers stand in the settings; what they say counts on the whole platform. A
//! tenant's own stand in the control database; what they say counts in that tenant alone.
//! docs/adr/0009 says who may be signed in by whom, [`account`] decides it.
//!
//! No transaction is open while a provider is asked.

mod account;
pub mod api;
mod console;
mod flow;
mod id_token;
mod keys;
mod pages;
pub mod providers;
mod relying;
#[cfg(test)]
mod tests;
mod wire;

use std::{fmt, sync::Arc};

use egress::{AllowList, Egress, Place};
use kernel::{Db, Result, db::Whose, secret::Secret};
use url::Url;

pub(crate) use console::pages as tenant_pages;
pub use pages::pages;
pub(crate) use relying::sealed_for;
pub use wire::Development;

use crate::people::People;
use keys::Issuers;
use wire::Wire;

/// Where providers send browsers back to.
pub const CALLBACK: &str = "/sign-in/oidc/callback";

/// A provider of the operator's.
#[derive(Clone, Debug)]
pub struct PlatformProvider {
    /// Stands in the address that signs people in.
    pub id: String,
    /// What people read on the button.
    pub name: String,
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Secret,
    /// Whether newcomers get an account, where people may sign up at all.
    pub sign_up: bool,
    /// Whether it opens existing accounts by their confirmed address alone.
    pub link: bool,
    /// Values of the claim `amr` that count as a second factor.
    pub second_factor: Vec<String>,
}

/// What the flows share. Cheap to clone.
#[derive(Clone)]
pub struct Oidc(Arc<Inner>);

struct Inner {
    people: People,
    platform: Vec<PlatformProvider>,
    wire: Wire,
    issuers: Issuers,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Oidc").field(&self.0.platform).finish()
    }
}

/// A button of the sign-in page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub label: String,
    /// Where its link leads, on this host.
    pub path: String,
}

impl Offer {
    fn new(label: &str, path: String, next: Option<&str>) -> Self {
        let next = next.filter(|next| ui::is_local(next));
        let query = next.map(|next| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("next", next);
            format!("?{}", query.finish())
        });
        Self {
            label: label.to_owned(),
            path: path + &query.unwrap_or_default(),
        }
    }
}

impl Oidc {
    /// What the operator's providers are called at is open beside public addresses, and `allow`.
    ///
    /// # Errors
    /// `invalid_request`, naming the setting, for a provider that can't be used.
    pub fn new(
        people: &People,
        platform: Vec<PlatformProvider>,
        allow: &AllowList,
    ) -> Result<Self> {
        let issuers = platform.iter().map(|provider| &provider.issuer);
        let issuers = issuers.filter_map(|issuer| Place::of(&Url::parse(issuer).ok()?));
        let egress = Egress::new(allow.and(issuers))?;
        let wire = Wire::new(Development::of(&people.settings().public_url), egress);
        for provider in &platform {
            relying::check(&wire, provider)?;
        }
        Ok(Self(Arc::new(Inner {
            people: people.clone(),
            platform,
            wire,
            issuers: Issuers::default(),
        })))
    }

    /// The platform's ways in, for the page where people sign in; `next` is where they are to go
    /// after that.
    pub fn offered(&self, next: Option<&str>) -> Vec<Offer> {
        let providers = self.0.platform.iter();
        providers
            .map(|provider| {
                let path = format!("/sign-in/oidc/{}", provider.id);
                Offer::new(&provider.name, path, next)
            })
            .collect()
    }

    /// A tenant's own ways in, by name; none for a tenant that does not exist.
    pub async fn offered_by(&self, slug: &str, next: Option<&str>) -> Result<Vec<Offer>> {
        let Some(tenant) = self.0.people.db().directory().by_slug(slug).await? else {
            return Ok(Vec::new());
        };
        let mut tx = self.0.people.begin(Whose::tenant(tenant.id)).await?;
        let rows = sqlx::query!(
            "SELECT name, label FROM control.identity_provider WHERE enabled ORDER BY name LIMIT 20"
        )
        .fetch_all(tx.conn())
        .await?;
        tx.commit().await?;
        let offer = |name: &str, label: &str| {
            let path = format!("/sign-in/oidc/{}/{name}", tenant.slug);
            Offer::new(label, path, next)
        };
        Ok(rows
            .iter()
            .map(|row| offer(&row.name, &row.label))
            .collect())
    }

    pub(crate) fn people(&self) -> &People {
        &self.0.people
    }

    pub(crate) fn db(&self) -> &Db {
        self.0.people.db()
    }

    fn redirect_uri(&self) -> String {
        self.0.people.link_to(CALLBACK)
    }
}
