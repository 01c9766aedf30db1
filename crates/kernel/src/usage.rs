//! Meters: how much of something a tenant used, per subject and UTC day.
//!
//! Amounts are added up in memory and written down together with the counts of API keys' requests,
//! every few seconds and when the node ends. A node that is killed loses those seconds, and no more.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use time::{Date, OffsetDateTime};

use crate::{
    access::{Access, Actor},
    db::{Db, Route, Tx},
    error::Result,
    id::{CorrelationId, TenantId},
    permission::Permission,
};

/// In an order in which nodes that write at once never wait for each other in a circle.
type OfTenant = BTreeMap<(&'static str, String, Date), i64>;

/// Amounts that are not written down yet. As large as the number of subjects used meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Meters(Mutex<HashMap<TenantId, OfTenant>>);

impl Meters {
    fn add(&self, tenant: TenantId, place: (&'static str, String, Date), amount: i64) {
        let mut all = self.lock();
        let counted = all.entry(tenant).or_default().entry(place).or_default();
        *counted = counted.saturating_add(amount);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, OfTenant>> {
        // Each change is complete before anything could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds to one tenant's meters for as long as it lives, which may be longer than the access of the
/// request that it counts for: a body that is streamed ends after its request was answered.
#[derive(Clone, Debug)]
pub struct Counter {
    db: Db,
    tenant: TenantId,
}

impl Counter {
    /// Adds an amount. `meter` is as in `proxy.calls`; nothing is noted for 0.
    pub fn add(&self, meter: &'static str, subject: &str, amount: u64) {
        let amount = i64::try_from(amount).unwrap_or(i64::MAX);
        if amount > 0 {
            let day = OffsetDateTime::now_utc().date();
            let place = (meter, subject.to_owned(), day);
            self.db.meters().add(self.tenant, place, amount);
        }
    }
}

impl<P: Permission> Access<P> {
    pub fn counter(&self) -> Counter {
        Counter {
            db: self.db().clone(),
            tenant: self.tenant().id,
        }
    }
}

/// Writes down everything that was counted so far. What can't be written waits for the next time.
pub(crate) async fn write(db: &Db) {
    let all = std::mem::take(&mut *db.meters().lock());
    for (tenant, amounts) in all {
        if let Err(error) = write_of(db, tenant, &amounts).await {
            tracing::warn!(cause = ?error, %tenant, "usage can't be written down yet");
            for (place, amount) in amounts {
                db.meters().add(tenant, place, amount);
            }
        }
    }
}

async fn write_of(db: &Db, tenant: TenantId, amounts: &OfTenant) -> Result<()> {
    let Some(tenant) = db.directory().by_id(tenant).await? else {
        return Ok(());
    };
    let actor = Actor::new("program", "usage");
    let mut tx = Tx::begin(db, &tenant, actor, CorrelationId::new(), Route::Write).await?;
    let meters: Vec<String> = amounts
        .keys()
        .map(|(meter, ..)| (*meter).to_owned())
        .collect();
    let subjects: Vec<String> = amounts
        .keys()
        .map(|(_, subject, _)| subject.clone())
        .collect();
    let days: Vec<Date> = amounts.keys().map(|(.., day)| *day).collect();
    let amounts: Vec<i64> = amounts.values().copied().collect();
    sqlx::query!(
        "INSERT INTO cell.usage AS u (meter, subject, day, amount)
         SELECT * FROM unnest($1::text[], $2::text[], $3::date[], $4::bigint[])
         ON CONFLICT (tenant_id, meter, subject, day) DO UPDATE SET amount = u.amount + excluded.amount",
        &meters,
        &subjects,
        &days,
        &amounts
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await
}
