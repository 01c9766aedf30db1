//! A tenant's API keys: issuing, listing, revoking; [`rotate`], what they are used for ([`usage`]),
//! the [`prefix`] that they begin with, and [`leaks`]. How a key is formed and checked lives in
//! `kernel::access::api_key`.
//!
//! A key's text leaves this module once, in the answer that issues it; what stays is the hash of
//! its secret part. Every request reads the key's row anew, so a revocation holds from the next
//! request on, on every node.
//!
//! Nobody issues or rotates a key that may do what they themselves may not. No key can carry the
//! permissions that only the program holds (`kernel::permission::INTERNAL`) or those of the platform.

mod api;
mod grant;
pub mod leaks;
pub mod pages;
pub mod prefix;
mod rotate;
#[cfg(test)]
mod tests;
pub mod usage;

use std::fmt;

pub use api::routes;
use kernel::{
    Access, Error, Result, Tx,
    access::api_key::{Mode, NewKey},
    audit::Act,
    id::ApiKeyId,
    page::{Page, PageQuery},
    permission::{ApiKeysRead, ApiKeysWrite, Permission},
    secret::{Secret, shown_once},
};
pub use rotate::{Rotation, rotate};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{input, roles::require_held};

/// A key to issue.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKey {
    /// What it is for.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    pub mode: Mode,
    /// The permissions that it carries. Either these or `role`.
    #[schema(example = json!(["conversations:read", "messages:send"]))]
    pub permissions: Option<Vec<String>>,
    /// A role whose permissions, as they are now, it carries.
    #[schema(example = "developer")]
    pub role: Option<String>,
    /// When it ends by itself; never when absent.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<OffsetDateTime>,
}

/// A key, masked.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ApiKeyView {
    #[schema(value_type = String, example = "key_01h455vb4pex5vsknk084sn02q")]
    pub id: ApiKeyId,
    pub name: String,
    pub mode: Mode,
    /// What recognises the key: its prefix, its mode, and four characters of its id.
    #[schema(example = "fh_live_x7Qa")]
    pub display: String,
    pub permissions: Vec<String>,
    /// Who issued it, as in the audit log.
    pub created_by: String,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<OffsetDateTime>,
    /// Until when the secret that the last rotation replaced is still taken.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub previous_until: Option<OffsetDateTime>,
    /// When it was last used; seconds late.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<OffsetDateTime>,
    /// From where.
    pub last_used_ip: Option<String>,
}

/// A key that was just issued, with its text.
#[derive(Serialize, ToSchema)]
pub struct IssuedApiKey {
    #[serde(flatten)]
    pub api_key: ApiKeyView,
    /// The key itself. It is shown this once and can't be read again.
    #[serde(serialize_with = "shown_once")]
    #[schema(value_type = String)]
    pub key: Secret,
}

impl fmt::Debug for IssuedApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuedApiKey({})", self.api_key.id)
    }
}

/// Issues a key.
///
/// # Errors
/// `invalid_request` for an unfit name, a permission that no key can carry, an unknown role, both
/// or neither of them, or an end in the past; `forbidden` for a permission that the caller lacks.
pub async fn create(access: &Access<ApiKeysWrite>, new: NewApiKey) -> Result<IssuedApiKey> {
    let name = input::name(&new.name)?;
    let permissions = grant::resolve(new.permissions.as_deref(), new.role.as_deref())?;
    require_held(access, &permissions)?;
    if new
        .expires_at
        .is_some_and(|end| end <= OffsetDateTime::now_utc())
    {
        return Err(Error::field("expires_at", "must lie in the future"));
    }
    let id = ApiKeyId::new();
    let created_by = access.actor().to_string();
    let mut tx = access.begin().await?;
    let key = NewKey::generate(
        &prefix::current(&mut tx).await?,
        new.mode,
        access.tenant().id,
    );
    let row = sqlx::query!(
        "INSERT INTO cell.api_key (id, public_id, secret_sha256, name, mode, display, permissions,
             created_by, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         RETURNING created_at, expires_at",
        id.uuid(),
        key.public_id,
        key.secret_sha256,
        name,
        new.mode.as_str(),
        key.display,
        &permissions,
        created_by,
        new.expires_at
    )
    .fetch_one(tx.conn())
    .await?;
    let api_key = ApiKeyView {
        id,
        name,
        mode: new.mode,
        display: key.display,
        permissions,
        created_by,
        created_at: row.created_at,
        expires_at: row.expires_at,
        revoked_at: None,
        previous_until: None,
        last_used_at: None,
        last_used_ip: None,
    };
    tx.audit(Act {
        action: "api_key.created",
        target: id.to_string(),
        detail: &api_key,
    })
    .await?;
    tx.commit().await?;
    Ok(IssuedApiKey {
        api_key,
        key: key.text,
    })
}

/// The tenant's keys, newest first, those that ended included.
pub async fn list(access: &Access<ApiKeysRead>, query: &PageQuery) -> Result<Page<ApiKeyView>> {
    let (limit, after) = (query.limit()?, query.after::<ApiKeyId>()?);
    let views = read(access, None, after, limit + 1).await?;
    Page::cut(views, limit, |view: &ApiKeyView| view.id)
}

/// One key.
pub async fn find<P: Permission>(access: &Access<P>, key: ApiKeyId) -> Result<ApiKeyView> {
    let mut views = read(access, Some(key), None, 1).await?;
    views.pop().ok_or(Error::NotFound("API key"))
}

async fn read<P: Permission>(
    access: &Access<P>,
    key: Option<ApiKeyId>,
    after: Option<ApiKeyId>,
    limit: i64,
) -> Result<Vec<ApiKeyView>> {
    let mut tx = access.read().await?;
    let rows = sqlx::query!(
        r#"SELECT id, name, mode, display, permissions, created_by, created_at, expires_at,
             revoked_at, CASE WHEN previous_until > now() THEN previous_until END AS previous_until,
             used.last_at AS "last_at?", used.last_ip
         FROM cell.api_key k
         LEFT JOIN LATERAL (SELECT last_at, last_ip FROM cell.api_key_usage u
             WHERE u.tenant_id = k.tenant_id AND u.key_id = k.id ORDER BY day DESC LIMIT 1) used ON true
         WHERE ($1::uuid IS NULL OR id = $1) AND ($2::uuid IS NULL OR id < $2)
         ORDER BY id DESC LIMIT $3"#,
        key.map(ApiKeyId::uuid),
        after.map(ApiKeyId::uuid),
        limit
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    rows.into_iter()
        .map(|row| {
            Ok(ApiKeyView {
                id: row.id.into(),
                name: row.name,
                mode: mode(&row.mode)?,
                display: row.display,
                permissions: row.permissions,
                created_by: row.created_by,
                created_at: row.created_at,
                expires_at: row.expires_at,
                revoked_at: row.revoked_at,
                previous_until: row.previous_until,
                last_used_at: row.last_at,
                last_used_ip: row.last_ip,
            })
        })
        .collect()
}

fn mode(text: &str) -> Result<Mode> {
    [Mode::Live, Mode::Test]
        .into_iter()
        .find(|mode| mode.as_str() == text)
        .ok_or_else(|| Error::internal(UnknownMode(text.to_owned())))
}

#[derive(Debug, thiserror::Error)]
#[error("unknown mode {0:?} of an API key")]
struct UnknownMode(String);

/// Ends a key from the next request on. Revoking one that has ended changes nothing.
pub async fn revoke(access: &Access<ApiKeysWrite>, key: ApiKeyId) -> Result<()> {
    let mut tx = access.begin().await?;
    let revoked = sqlx::query!(
        "UPDATE cell.api_key SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL
         RETURNING display",
        key.uuid()
    )
    .fetch_optional(tx.conn())
    .await?;
    match revoked {
        Some(row) => {
            tx.audit(Act {
                action: "api_key.revoked",
                target: key.to_string(),
                detail: json!({ "display": row.display }),
            })
            .await?;
        }
        None => require_known(&mut tx, key).await?,
    }
    tx.commit().await
}

async fn require_known(tx: &mut Tx, key: ApiKeyId) -> Result<()> {
    sqlx::query!("SELECT id FROM cell.api_key WHERE id = $1", key.uuid())
        .fetch_optional(tx.conn())
        .await?
        .map(|_| ())
        .ok_or(Error::NotFound("API key"))
}
