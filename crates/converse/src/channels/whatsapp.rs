//! WhatsApp Cloud API: `messages` and `statuses` of its webhooks, and sending text.
//!
//! Shapes: developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference and
//! …/whatsapp/messages (v23.0).

use connect::{Call, CallBody, Connect, OpenCredential};
use kernel::{Access, Result, permission::CredentialsUse};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    Channel, Delivery, Incoming, Media, Outgoing, Received, What, malformed, place, segment, string,
};
use crate::messages::{Kind, Status};

const CHANNEL: Channel = Channel::Whatsapp;

/// Everything that a payload tells, in its order. Fields other than `messages` tell nothing of
/// conversations.
pub(crate) fn incoming(payload: &Value) -> Result<Vec<Incoming>> {
    let mut all = Vec::new();
    for change in list(&payload["entry"])
        .iter()
        .flat_map(|entry| list(&entry["changes"]))
    {
        let value = &change["value"];
        if change["field"] != "messages" {
            continue;
        }
        let account = string(&value["metadata"]["phone_number_id"])
            .ok_or_else(|| malformed(CHANNEL, "metadata.phone_number_id"))?;
        let with = |address: &str, what| Incoming {
            account: Some(account.clone()),
            identifiers: vec![account.clone()],
            address: e164(address),
            what,
        };
        for message in list(&value["messages"]) {
            let from = message["from"]
                .as_str()
                .ok_or_else(|| malformed(CHANNEL, "messages[].from"))?;
            let name = list(&value["contacts"])
                .iter()
                .find(|contact| contact["wa_id"] == from)
                .and_then(|contact| string(&contact["profile"]["name"]));
            all.push(with(from, What::Message(received(message, name)?)));
        }
        for status in list(&value["statuses"]) {
            let recipient = status["recipient_id"].as_str().unwrap_or_default();
            if let Some(delivery) = delivery(status)? {
                all.push(with(recipient, What::Delivery(delivery)));
            }
        }
    }
    Ok(all)
}

fn received(message: &Value, name: Option<String>) -> Result<Received> {
    let external_id = string(&message["id"]).ok_or_else(|| malformed(CHANNEL, "messages[].id"))?;
    let type_name = message["type"].as_str().unwrap_or_default();
    let content = &message[type_name];
    let (kind, text, media) = match type_name {
        "text" => (Kind::Text, string(&content["body"]), vec![]),
        "image" => with_file(Kind::Image, content),
        "audio" => with_file(Kind::Audio, content),
        "video" => with_file(Kind::Video, content),
        "document" => with_file(Kind::Document, content),
        "sticker" => with_file(Kind::Sticker, content),
        "location" => (Kind::Location, Some(location(content)), vec![]),
        "contacts" => (Kind::Contacts, Some(contacts(content)), vec![]),
        // Without an emoji the reaction was taken back.
        "reaction" => (Kind::Reaction, string(&content["emoji"]), vec![]),
        "button" => (Kind::Button, string(&content["text"]), vec![]),
        "interactive" => (Kind::Interactive, interactive(content), vec![]),
        _ => (Kind::Unsupported, None, vec![]),
    };
    Ok(Received {
        name,
        external_id,
        kind,
        text,
        media,
        at: time_of(message),
        addressed: true,
    })
}

fn with_file(kind: Kind, content: &Value) -> (Kind, Option<String>, Vec<Media>) {
    let media = Media {
        id: string(&content["id"]),
        mime_type: string(&content["mime_type"]),
        url: string(&content["url"]),
        caption: string(&content["caption"]),
        file_name: string(&content["filename"]),
        sha256: string(&content["sha256"]),
    };
    (kind, media.caption.clone(), vec![media])
}

fn location(content: &Value) -> String {
    place(
        content["name"].as_str(),
        content["address"].as_str(),
        &content["latitude"].to_string(),
        &content["longitude"].to_string(),
    )
}

/// One contact per line: name, then phone numbers.
fn contacts(content: &Value) -> String {
    let line = |contact: &Value| {
        let name = contact["name"]["formatted_name"].as_str();
        let phones = list(&contact["phones"])
            .iter()
            .filter_map(|phone| phone["phone"].as_str());
        name.into_iter()
            .chain(phones)
            .collect::<Vec<_>>()
            .join(", ")
    };
    list(content)
        .iter()
        .map(line)
        .collect::<Vec<_>>()
        .join("\n")
}

/// What the contact chose, or the answers of a form (`nfm_reply`).
fn interactive(content: &Value) -> Option<String> {
    let reply = &content[content["type"].as_str().unwrap_or_default()];
    string(&reply["title"])
        .or_else(|| string(&reply["response_json"]))
        .or_else(|| string(&reply["body"]))
}

/// `None` for statuses that say nothing of delivery (`deleted`, `warning`, payments).
fn delivery(status: &Value) -> Result<Option<Delivery>> {
    let external_id = string(&status["id"]).ok_or_else(|| malformed(CHANNEL, "statuses[].id"))?;
    let value = match status["status"].as_str() {
        Some("sent") => Status::Sent,
        Some("delivered") => Status::Delivered,
        // A voice message is played instead of read.
        Some("read" | "played") => Status::Read,
        Some("failed") => Status::Failed,
        _ => return Ok(None),
    };
    Ok(Some(Delivery {
        external_id,
        status: value,
        error: (value == Status::Failed).then(|| failure(&status["errors"][0])),
        message: status["biz_opaque_callback_data"]
            .as_str()
            .and_then(|data| data.parse().ok()),
    }))
}

fn failure(error: &Value) -> String {
    let text = string(&error["error_data"]["details"])
        .or_else(|| string(&error["title"]))
        .unwrap_or_else(|| "WhatsApp gave no reason".to_owned());
    match error["code"].as_i64() {
        Some(code) => format!("{text} (WhatsApp error {code})"),
        None => text,
    }
}

fn time_of(message: &Value) -> Option<OffsetDateTime> {
    let seconds = message["timestamp"].as_str()?.parse().ok()?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

/// WhatsApp writes phone numbers as bare digits; stored addresses are in E.164.
fn e164(wa_id: &str) -> String {
    if !wa_id.is_empty() && wa_id.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("+{wa_id}")
    } else {
        wa_id.to_owned()
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
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
                path: format!("/{}/messages", segment(&outgoing.account)?),
                body: CallBody::Json(body(outgoing)),
            },
        )
        .await?;
    Ok(string(&answer.body["messages"][0]["id"]))
}

/// The callback data comes back with every status, so that a message is recognised even when its
/// id was never recorded.
fn body(outgoing: &Outgoing) -> Value {
    json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": outgoing.address.trim_start_matches('+'),
        "type": "text",
        "text": { "body": outgoing.text },
        "biz_opaque_callback_data": outgoing.message.to_string(),
    })
}

#[cfg(test)]
mod tests;
