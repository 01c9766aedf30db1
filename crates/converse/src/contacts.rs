//! Contacts: whom a tenant talks with, one for each address on each channel.

use axum::extract::FromRef;
use kernel::{
    Access, Db, Result,
    error::Problem,
    extract::{Json, Query},
    id::ContactId,
    page::{Page, PageQuery},
    permission::ConversationsRead,
};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::channels::Channel;

#[derive(Debug, Serialize, ToSchema)]
pub struct Contact {
    #[schema(value_type = String, example = "ctc_01h455vb4pex5vsknk084sn02q")]
    pub id: ContactId,
    pub channel: Channel,
    /// The id on the channel: a phone number in E.164, a chat id.
    pub address: String,
    /// As the channel shows it.
    pub name: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

pub(crate) fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(list))
}

/// The contacts, newest first
#[utoipa::path(
    get, path = "/v1/contacts", operation_id = "contacts_list", tag = "conversations", params(PageQuery),
    responses(
        (status = 200, body = Page<Contact>),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "No valid key"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The key lacks `conversations:read`"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "Not a cursor or limit"),
    ),
    security(("api_key" = []))
)]
async fn list(
    access: Access<ConversationsRead>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Contact>>> {
    let limit = page.limit()?;
    let after: Option<Uuid> = page.after()?;
    let mut tx = access.read().await?;
    let rows = sqlx::query_as!(
        Contact,
        r#"SELECT id, channel AS "channel: Channel", address, name, created_at
           FROM cell.contact WHERE id < $1 ORDER BY id DESC LIMIT $2"#,
        after.unwrap_or(Uuid::max()),
        limit + 1
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(Json(Page::cut(rows, limit, |row| row.id.uuid())?))
}
