//! Telegram bots: updates that carry messages, and sending text.
//!
//! Shapes: core.telegram.org/bots/api (`Update`, `Message`, `CallbackQuery`, `sendMessage`). An
//! update does not name the bot that it is for, so whoever reads it has to know the account.

use connect::{Call, CallBody, Connect, OpenCredential};
use kernel::{Access, Result, permission::CredentialsUse};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Channel, Incoming, Media, Outgoing, Received, What, malformed, place, string};
use crate::messages::Kind;

const CHANNEL: Channel = Channel::Telegram;

/// `None` for updates that are no messages, such as membership changes and polls' results.
pub(crate) fn incoming(update: &Value) -> Result<Option<Incoming>> {
    let (chat, what) = if update["message"].is_object() {
        let message = &update["message"];
        (&message["chat"], What::Message(received(message)?))
    } else if update["edited_message"].is_object() {
        let message = &update["edited_message"];
        (&message["chat"], What::Edit(received(message)?))
    } else if update["channel_post"].is_object() {
        let post = &update["channel_post"];
        (&post["chat"], What::Message(received(post)?))
    } else if update["edited_channel_post"].is_object() {
        let post = &update["edited_channel_post"];
        (&post["chat"], What::Edit(received(post)?))
    } else if update["callback_query"].is_object() {
        let query = &update["callback_query"];
        // The message that the button hangs on is absent when it is too old or inline.
        let chat = match &query["message"]["chat"] {
            Value::Null => &query["from"],
            chat => chat,
        };
        (chat, What::Message(pressed(query)?))
    } else {
        return Ok(None);
    };
    let address = chat["id"]
        .as_i64()
        .ok_or_else(|| malformed(CHANNEL, "chat.id"))?
        .to_string();
    Ok(Some(Incoming {
        account: None,
        identifiers: Vec::new(),
        address,
        what,
    }))
}

fn received(message: &Value) -> Result<Received> {
    let id = message["message_id"]
        .as_i64()
        .ok_or_else(|| malformed(CHANNEL, "message_id"))?;
    let (kind, text, media) = content(message);
    let from = &message["from"];
    let at = match &message["edit_date"] {
        Value::Null => &message["date"],
        edited => edited,
    };
    Ok(Received {
        name: name_of(&message["chat"], from),
        external_id: id.to_string(),
        kind,
        text,
        media,
        at: at
            .as_i64()
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok()),
        // A channel's posts have no sender and ask for nothing; bots answering bots never end.
        addressed: from.is_object() && from["is_bot"] != true,
    })
}

fn content(message: &Value) -> (Kind, Option<String>, Vec<Media>) {
    if let Some(text) = string(&message["text"]) {
        return (Kind::Text, Some(text), Vec::new());
    }
    // Sizes of one photo, smallest first.
    if let Some(largest) = message["photo"].as_array().and_then(|sizes| sizes.last()) {
        let mut media = file(largest, message);
        media.mime_type = Some("image/jpeg".to_owned());
        return (Kind::Image, media.caption.clone(), vec![media]);
    }
    for (field, kind) in [
        // An animation is sent as `document` too, for old clients: it comes first.
        ("animation", Kind::Video),
        ("video", Kind::Video),
        ("video_note", Kind::Video),
        ("voice", Kind::Audio),
        ("audio", Kind::Audio),
        ("sticker", Kind::Sticker),
        ("document", Kind::Document),
    ] {
        if message[field].is_object() {
            let media = file(&message[field], message);
            let emoji = string(&message[field]["emoji"]);
            return (kind, media.caption.clone().or(emoji), vec![media]);
        }
    }
    if let Some(text) = location(message) {
        return (Kind::Location, Some(text), Vec::new());
    }
    if message["contact"].is_object() {
        return (
            Kind::Contacts,
            Some(contact(&message["contact"])),
            Vec::new(),
        );
    }
    (Kind::Unsupported, None, Vec::new())
}

fn file(file: &Value, message: &Value) -> Media {
    Media {
        id: string(&file["file_id"]),
        mime_type: string(&file["mime_type"]),
        url: None,
        caption: string(&message["caption"]),
        file_name: string(&file["file_name"]),
        sha256: None,
    }
}

/// A venue is a location with a name; both fields are present then.
fn location(message: &Value) -> Option<String> {
    let (venue, point) = (&message["venue"], &message["location"]);
    point.is_object().then(|| {
        place(
            venue["title"].as_str(),
            venue["address"].as_str(),
            &point["latitude"].to_string(),
            &point["longitude"].to_string(),
        )
    })
}

fn contact(contact: &Value) -> String {
    let name = [&contact["first_name"], &contact["last_name"]];
    let name: Vec<&str> = name.into_iter().filter_map(Value::as_str).collect();
    match contact["phone_number"].as_str() {
        Some(phone) => format!("{}, {phone}", name.join(" ")),
        None => name.join(" "),
    }
}

/// A press of an inline button. Its `data` is what the bot gave the button to say.
fn pressed(query: &Value) -> Result<Received> {
    let id = string(&query["id"]).ok_or_else(|| malformed(CHANNEL, "callback_query.id"))?;
    Ok(Received {
        name: name_of(&query["message"]["chat"], &query["from"]),
        // Message ids are numbers; the prefix keeps the two apart within a chat.
        external_id: format!("callback/{id}"),
        kind: Kind::Button,
        text: string(&query["data"]).or_else(|| string(&query["game_short_name"])),
        media: Vec::new(),
        at: None,
        addressed: true,
    })
}

/// A group's or channel's title, else the person's name.
fn name_of(chat: &Value, from: &Value) -> Option<String> {
    if let Some(title) = string(&chat["title"]) {
        return Some(title);
    }
    let person = if from.is_object() { from } else { chat };
    let names = [&person["first_name"], &person["last_name"]];
    let names: Vec<&str> = names.into_iter().filter_map(Value::as_str).collect();
    if names.is_empty() {
        string(&person["username"])
    } else {
        Some(names.join(" "))
    }
}

pub(super) async fn send(
    connect: &Connect,
    access: &Access<CredentialsUse>,
    credential: &OpenCredential,
    outgoing: &Outgoing,
) -> Result<Option<String>> {
    let answer = connect
        .call(
            access,
            Call {
                credential,
                operation: "messages.send",
                method: http::Method::POST,
                path: "/sendMessage".to_owned(),
                body: CallBody::Json(body(outgoing)),
            },
        )
        .await?;
    let id = answer.body["result"]["message_id"].as_i64();
    Ok(id.map(|id| id.to_string()))
}

fn body(outgoing: &Outgoing) -> Value {
    let chat = match outgoing.address.parse::<i64>() {
        Ok(id) => json!(id),
        Err(_) => json!(outgoing.address),
    };
    json!({ "chat_id": chat, "text": outgoing.text })
}

#[cfg(test)]
mod tests;
