//! Another secret for a key that there is.
//!
//! The key keeps its id: its audit entries, its usage and whatever names it go on. What changes is
//! the secret, and with it the text. Two secrets are taken at most: rotating again within the grace
//! period ends the older one at once.

use kernel::{
    Access, Error, Result, access::api_key::NewKey, audit::Act, error::ConflictCode, id::ApiKeyId,
    permission::ApiKeysWrite,
};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{ApiKeyView, IssuedApiKey, mode, prefix};
use crate::roles::require_held;

/// The longest grace period: thirty days.
const LONGEST: u32 = 30 * 24 * 60 * 60;

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// How long the old secret is still taken, in seconds; 0 ends it at once.
    #[schema(maximum = 2_592_000, example = 3600)]
    pub grace_seconds: u32,
}

/// Gives a key another secret.
///
/// # Errors
/// `not_found`; `invalid_transition` for a key that has ended; `invalid_request` for too long a
/// grace period.
pub async fn rotate(
    access: &Access<ApiKeysWrite>,
    id: ApiKeyId,
    rotation: &Rotation,
) -> Result<IssuedApiKey> {
    if rotation.grace_seconds > LONGEST {
        return Err(Error::field(
            "grace_seconds",
            format!("must be at most {LONGEST}"),
        ));
    }
    let mut tx = access.begin().await?;
    // Locked, so that of two rotations at once the second replaces what the first has made.
    let known = sqlx::query!(
        r#"SELECT public_id, name, mode, permissions, created_by, created_at, expires_at,
             (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())) AS "valid!"
           FROM cell.api_key WHERE id = $1 FOR UPDATE"#,
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(Error::NotFound("API key"))?;
    if !known.valid {
        return Err(Error::Conflict {
            code: ConflictCode::InvalidTransition,
            detail: "the key has ended; issue another one".to_owned(),
        });
    }
    // Its new text is the caller's: with it they may do whatever the key may.
    require_held(access, &known.permissions)?;
    let mode = mode(&known.mode)?;
    let key = NewKey::again(&prefix::current(&mut tx).await?, mode, known.public_id);
    let previous_until = sqlx::query_scalar!(
        "UPDATE cell.api_key SET
             previous_sha256 = CASE WHEN $4::float8 > 0 THEN secret_sha256 END,
             previous_until = CASE WHEN $4::float8 > 0 THEN now() + make_interval(secs => $4::float8) END,
             secret_sha256 = $2, display = $3
         WHERE id = $1 RETURNING previous_until",
        id.uuid(),
        key.secret_sha256,
        key.display,
        f64::from(rotation.grace_seconds)
    )
    .fetch_one(tx.conn())
    .await?;
    let used = super::usage::last(&mut tx, id).await?;
    let detail = json!({ "display": key.display, "grace_seconds": rotation.grace_seconds });
    tx.audit(Act {
        action: "api_key.rotated",
        target: id.to_string(),
        detail,
    })
    .await?;
    tx.commit().await?;
    let (last_used_at, last_used_ip) = used.unzip();
    Ok(IssuedApiKey {
        api_key: ApiKeyView {
            id,
            name: known.name,
            mode,
            display: key.display,
            permissions: known.permissions,
            created_by: known.created_by,
            created_at: known.created_at,
            expires_at: known.expires_at,
            revoked_at: None,
            previous_until,
            last_used_at,
            last_used_ip: last_used_ip.flatten(),
        },
        key: key.text,
    })
}
