//! Which staff looked at a tenant from within: the record that the tenant reads. What an
//! impersonation may do and how it begins and ends is `kernel::access::impersonation`.

pub mod api;
pub mod pages;
#[cfg(test)]
mod tests;

use kernel::{
    Access, Result,
    access::impersonation::over_since,
    id::{ImpersonationId, UserId},
    page::{Page, PageQuery},
    permission::ImpersonationsRead,
};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// One impersonation, as the tenant sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ImpersonationView {
    #[schema(value_type = String, example = "imp_01h455vb4pex5vsknk084sn02q")]
    pub id: ImpersonationId,
    /// The member of staff, and the name they had at the time.
    #[schema(value_type = String, example = "usr_01h455vb4pex5vsknk084sn02q")]
    pub staff: UserId,
    pub staff_name: String,
    pub reason: String,
    /// Whether they could change things; otherwise they could only look.
    pub may_write: bool,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub started_at: OffsetDateTime,
    /// When it ends at the latest.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: OffsetDateTime,
    /// When it was over: ended, out of time, or signed out. Absent (`null`) while it goes on.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<OffsetDateTime>,
}

/// The tenant's record, newest first.
pub async fn list(
    access: &Access<ImpersonationsRead>,
    query: &PageQuery,
) -> Result<Page<ImpersonationView>> {
    let (limit, after) = (query.limit()?, query.after::<ImpersonationId>()?);
    let mut tx = access.people().await?;
    let rows = sqlx::query!(
        r#"SELECT i.id, i.user_id, i.staff_name, i.reason, i.may_write, i.started_at, i.expires_at,
               i.ended_at, s.revoked_at AS "session_ended_at?"
           FROM control.impersonation i JOIN control.session s ON s.id = i.session_id
           WHERE $1::uuid IS NULL OR i.id < $1
           ORDER BY i.id DESC LIMIT $2"#,
        after.map(ImpersonationId::uuid),
        limit + 1
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    let now = OffsetDateTime::now_utc();
    let views = rows
        .into_iter()
        .map(|row| ImpersonationView {
            id: row.id.into(),
            staff: row.user_id.into(),
            staff_name: row.staff_name,
            reason: row.reason,
            may_write: row.may_write,
            started_at: row.started_at,
            expires_at: row.expires_at,
            ended_at: over_since(row.ended_at, row.session_ended_at, row.expires_at, now),
        })
        .collect();
    Page::cut(views, limit, |view: &ImpersonationView| view.id)
}
