//! Removing data keys that nothing is sealed under any more.

use kernel::{Access, Error, Result, audit::Act, permission::DataKeysWrite};
use serde_json::json;

use crate::Connect;

impl Connect {
    /// Removes the generations before the newest that no secret needs. Which ones were.
    ///
    /// The rows are locked first, which waits for whoever is storing something under them, and the
    /// secrets are looked at afterwards, by a statement that sees what those have stored.
    pub async fn retire_keys(&self, access: &Access<DataKeysWrite>) -> Result<Vec<u32>> {
        let mut tx = access.begin().await?;
        let old = sqlx::query_scalar!(
            "SELECT generation FROM cell.data_key
             WHERE generation < (SELECT max(generation) FROM cell.data_key)
             ORDER BY generation FOR UPDATE"
        )
        .fetch_all(tx.conn())
        .await?;
        let retired = sqlx::query_scalar!(
            "DELETE FROM cell.data_key d WHERE generation = ANY ($1) AND NOT EXISTS (
                 SELECT FROM cell.credential_secret s
                 WHERE ('x' || encode(substring(s.sealed FROM 3 FOR 4), 'hex'))::bit(32)::integer = d.generation
             ) RETURNING generation",
            &old
        )
        .fetch_all(tx.conn())
        .await?;
        if retired.is_empty() {
            return Ok(Vec::new());
        }
        tx.audit(Act {
            action: "data_keys.retired",
            target: access.tenant().id.to_string(),
            detail: json!({ "generations": retired }),
        })
        .await?;
        tx.announce_keys().await?;
        tx.commit().await?;
        self.forget_keys(access.tenant().id);
        retired
            .into_iter()
            .map(|generation| u32::try_from(generation).map_err(Error::internal))
            .collect()
    }
}
