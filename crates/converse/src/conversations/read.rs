//! Reading conversations: one, or a page of those that fit, the latest first; and their messages.

use kernel::{
    Access, Error, Result, Tx,
    id::{ContactId, ConversationId, MessageId},
    page::{Page, PageQuery},
    permission::ConversationsRead,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    channels::Channel,
    messages::{Author, Direction, Kind, Message, Status},
};

/// Characters of the last message that a list shows.
const PREVIEW: i32 = 200;
/// Bytes of what is searched for.
const LONGEST_SEARCH: usize = 200;

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
    /// Only conversations with contacts whose name or address contains this.
    #[param(max_length = 200)]
    pub contact: Option<String>,
}

impl Filter {
    /// What the contact's name or address is to contain.
    fn sought(&self) -> Result<Option<&str>> {
        let sought = self.contact.as_deref().map(str::trim).unwrap_or_default();
        if sought.len() > LONGEST_SEARCH || sought.contains('\0') {
            return Err(Error::field(
                "contact",
                format!("must be text of at most {LONGEST_SEARCH} bytes"),
            ));
        }
        Ok((!sought.is_empty()).then_some(sought))
    }
}

/// A page of the conversations that fit, those with the latest messages first.
pub async fn list(
    access: &Access<ConversationsRead>,
    page: &PageQuery,
    filter: &Filter,
) -> Result<Page<Conversation>> {
    let limit = page.limit()?;
    let after = page.after::<Place>()?;
    let mut tx = access.read().await?;
    let rows = rows(&mut tx, None, filter, after, limit + 1).await?;
    tx.commit().await?;
    Page::cut(rows, limit, Place::of)
}

/// One conversation.
pub async fn find(access: &Access<ConversationsRead>, id: ConversationId) -> Result<Conversation> {
    let mut tx = access.read().await?;
    let mut rows = rows(&mut tx, Some(id), &Filter::default(), None, 1).await?;
    tx.commit().await?;
    rows.pop().ok_or(Error::NotFound("conversation"))
}

/// A page of a conversation's messages, newest first.
pub async fn messages(
    access: &Access<ConversationsRead>,
    id: ConversationId,
    page: &PageQuery,
) -> Result<Page<Message>> {
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
    Page::cut(rows, limit, |message| message.seq)
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
    filter: &Filter,
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
             AND ($7::text IS NULL OR strpos(lower(c.name), lower($7)) > 0 OR strpos(c.address, $7) > 0)
             AND (v.last_message_at, v.id) < (COALESCE($3, 'infinity'::timestamptz), $4)
           ORDER BY v.last_message_at DESC, v.id DESC LIMIT $5"#,
        id.map(|id| id.uuid()),
        filter.channel.map(Channel::as_str),
        before,
        after.map_or(Uuid::max(), |place| place.1),
        limit,
        PREVIEW,
        filter.sought()?,
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
