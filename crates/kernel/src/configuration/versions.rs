//! The stored versions. Each holds the whole document; version 0 are the defaults.

use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::Configuration;
use crate::{
    audit::Act,
    db::Tx,
    error::{ConflictCode, Error, OnConstraint, Result},
};

/// The configuration at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Version {
    /// Rises by one with every change. 0 are the defaults, which nobody wrote.
    pub version: i64,
    /// Who wrote it, as in the audit log; absent of the defaults.
    pub author: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub created_at: Option<OffsetDateTime>,
    pub configuration: Configuration,
}

impl Version {
    fn defaults() -> Self {
        Self {
            version: 0,
            author: None,
            created_at: None,
            configuration: Configuration::default(),
        }
    }
}

/// The version that holds.
pub async fn current(tx: &mut Tx) -> Result<Version> {
    let newest = history(tx, None, 1).await?.pop();
    Ok(newest.unwrap_or_else(Version::defaults))
}

/// One version, the defaults included.
pub async fn at(tx: &mut Tx, version: i64) -> Result<Version> {
    if version == 0 {
        return Ok(Version::defaults());
    }
    let after = version.checked_add(1).ok_or(Error::NotFound("version"))?;
    let found = history(tx, Some(after), 1).await?.pop();
    found
        .filter(|found| found.version == version)
        .ok_or(Error::NotFound("version"))
}

/// At most `limit` stored versions, newest first, before the version `before`.
pub async fn history(tx: &mut Tx, before: Option<i64>, limit: i64) -> Result<Vec<Version>> {
    let rows = sqlx::query!(
        "SELECT version, document, author, created_at FROM cell.tenant_config
         WHERE version < $1 ORDER BY version DESC LIMIT $2",
        before.unwrap_or(i64::MAX),
        limit
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Version {
                version: row.version,
                author: Some(row.author),
                created_at: Some(row.created_at),
                configuration: Configuration::stored(&row.document)?,
            })
        })
        .collect()
}

/// Writes a document as the version after `expected`, which has to be the one that holds. A document
/// that changes nothing makes no version.
///
/// # Errors
/// `invalid_request` for values that do not fit; `changed_meanwhile` where another version holds.
pub async fn write(tx: &mut Tx, expected: i64, configuration: &Configuration) -> Result<Version> {
    configuration.check()?;
    let before = current(tx).await?;
    if before.version != expected {
        return Err(changed_meanwhile());
    }
    let changes = before.configuration.changes_to(configuration)?;
    if changes.is_empty() {
        return Ok(before);
    }
    let author = tx.actor().to_string();
    let version = expected + 1;
    let created_at = sqlx::query_scalar!(
        "INSERT INTO cell.tenant_config (version, document, author) VALUES ($1, $2, $3)
         RETURNING created_at",
        version,
        configuration.document()?,
        author
    )
    .fetch_one(tx.conn())
    .await
    // Two writers who both read the same version meet here.
    .on_constraint("tenant_config_version", changed_meanwhile)?;
    let told: Vec<_> = changes
        .iter()
        .map(|change| json!({ "key": change.setting.key, "before": change.before, "after": change.after }))
        .collect();
    tx.audit(Act {
        action: "configuration.changed",
        target: format!("configuration:{version}"),
        detail: json!({ "changes": told }),
    })
    .await?;
    Ok(Version {
        version,
        author: Some(author),
        created_at: Some(created_at),
        configuration: configuration.clone(),
    })
}

fn changed_meanwhile() -> Error {
    Error::Conflict {
        code: ConflictCode::ChangedMeanwhile,
        detail: "somebody else changed the configuration meanwhile".to_owned(),
    }
}
