//! WhatsApp Cloud API webhooks as Meta sends them: messages and delivery statuses, several of them,
//! of several phone numbers and business accounts, in one body.
//!
//! Shapes: developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference
//! (2026-05). Meta escapes every non-ASCII character of the body, and signs it as escaped.

use std::fmt::Write;

use http::Method;
use kernel::secret::Secret;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Outgoing, sign};
use crate::{accounts::WhatsAppAccount, ids, media::Media};

/// A message from an end user.
#[derive(Clone, Debug)]
pub struct Message {
    from: String,
    name: String,
    id: String,
    at: OffsetDateTime,
    reply_to: Option<String>,
    content: (&'static str, Value),
}

impl Message {
    fn new(from: &str, content: (&'static str, Value)) -> Self {
        Self {
            from: from.to_owned(),
            name: "Sandbox User".to_owned(),
            id: ids::wamid(),
            at: OffsetDateTime::now_utc(),
            reply_to: None,
            content,
        }
    }

    /// `from` is the end user's number in digits.
    pub fn text(from: &str, body: &str) -> Self {
        Self::new(from, ("text", json!({ "body": body })))
    }

    /// A picture that was stored in the sandbox with `MediaStore::add`.
    pub fn image(from: &str, media: &Media, caption: Option<&str>) -> Self {
        let mut image = json!({
            "mime_type": media.media_type,
            "sha256": media.sha256(),
            "id": media.id,
        });
        if let Some(caption) = caption {
            image["caption"] = caption.into();
        }
        Self::new(from, ("image", image))
    }

    /// The profile name that WhatsApp shows for the end user.
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Uses this message id instead of a random one.
    pub fn id(mut self, wamid: &str) -> Self {
        self.id = wamid.to_owned();
        self
    }

    pub fn at(mut self, at: OffsetDateTime) -> Self {
        self.at = at;
        self
    }

    /// Makes it a reply to an earlier message.
    pub fn reply_to(mut self, wamid: &str) -> Self {
        self.reply_to = Some(wamid.to_owned());
        self
    }

    pub fn wamid(&self) -> &str {
        &self.id
    }

    fn value(&self, account: &WhatsAppAccount) -> Value {
        let (kind, content) = &self.content;
        let mut message = json!({
            "from": self.from,
            "id": self.id,
            "timestamp": self.at.unix_timestamp().to_string(),
            "type": kind,
        });
        message[*kind] = content.clone();
        if let Some(wamid) = &self.reply_to {
            message["context"] = json!({ "from": account.display_phone_number, "id": wamid });
        }
        json!({
            "messaging_product": "whatsapp",
            "metadata": metadata(account),
            "contacts": [{ "profile": { "name": self.name }, "wa_id": self.from }],
            "messages": [message],
        })
    }
}

/// What became of a message that was sent through the API.
#[derive(Clone, Debug)]
pub struct Status {
    status: &'static str,
    wamid: String,
    recipient: String,
    at: OffsetDateTime,
    callback_data: Option<String>,
    error: Option<(u32, String)>,
}

impl Status {
    fn new(status: &'static str, wamid: &str, recipient: &str) -> Self {
        Self {
            status,
            wamid: wamid.to_owned(),
            recipient: recipient.to_owned(),
            at: OffsetDateTime::now_utc(),
            callback_data: None,
            error: None,
        }
    }

    pub fn sent(wamid: &str, recipient: &str) -> Self {
        Self::new("sent", wamid, recipient)
    }

    pub fn delivered(wamid: &str, recipient: &str) -> Self {
        Self::new("delivered", wamid, recipient)
    }

    pub fn read(wamid: &str, recipient: &str) -> Self {
        Self::new("read", wamid, recipient)
    }

    /// A failure with one of Meta's error codes, as in `131026, "Message undeliverable"`.
    pub fn failed(wamid: &str, recipient: &str, code: u32, title: &str) -> Self {
        Self {
            error: Some((code, title.to_owned())),
            ..Self::new("failed", wamid, recipient)
        }
    }

    pub fn at(mut self, at: OffsetDateTime) -> Self {
        self.at = at;
        self
    }

    /// The `biz_opaque_callback_data` that the message was sent with.
    pub fn callback_data(mut self, data: &str) -> Self {
        self.callback_data = Some(data.to_owned());
        self
    }

    fn value(&self, account: &WhatsAppAccount) -> Value {
        let mut status = json!({
            "id": self.wamid,
            "status": self.status,
            "timestamp": self.at.unix_timestamp().to_string(),
            "recipient_id": self.recipient,
        });
        if matches!(self.status, "sent" | "delivered") {
            status["pricing"] = json!({
                "billable": false,
                "pricing_model": "PMP",
                "category": "service",
                "type": "free_customer_service",
            });
        }
        if let Some(data) = &self.callback_data {
            status["biz_opaque_callback_data"] = data.as_str().into();
        }
        if let Some((code, title)) = &self.error {
            status["errors"] = json!([{
                "code": code,
                "title": title,
                "message": title,
                "error_data": { "details": title },
                "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
            }]);
        }
        json!({
            "messaging_product": "whatsapp",
            "metadata": metadata(account),
            "statuses": [status],
        })
    }
}

fn metadata(account: &WhatsAppAccount) -> Value {
    json!({
        "display_phone_number": account.display_phone_number,
        "phone_number_id": account.phone_number_id,
    })
}

/// One webhook body: an entry for each business account, in it a change for each message or
/// status, in the order they were added.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    entries: Vec<(String, Vec<Value>)>,
}

impl Delivery {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn message(self, account: &WhatsAppAccount, message: &Message) -> Self {
        self.change(account, message.value(account))
    }

    pub fn status(self, account: &WhatsAppAccount, status: Status) -> Self {
        self.change(account, status.value(account))
    }

    fn change(mut self, account: &WhatsAppAccount, value: Value) -> Self {
        let change = json!({ "value": value, "field": "messages" });
        let known = self
            .entries
            .iter_mut()
            .find(|(id, _)| *id == account.waba_id);
        match known {
            Some((_, changes)) => changes.push(change),
            None => self.entries.push((account.waba_id.clone(), vec![change])),
        }
        self
    }

    pub fn payload(&self) -> Value {
        let entries: Vec<Value> = self
            .entries
            .iter()
            .map(|(id, changes)| json!({ "id": id, "changes": changes }))
            .collect();
        json!({ "object": "whatsapp_business_account", "entry": entries })
    }

    /// The webhook for this URL, signed with the app secret.
    pub fn signed(&self, url: &str, app_secret: &Secret) -> Outgoing {
        let body = ascii_json(&self.payload());
        let signature = sign::meta(app_secret, body.as_bytes());
        Outgoing::post(url, "application/json", body)
            .with("x-hub-signature-256", &signature)
            .with("user-agent", "facebookexternalua")
    }
}

/// The request by which Meta proves a callback URL when it is configured; the receiver answers 200
/// with the bare challenge if it knows the token.
///
/// # Errors
/// When the URL is not one.
pub fn handshake(
    url: &str,
    verify_token: &str,
    challenge: &str,
) -> Result<Outgoing, url::ParseError> {
    let mut url = url::Url::parse(url)?;
    url.query_pairs_mut()
        .append_pair("hub.mode", "subscribe")
        .append_pair("hub.challenge", challenge)
        .append_pair("hub.verify_token", verify_token);
    Ok(Outgoing {
        method: Method::GET,
        url: url.into(),
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
    })
}

/// JSON in ASCII only: characters beyond it become `\u` escapes in lower-case hex, as Meta writes
/// them.
fn ascii_json(value: &Value) -> String {
    let plain = value.to_string();
    let mut escaped = String::with_capacity(plain.len());
    for character in plain.chars() {
        if character.is_ascii() {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            write!(escaped, "\\u{unit:04x}").expect("writing to a String cannot fail");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_ascii_and_mean_the_same() {
        let value = json!({ "body": "Grüße 👋 \"x\"" });
        let text = ascii_json(&value);
        assert!(text.is_ascii());
        assert!(text.contains(r"Gr\u00fc\u00dfe \ud83d\udc4b"));
        let back: Value = serde_json::from_str(&text).expect("is JSON");
        assert_eq!(back, value);
    }
}
