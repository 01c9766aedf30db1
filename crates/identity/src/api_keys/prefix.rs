//! What a tenant's keys begin with, so that people and scanners see whose they are. It finds no key
//! and proves nothing: keys of an earlier prefix go on.

use kernel::{
    Access, Error, Result, Tx,
    audit::Act,
    permission::{ApiKeysWrite, Permission},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Of tenants that have not chosen one.
const DEFAULT: &str = "fh";

#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Prefix {
    /// From 2 to 10 lower-case letters and digits, a letter first.
    #[schema(example = "acme", pattern = "^[a-z][a-z0-9]{1,9}$")]
    pub prefix: String,
}

/// What new keys begin with.
pub(super) async fn current(tx: &mut Tx) -> Result<String> {
    let own = sqlx::query_scalar!("SELECT prefix FROM cell.api_key_prefix")
        .fetch_optional(tx.conn())
        .await?;
    Ok(own.unwrap_or_else(|| DEFAULT.to_owned()))
}

pub async fn show<P: Permission>(access: &Access<P>) -> Result<Prefix> {
    let mut tx = access.read().await?;
    let prefix = current(&mut tx).await?;
    tx.commit().await?;
    Ok(Prefix { prefix })
}

/// # Errors
/// `invalid_request` for what is no prefix.
pub async fn set(access: &Access<ApiKeysWrite>, new: Prefix) -> Result<Prefix> {
    if !is_prefix(&new.prefix) {
        return Err(Error::field(
            "prefix",
            "must have from 2 to 10 lower-case letters and digits, a letter first",
        ));
    }
    let mut tx = access.begin().await?;
    sqlx::query!(
        "INSERT INTO cell.api_key_prefix (prefix, set_by) VALUES ($1, $2)
         ON CONFLICT (tenant_id) DO UPDATE SET prefix = excluded.prefix, set_by = excluded.set_by,
             set_at = now()",
        new.prefix,
        access.actor().to_string()
    )
    .execute(tx.conn())
    .await?;
    tx.audit(Act {
        action: "api_key.prefix_set",
        target: access.tenant().id.to_string(),
        detail: &new,
    })
    .await?;
    tx.commit().await?;
    Ok(new)
}

fn is_prefix(text: &str) -> bool {
    let lower = |byte: &u8| byte.is_ascii_lowercase();
    (2..=10).contains(&text.len())
        && text.as_bytes().first().is_some_and(lower)
        && text
            .bytes()
            .all(|byte| lower(&byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_short_and_plain() {
        for good in ["fh", "acme", "a1", "abcdefghij"] {
            assert!(is_prefix(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "1a",
            "Acme",
            "ac_me",
            "ac-me",
            "abcdefghijk",
            "äb",
            "a ",
        ] {
            assert!(!is_prefix(bad), "{bad}");
        }
    }
}
