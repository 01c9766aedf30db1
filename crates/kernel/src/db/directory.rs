//! Who exists and where they live: slug, id or provider's id → tenant. Cached for seconds, absence
//! included, so that unknown names cost strangers and the database the same as known ones.

use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use sqlx::PgPool;

use crate::{
    error::{Error, Result},
    id::{CellId, TenantId},
    suspension::{Effects, SuspensionKind},
};

/// How long an entry is believed. A suspension or a move made by another node is seen within this.
const LIFE: Duration = Duration::from_secs(5);
const ENTRIES: usize = 10_000;

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TenantStatus {
    Provisioning,
    Active,
    Suspended,
    Closed,
}

impl TenantStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }

    pub fn parse(text: &str) -> Result<Self> {
        [
            Self::Provisioning,
            Self::Active,
            Self::Suspended,
            Self::Closed,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
        .ok_or_else(|| Error::internal(anyhow::anyhow!("unknown tenant status {text:?}")))
    }
}

/// An entry of the directory. Knowing one gives no access: see `kernel::access`.
#[derive(Clone, Debug)]
pub struct Tenant {
    pub id: TenantId,
    pub slug: String,
    pub status: TenantStatus,
    /// Why it is suspended, if it is.
    pub suspension: Option<SuspensionKind>,
    pub cell: CellId,
    pub epoch: i64,
}

impl Tenant {
    /// The address of a page of this tenant's console; the page's own begins with `/`, the
    /// overview's is empty.
    pub fn href(&self, page: &str) -> String {
        format!("/app/{}{page}", self.slug)
    }

    /// What its standing lets happen.
    pub fn effects(&self) -> &'static Effects {
        Effects::of(self.status, self.suspension)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Id(TenantId),
    Slug(String),
    Route {
        provider: String,
        kind: String,
        external_id: String,
    },
}

#[derive(Debug)]
pub struct Directory {
    pool: PgPool,
    cache: Cache<Key, (Instant, Option<Tenant>)>,
}

struct Row {
    id: uuid::Uuid,
    slug: String,
    status: String,
    suspension: Option<String>,
    cell_id: uuid::Uuid,
    epoch: i64,
}

impl Directory {
    pub(super) fn new(pool: PgPool) -> Self {
        Self {
            pool,
            cache: Cache::new(ENTRIES),
        }
    }

    pub async fn by_id(&self, id: TenantId) -> Result<Option<Tenant>> {
        self.cached(Key::Id(id), async {
            sqlx::query_as!(
                Row,
                "SELECT id, slug, status, suspension, cell_id, epoch FROM control.tenant WHERE id = $1",
                id.uuid()
            )
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    pub async fn by_slug(&self, slug: &str) -> Result<Option<Tenant>> {
        self.cached(Key::Slug(slug.to_owned()), async {
            sqlx::query_as!(
                Row,
                "SELECT id, slug, status, suspension, cell_id, epoch FROM control.tenant WHERE slug = $1",
                slug
            )
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    /// The tenant that a provider's own id belongs to, as in (`whatsapp`, `phone_number_id`, …).
    pub async fn by_route(
        &self,
        provider: &str,
        kind: &str,
        external_id: &str,
    ) -> Result<Option<Tenant>> {
        let key = Key::Route {
            provider: provider.to_owned(),
            kind: kind.to_owned(),
            external_id: external_id.to_owned(),
        };
        self.cached(key, async {
            sqlx::query_as!(
                Row,
                "SELECT t.id, t.slug, t.status, t.suspension, t.cell_id, t.epoch
                 FROM control.provider_route r JOIN control.tenant t ON t.id = r.tenant_id
                 WHERE r.provider = $1 AND r.kind = $2 AND r.external_id = $3",
                provider,
                kind,
                external_id
            )
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    async fn cached(
        &self,
        key: Key,
        load: impl Future<Output = sqlx::Result<Option<Row>>>,
    ) -> Result<Option<Tenant>> {
        if let Some((at, tenant)) = self.cache.get(&key)
            && at.elapsed() < LIFE
        {
            metrics::counter!(crate::telemetry::metric::CACHE, "cache" => "directory", "outcome" => "hit").increment(1);
            return Ok(tenant);
        }
        metrics::counter!(crate::telemetry::metric::CACHE, "cache" => "directory", "outcome" => "miss").increment(1);
        let tenant = match load.await? {
            Some(row) => Some(Tenant {
                id: row.id.into(),
                slug: row.slug,
                status: TenantStatus::parse(&row.status)?,
                suspension: row
                    .suspension
                    .as_deref()
                    .map(SuspensionKind::parse)
                    .transpose()?,
                cell: row.cell_id.into(),
                epoch: row.epoch,
            }),
            None => None,
        };
        self.cache.insert(key, (Instant::now(), tenant.clone()));
        Ok(tenant)
    }

    /// Drops what is known of a tenant on this node.
    pub fn forget(&self, tenant: &Tenant) {
        self.cache.remove(&Key::Id(tenant.id));
        self.cache.remove(&Key::Slug(tenant.slug.clone()));
        self.cache
            .retain(|_, (_, known)| known.as_ref().is_none_or(|known| known.id != tenant.id));
    }

    /// Drops what is known of names that just came to exist.
    pub fn forget_slug(&self, slug: &str) {
        self.cache.remove(&Key::Slug(slug.to_owned()));
    }

    pub fn forget_route(&self, provider: &str, kind: &str, external_id: &str) {
        self.cache.remove(&Key::Route {
            provider: provider.to_owned(),
            kind: kind.to_owned(),
            external_id: external_id.to_owned(),
        });
    }
}
