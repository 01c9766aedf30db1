//! Reading conversations over the API.

use axum::extract::FromRef;
use kernel::{
    Access, Db, Error, Result, Tx,
    error::Problem,
    extract::{Json, Path, Query},
    id::{ContactId, ConversationId, MessageId},
    page::{Page, PageQuery},
    permission::ConversationsRead,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    channels::Channel,
    messages::{Author, Direction, Kind, Message, Status},
};

/// Characters of the last message that a list shows.
const PREVIEW: i32 = 200;

#[derive(Debug, Serialize, ToSchema)]
pub struct Conversation {
    #[schema(value_type = String, example = "cnv_01h455vb4pex5vsknk084sn02q")]
    pub id: ConversationId,
    pub channel: Channel,
    /// The tenant's side: the phone number id, number or bot that the contact writes to.
    pub account: String,
    pub contact: Party,
    pub message_count: i64,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub last_message_at: OffsetDateTime,
    /// Absent only while nothing was said.
    pub last_message: Option<Preview>,
}

/// The contact, as a conversation shows it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Party {
    #[schema(value_type = String, example = "ctc_01h455vb4pex5vsknk084sn02q")]
    pub id: ContactId,
    pub address: String,
    pub name: Option<String>,
}

/// The beginning of a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct Preview {
    #[schema(value_type = String, example = "msg_01h455vb4pex5vsknk084sn02q")]
    pub id: MessageId,
    pub direction: Direction,
    pub author: Author,
    pub kind: Kind,
    /// At most 200 characters.
    pub text: Option<String>,
    pub status: Status,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only conversations on this channel.
    pub channel: Option<Channel>,
}

pub(crate) fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(messages))
}

/// The conversations, those with the latest messages first
#[utoipa::path(
    get, path = "/v1/conversations", operation_id = "conversations_list", tag = "conversations", params(PageQuery, Filter),
    responses(
        (status = 200, body = Page<Conversation>),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "No valid key"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The key lacks `conversations:read`"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "Not a cursor, limit or channel"),
    ),
    security(("api_key" = []))
)]
async fn list(
    access: Access<ConversationsRead>,
    Query(page): Query<PageQuery>,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<Conversation>>> {
    let limit = page.limit()?;
    let after = page.after::<Place>()?;
    let mut tx = access.read().await?;
    let rows = rows(&mut tx, None, filter.channel, after, limit + 1).await?;
    tx.commit().await?;
    let page = Page::cut(rows, limit, Place::of)?;
    Ok(Json(page))
}

/// One conversation
#[utoipa::path(
    get, path = "/v1/conversations/{conversation}", operation_id = "conversations_get", tag = "conversations",
    params(("conversation" = String, Path, description = "`cnv_…`")),
    responses(
        (status = 200, body = Conversation),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "No valid key"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The key lacks `conversations:read`"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such conversation"),
    ),
    security(("api_key" = []))
)]
async fn get(
    access: Access<ConversationsRead>,
    Path(id): Path<ConversationId>,
) -> Result<Json<Conversation>> {
    let mut tx = access.read().await?;
    let mut rows = rows(&mut tx, Some(id), None, None, 1).await?;
    tx.commit().await?;
    let conversation = rows.pop().ok_or(Error::NotFound("conversation"))?;
    Ok(Json(conversation))
}

/// The messages of a conversation, newest first
#[utoipa::path(
    get, path = "/v1/conversations/{conversation}/messages", operation_id = "conversations_messages", tag = "conversations",
    params(("conversation" = String, Path, description = "`cnv_…`"), PageQuery),
    responses(
        (status = 200, body = Page<Message>),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "No valid key"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The key lacks `conversations:read`"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such conversation"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "Not a cursor or limit"),
    ),
    security(("api_key" = []))
)]
async fn messages(
    access: Access<ConversationsRead>,
    Path(id): Path<ConversationId>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Message>>> {
    let limit = page.limit()?;
    let before = page.after()?;
    let mut tx = access.read().await?;
    let known = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM cell.conversation WHERE id = $1) AS "known!""#,
        id.uuid()
    )
    .fetch_one(tx.conn())
    .await?;
    if !known {
        return Err(Error::NotFound("conversation"));
    }
    let rows = Message::list(&mut tx, id, before, limit + 1).await?;
    tx.commit().await?;
    Ok(Json(Page::cut(rows, limit, |message| message.seq)?))
}

/// Where a conversation stands in the list: the time of its last message in microseconds, which is
/// what the database keeps, and its id.
#[derive(Debug, Serialize, Deserialize)]
struct Place(i64, Uuid);

impl Place {
    fn of(conversation: &Conversation) -> Self {
        let nanoseconds = conversation.last_message_at.unix_timestamp_nanos();
        let microseconds = i64::try_from(nanoseconds / 1_000).unwrap_or(i64::MAX);
        Self(microseconds, conversation.id.uuid())
    }

    fn time(&self) -> Result<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)
            .map_err(|_| Error::field("cursor", "is not a cursor of this list"))
    }
}

async fn rows(
    tx: &mut Tx,
    id: Option<ConversationId>,
    channel: Option<Channel>,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<Conversation>> {
    let before = after.as_ref().map(Place::time).transpose()?;
    // A row comparison with a far end instead of `… OR $1 IS NULL`, so that the index on the list's
    // order serves the first page and every other alike.
    let rows = sqlx::query!(
        r#"SELECT v.id, v.channel AS "channel: Channel", v.account, v.message_count, v.created_at,
               v.last_message_at, c.id AS contact_id, c.address, c.name,
               m.id AS "message_id?", m.direction AS "direction?: Direction", m.author AS "author?: Author",
               m.kind AS "kind?: Kind", left(m.text, $6) AS preview, m.status AS "status?: Status"
           FROM cell.conversation v
           JOIN cell.contact c ON c.id = v.contact_id
           LEFT JOIN LATERAL (
               SELECT * FROM cell.message m WHERE m.conversation_id = v.id ORDER BY m.seq DESC LIMIT 1
           ) m ON true
           WHERE ($1::uuid IS NULL OR v.id = $1) AND ($2::text IS NULL OR v.channel = $2)
             AND (v.last_message_at, v.id) < (COALESCE($3, 'infinity'::timestamptz), $4)
           ORDER BY v.last_message_at DESC, v.id DESC LIMIT $5"#,
        id.map(|id| id.uuid()),
        channel.map(Channel::as_str),
        before,
        after.map_or(Uuid::max(), |place| place.1),
        limit,
        PREVIEW,
    )
    .fetch_all(tx.conn())
    .await?;
    let conversations = rows.into_iter().map(|row| {
        let last_message = match (
            row.message_id,
            row.direction,
            row.author,
            row.kind,
            row.status,
        ) {
            (Some(id), Some(direction), Some(author), Some(kind), Some(status)) => Some(Preview {
                id: id.into(),
                direction,
                author,
                kind,
                text: row.preview,
                status,
            }),
            _ => None,
        };
        Conversation {
            id: row.id.into(),
            channel: row.channel,
            account: row.account,
            contact: Party {
                id: row.contact_id.into(),
                address: row.address,
                name: row.name,
            },
            message_count: row.message_count,
            created_at: row.created_at,
            last_message_at: row.last_message_at,
            last_message,
        }
    });
    Ok(conversations.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_keep_the_databases_precision() {
        let time =
            OffsetDateTime::from_unix_timestamp_nanos(1_780_000_000_123_456_000).expect("a time");
        let place = Place(1_780_000_000_123_456, Uuid::nil());
        assert_eq!(place.time().expect("a time"), time);
        assert!(Place(i64::MAX, Uuid::nil()).time().is_err());
    }
}
