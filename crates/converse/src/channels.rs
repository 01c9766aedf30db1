//! The channels on which contacts write, and the one form that all their webhooks take here.
//!
//! Each channel's own shapes are in its module: what it sends becomes [`Incoming`], and an
//! [`Outgoing`] becomes its API call. Which conversation a message belongs to is not decided here.

pub(crate) mod account;
pub(crate) mod telegram;
pub(crate) mod twilio;
pub(crate) mod whatsapp;

use connect::{Connect, OpenCredential};
use kernel::{
    Access, Error, Result,
    id::{CredentialId, MessageId},
    permission::CredentialsUse,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::messages::{Kind, Status};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Channel {
    Whatsapp,
    Sms,
    Telegram,
}

impl Channel {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whatsapp => "whatsapp",
            Self::Sms => "sms",
            Self::Telegram => "telegram",
        }
    }

    /// The catalogue's id of the provider that carries the channel.
    pub fn provider(self) -> &'static str {
        match self {
            Self::Whatsapp => "whatsapp",
            Self::Sms => "twilio",
            Self::Telegram => "telegram",
        }
    }

    /// The longest text of one message, measured by [`crate::text::length`]. Sources:
    /// developers.facebook.com, Cloud API text messages (`body`); twilio.com/docs/api/errors/21617;
    /// core.telegram.org/bots/api#sendmessage.
    pub fn max_text(self) -> usize {
        match self {
            Self::Whatsapp | Self::Telegram => 4096,
            Self::Sms => 1600,
        }
    }

    /// The stored form of a contact's address that a person or program wrote.
    pub(crate) fn address(self, text: &str) -> Result<String> {
        let compact: String = text
            .chars()
            .filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.'))
            .collect();
        match self {
            Self::Whatsapp | Self::Sms => {
                let digits = compact.strip_prefix('+').unwrap_or(&compact);
                let sound = (7..=15).contains(&digits.len())
                    && digits.bytes().all(|byte| byte.is_ascii_digit())
                    && !digits.starts_with('0');
                sound.then(|| format!("+{digits}")).ok_or_else(|| {
                    Error::field(
                        "to",
                        "must be a phone number with its country code, as in +4930123456",
                    )
                })
            }
            // Only a chat that has begun can be written to, and webhooks name chats by number.
            Self::Telegram => text
                .trim()
                .parse::<i64>()
                .map(|chat| chat.to_string())
                .map_err(|_| Error::field("to", "must be a Telegram chat id, as in 123456789")),
        }
    }
}

/// One thing that a webhook told.
#[derive(Debug, PartialEq)]
pub(crate) struct Incoming {
    /// Our side of the conversation; `None` where the payload does not name it (Telegram).
    pub account: Option<String>,
    /// The provider's ids in the payload that a credential stands for, most telling first.
    pub identifiers: Vec<String>,
    /// The contact's address on the channel.
    pub address: String,
    pub what: What,
}

#[derive(Debug, PartialEq)]
pub(crate) enum What {
    Message(Received),
    /// A new version of a message that came before.
    Edit(Received),
    Delivery(Delivery),
}

/// A message of a contact's.
#[derive(Debug, PartialEq)]
pub(crate) struct Received {
    /// The contact's name as the channel shows it.
    pub name: Option<String>,
    pub external_id: String,
    pub kind: Kind,
    /// What there is to read: the text, a caption, a place's name and coordinates.
    pub text: Option<String>,
    pub media: Vec<Media>,
    /// When the provider says that it was written.
    pub at: Option<OffsetDateTime>,
    /// Whether a person wrote it to us, so that an answer is expected.
    pub addressed: bool,
}

impl Received {
    /// Whether an agent can answer: it reads text, and it answers people only.
    pub fn is_answerable(&self) -> bool {
        let readable = matches!(self.kind, Kind::Text | Kind::Button | Kind::Interactive);
        let has_text = self
            .text
            .as_deref()
            .is_some_and(|text| !text.trim().is_empty());
        self.addressed && readable && has_text
    }
}

/// What became of a message of ours.
#[derive(Debug, PartialEq)]
pub(crate) struct Delivery {
    pub external_id: String,
    pub status: Status,
    pub error: Option<String>,
    /// Our own id of the message, where the channel hands back what it was given.
    pub message: Option<MessageId>,
}

/// A reference to a file at the provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Media {
    /// The provider's id of the file, by which its API gives it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Where the provider keeps it; reading it takes the account's credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// As the provider writes it (WhatsApp: base64).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// A message that is about to leave.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub message: MessageId,
    pub channel: Channel,
    /// Our side of the conversation, from which it leaves.
    pub account: String,
    pub address: String,
    pub credential: Option<CredentialId>,
    pub text: String,
}

impl Outgoing {
    /// Hands the message to the provider and gives back the provider's id of it, if it told one.
    pub async fn send(
        &self,
        connect: &Connect,
        access: &Access<CredentialsUse>,
    ) -> Result<Option<String>> {
        let provider = self.channel.provider();
        let credential: OpenCredential = match self.credential {
            Some(id) => connect.resolve_id(access, provider, id).await?,
            None => connect.resolve(access, provider).await?,
        };
        match self.channel {
            Channel::Whatsapp => whatsapp::send(connect, access, &credential, self).await,
            Channel::Sms => twilio::send(connect, access, &credential, self).await,
            Channel::Telegram => telegram::send(connect, access, &credential, self).await,
        }
    }
}

/// What a channel's payload lacks to be understood. The event stays stored, and its job can be
/// replayed.
pub(crate) fn malformed(channel: Channel, what: &str) -> Error {
    Error::invalid(format!("the {} payload has no {what}", channel.as_str()))
}

/// Text of a JSON string; empty strings count as absent.
fn string(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// An id as one segment of an API path. Ids come from tenants and payloads, and none may reach
/// another path than its own.
fn segment(id: &str) -> Result<&str> {
    let sound = !id.is_empty()
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    sound
        .then_some(id)
        .ok_or_else(|| Error::invalid(format!("`{id}` is not an account's id")))
}

/// A name, an address and coordinates as lines of text, which is how a place reads in a
/// conversation.
fn place(name: Option<&str>, address: Option<&str>, latitude: &str, longitude: &str) -> String {
    let coordinates = format!("{latitude}, {longitude}");
    [name, address, Some(coordinates.as_str())]
        .into_iter()
        .flatten()
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_form() {
        for text in ["+49 (151) 234-567.89", "4915123456789", "+4915123456789"] {
            let address = Channel::Sms.address(text).expect("a phone number");
            assert_eq!(address, "+4915123456789");
        }
        assert_eq!(
            Channel::Telegram.address(" -1001234 ").expect("a chat id"),
            "-1001234"
        );
        for (channel, bad) in [
            (Channel::Whatsapp, ""),
            (Channel::Whatsapp, "0301234567"),
            (Channel::Sms, "+12"),
            (Channel::Sms, "+1234567890123456"),
            (Channel::Sms, "hello"),
            (Channel::Telegram, "@somebody"),
        ] {
            assert!(channel.address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_agree_everywhere() {
        for channel in [Channel::Whatsapp, Channel::Sms, Channel::Telegram] {
            let json = serde_json::to_value(channel).expect("serialises");
            assert_eq!(json, channel.as_str());
        }
    }
}
