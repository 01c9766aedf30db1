//! Anthropic's Messages API, whole and as a stream of server-sent events
//! (platform.claude.com/docs/en/api/messages, /messages-streaming, /errors; /migration-2026-10-21 for
//! what that version refuses).

use http::{HeaderName, Method};
use serde_json::{Value, json};

use super::desk::{Desk, settled};
use crate::{
    call::Answer,
    ids,
    shape::{self, Field, Kind, Problem, Violation, optional, required},
};

/// The version of the API that takes no sampling parameters.
pub(super) const LATEST: &str = "2026-10-21";
const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const MODEL: &str = "claude-sandbox";
/// What the model says, word by word.
const WORDS: [&str; 6] = ["We", " are", " open", " from", " nine", " to five."];

static MESSAGE: &[Field] = &[
    required("role", Kind::Choice(&["user", "assistant"])),
    required(
        "content",
        Kind::Either(&[Kind::Text(1_000_000), Kind::List(&Kind::Map)]),
    ),
];

static MESSAGES: &[Field] = &[
    required("model", Kind::Text(256)),
    required("max_tokens", Kind::Integer(1, 200_000)),
    required("messages", Kind::List(&Kind::Object(MESSAGE))),
    optional(
        "system",
        Kind::Either(&[Kind::AnyText, Kind::List(&Kind::Map)]),
    ),
    optional("metadata", Kind::Map),
    optional("stop_sequences", Kind::List(&Kind::AnyText)),
    optional("stream", Kind::Flag),
    optional("temperature", Kind::Decimal(0.0, 1.0)),
    optional("top_k", Kind::Integer(0, 1_000_000)),
    optional("top_p", Kind::Decimal(0.0, 1.0)),
];

pub(super) fn answer(desk: &Desk<'_>) -> Option<Answer> {
    match desk.call.segments()[..] {
        ["v1", "messages"] if desk.call.method == Method::POST => settled(message(desk)),
        _ => None,
    }
}

fn refused(status: u16, kind: &str, message: &str) -> Answer {
    let error = json!({ "type": kind, "message": message });
    Answer::json(status, &json!({ "type": "error", "error": error }))
}

fn invalid(found: &Violation) -> Answer {
    let message = match found.problem {
        Problem::Missing => format!("{}: Field required", found.path),
        Problem::Unknown => format!("{}: Extra inputs are not permitted", found.path),
        _ => format!("{}: Input is not valid", found.path),
    };
    refused(400, "invalid_request_error", &message)
}

fn message(desk: &Desk<'_>) -> Result<Answer, Answer> {
    desk.parameters(&[])?;
    let malformed = "The request body is not valid JSON";
    let body = desk
        .call
        .json()
        .ok_or_else(|| refused(400, "invalid_request_error", malformed))?;
    shape::check(&body, &Kind::Object(MESSAGES), "").map_err(|found| invalid(&found))?;
    if desk.call.header(&VERSION) == Some(LATEST) {
        removed(&body)?;
    }
    if body["model"] != MODEL {
        let text = format!("model: {}", body["model"].as_str().unwrap_or_default());
        return Err(refused(404, "not_found_error", &text));
    }
    // A token for each four characters, as a rule of thumb.
    let read = body["messages"].to_string().len() / 4 + 1;
    let mut message = json!({
        "id": format!("msg_{}", ids::alphanumeric(24)),
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": { "input_tokens": read, "output_tokens": 1 },
    });
    let answer = if body["stream"] == true {
        Answer::events(events(&message))
    } else {
        message["content"] = json!([{ "type": "text", "text": WORDS.concat() }]);
        message["stop_reason"] = json!("end_turn");
        message["usage"]["output_tokens"] = json!(WORDS.len());
        Answer::json(200, &message)
    };
    let id = format!("req_{}", ids::alphanumeric(24));
    Ok(answer.with(REQUEST_ID, &id))
}

/// What the latest version takes no more.
fn removed(body: &Value) -> Result<(), Answer> {
    for name in ["temperature", "top_k", "top_p"] {
        if !body[name].is_null() {
            return Err(invalid(&Violation::new(name, Problem::Unknown)));
        }
    }
    for message in body["messages"].as_array().into_iter().flatten() {
        for block in message["content"].as_array().into_iter().flatten() {
            let cites = block["citations"]
                .as_array()
                .is_some_and(|list| !list.is_empty());
            let refused = match message["role"].as_str() {
                Some("assistant") => block["type"] == "document",
                _ => block["type"] == "text" && cites,
            };
            if refused {
                return Err(invalid(&Violation::new("messages", Problem::Unknown)));
            }
        }
    }
    Ok(())
}

fn events(message: &Value) -> Vec<String> {
    let mut events = vec![
        json!({ "type": "message_start", "message": message }),
        json!({
            "type": "content_block_start",
            "index": 0,
            "content_block": { "type": "text", "text": "" },
        }),
        json!({ "type": "ping" }),
    ];
    events.extend(WORDS.map(|word| {
        json!({
            "type": "content_block_delta",
            "index": 0,
            "delta": { "type": "text_delta", "text": word },
        })
    }));
    events.extend([
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({
            "type": "message_delta",
            "delta": { "stop_reason": "end_turn", "stop_sequence": null },
            "usage": { "output_tokens": WORDS.len() },
        }),
        json!({ "type": "message_stop" }),
    ]);
    let told = events.iter().map(|event| {
        let kind = event["type"].as_str().unwrap_or_default();
        format!("event: {kind}\ndata: {event}\n\n")
    });
    told.collect()
}
