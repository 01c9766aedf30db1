//! Sending and reading messages over the API.
//!
//! A request with an `Idempotency-Key` is done once: repeated, it answers with the message that
//! the first one made, and used for another message the key is refused.

use axum::{
    extract::FromRef,
    http::{HeaderMap, StatusCode},
};
use kernel::{
    Access, Db, Error, Result,
    error::Problem,
    extract::{Json, Path},
    id::{ConversationId, MessageId},
    permission::{ConversationsRead, MessagesSend},
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Author, Message, by_key, reused};
use crate::{
    channels::{Channel, account},
    conversations::{Open, Parties},
    sending::queue,
    text,
};

const MAX_KEY: usize = 255;

/// A message to an open conversation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewText {
    /// At most what the channel takes in one message: 4096 characters on WhatsApp and Telegram,
    /// 1600 in an SMS.
    pub text: String,
}

/// A message to somebody. Their conversation with the account begins if there is none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FirstText {
    pub channel: Channel,
    /// A phone number with its country code; on Telegram the id of a chat that has begun.
    #[schema(example = "+4930123456")]
    pub to: String,
    pub text: String,
    /// Which of the tenant's accounts sends, as in a conversation's `account`. May be left out
    /// while there is only one on the channel.
    pub from: Option<String>,
}

pub(crate) fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(get))
        .routes(routes!(send))
        .routes(routes!(begin))
}

/// One message
#[utoipa::path(
    get, path = "/v1/messages/{message}", operation_id = "messages_get", tag = "messages",
    params(("message" = String, Path, description = "`msg_…`")),
    responses(
        (status = 200, body = Message),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "No valid key"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The key lacks `conversations:read`"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such message"),
    ),
    security(("api_key" = []))
)]
async fn get(
    access: Access<ConversationsRead>,
    Path(id): Path<MessageId>,
) -> Result<Json<Message>> {
    let mut tx = access.read().await?;
    let message = Message::find(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Json(message))
}

/// Send a message in a conversation
#[utoipa::path(
    post, path = "/v1/conversations/{conversation}/messages", operation_id = "messages_reply", tag = "messages",
    params(
        ("conversation" = String, Path, description = "`cnv_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "At most 255 visible ASCII characters"),
    ),
    request_body = NewText,
    responses(
        (status = 201, body = Message, description = "Queued"),
        (status = 200, body = Message, description = "Queued before under the same key"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "No valid key"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The key lacks `messages:send`"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such conversation"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`idempotency_key_reused`"),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "The body is too large"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "No text, or too long for the channel"),
    ),
    security(("api_key" = []))
)]
async fn send(
    access: Access<MessagesSend>,
    Path(id): Path<ConversationId>,
    headers: HeaderMap,
    Json(new): Json<NewText>,
) -> Result<(StatusCode, Json<Message>)> {
    let key = idempotency_key(&headers)?;
    let (status, message) = reply(&access, id, Author::Api, new.text, key).await?;
    Ok((status, Json(message)))
}

/// Queues a text in a conversation, once for each key.
pub(crate) async fn reply(
    access: &Access<MessagesSend>,
    id: ConversationId,
    author: Author,
    text: String,
    key: Option<String>,
) -> Result<(StatusCode, Message)> {
    let mut tx = access.begin().await?;
    let conversation = Open::lock(&mut tx, id).await?;
    let text = sound_text(conversation.channel, text)?;
    let answer = once(&mut tx, &conversation, author, text, key).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Send a message to somebody
#[utoipa::path(
    post, path = "/v1/messages", operation_id = "messages_send", tag = "messages",
    params(("Idempotency-Key" = Option<String>, Header, description = "At most 255 visible ASCII characters")),
    request_body = FirstText,
    responses(
        (status = 201, body = Message, description = "Queued"),
        (status = 200, body = Message, description = "Queued before under the same key"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "No valid key"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The key lacks `messages:send`"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`credential_missing` or `idempotency_key_reused`"),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "The body is too large"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "Not an address or account of the channel, no text, or too long for the channel"),
    ),
    security(("api_key" = []))
)]
async fn begin(
    access: Access<MessagesSend>,
    headers: HeaderMap,
    Json(new): Json<FirstText>,
) -> Result<(StatusCode, Json<Message>)> {
    let key = idempotency_key(&headers)?;
    let text = sound_text(new.channel, new.text)?;
    let address = new.channel.address(&new.to)?;
    let mut tx = access.begin().await?;
    let (account, credential) = account::choose(&mut tx, new.channel, new.from.as_deref()).await?;
    let conversation = Open::between(
        &mut tx,
        &Parties {
            channel: new.channel,
            account: &account,
            address: &address,
            name: None,
            credential: Some(credential),
        },
    )
    .await?;
    let (status, message) = once(&mut tx, &conversation, Author::Api, text, key).await?;
    tx.commit().await?;
    Ok((status, Json(message)))
}

/// Queues the text, unless the key says that it was queued before. The conversation's lock orders
/// requests with the same key, so the second finds what the first wrote.
async fn once(
    tx: &mut kernel::Tx,
    conversation: &Open,
    author: Author,
    text: String,
    key: Option<String>,
) -> Result<(StatusCode, Message)> {
    if let Some(key) = &key
        && let Some((id, within, said)) = by_key(tx, key).await?
    {
        if within != conversation.id || said.as_deref() != Some(text.as_str()) {
            return Err(reused());
        }
        return Ok((StatusCode::OK, Message::find(tx, id).await?));
    }
    let id = queue(tx, conversation, author, text, key).await?;
    Ok((StatusCode::CREATED, Message::find(tx, id).await?))
}

fn sound_text(channel: Channel, text: String) -> Result<String> {
    if text.trim().is_empty() {
        return Err(Error::field("text", "must not be blank"));
    }
    if text.contains('\0') {
        return Err(Error::field("text", "must not contain NUL characters"));
    }
    let (length, max) = (text::length(&text), channel.max_text());
    if length > max {
        return Err(Error::field(
            "text",
            format!(
                "is {length} characters long (UTF-16); the channel {} takes at most {max} in one message",
                channel.as_str()
            ),
        ));
    }
    Ok(text)
}

/// The key as it is stored: apart from the keys that this program gives its own messages.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    sound_key(text).map(|key| Some(format!("api/{key}")))
}

/// The key of a form of the console, kept apart from those of programs.
pub(crate) fn sent_key(text: &str) -> Result<String> {
    sound_key(text).map(|key| format!("form/{key}"))
}

fn sound_key(text: &str) -> Result<&str> {
    let sound = (1..=MAX_KEY).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    sound.then_some(text).ok_or_else(|| {
        Error::field(
            "Idempotency-Key",
            format!("must be 1 to {MAX_KEY} visible ASCII characters"),
        )
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn texts_fit_their_channel() {
        let of = |channel, length: usize| sound_text(channel, "x".repeat(length));
        assert!(of(Channel::Sms, 1600).is_ok());
        let error = of(Channel::Sms, 1601).expect_err("too long");
        assert_eq!(error.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(error.to_string().contains("1601"), "{error}");
        assert!(of(Channel::Whatsapp, 4096).is_ok());
        assert!(of(Channel::Telegram, 4097).is_err());
        assert!(sound_text(Channel::Sms, " \n".to_owned()).is_err());
        assert!(sound_text(Channel::Sms, "a\0".to_owned()).is_err());
    }

    #[test]
    fn keys_are_kept_apart_and_checked() {
        let key = |value: &'static str| {
            let headers = HeaderMap::from_iter([(
                "idempotency-key".parse().expect("a name"),
                HeaderValue::from_static(value),
            )]);
            idempotency_key(&headers)
        };
        assert_eq!(idempotency_key(&HeaderMap::new()).expect("none"), None);
        assert_eq!(key("a-1").expect("sound"), Some("api/a-1".to_owned()));
        assert!(key("").is_err());
        assert!(key("a b").is_err());
    }
}
