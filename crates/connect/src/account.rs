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
    Access, Error, Result,
    id::{CredentialId, TenantId},
    permission::Permission,
    telemetry::metric,
};
use quick_cache::sync::Cache;
use time::OffsetDateTime;
use vault::WrappedKey;

use crate::{Connect, oauth::GrantState};

/// Bounds the age of what an announcement failed to refresh.
const LIFE: Duration = Duration::from_secs(300);
/// A thousand tenants with a few providers each.
const ENTRIES: usize = 4_000;

/// A tenant's account at one provider.
#[derive(Debug)]
pub(crate) struct Account {
    /// Whether inbound webhooks are taken; absent means never set up.
    pub endpoint_enabled: Option<bool>,
    /// The oldest first, which is the default one.
    pub credentials: Vec<SealedCredential>,
    /// (kind, value) of every id that this tenant has at the provider.
    pub identifiers: Vec<(String, String)>,
    /// The wrapped data keys, by generation.
    pub wrapped: BTreeMap<u32, WrappedKey>,
}

#[derive(Debug)]
pub(crate) struct SealedCredential {
    pub id: CredentialId,
    pub fields: BTreeMap<String, String>,
    pub secrets: Vec<SealedSecret>,
    /// Where it was connected by consent.
    pub grant: Option<GrantState>,
}

#[derive(Debug)]
pub(crate) struct SealedSecret {
    pub field: String,
    pub previous: bool,
    pub sealed: Vec<u8>,
    pub valid_until: Option<OffsetDateTime>,
}

/// Accounts by tenant and provider.
#[derive(Debug)]
pub(crate) struct Accounts {
    entries: Cache<(TenantId, String), (Instant, Arc<Account>)>,
    /// Counts the changes heard of. What was loaded while it moved may be stale and is not kept.
    changes: AtomicU64,
}

impl Accounts {
    pub fn new() -> Self {
        Self {
            entries: Cache::new(ENTRIES),
            changes: AtomicU64::new(0),
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
    /// The tenant's account at a provider: from the cache, or by two queries in one transaction.
    pub(crate) async fn account<P: Permission>(
        &self,
        access: &Access<P>,
        provider: &str,
    ) -> Result<Arc<Account>> {
        let key = (access.tenant().id, provider.to_owned());
        if let Some((at, account)) = self.accounts().entries.get(&key)
            && at.elapsed() < LIFE
        {
            metrics::counter!(metric::CACHE, "cache" => "credentials", "outcome" => "hit")
                .increment(1);
            return Ok(account);
        }
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

/// What the database has, by two queries in one transaction.
pub(crate) async fn load<P: Permission>(access: &Access<P>, provider: &str) -> Result<Account> {
    let mut tx = access.read().await?;
    let rows = sqlx::query!(
        r#"SELECT (SELECT enabled FROM cell.webhook_endpoint WHERE provider = $1) AS enabled,
                  c.id AS "id?", c.fields AS "fields?",
                  s.field AS "field?", s.slot AS "slot?", s.sealed AS "sealed?", s.valid_until AS "valid_until?",
                  g.way AS "way?", g.own_app AS "own_app?", g.status AS "status?",
                  g.expires_at AS "expires_at?", g.version AS "version?",
                  COALESCE(g.refreshed_at, g.connected_at) AS since
           FROM (SELECT) AS always
           LEFT JOIN cell.credential c ON c.provider = $1
           LEFT JOIN cell.oauth_grant g ON g.credential_id = c.id
           LEFT JOIN cell.credential_secret s ON s.credential_id = c.id
           ORDER BY c.id"#,
        provider
    )
    .fetch_all(tx.conn())
    .await?;
    let rest = sqlx::query!(
        r#"SELECT generation AS "generation?", kek AS "kek?", wrapped AS "wrapped?",
                  NULL AS "kind?", NULL AS "external_id?" FROM cell.data_key
           UNION ALL
           SELECT NULL, NULL, NULL, kind, external_id FROM cell.identifier WHERE provider = $1"#,
        provider
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;

    let mut account = Account {
        endpoint_enabled: rows.first().and_then(|row| row.enabled),
        credentials: Vec::new(),
        identifiers: Vec::new(),
        wrapped: BTreeMap::new(),
    };
    for row in rows {
        let (Some(id), Some(fields)) = (row.id, row.fields) else {
            continue;
        };
        let id = CredentialId::from(id);
        if account.credentials.last().is_none_or(|last| last.id != id) {
            let fields = serde_json::from_value(fields).map_err(Error::internal)?;
            account.credentials.push(SealedCredential {
                id,
                fields,
                secrets: Vec::new(),
                grant: row
                    .version
                    .zip(row.since)
                    .map(|(version, since)| GrantState {
                        installation: row.way.as_deref() == Some("installation"),
                        own_app: row.own_app == Some(true),
                        reconnect: row.status.as_deref() != Some("active"),
                        expires_at: row.expires_at,
                        since,
                        version,
                    }),
            });
        }
        if let (Some(credential), Some(field), Some(sealed)) =
            (account.credentials.last_mut(), row.field, row.sealed)
        {
            credential.secrets.push(SealedSecret {
                field,
                previous: row.slot.as_deref() == Some("previous"),
                sealed,
                valid_until: row.valid_until,
            });
        }
    }
    for row in rest {
        if let (Some(kind), Some(external_id)) = (row.kind, row.external_id) {
            account.identifiers.push((kind, external_id));
        } else if let (Some(generation), Some(kek), Some(bytes)) =
            (row.generation, row.kek, row.wrapped)
        {
            let generation = u32::try_from(generation).map_err(Error::internal)?;
            account
                .wrapped
                .insert(generation, WrappedKey { kek, bytes });
        }
    }
    Ok(account)
}
