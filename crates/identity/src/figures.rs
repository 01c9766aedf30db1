//! What the console's overview tells of a tenant's people and keys, in numbers.

use kernel::{
    Access, Result,
    permission::{ApiKeysRead, MembersRead},
};

/// Who belongs to the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Team {
    pub members: i64,
    /// Invitations that are open, whether or not their links still work.
    pub invited: i64,
}

/// One query.
pub async fn team(access: &Access<MembersRead>) -> Result<Team> {
    let mut tx = access.people().await?;
    let row = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM control.membership WHERE tenant_id = $1) AS "members!",
               (SELECT count(*) FROM control.invitation
                WHERE accepted_at IS NULL AND revoked_at IS NULL) AS "invited!""#,
        access.tenant().id.uuid()
    )
    .fetch_one(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(Team {
        members: row.members,
        invited: row.invited,
    })
}

/// API keys that work now. One query.
pub async fn working_api_keys(access: &Access<ApiKeysRead>) -> Result<i64> {
    let mut tx = access.read().await?;
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM cell.api_key
           WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"#
    )
    .fetch_one(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(count)
}
