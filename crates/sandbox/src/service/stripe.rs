//! Stripe: customers, and payments that are taken or declined (docs.stripe.com/api/customers,
//! /payment_intents, /pagination, /idempotent_requests, /errors; docs.stripe.com/testing for the
//! payment methods). Bodies are forms.

use http::{HeaderName, Method};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::desk::{Desk, settled};
use crate::{call::Answer, ids};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

const CUSTOMER: &[&str] = &["description", "email", "name", "phone"];
const LIST: &[&str] = &["email", "ending_before", "limit", "starting_after"];
const PAYMENT: &[&str] = &[
    "amount",
    "confirm",
    "currency",
    "customer",
    "description",
    "payment_method",
];

type Form = Vec<(String, String)>;

pub(super) fn answer(desk: &Desk<'_>) -> Option<Answer> {
    let get = desk.call.method == Method::GET;
    let post = desk.call.method == Method::POST;
    let answer = match desk.call.segments()[..] {
        ["v1", "customers"] if post => once(desk, create),
        ["v1", "customers"] if get => list(desk),
        ["v1", "customers", id] if get => customer(desk, id),
        ["v1", "payment_intents"] if post => once(desk, pay),
        _ => return None,
    };
    let id = format!("req_{}", ids::alphanumeric(14));
    settled(answer).map(|answer| answer.with(REQUEST_ID, &id))
}

fn refused(status: u16, kind: &str, more: Value) -> Answer {
    let mut error = more;
    error["type"] = json!(kind);
    Answer::json(status, &json!({ "error": error }))
}

fn invalid(code: &str, parameter: &str, message: &str) -> Answer {
    let more = json!({ "code": code, "param": parameter, "message": message });
    refused(400, "invalid_request_error", more)
}

/// What a form says under a name.
fn of<'a>(form: &'a Form, name: &str) -> &'a str {
    let found = form.iter().find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value)
}

/// The form, with no names but those documented and `metadata[…]`.
fn form(desk: &Desk<'_>, documented: &[&str]) -> Result<Form, Answer> {
    let wrong = || {
        let message = "The body must be application/x-www-form-urlencoded";
        refused(400, "invalid_request_error", json!({ "message": message }))
    };
    let form = match desk.call.body.is_empty() {
        true => Form::new(),
        false => desk.call.form().ok_or_else(wrong)?,
    };
    let known = |name: &str| documented.contains(&name) || name.starts_with("metadata[");
    match form.iter().find(|(name, _)| !known(name)) {
        Some((name, _)) => {
            let message = format!("Received unknown parameter: {name}");
            Err(invalid("parameter_unknown", name, &message))
        }
        None => Ok(form),
    }
}

/// Answers a repeated idempotency key as it was answered the first time, and refuses it for other
/// parameters.
fn once(
    desk: &Desk<'_>,
    make: fn(&Desk<'_>) -> Result<(u16, Value), Answer>,
) -> Result<Answer, Answer> {
    desk.parameters(&[])?;
    let key = desk.call.header(&IDEMPOTENCY_KEY);
    let sent = json!([
        desk.call.path.join("/"),
        String::from_utf8_lossy(&desk.call.body)
    ]);
    if let Some(key) = key
        && let Some(first) = desk.find("idempotency", "key", key)
    {
        if first["sent"] != sent {
            let message = format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '{key}' if you meant to execute a different request."
            );
            let more = json!({ "message": message });
            return Err(refused(400, "idempotency_error", more));
        }
        let status = first["status"].as_u64().and_then(|s| u16::try_from(s).ok());
        let answer = Answer::json(status.unwrap_or(200), &first["answer"]);
        return Ok(answer.with(REPLAYED, "true"));
    }
    let (status, answer) = make(desk)?;
    if let Some(key) = key {
        let first = json!({ "key": key, "sent": sent, "status": status, "answer": answer });
        desk.keep("idempotency", &first);
    }
    Ok(Answer::json(status, &answer))
}

fn metadata(form: &Form) -> Value {
    let inner = |(name, value): &(String, String)| {
        let name = name.strip_prefix("metadata[")?.strip_suffix(']')?;
        Some((name.to_owned(), json!(value)))
    };
    Value::Object(form.iter().filter_map(inner).collect())
}

fn or_null(form: &Form, name: &str) -> Value {
    match of(form, name) {
        "" => Value::Null,
        text => json!(text),
    }
}

fn create(desk: &Desk<'_>) -> Result<(u16, Value), Answer> {
    let form = form(desk, CUSTOMER)?;
    let email = of(&form, "email");
    if !email.is_empty() && !email.contains('@') {
        let message = format!("Invalid email address: {email}");
        return Err(invalid("email_invalid", "email", &message));
    }
    let customer = json!({
        "id": format!("cus_{}", ids::alphanumeric(14)),
        "object": "customer",
        "created": OffsetDateTime::now_utc().unix_timestamp(),
        "description": or_null(&form, "description"),
        "email": or_null(&form, "email"),
        "name": or_null(&form, "name"),
        "phone": or_null(&form, "phone"),
        "metadata": metadata(&form),
        "livemode": false,
    });
    desk.keep("customers", &customer);
    Ok((200, customer))
}

fn missing(id: &str, parameter: &str) -> Answer {
    let message = format!("No such customer: '{id}'");
    let more = json!({ "code": "resource_missing", "param": parameter, "message": message });
    refused(404, "invalid_request_error", more)
}

fn customer(desk: &Desk<'_>, id: &str) -> Result<Answer, Answer> {
    desk.parameters(&[])?;
    let found = desk.find("customers", "id", id);
    let found = found.ok_or_else(|| missing(id, "id"))?;
    Ok(Answer::json(200, &found))
}

/// Newest first; `starting_after` is the last one seen.
fn list(desk: &Desk<'_>) -> Result<Answer, Answer> {
    desk.parameters(LIST)?;
    let limit = desk.number("limit", 10, (1, 100));
    let limit = limit.ok_or_else(|| {
        let message = "This value must be between 1 and 100.";
        invalid("parameter_invalid_integer", "limit", message)
    })?;
    let mut all = desk.kept("customers");
    all.reverse();
    if let Some(email) = desk.call.parameter("email") {
        all.retain(|customer| customer["email"] == email);
    }
    let place = |id: &str| all.iter().position(|customer| customer["id"] == id);
    let range = match (
        desk.call.parameter("starting_after"),
        desk.call.parameter("ending_before"),
    ) {
        (Some(id), None) => {
            let from = place(id).ok_or_else(|| missing(id, "starting_after"))? + 1;
            from..all.len().min(from + limit)
        }
        (None, Some(id)) => {
            let end = place(id).ok_or_else(|| missing(id, "ending_before"))?;
            end.saturating_sub(limit)..end
        }
        (None, None) => 0..all.len().min(limit),
        (Some(_), Some(_)) => {
            let message =
                "You may only specify one of these parameters: ending_before, starting_after.";
            return Err(invalid("", "starting_after", message));
        }
    };
    let backwards = desk.call.parameter("ending_before").is_some();
    let more = match backwards {
        true => range.start > 0,
        false => range.end < all.len(),
    };
    Ok(Answer::json(
        200,
        &json!({
            "object": "list",
            "url": "/v1/customers",
            "has_more": more,
            "data": all[range],
        }),
    ))
}

fn pay(desk: &Desk<'_>) -> Result<(u16, Value), Answer> {
    let form = form(desk, PAYMENT)?;
    for name in ["amount", "currency"] {
        if of(&form, name).is_empty() {
            let message = format!("Missing required param: {name}.");
            return Err(invalid("parameter_missing", name, &message));
        }
    }
    let amount: u64 = of(&form, "amount").parse().map_err(|_| {
        let message = format!("Invalid integer: {}", of(&form, "amount"));
        invalid("parameter_invalid_integer", "amount", &message)
    })?;
    // The least that a card can be charged in most currencies.
    if amount < 50 {
        let message = "Amount must be at least $0.50 usd";
        return Err(invalid("amount_too_small", "amount", message));
    }
    let id = format!("pi_{}", ids::alphanumeric(24));
    let confirmed = of(&form, "confirm") == "true";
    let status = match (confirmed, of(&form, "payment_method")) {
        (_, "") => "requires_payment_method",
        (false, _) => "requires_confirmation",
        (true, "pm_card_chargeDeclined") => {
            let more = json!({
                "code": "card_declined",
                "decline_code": "generic_decline",
                "message": "Your card was declined.",
                "doc_url": "https://stripe.com/docs/error-codes/card-declined",
                "payment_intent": { "id": id, "object": "payment_intent", "status": "requires_payment_method" },
            });
            return Err(refused(402, "card_error", more));
        }
        (true, "pm_card_visa") => "succeeded",
        (true, other) => {
            let message = format!("No such PaymentMethod: '{other}'");
            return Err(invalid("resource_missing", "payment_method", &message));
        }
    };
    let intent = json!({
        "id": id,
        "object": "payment_intent",
        "amount": amount,
        "currency": of(&form, "currency"),
        "status": status,
        "customer": or_null(&form, "customer"),
        "metadata": metadata(&form),
        "created": OffsetDateTime::now_utc().unix_timestamp(),
        "livemode": false,
    });
    Ok((200, intent))
}
