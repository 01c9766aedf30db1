//! The shape of a chat completion request: every documented argument, and messages by role.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{invalid, refuse};
use crate::{
    call::Answer,
    shape::{
        Field, Kind, Problem, Violation, check_fields, join, nullable, optional, quoted, required,
        type_of,
    },
};

const MAX_TOKENS: i64 = 1 << 20;
const STRINGS: Kind = Kind::List(&Kind::AnyText);

static STREAM_OPTIONS: &[Field] = &[
    optional("include_usage", Kind::Flag),
    optional("include_obfuscation", Kind::Flag),
];
static FUNCTION: &[Field] = &[
    required("name", Kind::Text(64)),
    optional("description", Kind::AnyText),
    optional("parameters", Kind::Map),
    nullable("strict", Kind::Flag),
];
static TOOL: &[Field] = &[
    required("type", Kind::Choice(&["function"])),
    required("function", Kind::Object(FUNCTION)),
];
static JSON_SCHEMA: &[Field] = &[
    required("name", Kind::Text(64)),
    optional("description", Kind::AnyText),
    optional("schema", Kind::Map),
    nullable("strict", Kind::Flag),
];
static RESPONSE_FORMAT: &[Field] = &[
    required(
        "type",
        Kind::Choice(&["text", "json_object", "json_schema"]),
    ),
    optional("json_schema", Kind::Object(JSON_SCHEMA)),
];

static ARGUMENTS: &[Field] = &[
    required("model", Kind::Text(256)),
    required("messages", Kind::List(&Kind::Map)),
    nullable("audio", Kind::Map),
    nullable("frequency_penalty", Kind::Decimal(-2.0, 2.0)),
    nullable("function_call", Kind::Either(&[Kind::AnyText, Kind::Map])),
    nullable("functions", Kind::List(&Kind::Map)),
    nullable("logit_bias", Kind::Map),
    nullable("logprobs", Kind::Flag),
    nullable("max_completion_tokens", Kind::Integer(1, MAX_TOKENS)),
    nullable("max_tokens", Kind::Integer(1, MAX_TOKENS)),
    nullable("metadata", Kind::Map),
    nullable("modalities", STRINGS),
    nullable("moderation", Kind::Map),
    nullable("n", Kind::Integer(1, 128)),
    nullable("parallel_tool_calls", Kind::Flag),
    nullable("prediction", Kind::Map),
    nullable("presence_penalty", Kind::Decimal(-2.0, 2.0)),
    nullable("prompt_cache_key", Kind::AnyText),
    nullable("prompt_cache_options", Kind::Map),
    nullable(
        "prompt_cache_retention",
        Kind::Choice(&["in_memory", "24h"]),
    ),
    nullable(
        "reasoning_effort",
        Kind::Choice(&["none", "minimal", "low", "medium", "high", "xhigh"]),
    ),
    nullable("response_format", Kind::Object(RESPONSE_FORMAT)),
    nullable("safety_identifier", Kind::Text(64)),
    nullable("seed", Kind::Integer(i64::MIN, i64::MAX)),
    nullable(
        "service_tier",
        Kind::Choice(&["auto", "default", "flex", "scale", "priority", "fast"]),
    ),
    nullable("stop", Kind::Either(&[Kind::AnyText, STRINGS])),
    nullable("store", Kind::Flag),
    nullable("stream", Kind::Flag),
    nullable("stream_options", Kind::Object(STREAM_OPTIONS)),
    nullable("temperature", Kind::Decimal(0.0, 2.0)),
    nullable("tool_choice", Kind::Either(&[Kind::AnyText, Kind::Map])),
    nullable("tools", Kind::List(&Kind::Object(TOOL))),
    nullable("top_logprobs", Kind::Integer(0, 20)),
    nullable("top_p", Kind::Decimal(0.0, 1.0)),
    nullable("user", Kind::AnyText),
    nullable("verbosity", Kind::Choice(&["low", "medium", "high"])),
    nullable("web_search_options", Kind::Map),
];

const CONTENT: Kind = Kind::Either(&[Kind::AnyText, Kind::List(&Kind::Map)]);

static INSTRUCTION: &[Field] = &[
    required("role", Kind::AnyText),
    required("content", CONTENT),
    optional("name", Kind::Text(64)),
];
static CALLED: &[Field] = &[
    required("name", Kind::Text(64)),
    required("arguments", Kind::AnyText),
];
static TOOL_CALL: &[Field] = &[
    required("id", Kind::Text(64)),
    required("type", Kind::Choice(&["function"])),
    required("function", Kind::Object(CALLED)),
];
static ASSISTANT: &[Field] = &[
    required("role", Kind::AnyText),
    nullable("content", CONTENT),
    nullable("refusal", Kind::AnyText),
    nullable("audio", Kind::Map),
    nullable("function_call", Kind::Object(CALLED)),
    nullable("tool_calls", Kind::List(&Kind::Object(TOOL_CALL))),
    // Clients hand back whole messages of earlier answers, which carry annotations.
    nullable("annotations", Kind::List(&Kind::Map)),
    optional("name", Kind::Text(64)),
];
static TOOL_RESULT: &[Field] = &[
    required("role", Kind::AnyText),
    required("content", CONTENT),
    required("tool_call_id", Kind::Text(64)),
];

const ROLES: &[&str] = &["system", "developer", "user", "assistant", "tool"];

static TEXT_PART: &[Field] = &[
    required("type", Kind::AnyText),
    required("text", Kind::AnyText),
    optional("prompt_cache_breakpoint", Kind::Map),
];
static REFUSAL_PART: &[Field] = &[
    required("type", Kind::AnyText),
    required("refusal", Kind::AnyText),
];
static IMAGE: &[Field] = &[
    required("url", Kind::Text(30_000_000)),
    optional("detail", Kind::Choice(&["auto", "low", "high", "original"])),
];
static IMAGE_PART: &[Field] = &[
    required("type", Kind::AnyText),
    required("image_url", Kind::Object(IMAGE)),
    optional("prompt_cache_breakpoint", Kind::Map),
];
static AUDIO: &[Field] = &[
    required("data", Kind::Text(30_000_000)),
    required("format", Kind::Choice(&["wav", "mp3"])),
];
static AUDIO_PART: &[Field] = &[
    required("type", Kind::AnyText),
    required("input_audio", Kind::Object(AUDIO)),
    optional("prompt_cache_breakpoint", Kind::Map),
];
static FILE: &[Field] = &[
    optional("file_data", Kind::Text(60_000_000)),
    optional("file_id", Kind::Text(128)),
    optional("filename", Kind::Text(512)),
];
static FILE_PART: &[Field] = &[
    required("type", Kind::AnyText),
    required("file", Kind::Object(FILE)),
    optional("prompt_cache_breakpoint", Kind::Map),
];

/// Checks a request against everything that is documented about it.
pub(super) fn check(body: &Map<String, Value>) -> Result<(), Answer> {
    check_fields(body, ARGUMENTS, "").map_err(|violation| refuse(&violation))?;
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    if messages.is_empty() {
        return Err(invalid(
            "messages",
            Some("empty_array"),
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an \
             empty array instead.",
        ));
    }
    for (index, message) in messages.iter().enumerate() {
        let path = format!("messages[{index}]");
        check_message(message, &path).map_err(|violation| refuse(&violation))?;
    }
    check_tool_results(messages)?;
    check_combinations(body)
}

fn check_message(message: &Value, path: &str) -> Result<(), Violation> {
    let Some(message) = message.as_object() else {
        return Ok(());
    };
    let role_path = join(path, "role");
    let role = match message.get("role") {
        None => return Err(Violation::new(role_path, Problem::Missing)),
        Some(Value::String(role)) => role.as_str(),
        Some(other) => {
            let problem = Problem::Type {
                expected: "a string".to_owned(),
                got: type_of(other),
            };
            return Err(Violation::new(role_path, problem));
        }
    };
    let (fields, parts): (&[Field], &[&str]) = match role {
        "system" | "developer" => (INSTRUCTION, &["text"]),
        "user" => (INSTRUCTION, &["text", "image_url", "input_audio", "file"]),
        "assistant" => (ASSISTANT, &["text", "refusal"]),
        "tool" => (TOOL_RESULT, &["text"]),
        other => return Err(not_allowed(role_path, ROLES, other)),
    };
    check_fields(message, fields, path)?;
    let content_path = join(path, "content");
    if let Some(Value::Array(content)) = message.get("content") {
        for (index, part) in content.iter().enumerate() {
            check_part(part, parts, &format!("{content_path}[{index}]"))?;
        }
    }
    let content = message.get("content").filter(|content| !content.is_null());
    let calls = message.get("tool_calls").filter(|calls| !calls.is_null());
    if role == "assistant" && content.is_none() && calls.is_none() {
        return Err(Violation::new(content_path, Problem::Missing));
    }
    Ok(())
}

fn check_part(part: &Value, allowed: &[&str], path: &str) -> Result<(), Violation> {
    let Some(part) = part.as_object() else {
        return Ok(());
    };
    let kind_path = join(path, "type");
    let Some(kind) = part.get("type").and_then(Value::as_str) else {
        return Err(Violation::new(kind_path, Problem::Missing));
    };
    if !allowed.contains(&kind) {
        return Err(not_allowed(kind_path, allowed, kind));
    }
    let fields = match kind {
        "refusal" => REFUSAL_PART,
        "image_url" => IMAGE_PART,
        "input_audio" => AUDIO_PART,
        "file" => FILE_PART,
        _ => TEXT_PART,
    };
    check_fields(part, fields, path)
}

fn not_allowed(path: String, allowed: &[&str], got: &str) -> Violation {
    Violation::new(
        path,
        Problem::NotAllowed {
            allowed: quoted(allowed),
            got: got.to_owned(),
        },
    )
}

/// A tool's result answers a call that the assistant made before it, and every call is answered
/// before the conversation goes on.
fn check_tool_results(messages: &[Value]) -> Result<(), Answer> {
    let mut open: HashSet<&str> = HashSet::new();
    for (index, message) in messages.iter().enumerate() {
        if message["role"] == "tool" {
            let id = message["tool_call_id"].as_str().unwrap_or_default();
            if !open.remove(id) {
                return Err(invalid(
                    &format!("messages[{index}].role"),
                    None,
                    "Invalid parameter: messages with role 'tool' must be a response to a \
                     preceeding message with 'tool_calls'.",
                ));
            }
            continue;
        }
        if !open.is_empty() {
            return Err(unanswered(index));
        }
        let calls = message["tool_calls"].as_array().into_iter().flatten();
        open.extend(calls.filter_map(|call| call["id"].as_str()));
    }
    match open.is_empty() {
        true => Ok(()),
        false => Err(unanswered(messages.len())),
    }
}

fn unanswered(index: usize) -> Answer {
    invalid(
        &format!("messages[{index}].role"),
        None,
        "An assistant message with 'tool_calls' must be followed by tool messages responding to \
         each 'tool_call_id'.",
    )
}

/// Arguments that are sound by themselves and not together.
fn check_combinations(body: &Map<String, Value>) -> Result<(), Answer> {
    let given = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
    let on = |name: &str| body.get(name) == Some(&Value::Bool(true));
    if given("max_tokens") && given("max_completion_tokens") {
        return Err(invalid(
            "max_tokens",
            Some("invalid_parameter_combination"),
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        ));
    }
    if given("stream_options") && !on("stream") {
        return Err(invalid(
            "stream_options",
            None,
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ));
    }
    if given("tool_choice") && !given("tools") {
        return Err(invalid(
            "tool_choice",
            None,
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are \
             specified.",
        ));
    }
    if given("parallel_tool_calls") && !given("tools") {
        return Err(invalid(
            "parallel_tool_calls",
            None,
            "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when \
             'tools' are specified.",
        ));
    }
    if given("top_logprobs") && !on("logprobs") {
        return Err(invalid(
            "top_logprobs",
            None,
            "'top_logprobs' is only allowed when 'logprobs' is enabled.",
        ));
    }
    if let Some(Value::Array(stops)) = body.get("stop")
        && stops.len() > 4
    {
        return Err(invalid(
            "stop",
            Some("array_above_max_length"),
            &format!(
                "Invalid 'stop': array too long. Expected an array with maximum length 4, but got \
                 an array with length {} instead.",
                stops.len()
            ),
        ));
    }
    Ok(())
}
