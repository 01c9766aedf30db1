//! Telegram updates as a bot's webhook receives them. Nothing is signed: a static secret token
//! comes in a header (tdlib/telegram-bot-api@01a3679 `telegram-bot-api/WebhookActor.cpp`).

use kernel::secret::Secret;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::Outgoing;
use crate::{ids, media::Media};

/// A private message from an end user to the bot.
#[derive(Clone, Debug)]
pub struct Update {
    update_id: i64,
    message_id: i64,
    user_id: i64,
    first_name: String,
    at: OffsetDateTime,
    content: Value,
}

impl Update {
    fn new(user_id: i64, content: Value) -> Self {
        Self {
            update_id: rand::random_range(100_000_000..1_000_000_000),
            message_id: rand::random_range(1..1_000_000),
            user_id,
            first_name: "Sandbox".to_owned(),
            at: OffsetDateTime::now_utc(),
            content,
        }
    }

    /// In a private chat the chat's id is the user's.
    pub fn text(user_id: i64, text: &str) -> Self {
        Self::new(user_id, json!({ "text": text }))
    }

    /// A picture that was stored in the sandbox with `MediaStore::add`; it comes in two sizes, as
    /// Telegram does it, of which the last is the original.
    pub fn photo(user_id: i64, media: &Media, caption: Option<&str>) -> Self {
        let unique = ids::alphanumeric(14);
        let mut content = json!({ "photo": [
            {
                "file_id": format!("{}s", media.id),
                "file_unique_id": format!("AQAD{unique}s"),
                "file_size": media.bytes.len() / 4,
                "width": 90,
                "height": 67,
            },
            {
                "file_id": media.id,
                "file_unique_id": format!("AQAD{unique}x"),
                "file_size": media.bytes.len(),
                "width": 800,
                "height": 600,
            },
        ]});
        if let Some(caption) = caption {
            content["caption"] = caption.into();
        }
        Self::new(user_id, content)
    }

    /// Uses this update id instead of a random one.
    pub fn id(mut self, update_id: i64) -> Self {
        self.update_id = update_id;
        self
    }

    /// Uses this message id, which is unique within a chat, instead of a random one.
    pub fn message_id(mut self, message_id: i64) -> Self {
        self.message_id = message_id;
        self
    }

    pub fn first_name(mut self, name: &str) -> Self {
        self.first_name = name.to_owned();
        self
    }

    pub fn at(mut self, at: OffsetDateTime) -> Self {
        self.at = at;
        self
    }

    pub fn update_id(&self) -> i64 {
        self.update_id
    }

    pub fn payload(&self) -> Value {
        let mut message = json!({
            "message_id": self.message_id,
            "from": {
                "id": self.user_id,
                "is_bot": false,
                "first_name": self.first_name,
                "language_code": "en",
            },
            "chat": { "id": self.user_id, "first_name": self.first_name, "type": "private" },
            "date": self.at.unix_timestamp(),
        });
        if let (Some(message), Some(content)) = (message.as_object_mut(), self.content.as_object())
        {
            message.extend(content.clone());
        }
        json!({ "update_id": self.update_id, "message": message })
    }

    /// The webhook for this URL with the secret token that was given to `setWebhook`; without the
    /// header if that was empty.
    pub fn signed(&self, url: &str, secret_token: &Secret) -> Outgoing {
        let update = Outgoing::post(url, "application/json", self.payload().to_string());
        match secret_token.expose() {
            "" => update,
            secret => update.with_secret("x-telegram-bot-api-secret-token", secret),
        }
    }
}
