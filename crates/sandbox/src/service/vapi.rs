//! Vapi: its assistants, and calls that one of them makes (docs.vapi.ai/api-reference/assistants/list,
//! /calls/create, /calls/get; refusals as NestJS words them, as in public issue threads).

use http::Method;
use serde_json::{Value, json};

use super::desk::{Desk, now, settled, uuid};
use crate::{
    call::Answer,
    shape::{self, Field, Kind, Problem, optional, required},
};

const LIST: &[&str] = &[
    "createdAtGe",
    "createdAtGt",
    "createdAtLe",
    "createdAtLt",
    "limit",
    "updatedAtGe",
    "updatedAtGt",
    "updatedAtLe",
    "updatedAtLt",
];

static CUSTOMER: &[Field] = &[
    required("number", Kind::Text(40)),
    optional("name", Kind::Text(40)),
    optional("externalId", Kind::Text(40)),
    optional("extension", Kind::Text(10)),
    optional("numberE164CheckEnabled", Kind::Flag),
];

static CALL: &[Field] = &[
    required("assistantId", Kind::Text(64)),
    required("phoneNumberId", Kind::Text(64)),
    required("customer", Kind::Object(CUSTOMER)),
    optional("name", Kind::Text(40)),
    optional("assistantOverrides", Kind::Map),
    optional("schedulePlan", Kind::Map),
];

pub(super) fn answer(desk: &Desk<'_>) -> Option<Answer> {
    let get = desk.call.method == Method::GET;
    match desk.call.segments()[..] {
        ["assistant"] if get => settled(assistants(desk)),
        ["call"] if desk.call.method == Method::POST => settled(start(desk)),
        ["call", id] if get => settled(call(desk, id)),
        _ => None,
    }
}

fn refused(status: u16, error: &str, message: &Value) -> Answer {
    let body = json!({ "message": message, "error": error, "statusCode": status });
    Answer::json(status, &body)
}

fn invalid(message: String) -> Answer {
    refused(400, "Bad Request", &json!([message]))
}

fn assistants(desk: &Desk<'_>) -> Result<Answer, Answer> {
    desk.parameters(LIST)?;
    let limit = desk.number("limit", 100, (0, 1000));
    let limit = limit.ok_or_else(|| invalid("limit must not be greater than 1000".to_owned()))?;
    let assistant = json!({
        "id": desk.account.says("assistant_id"),
        "orgId": desk.account.says("org_id"),
        "name": "Front desk",
        "firstMessage": "Hello, how can I help?",
        "model": { "provider": "openai", "model": "gpt-4o-mini" },
        "voice": { "provider": "11labs", "voiceId": "21m00Tcm4TlvDq8ikWAM" },
        "createdAt": "2025-01-14T09:00:00.000Z",
        "updatedAt": "2025-01-14T09:00:00.000Z",
    });
    let found: Vec<Value> = [assistant].into_iter().take(limit).collect();
    Ok(Answer::json(200, &json!(found)))
}

fn start(desk: &Desk<'_>) -> Result<Answer, Answer> {
    desk.parameters(&[])?;
    let body = desk
        .call
        .json()
        .ok_or_else(|| invalid("body must be JSON".to_owned()))?;
    shape::check(&body, &Kind::Object(CALL), "").map_err(|found| {
        let path = found.path;
        invalid(match found.problem {
            Problem::Unknown => format!("property {path} should not exist"),
            Problem::Missing => format!("{path} should not be empty"),
            _ => format!("{path} is invalid"),
        })
    })?;
    let number = body["customer"]["number"].as_str().unwrap_or_default();
    let e164 = number
        .strip_prefix('+')
        .is_some_and(|digits| digits.len() > 6 && digits.bytes().all(|b| b.is_ascii_digit()));
    if !e164 {
        return Err(invalid("customer.number must be a valid phone number in the E.164 format. Hot tip, you may be missing the country code (Eg. US: +1).".to_owned()));
    }
    for (field, fact, what) in [
        ("assistantId", "assistant_id", "Assistant"),
        ("phoneNumberId", "phone_number_id", "Phone Number"),
    ] {
        if body[field] != desk.account.says(fact) {
            return Err(invalid(format!(
                "Couldn't Get {what}. `{field}` Does Not Exist."
            )));
        }
    }
    let mut call = body;
    call["id"] = json!(uuid());
    call["orgId"] = json!(desk.account.says("org_id"));
    call["type"] = json!("outboundPhoneCall");
    call["status"] = json!("queued");
    call["cost"] = json!(0);
    call["createdAt"] = json!(now());
    call["updatedAt"] = json!(now());
    desk.keep("calls", &call);
    Ok(Answer::json(201, &call))
}

fn call(desk: &Desk<'_>, id: &str) -> Result<Answer, Answer> {
    desk.parameters(&[])?;
    let found = desk.find("calls", "id", id);
    let found = found.ok_or_else(|| refused(404, "Not Found", &json!("Not Found")))?;
    Ok(Answer::json(200, &found))
}
