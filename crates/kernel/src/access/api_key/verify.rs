//! Whether a presented key is valid, and the access that it carries.
//!
//! Each request reads the key's row, in one round trip: a revocation holds from the next request
//! on, on every node, without a cache that would have to be told.

use sqlx::Row;
use uuid::Uuid;

use super::{Presented, sha256};
use crate::{
    access::{Access, Actor, Authority, Visitor},
    db::{Db, Tenant, Tx},
    error::{Error, Result},
    id::ApiKeyId,
    permission::{ApiKeysReport, Permission},
    secret::constant_time_eq,
    suspension::{Entrance, admit},
    telemetry,
};

/// A key that is valid now.
struct Verified {
    tenant: Tenant,
    id: ApiKeyId,
    permissions: Vec<String>,
}

async fn verify(db: &Db, text: &str) -> Result<Option<Verified>> {
    let Some(key) = Presented::parse(text) else {
        return Ok(None);
    };
    let Some(tenant) = db.directory().by_id(key.tenant).await? else {
        return Ok(None);
    };
    let statement = format!(
        "SELECT id, secret_sha256, permissions,
             CASE WHEN previous_until > now() THEN previous_sha256 END AS previous
         FROM cell.api_key
         WHERE public_id = '{}' AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())",
        key.public_id
    );
    let rows = Tx::glance(db, &tenant, &statement).await?;
    let Some(row) = rows.into_iter().next() else {
        return Ok(None);
    };
    let shown = sha256(key.secret.as_bytes());
    let current: Vec<u8> = row.try_get("secret_sha256")?;
    let previous: Option<Vec<u8>> = row.try_get("previous")?;
    let known = constant_time_eq(&shown, &current)
        || previous.is_some_and(|previous| constant_time_eq(&shown, &previous));
    if !known {
        return Ok(None);
    }
    Ok(Some(Verified {
        tenant,
        id: row.try_get::<Uuid, _>("id")?.into(),
        permissions: row.try_get("permissions")?,
    }))
}

/// Checks a presented key and mints the access that it carries. Every failure is the same to the
/// outside: `Unauthenticated`, unless the key is valid and only lacks the permission.
pub(in crate::access) async fn authenticate<P: Permission>(
    db: &Db,
    text: &str,
) -> Result<Access<P>> {
    let key = verify(db, text).await?.ok_or(Error::Unauthenticated)?;
    admit(&key.tenant, Entrance::Key, P::NAME)?;
    let visitor = Visitor::here();
    db.key_uses().note(key.tenant.id, key.id, visitor.address);
    if !key.permissions.iter().any(|name| name == P::NAME) {
        return Err(Error::Forbidden(P::NAME));
    }
    let actor = Actor::new("api_key", key.id);
    let access = Access::mint(db, key.tenant, actor, visitor.correlation);
    Ok(access.with(Authority::Permissions(key.permissions), None))
}

/// Access to end a key, for whoever shows it: that they can is the proof that it has leaked. Also
/// where the tenant is not active. `None` for what is no valid key.
pub async fn shown(db: &Db, text: &str) -> Result<Option<(Access<ApiKeysReport>, ApiKeyId)>> {
    let Some(key) = verify(db, text).await? else {
        return Ok(None);
    };
    let actor = Actor::new("visitor", "leak_report");
    let access = Access::mint(db, key.tenant, actor, telemetry::correlation());
    Ok(Some((access, key.id)))
}
