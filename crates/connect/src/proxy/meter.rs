//! What calls through the proxy are counted and recorded by: the tenant's meters, with every byte; and the audit log, with the first call of each hour that somebody makes with a
//! credential.

use kernel::{
    Access, Error, Result, audit::Act, error::OnConstraint, id::CredentialId, permission::ProxyUse,
    telemetry::metric, usage::Counter,
};
use quick_cache::sync::Cache;
use serde::Serialize;
use time::OffsetDateTime;

const ENTRIES: usize = 10_000;
const HOUR: i64 = 3600;

/// Which way bytes go, and what counts them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    Sent,
    Received,
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
        }
    }

    fn meter(self) -> &'static str {
        match self {
            Self::Sent => "proxy.bytes_sent",
            Self::Received => "proxy.bytes_received",
        }
    }
}

/// The bytes of one body, added to the meters when it has ended, or was given up.
#[derive(Debug)]
pub(super) struct Bytes {
    counter: Counter,
    provider: String,
    direction: Direction,
    count: u64,
}

impl Bytes {
    pub fn new(counter: Counter, provider: &str, direction: Direction) -> Self {
        Self {
            counter,
            provider: provider.to_owned(),
            direction,
            count: 0,
        }
    }

    pub fn add(&mut self, count: usize) {
        self.count += count as u64;
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        let meter = self.direction.meter();
        self.counter.add(meter, &self.provider, self.count);
        metrics::counter!(metric::PROXY_BYTES, "provider" => self.provider.clone(),
            "direction" => self.direction.name())
        .increment(self.count);
    }
}

/// Who used which credential in which hour, as far as this node knows; the table knows all.
#[derive(Debug)]
pub(crate) struct Uses(Cache<(CredentialId, String), i64>);

#[derive(Serialize)]
struct Detail<'a> {
    provider: &'a str,
    by: &'static str,
}

impl Uses {
    pub fn new() -> Self {
        Self(Cache::new(ENTRIES))
    }

    /// Records the use, before it happens, unless this caller used the credential in this hour
    /// already.
    pub async fn record(
        &self,
        access: &Access<ProxyUse>,
        provider: &str,
        credential: CredentialId,
    ) -> Result<()> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let hour = now - now.rem_euclid(HOUR);
        let key = (credential, access.actor().to_string());
        if self.0.get(&key).is_some_and(|known| known >= hour) {
            return Ok(());
        }
        let mut tx = access.begin().await?;
        let first = sqlx::query!(
            "INSERT INTO cell.credential_use AS u (credential_id, actor, hour) VALUES ($1, $2, $3)
             ON CONFLICT (tenant_id, credential_id, actor)
                 DO UPDATE SET hour = excluded.hour WHERE u.hour < excluded.hour
             RETURNING actor",
            credential.uuid(),
            key.1,
            OffsetDateTime::from_unix_timestamp(hour).map_err(Error::internal)?,
        )
        .fetch_optional(tx.conn())
        .await
        // It was deleted since it was opened.
        .on_constraint("credential_use_tenant_id_credential_id_fkey", || {
            Error::NotFound("credential")
        })?;
        if first.is_some() {
            tx.audit(Act {
                action: "credential.used",
                target: credential.to_string(),
                detail: Detail {
                    provider,
                    by: "proxy",
                },
            })
            .await?;
        }
        tx.commit().await?;
        self.0.insert(key, hour);
        Ok(())
    }
}
