//! Destroying a tenant's data keys: the one deed that makes every credential it has stored unreadable,
//! here, on other nodes, and in every copy of the rows whose wraps are gone.

use kernel::{Access, Error, Result, audit::Act, permission::DataKeysWrite};
use serde_json::json;

use crate::{Connect, own_key};

/// What was destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// The generations whose wraps are gone.
    pub generations: Vec<u32>,
    /// How many secrets can't be opened any more.
    pub secrets: u64,
}

impl Connect {
    /// Destroys all data keys of the tenant, on this node at once and on the others as soon as they
    /// hear of it: within a second, or within five minutes where the announcement is lost. It can't
    /// be taken back but from a back-up of the database, for as long as the key-encryption keys of
    /// that time exist. What the tenant stores afterwards is sealed under a new key.
    pub async fn erase_keys(&self, access: &Access<DataKeysWrite>, reason: &str) -> Result<Erased> {
        let mut tx = access.begin().await?;
        // Whoever is about to add a key finds out that it comes too late.
        own_key::lock(&mut tx).await?;
        // Waits for whoever is storing something under one of them.
        sqlx::query!("SELECT generation FROM cell.data_key ORDER BY generation FOR UPDATE")
            .fetch_all(tx.conn())
            .await?;
        let generations = sqlx::query_scalar!(
            "WITH gone AS (DELETE FROM cell.data_key RETURNING generation, kek)
             INSERT INTO cell.erased_key (generation, kek)
             SELECT generation, kek FROM gone RETURNING generation"
        )
        .fetch_all(tx.conn())
        .await?;
        let secrets = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM cell.credential_secret
               WHERE ('x' || encode(substring(sealed FROM 3 FOR 4), 'hex'))::bit(32)::integer = ANY ($1)"#,
            &generations
        )
        .fetch_one(tx.conn())
        .await?
        .unsigned_abs();
        tx.audit(Act {
            action: "data_keys.erased",
            target: access.tenant().id.to_string(),
            detail: json!({ "generations": generations, "secrets": secrets, "reason": reason }),
        })
        .await?;
        tx.announce_keys().await?;
        tx.commit().await?;
        self.forget_keys(access.tenant().id);
        let mut generations = generations
            .into_iter()
            .map(|generation| u32::try_from(generation).map_err(Error::internal))
            .collect::<Result<Vec<_>>>()?;
        generations.sort_unstable();
        Ok(Erased {
            generations,
            secrets,
        })
    }
}
