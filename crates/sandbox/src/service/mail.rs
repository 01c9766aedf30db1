//! Sending mail: Resend (resend.com/docs/api-reference/emails/send-email, /errors) and SendGrid
//! (twilio.com/docs/sendgrid/api-reference/mail-send/mail-send, /v3/errors).

use http::{HeaderName, Method};
use serde_json::{Value, json};

use super::desk::{Desk, now, settled, uuid};
use crate::{
    call::Answer,
    ids,
    provider::Provider,
    shape::{self, Field, Kind, Problem, Violation, optional, required},
};

const MESSAGE_ID: HeaderName = HeaderName::from_static("x-message-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const ADDRESSES: Kind = Kind::Either(&[Kind::Text(998), Kind::List(&Kind::Text(998))]);

static RESEND: &[Field] = &[
    required("from", Kind::Text(998)),
    required("to", ADDRESSES),
    required("subject", Kind::Text(998)),
    optional("html", Kind::AnyText),
    optional("text", Kind::AnyText),
    optional("cc", ADDRESSES),
    optional("bcc", ADDRESSES),
    optional("reply_to", ADDRESSES),
    optional("headers", Kind::Map),
    optional("tags", Kind::List(&Kind::Map)),
    optional("attachments", Kind::List(&Kind::Map)),
    optional("scheduled_at", Kind::Text(64)),
];

static ADDRESS: &[Field] = &[
    required("email", Kind::Text(254)),
    optional("name", Kind::AnyText),
];

static PERSONALIZATION: &[Field] = &[
    required("to", Kind::List(&Kind::Object(ADDRESS))),
    optional("cc", Kind::List(&Kind::Object(ADDRESS))),
    optional("bcc", Kind::List(&Kind::Object(ADDRESS))),
    optional("subject", Kind::AnyText),
];

static CONTENT: &[Field] = &[
    required("type", Kind::Text(255)),
    required("value", Kind::Text(1_000_000)),
];

static SENDGRID: &[Field] = &[
    required(
        "personalizations",
        Kind::List(&Kind::Object(PERSONALIZATION)),
    ),
    required("from", Kind::Object(ADDRESS)),
    required("subject", Kind::Text(998)),
    required("content", Kind::List(&Kind::Object(CONTENT))),
    optional("reply_to", Kind::Object(ADDRESS)),
    optional("headers", Kind::Map),
    optional("categories", Kind::List(&Kind::AnyText)),
    optional("mail_settings", Kind::Map),
];

pub(super) fn answer(desk: &Desk<'_>) -> Option<Answer> {
    let post = desk.call.method == Method::POST;
    match (desk.account.provider, &desk.call.segments()[..]) {
        (Provider::Resend, ["emails"]) if post => settled(resend(desk)),
        (Provider::Resend, ["emails", id]) if desk.call.method == Method::GET => {
            settled(email(desk, id))
        }
        (Provider::SendGrid, ["v3", "mail", "send"]) if post => settled(sendgrid(desk)),
        _ => None,
    }
}

fn resend_refuses(status: u16, name: &str, message: &str) -> Answer {
    let body = json!({ "statusCode": status, "name": name, "message": message });
    Answer::json(status, &body)
}

fn resend(desk: &Desk<'_>) -> Result<Answer, Answer> {
    desk.parameters(&[])?;
    let body = desk.call.json().ok_or_else(|| {
        let message = "The request body must be valid JSON.";
        resend_refuses(400, "validation_error", message)
    })?;
    shape::check(&body, &Kind::Object(RESEND), "").map_err(|found| match found.problem {
        Problem::Missing => {
            let message = format!("Missing `{}` field.", found.path);
            resend_refuses(422, "missing_required_field", &message)
        }
        _ => {
            let message = format!("Invalid `{}` field.", found.path);
            resend_refuses(422, "validation_error", &message)
        }
    })?;
    if body["html"].is_null() && body["text"].is_null() {
        let message = "Missing `html` or `text` field.";
        return Err(resend_refuses(422, "validation_error", message));
    }
    let key = desk.call.header(&IDEMPOTENCY_KEY).unwrap_or_default();
    if !key.is_empty()
        && let Some(first) = desk.find("idempotency", "key", key)
    {
        return match first["sent"] == body {
            true => Ok(Answer::json(200, &json!({ "id": first["id"] }))),
            false => {
                let message =
                    "This idempotency key has already been used with a different payload.";
                Err(resend_refuses(409, "invalid_idempotent_request", message))
            }
        };
    }
    let id = uuid();
    desk.keep(
        "idempotency",
        &json!({ "key": key, "sent": body, "id": id }),
    );
    let mut email = body;
    if let Value::String(to) = &email["to"] {
        email["to"] = json!([to]);
    }
    email["object"] = json!("email");
    email["id"] = json!(id);
    email["created_at"] = json!(now());
    email["last_event"] = json!("delivered");
    desk.keep("emails", &email);
    Ok(Answer::json(200, &json!({ "id": id })))
}

fn email(desk: &Desk<'_>, id: &str) -> Result<Answer, Answer> {
    desk.parameters(&[])?;
    let found = desk.find("emails", "id", id);
    let found = found.ok_or_else(|| resend_refuses(404, "not_found", "Email not found"))?;
    Ok(Answer::json(200, &found))
}

fn sendgrid(desk: &Desk<'_>) -> Result<Answer, Answer> {
    desk.parameters(&[])?;
    let refused = |found: &Violation| {
        let message = match found.problem {
            Problem::Missing => format!("The {} field is required.", found.path),
            _ => format!("The {} field is not valid.", found.path),
        };
        let error = json!({ "message": message, "field": found.path, "help": null });
        Answer::json(400, &json!({ "errors": [error] }))
    };
    let body = desk
        .call
        .json()
        .ok_or_else(|| refused(&Violation::new("body", Problem::Missing)))?;
    shape::check(&body, &Kind::Object(SENDGRID), "").map_err(|found| refused(&found))?;
    let accepted = Answer::bytes(202, "text/plain; charset=utf-8", Default::default());
    Ok(accepted.with(MESSAGE_ID, &ids::alphanumeric(22)))
}
