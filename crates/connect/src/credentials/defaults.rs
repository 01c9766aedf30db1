//! Which credential of a provider and environment is the default one: exactly one, as soon as there
//! is any.
//!
//! An index lets no two be it. That one is, is kept by whoever adds, moves or removes: those that move
//! or remove lock all of a provider's credentials, and those that add keep the default one from being
//! moved or removed meanwhile.

use std::collections::BTreeMap;

use kernel::{
    Error, Result, Tx,
    error::{ConflictCode, OnConstraint},
    id::{CredentialId, UserId},
};
use time::OffsetDateTime;

use super::model::Environment;

/// A credential's row, as it is added.
pub(crate) struct NewRow<'a> {
    pub id: CredentialId,
    pub provider: &'a str,
    pub name: &'a str,
    pub environment: Environment,
    pub owner: Option<UserId>,
    pub expires_at: Option<OffsetDateTime>,
    pub fields: serde_json::Value,
}

/// The index that lets no two be it. Whoever adds the first of an environment holds no lock that
/// `lock` waits for, so that choosing may meet it.
const ONE_DEFAULT: &str = "credential_default_key";

/// How often a default that vanishes is looked for again.
const TRIES: usize = 5;

/// Adds a credential: as the default one where there is none. Whether it is.
pub(crate) async fn insert(tx: &mut Tx, row: &NewRow<'_>) -> Result<bool> {
    for _ in 0..TRIES {
        // Waits for whoever is about to make another one the default, or to remove it.
        let as_default = sqlx::query!(
            "INSERT INTO cell.credential
                 (id, provider, name, environment, owner_id, expires_at, fields, is_default)
             VALUES ($1, $2, $3, $4, $5, $6, $7, true)
             ON CONFLICT (tenant_id, provider, environment) WHERE is_default DO NOTHING",
            row.id.uuid(),
            row.provider,
            row.name,
            row.environment.as_str(),
            row.owner.map(UserId::uuid),
            row.expires_at,
            row.fields
        )
        .execute(tx.conn())
        .await
        .on_constraint("credential_name_key", || name_taken(row.name))?;
        if as_default.rows_affected() == 1 {
            return Ok(true);
        }
        let default = sqlx::query_scalar!(
            "SELECT id FROM cell.credential
             WHERE provider = $1 AND environment = $2 AND is_default FOR SHARE",
            row.provider,
            row.environment.as_str()
        )
        .fetch_optional(tx.conn())
        .await?;
        if default.is_none() {
            continue;
        }
        sqlx::query!(
            "INSERT INTO cell.credential
                 (id, provider, name, environment, owner_id, expires_at, fields)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            row.id.uuid(),
            row.provider,
            row.name,
            row.environment.as_str(),
            row.owner.map(UserId::uuid),
            row.expires_at,
            row.fields
        )
        .execute(tx.conn())
        .await
        .on_constraint("credential_name_key", || name_taken(row.name))?;
        return Ok(false);
    }
    Err(changed_meanwhile())
}

fn changed_meanwhile() -> Error {
    Error::Conflict {
        code: ConflictCode::ChangedMeanwhile,
        detail: "the provider's credentials are being changed by others; try again".to_owned(),
    }
}

pub(super) fn name_taken(name: &str) -> Error {
    Error::Conflict {
        code: ConflictCode::NameTaken,
        detail: format!(
            "there is a credential named `{name}` of this provider and environment; change that one, or choose another name"
        ),
    }
}

/// Of a credential, what others may have changed before it was locked.
pub(super) struct Standing {
    pub environment: Environment,
    pub fields: BTreeMap<String, String>,
}

/// Keeps others from changing, moving, removing or choosing among a provider's credentials until the
/// transaction ends: how this one stands, and what is read later.
pub(super) async fn lock(tx: &mut Tx, provider: &str, id: CredentialId) -> Result<Standing> {
    let rows = sqlx::query!(
        r#"SELECT id, environment AS "environment: Environment", fields
           FROM cell.credential WHERE provider = $1 ORDER BY id FOR UPDATE"#,
        provider
    )
    .fetch_all(tx.conn())
    .await?;
    let row = rows.into_iter().find(|row| row.id == id.uuid());
    let row = row.ok_or(Error::NotFound("credential"))?;
    Ok(Standing {
        environment: row.environment,
        fields: serde_json::from_value(row.fields).map_err(Error::internal)?,
    })
}

/// Makes it the default one of its environment, under `lock`. Whether it was already.
pub(super) async fn choose(
    tx: &mut Tx,
    provider: &str,
    environment: Environment,
    id: CredentialId,
) -> Result<bool> {
    sqlx::query!(
        "UPDATE cell.credential SET is_default = false
         WHERE provider = $1 AND environment = $2 AND is_default AND id <> $3",
        provider,
        environment.as_str(),
        id.uuid()
    )
    .execute(tx.conn())
    .await?;
    let made = sqlx::query!(
        "UPDATE cell.credential SET is_default = true WHERE id = $1 AND NOT is_default",
        id.uuid()
    )
    .execute(tx.conn())
    .await
    .on_constraint(ONE_DEFAULT, changed_meanwhile)?;
    Ok(made.rows_affected() == 0)
}

/// Makes the oldest credential the default one where none is, under `lock`. Which one was made it.
pub(super) async fn appoint(
    tx: &mut Tx,
    provider: &str,
    environment: Environment,
) -> Result<Option<CredentialId>> {
    let heir = sqlx::query_scalar!(
        "UPDATE cell.credential SET is_default = true
         WHERE id = (
             SELECT id FROM cell.credential WHERE provider = $1 AND environment = $2
             ORDER BY id LIMIT 1
         ) AND NOT EXISTS (
             SELECT FROM cell.credential
             WHERE provider = $1 AND environment = $2 AND is_default
         ) RETURNING id",
        provider,
        environment.as_str()
    )
    .fetch_optional(tx.conn())
    .await
    .on_constraint(ONE_DEFAULT, changed_meanwhile)?;
    Ok(heir.map(CredentialId::from))
}
