//! What a tenant has at one provider, sealed, as the caches hold it: endpoint, credentials,
//! identifiers. Opening is done per use; no plaintext stays in memory.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use kernel::{
    Access, Result,
    id::{CredentialId, TenantId},
    permission::Permission,
    telemetry::metric,
};
use quick_cache::sync::Cache;
use serde::{Deserialize, Deserializer};
use time::OffsetDateTime;
use uuid::Uuid;
use vault::{CacheCounts, WrappedKey};

use crate::{Connect, credentials::Environment, oauth::GrantState};

/// Bounds the age of what an announcement failed to refresh.
const LIFE: Duration = Duration::from_secs(300);
/// A thousand tenants with a few providers each.
const ENTRIES: usize = 4_000;

/// A tenant's account at one provider.
#[derive(Debug, Deserialize)]
pub(crate) struct Account {
    /// Whether inbound webhooks are taken; absent means never set up.
    pub endpoint_enabled: Option<bool>,
    /// The oldest first.
    pub credentials: Vec<SealedCredential>,
    /// (kind, value) of every id that this tenant has at the provider.
    pub identifiers: Vec<(String, String)>,
    /// The wrapped data keys, by generation.
    #[serde(deserialize_with = "wrapped")]
    pub wrapped: BTreeMap<u32, WrappedKey>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SealedCredential {
    #[serde(deserialize_with = "id")]
    pub id: CredentialId,
    pub environment: Environment,
    /// Whether it is the one of its environment that is taken where nobody names another.
    pub is_default: bool,
    pub fields: BTreeMap<String, String>,
    pub secrets: Vec<SealedSecret>,
    /// Where it was connected by consent.
    pub grant: Option<GrantState>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SealedSecret {
    pub field: String,
    pub previous: bool,
    #[serde(deserialize_with = "hexadecimal::deserialize")]
    pub sealed: Vec<u8>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub valid_until: Option<OffsetDateTime>,
}

/// Accounts by tenant and provider.
#[derive(Debug)]
pub(crate) struct Accounts {
    entries: Cache<(TenantId, String), (Instant, Arc<Account>)>,
    /// Counts the changes heard of. What was loaded while it moved may be stale and is not kept.
    changes: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Accounts {
    pub fn new() -> Self {
        Self {
            entries: Cache::new(ENTRIES),
            changes: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// How many changes were heard of so far.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    pub fn forget(&self, tenant: TenantId) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.entries.retain(|(owner, _), _| *owner != tenant);
    }

    pub fn clear(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.entries.clear();
    }
}

impl Connect {
    /// How often this node knew an account, and how often it had to ask the database.
    pub fn account_counts(&self) -> CacheCounts {
        let accounts = self.accounts();
        CacheCounts {
            hits: accounts.hits.load(Ordering::Relaxed),
            misses: accounts.misses.load(Ordering::Relaxed),
        }
    }

    /// The tenant's account at a provider: from the cache, or by one round trip.
    pub(crate) async fn account<P: Permission>(
        &self,
        access: &Access<P>,
        provider: &str,
    ) -> Result<Arc<Account>> {
        let key = (access.tenant().id, provider.to_owned());
        if let Some((at, account)) = self.accounts().entries.get(&key)
            && at.elapsed() < LIFE
        {
            self.accounts().hits.fetch_add(1, Ordering::Relaxed);
            metrics::counter!(metric::CACHE, "cache" => "credentials", "outcome" => "hit")
                .increment(1);
            return Ok(account);
        }
        self.accounts().misses.fetch_add(1, Ordering::Relaxed);
        metrics::counter!(metric::CACHE, "cache" => "credentials", "outcome" => "miss")
            .increment(1);
        let accounts = self.accounts();
        let changes = accounts.changes();
        let loaded_at = Instant::now();
        let account = Arc::new(load(access, provider).await?);
        accounts
            .entries
            .insert(key.clone(), (loaded_at, Arc::clone(&account)));
        // Asked after the insertion: a change heard of before it is seen here, one heard of later
        // finds the entry and removes it.
        if accounts.changes() != changes {
            accounts.entries.remove(&key);
        }
        Ok(account)
    }
}

/// What the database has, in one round trip.
///
/// # Errors
/// `invalid_request` where no provider can be called so.
pub(crate) async fn load<P: Permission>(access: &Access<P>, provider: &str) -> Result<Account> {
    access.glance("cell.account", provider).await
}

fn id<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<CredentialId, D::Error> {
    Uuid::deserialize(from).map(CredentialId::from)
}

/// Bytes as the database writes them into JSON.
mod hexadecimal {
    use serde::{Deserialize, Deserializer, de::Error};

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// `vault::WrappedKey`, whose crate knows no JSON.
fn wrapped<'de, D: Deserializer<'de>>(
    from: D,
) -> std::result::Result<BTreeMap<u32, WrappedKey>, D::Error> {
    #[derive(Deserialize)]
    struct Stored {
        kek: String,
        #[serde(deserialize_with = "hexadecimal::deserialize")]
        bytes: Vec<u8>,
    }
    let stored = BTreeMap::<u32, Stored>::deserialize(from)?;
    let keys = stored.into_iter();
    Ok(keys
        .map(|(generation, Stored { kek, bytes })| (generation, WrappedKey { kek, bytes }))
        .collect())
}
