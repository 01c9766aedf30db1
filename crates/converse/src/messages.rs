//! Messages: their stored form, how one is appended to its conversation, and how its delivery
//! advances. The API is in `api`; sending is in `crate::sending`.

pub mod api;
pub(crate) mod delivery;

use kernel::error::ConflictCode;
use kernel::{
    Error, Result, Tx,
    error::OnConstraint,
    id::{ConversationId, CorrelationId, InboundEventId, MessageId},
};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    channels::{Media, Received},
    conversations::Open,
};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident => $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
        #[serde(rename_all = "snake_case")]
        #[sqlx(type_name = "text", rename_all = "snake_case")]
        pub enum $name { $($variant),* }

        impl $name {
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
    };
}

words! {
    /// Which way a message went.
    Direction { Inbound => "inbound", Outbound => "outbound" }
}

words! {
    /// Who wrote a message: the contact, an agent, a program by the API, or a person in the console.
    Author { Contact => "contact", Agent => "agent", Api => "api", Person => "person" }
}

words! {
    /// What a message is. `unsupported` is what this version cannot read: its event stays stored.
    Kind {
        Text => "text",
        Image => "image",
        Audio => "audio",
        Video => "video",
        Document => "document",
        Sticker => "sticker",
        Location => "location",
        Contacts => "contacts",
        Reaction => "reaction",
        Button => "button",
        Interactive => "interactive",
        Unsupported => "unsupported",
    }
}

words! {
    /// How far a message has come. An inbound one is `received`. An outbound one goes from
    /// `queued` over `sending` to `sent` (the provider took it), `delivered` and `read`, or to
    /// `failed`.
    Status {
        Received => "received",
        Queued => "queued",
        Sending => "sending",
        Sent => "sent",
        Delivered => "delivered",
        Read => "read",
        Failed => "failed",
    }
}

/// A message of a conversation.
#[derive(Debug, Serialize, ToSchema)]
pub struct Message {
    #[schema(value_type = String, example = "msg_01h455vb4pex5vsknk084sn02q")]
    pub id: MessageId,
    #[schema(value_type = String, example = "cnv_01h455vb4pex5vsknk084sn02q")]
    pub conversation_id: ConversationId,
    /// The place in the conversation: from 1, without gaps.
    pub seq: i64,
    pub direction: Direction,
    pub author: Author,
    pub kind: Kind,
    /// What there is to read: the text, a caption, a place's name and coordinates.
    pub text: Option<String>,
    /// Files that came with it, which stay at the provider.
    #[schema(value_type = Vec<Media>)]
    pub media: Json<Vec<Media>>,
    /// The provider's id of the message; absent until the provider has taken it.
    pub external_id: Option<String>,
    pub status: Status,
    /// Why it failed, or why the last attempt to send it did.
    pub error: Option<String>,
    #[schema(value_type = String, example = "cor_01h455vb4pex5vsknk084sn02q")]
    pub correlation_id: CorrelationId,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When the provider says that it was written.
    #[serde(with = "time::serde::rfc3339::option")]
    pub provider_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl Message {
    pub async fn find(tx: &mut Tx, id: MessageId) -> Result<Self> {
        sqlx::query_as!(
            Self,
            r#"SELECT id, conversation_id, seq, direction AS "direction: Direction",
                   author AS "author: Author", kind AS "kind: Kind", text,
                   media AS "media: Json<Vec<Media>>", external_id, status AS "status: Status", error,
                   correlation_id, created_at, provider_at, updated_at
               FROM cell.message WHERE id = $1"#,
            id.uuid()
        )
        .fetch_optional(tx.conn())
        .await?
        .ok_or(Error::NotFound("message"))
    }

    /// At most `limit` messages of a conversation, newest first, before the place `before`.
    pub async fn list(
        tx: &mut Tx,
        conversation: ConversationId,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Self>> {
        let rows = sqlx::query_as!(
            Self,
            r#"SELECT id, conversation_id, seq, direction AS "direction: Direction",
                   author AS "author: Author", kind AS "kind: Kind", text,
                   media AS "media: Json<Vec<Media>>", external_id, status AS "status: Status", error,
                   correlation_id, created_at, provider_at, updated_at
               FROM cell.message WHERE conversation_id = $1 AND seq < $2
               ORDER BY seq DESC LIMIT $3"#,
            conversation.uuid(),
            before.unwrap_or(i64::MAX),
            limit
        )
        .fetch_all(tx.conn())
        .await?;
        Ok(rows)
    }
}

/// A message to append.
#[derive(Debug)]
pub(crate) struct NewMessage {
    pub direction: Direction,
    pub author: Author,
    pub kind: Kind,
    pub text: Option<String>,
    pub media: Vec<Media>,
    pub external_id: Option<String>,
    pub status: Status,
    pub idempotency_key: Option<String>,
    pub inbound_event: Option<InboundEventId>,
    pub provider_at: Option<OffsetDateTime>,
}

impl NewMessage {
    /// A text of ours that waits to be sent.
    pub fn outbound(author: Author, text: String, idempotency_key: Option<String>) -> Self {
        Self {
            direction: Direction::Outbound,
            author,
            kind: Kind::Text,
            text: Some(text),
            media: Vec::new(),
            external_id: None,
            status: Status::Queued,
            idempotency_key,
            inbound_event: None,
            provider_at: None,
        }
    }

    /// Appends the message at the next place of the conversation, whose row the transaction holds
    /// locked: that is what keeps places without gaps. `None` when the conversation has a message
    /// with this external id already.
    pub async fn append(self, tx: &mut Tx, conversation: &Open) -> Result<Option<MessageId>> {
        let id = MessageId::new();
        let media = serde_json::to_value(&self.media).map_err(Error::internal)?;
        let correlation = tx.correlation().uuid();
        let inserted = sqlx::query!(
            "WITH place AS (
                 UPDATE cell.conversation
                 SET message_count = message_count + 1, last_message_at = GREATEST(last_message_at, now())
                 WHERE id = $2 AND NOT EXISTS (
                     SELECT 1 FROM cell.message WHERE conversation_id = $2 AND external_id = $8)
                 RETURNING message_count
             )
             INSERT INTO cell.message (id, conversation_id, seq, direction, author, kind, text, media,
                 external_id, status, idempotency_key, inbound_event_id, provider_at, correlation_id)
             SELECT $1, $2, message_count, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 FROM place",
            id.uuid(),
            conversation.id.uuid(),
            self.direction.as_str(),
            self.author.as_str(),
            self.kind.as_str(),
            self.text,
            media,
            self.external_id,
            self.status.as_str(),
            self.idempotency_key,
            self.inbound_event.map(|event| event.uuid()),
            self.provider_at,
            correlation,
        )
        .execute(tx.conn())
        .await
        // Within the conversation its lock lets a caller look before it appends: what still meets
        // here holds the key in another one.
        .on_constraint("message_idempotency_key", reused)?;
        Ok((inserted.rows_affected() == 1).then_some(id))
    }
}

/// The key was used for something else.
pub(crate) fn reused() -> Error {
    Error::Conflict {
        code: ConflictCode::IdempotencyKeyReused,
        detail: "this Idempotency-Key was used for another message; use a new key".to_owned(),
    }
}

/// The message that was written under an idempotency key: its id, conversation and text.
pub(crate) async fn by_key(
    tx: &mut Tx,
    key: &str,
) -> Result<Option<(MessageId, ConversationId, Option<String>)>> {
    let row = sqlx::query!(
        "SELECT id, conversation_id, text FROM cell.message WHERE idempotency_key = $1",
        key
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| (row.id.into(), row.conversation_id.into(), row.text)))
}

/// Replaces what a contact's message says by a newer version. `false` when the conversation has no
/// such message. Versions may arrive in any order; the latest stays.
pub(crate) async fn revise(tx: &mut Tx, conversation: &Open, version: &Received) -> Result<bool> {
    let media = serde_json::to_value(&version.media).map_err(Error::internal)?;
    let known = sqlx::query_scalar!(
        r#"WITH known AS (
               SELECT id FROM cell.message
               WHERE conversation_id = $1 AND external_id = $2 AND direction = 'inbound'
           ), revised AS (
               UPDATE cell.message m SET text = $3, media = $4, provider_at = $5, updated_at = now()
               FROM known WHERE m.id = known.id AND (m.provider_at IS NULL OR m.provider_at <= $5)
           )
           SELECT count(*) AS "known!" FROM known"#,
        conversation.id.uuid(),
        version.external_id,
        version.text,
        media,
        version.at
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(known > 0)
}
