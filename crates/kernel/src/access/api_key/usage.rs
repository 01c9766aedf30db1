//! What keys are used for: requests per key and day, and when and from where the last one came. The
//! writer here also writes down the meters of `kernel::usage`.
//!
//! Requests are counted in memory. Every few seconds, and when the node ends, what was counted is
//! added to the tenants' rows, with one statement per tenant that had requests. A node that is
//! killed loses the counts of those seconds, and no more.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use time::{Date, OffsetDateTime};
use tokio::{sync::watch, task::JoinHandle};
use uuid::Uuid;

use crate::{
    access::Actor,
    db::{Db, Route, Tx},
    error::Result,
    id::{ApiKeyId, CorrelationId, TenantId},
    usage,
};

const INTERVAL: Duration = Duration::from_secs(5);

/// One key's requests of one UTC day.
#[derive(Clone, Debug)]
struct Use {
    requests: i64,
    last_at: OffsetDateTime,
    last_ip: Option<IpAddr>,
}

/// In an order in which nodes that write at once never wait for each other in a circle.
type OfTenant = BTreeMap<(Uuid, Date), Use>;

/// Requests that are not written down yet. As large as the number of keys used meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Uses(Mutex<HashMap<TenantId, OfTenant>>);

impl Uses {
    pub fn note(&self, tenant: TenantId, key: ApiKeyId, address: Option<IpAddr>) {
        let now = OffsetDateTime::now_utc();
        let one = Use {
            requests: 1,
            last_at: now,
            last_ip: address,
        };
        add(&mut self.lock(), tenant, (key.uuid(), now.date()), one);
    }

    fn take(&self) -> HashMap<TenantId, OfTenant> {
        std::mem::take(&mut self.lock())
    }

    fn put_back(&self, tenant: TenantId, uses: OfTenant) {
        let mut all = self.lock();
        for (place, one) in uses {
            add(&mut all, tenant, place, one);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, OfTenant>> {
        // Each change is complete before anything could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(all: &mut HashMap<TenantId, OfTenant>, tenant: TenantId, place: (Uuid, Date), more: Use) {
    let of_tenant = all.entry(tenant).or_default();
    match of_tenant.get_mut(&place) {
        Some(known) => {
            known.requests += more.requests;
            if more.last_at >= known.last_at {
                known.last_at = more.last_at;
                known.last_ip = more.last_ip;
            }
        }
        None => {
            of_tenant.insert(place, more);
        }
    }
}

/// Writes this node's counts down, of keys' requests and of meters. Dropping it ends the writing.
pub struct UsageWriter {
    db: Db,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl fmt::Debug for UsageWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UsageWriter")
    }
}

impl UsageWriter {
    pub fn start(db: &Db) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let writer = db.clone();
        let task = tokio::spawn(async move {
            // A change, and the sender's end, are both a reason to end.
            while tokio::time::timeout(INTERVAL, stopped.changed())
                .await
                .is_err()
            {
                write(&writer).await;
            }
        });
        Self {
            db: db.clone(),
            stop,
            task,
        }
    }

    /// Writes what is left and ends.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(cause = ?error, "the counting of keys' requests broke");
        }
        write(&self.db).await;
    }
}

/// Writes everything that was counted so far. What cannot be written waits for the next time.
async fn write(db: &Db) {
    usage::write(db).await;
    for (tenant, uses) in db.key_uses().take() {
        if let Err(error) = write_of(db, tenant, &uses).await {
            tracing::warn!(cause = ?error, %tenant, "requests of keys can't be written down yet");
            db.key_uses().put_back(tenant, uses);
        }
    }
}

async fn write_of(db: &Db, tenant: TenantId, uses: &OfTenant) -> Result<()> {
    let Some(tenant) = db.directory().by_id(tenant).await? else {
        return Ok(());
    };
    let actor = Actor::new("program", "usage");
    let mut tx = Tx::begin(db, &tenant, actor, CorrelationId::new(), Route::Write).await?;
    let keys: Vec<Uuid> = uses.keys().map(|(key, _)| *key).collect();
    let days: Vec<Date> = uses.keys().map(|(_, day)| *day).collect();
    let requests: Vec<i64> = uses.values().map(|one| one.requests).collect();
    let times: Vec<OffsetDateTime> = uses.values().map(|one| one.last_at).collect();
    let addresses: Vec<String> = uses
        .values()
        .map(|one| one.last_ip.map_or_else(String::new, |ip| ip.to_string()))
        .collect();
    sqlx::query!(
        "INSERT INTO cell.api_key_usage AS u (key_id, day, requests, last_at, last_ip)
         SELECT key, day, requests, at, NULLIF(ip, '')
         FROM unnest($1::uuid[], $2::date[], $3::bigint[], $4::timestamptz[], $5::text[])
             AS new (key, day, requests, at, ip)
         ON CONFLICT (tenant_id, key_id, day) DO UPDATE SET
             requests = u.requests + excluded.requests,
             last_at = greatest(u.last_at, excluded.last_at),
             last_ip = CASE WHEN excluded.last_at >= u.last_at THEN excluded.last_ip ELSE u.last_ip END",
        &keys,
        &days,
        &requests,
        &times,
        &addresses
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await
}
