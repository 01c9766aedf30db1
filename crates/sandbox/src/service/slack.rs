//! Slack's Web API: `chat.postMessage` and `conversations.list` (docs.slack.dev/reference/methods,
//! docs.slack.dev/apis/web-api/pagination). Errors come with status 200.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::desk::{Desk, settled};
use crate::call::{Answer, object_of};

/// (id, name) of the workspace's channels.
const CHANNELS: [(&str, &str); 3] = [
    ("C00000001", "general"),
    ("C00000002", "random"),
    ("C00000003", "support"),
];

const LIST: &[&str] = &["cursor", "exclude_archived", "limit", "team_id", "types"];

const POST: &[&str] = &[
    "as_user",
    "attachments",
    "blocks",
    "channel",
    "icon_emoji",
    "icon_url",
    "link_names",
    "markdown_text",
    "metadata",
    "mrkdwn",
    "parse",
    "reply_broadcast",
    "text",
    "thread_ts",
    "unfurl_links",
    "unfurl_media",
    "username",
];

pub(super) fn answer(desk: &Desk<'_>) -> Option<Answer> {
    match desk.call.segments()[..] {
        ["conversations.list"] => settled(list(desk)),
        ["chat.postMessage"] => settled(post(desk)),
        _ => None,
    }
}

fn refused(error: &str) -> Answer {
    Answer::json(200, &json!({ "ok": false, "error": error }))
}

/// Arguments stand in the query, in a form or in JSON, all alike.
fn arguments(desk: &Desk<'_>, documented: &[&str]) -> Result<Map<String, Value>, Answer> {
    let call = desk.call;
    let body = match call.media_type().as_str() {
        "application/json" => call.json().ok_or_else(|| refused("invalid_json"))?,
        "application/x-www-form-urlencoded" => {
            object_of(call.form().ok_or_else(|| refused("invalid_form_data"))?)
        }
        _ if call.body.is_empty() => json!({}),
        _ => return Err(refused("invalid_post_type")),
    };
    let Value::Object(mut arguments) = body else {
        return Err(refused("json_not_object"));
    };
    if let Value::Object(query) = object_of(call.query.iter().cloned()) {
        arguments.extend(query);
    }
    match arguments
        .keys()
        .all(|name| documented.contains(&name.as_str()))
    {
        true => Ok(arguments),
        false => Err(refused("invalid_arguments")),
    }
}

fn text<'a>(arguments: &'a Map<String, Value>, name: &str) -> &'a str {
    arguments
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn list(desk: &Desk<'_>) -> Result<Answer, Answer> {
    let arguments = arguments(desk, LIST)?;
    let limit = match arguments.get("limit") {
        None => 100,
        Some(Value::String(text)) => text.parse().unwrap_or_default(),
        Some(number) => number.as_u64().unwrap_or_default(),
    };
    // "An integer with a max value of 999."
    let limit = usize::try_from(limit)
        .ok()
        .filter(|limit| (1..=999).contains(limit));
    let limit = limit.ok_or_else(|| refused("invalid_limit"))?;
    let from = match text(&arguments, "cursor") {
        "" => 0,
        cursor => CHANNELS
            .iter()
            .position(|(id, _)| cursor_of(id) == cursor)
            .ok_or_else(|| refused("invalid_cursor"))?,
    };
    let channel = |(id, name): &(&str, &str)| {
        json!({
            "id": id,
            "name": name,
            "name_normalized": name,
            "is_channel": true,
            "is_group": false,
            "is_im": false,
            "is_mpim": false,
            "is_private": false,
            "is_archived": false,
            "is_general": *name == "general",
            "is_member": true,
            "created": 1_449_252_889,
            "creator": "U00000001",
            "num_members": 4,
        })
    };
    let channels: Vec<Value> = CHANNELS
        .iter()
        .skip(from)
        .take(limit)
        .map(channel)
        .collect();
    let next = CHANNELS.get(from + limit).map(|(id, _)| cursor_of(id));
    Ok(Answer::json(
        200,
        &json!({
            "ok": true,
            "channels": channels,
            "response_metadata": { "next_cursor": next.unwrap_or_default() },
        }),
    ))
}

fn cursor_of(id: &str) -> String {
    BASE64_STANDARD.encode(format!("channel:{id}"))
}

fn post(desk: &Desk<'_>) -> Result<Answer, Answer> {
    let arguments = arguments(desk, POST)?;
    let channel = text(&arguments, "channel");
    let known = CHANNELS
        .iter()
        .find(|(id, name)| channel == *id || channel.strip_prefix('#') == Some(name));
    let (channel, _) = known.ok_or_else(|| refused("channel_not_found"))?;
    let said = text(&arguments, "text");
    let shown = ["attachments", "blocks", "markdown_text"];
    if said.is_empty() && !shown.iter().any(|name| arguments.contains_key(*name)) {
        return Err(refused("no_text"));
    }
    if said.chars().count() > 40_000 {
        return Err(refused("msg_too_long"));
    }
    let now = OffsetDateTime::now_utc();
    let ts = format!("{}.{:06}", now.unix_timestamp(), now.microsecond());
    Ok(Answer::json(
        200,
        &json!({
            "ok": true,
            "channel": channel,
            "ts": ts,
            "message": {
                "type": "message",
                "subtype": "bot_message",
                "text": said,
                "ts": ts,
                "user": "U00000001",
                "bot_id": "B00000001",
                "team": desk.account.says("team_id"),
            },
        }),
    ))
}
