//! Who used which credential for what, and when. A caller's first use of an hour is written, and no
//! other: the time that stands there is at most an hour behind.

use kernel::{
    Access, Error, Result, audit::Act, error::OnConstraint, id::CredentialId,
    permission::Permission,
};
use quick_cache::sync::Cache;
use serde::Serialize;
use time::OffsetDateTime;

/// Calls through the proxy: the one purpose whose first use in an hour is audited, because it is the
/// tenant's own clients that spend the credential there, and not the program.
pub(crate) const PROXY: &str = "proxy";

const ENTRIES: usize = 10_000;
const HOUR: i64 = 3600;

/// Whom this node has seen use what, by the beginning of the hour; the table knows of all nodes.
#[derive(Debug)]
pub(crate) struct Uses(Cache<(CredentialId, String, &'static str), i64>);

#[derive(Serialize)]
struct Detail<'a> {
    provider: &'a str,
    by: &'static str,
}

impl Uses {
    pub fn new() -> Self {
        Self(Cache::new(ENTRIES))
    }

    /// Records the use, before it happens, unless this caller used the credential for it in this
    /// hour already.
    pub async fn record<P: Permission>(
        &self,
        access: &Access<P>,
        provider: &str,
        credential: CredentialId,
        purpose: &'static str,
    ) -> Result<()> {
        self.record_at(
            access,
            provider,
            credential,
            purpose,
            OffsetDateTime::now_utc(),
        )
        .await
    }

    pub(crate) async fn record_at<P: Permission>(
        &self,
        access: &Access<P>,
        provider: &str,
        credential: CredentialId,
        purpose: &'static str,
        now: OffsetDateTime,
    ) -> Result<()> {
        let hour = now.unix_timestamp() - now.unix_timestamp().rem_euclid(HOUR);
        let key = (credential, access.actor().to_string(), purpose);
        if self.0.get(&key).is_some_and(|known| known >= hour) {
            return Ok(());
        }
        let mut tx = access.begin().await?;
        let first = sqlx::query!(
            "INSERT INTO cell.credential_use AS u (credential_id, actor, purpose, used_at)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant_id, credential_id, actor, purpose)
                 DO UPDATE SET used_at = excluded.used_at WHERE u.used_at < $5
             RETURNING actor",
            credential.uuid(),
            key.1,
            purpose,
            now,
            OffsetDateTime::from_unix_timestamp(hour).map_err(Error::internal)?,
        )
        .fetch_optional(tx.conn())
        .await
        // It was deleted since it was opened.
        .on_constraint("credential_use_tenant_id_credential_id_fkey", || {
            Error::NotFound("credential")
        })?;
        if first.is_some() && purpose == PROXY {
            tx.audit(Act {
                action: "credential.used",
                target: credential.to_string(),
                detail: Detail {
                    provider,
                    by: purpose,
                },
            })
            .await?;
        }
        tx.commit().await?;
        self.0.insert(key, hour);
        Ok(())
    }
}
