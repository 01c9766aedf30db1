//! Reading credentials, masked: one, or a page of them.

use kernel::{
    Access, Error, Result, Tx,
    id::CredentialId,
    permission::{CredentialsRead, Permission},
};
use serde::{Deserialize, Serialize};

use super::model::{CredentialView, Environment, Filter, LastUse, SecretView};
use crate::verify::Verification;

/// Where a row stands in a list that is ordered by provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Position {
    pub provider: String,
    pub id: CredentialId,
}

/// The order of a list, and the row that it goes on after.
#[derive(Debug)]
enum Order {
    Oldest(Option<CredentialId>),
    ByProvider(Option<Position>),
}

/// One credential, masked.
pub(super) async fn get<P: Permission>(
    access: &Access<P>,
    id: CredentialId,
) -> Result<CredentialView> {
    let mut tx = access.read().await?;
    let filter = Filter::default();
    let mut views = select(&mut tx, Some(id), &filter, Order::Oldest(None), 1).await?;
    tx.commit().await?;
    views.pop().ok_or(Error::NotFound("credential"))
}

/// Credentials after a position, oldest first.
pub async fn list<P: Permission>(
    access: &Access<P>,
    filter: &Filter,
    after: Option<CredentialId>,
    limit: i64,
) -> Result<Vec<CredentialView>> {
    let mut tx = access.read().await?;
    let views = select(&mut tx, None, filter, Order::Oldest(after), limit).await?;
    tx.commit().await?;
    Ok(views)
}

/// Credentials after a position, those of a provider together.
pub(super) async fn list_by_provider(
    access: &Access<CredentialsRead>,
    filter: &Filter,
    after: Option<Position>,
    limit: i64,
) -> Result<Vec<CredentialView>> {
    let mut tx = access.read().await?;
    let views = select(&mut tx, None, filter, Order::ByProvider(after), limit).await?;
    tx.commit().await?;
    Ok(views)
}

async fn select(
    tx: &mut Tx,
    id: Option<CredentialId>,
    filter: &Filter,
    order: Order,
    limit: i64,
) -> Result<Vec<CredentialView>> {
    let (by_provider, after_provider, after) = match order {
        Order::Oldest(after) => (false, None, after),
        Order::ByProvider(None) => (true, None, None),
        Order::ByProvider(Some(position)) => (true, Some(position.provider), Some(position.id)),
    };
    let rows = sqlx::query!(
        r#"SELECT c.id, c.provider, c.name, c.environment AS "environment: Environment",
                  c.is_default, c.owner_id, c.expires_at,
                  LEAST(c.expires_at, v.expires_at) AS "ends_at?", c.fields, c.version,
                  c.created_at, c.updated_at,
                  s.secrets AS "secrets!", v.found AS "found?",
                  u.actor AS "actor?", u.purpose AS "purpose?", u.used_at AS "used_at?"
           FROM cell.credential c
           CROSS JOIN LATERAL (
               SELECT COALESCE(jsonb_agg(jsonb_build_object('field', field, 'slot', slot, 'last4', last4,
                   'valid_until', to_char(valid_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
                   ORDER BY field, slot), '[]') AS secrets
               FROM cell.credential_secret
               WHERE credential_id = c.id AND slot IN ('current', 'previous')
                   AND (valid_until IS NULL OR valid_until > now())
           ) s
           LEFT JOIN LATERAL (
               SELECT expires_at, jsonb_build_object('outcome', outcome, 'reason', reason, 'detail', detail,
                   'advice', advice, 'scopes', scopes,
                   'expires_at', to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                   'checked_at', to_char(checked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) AS found
               FROM cell.credential_verification
               WHERE credential_id = c.id AND version = c.version
               ORDER BY checked_at DESC, id DESC LIMIT 1
           ) v ON true
           LEFT JOIN LATERAL (
               SELECT actor, purpose, used_at FROM cell.credential_use
               WHERE credential_id = c.id
               ORDER BY purpose = 'credential.verify', used_at DESC, actor, purpose LIMIT 1
           ) u ON true
           WHERE ($1::uuid IS NULL OR c.id = $1) AND ($2::text IS NULL OR c.provider = $2)
             AND ($3::text IS NULL OR c.environment = $3)
             AND ($4::timestamptz IS NULL OR LEAST(c.expires_at, v.expires_at) < $4)
             AND ($5::uuid IS NULL OR CASE WHEN $6 THEN (c.provider, c.id) > ($7, $5) ELSE c.id > $5 END)
           ORDER BY CASE WHEN $6 THEN c.provider END, c.id LIMIT $8"#,
        id.map(CredentialId::uuid),
        filter.provider,
        filter.environment.map(Environment::as_str),
        filter.expiring_before,
        after.map(CredentialId::uuid),
        by_provider,
        after_provider,
        limit
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            let last_used = match (row.used_at, row.actor, row.purpose) {
                (Some(at), Some(by), Some(purpose)) => Some(LastUse { at, by, purpose }),
                _ => None,
            };
            Ok(CredentialView {
                id: row.id.into(),
                provider: row.provider,
                name: row.name,
                environment: row.environment,
                is_default: row.is_default,
                owner: row.owner_id.map(Into::into),
                expires_at: row.ends_at,
                entered_expiry: row.expires_at,
                last_used,
                fields: serde_json::from_value(row.fields).map_err(Error::internal)?,
                secrets: serde_json::from_value::<Vec<SecretView>>(row.secrets)
                    .map_err(Error::internal)?,
                verification: row
                    .found
                    .map(serde_json::from_value::<Verification>)
                    .transpose()
                    .map_err(Error::internal)?,
                version: row.version,
                created_at: row.created_at,
                updated_at: row.updated_at,
            })
        })
        .collect()
}
