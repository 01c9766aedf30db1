//! Meta's Graph API as far as the WhatsApp Cloud API uses it: phone numbers, business accounts,
//! webhook subscriptions, media, and messages (in `message`).
//!
//! Errors have the shape of Meta's error code reference
//! (developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes, 2026-05).

mod message;

use http::{Method, header};
use serde_json::{Map, Value, json};

use crate::{
    accounts::{Accounts, WhatsAppAccount},
    call::{Answer, Call},
    ids,
    provider::Provider,
    senders,
    server::Simulation,
    shape::{Field, Kind, Problem, Violation, check_fields, optional},
};

/// `override_callback_uri` of a subscription is at most this long (providers' webhook notes, 2.1).
const CALLBACK_URI_LIMIT: usize = 200;

static SUBSCRIPTION: &[Field] = &[
    optional("override_callback_uri", Kind::Text(CALLBACK_URI_LIMIT)),
    optional("verify_token", Kind::Text(1024)),
];

const PHONE_FIELDS: &[&str] = &[
    "verified_name",
    "display_phone_number",
    "code_verification_status",
    "quality_rating",
    "platform_type",
    "status",
    "throughput",
    "id",
];

pub(crate) async fn answer(simulation: &Simulation, call: &Call) -> Answer {
    let own = match authenticate(&simulation.accounts, call) {
        Ok(own) => own,
        Err(refusal) => return refusal,
    };
    let path = call.segments();
    let [version, path @ ..] = path.as_slice() else {
        return no_such_object("");
    };
    if !is_version(version) {
        // Graph takes a path without a version for an object id, but a client that leaves it out
        // gets whichever version is the oldest alive: a mistake worth showing.
        return no_such_object(version);
    }
    let phone = |id: &str| own.iter().find(|account| account.phone_number_id == id);
    let business = |id: &str| own.iter().any(|account| account.waba_id == id);
    match (&call.method, path) {
        (&Method::POST, [id, "messages"]) => match phone(id) {
            Some(account) => message::answer(simulation, account, call),
            None => no_such_object(id),
        },
        (&Method::GET, ["attachments", id]) => attachment(simulation, &own, id),
        (&Method::GET, [id, "phone_numbers"]) if business(id) => phone_numbers(&own, id, call),
        (method, [id, "subscribed_apps"]) if business(id) => {
            subscribed_apps(simulation, &own, id, method, call).await
        }
        (&Method::GET, [id]) => match phone(id) {
            Some(account) => select(&phone_number(account), PHONE_FIELDS, call),
            None if business(id) => select(
                &business_account(id),
                &["id", "name", "timezone_id", "message_template_namespace"],
                call,
            ),
            None => media(simulation, &own, id),
        },
        (_, [id, ..]) => no_such_object(id),
        _ => no_such_object(""),
    }
}

pub(crate) fn account_of(accounts: &Accounts, call: &Call) -> Option<String> {
    let own = accounts.whatsapp_by_token(call.bearer()?);
    let named = own
        .iter()
        .find(|account| call.path.contains(&account.phone_number_id));
    named.or(own.first()).map(|a| a.phone_number_id.clone())
}

pub(crate) fn failure(status: u16) -> Answer {
    match status {
        401 => invalid_token("Error validating access token: The session has been invalidated."),
        403 => error(
            403,
            10,
            "(#10) Application does not have permission for this action",
        ),
        429 => limited(),
        500 => whatsapp_error(
            500,
            131_000,
            "Something went wrong",
            "Message failed to send due to an unknown error.",
        ),
        503 => error(503, 2, "(#2) Service temporarily unavailable"),
        other => error(other, 1, "An unknown error occurred"),
    }
}

fn limited() -> Answer {
    whatsapp_error(
        429,
        130_429,
        "Rate limit hit",
        "Cloud API message throughput has been reached.",
    )
}

/// The phone numbers that the call's token may use; never none.
fn authenticate(accounts: &Accounts, call: &Call) -> Result<Vec<WhatsAppAccount>, Answer> {
    let Some(token) = call.bearer() else {
        return Err(invalid_token(
            "Invalid OAuth access token - No access token was given",
        ));
    };
    let own = accounts.whatsapp_by_token(token);
    if own.is_empty() {
        return Err(invalid_token(
            "Invalid OAuth access token - Cannot parse access token",
        ));
    }
    Ok(own)
}

fn is_version(segment: &str) -> bool {
    let number = segment
        .strip_prefix('v')
        .and_then(|rest| rest.split_once('.'));
    number.is_some_and(|(major, minor)| major.parse::<u8>().is_ok() && minor == "0")
}

fn phone_number(account: &WhatsAppAccount) -> Value {
    json!({
        "verified_name": format!("Sandbox {}", account.waba_id),
        "display_phone_number": account.display_phone_number,
        "code_verification_status": "VERIFIED",
        "quality_rating": "GREEN",
        "platform_type": "CLOUD_API",
        "status": "CONNECTED",
        "throughput": { "level": "STANDARD" },
        "id": account.phone_number_id,
    })
}

fn business_account(id: &str) -> Value {
    json!({
        "id": id,
        "name": format!("Sandbox {id}"),
        "timezone_id": "1",
        "message_template_namespace": "sandbox_templates",
    })
}

fn phone_numbers(own: &[WhatsAppAccount], waba_id: &str, call: &Call) -> Answer {
    let mut data = Vec::new();
    for account in own.iter().filter(|account| account.waba_id == waba_id) {
        match selected(&phone_number(account), PHONE_FIELDS, call) {
            Ok(object) => data.push(object),
            Err(refusal) => return refusal,
        }
    }
    Answer::json(
        200,
        &json!({
            "data": data,
            "paging": { "cursors": { "before": "QVFI", "after": "QVFI" } },
        }),
    )
}

/// Answers with the fields that the `fields` parameter names; with all when there is none.
fn select(object: &Value, known: &[&str], call: &Call) -> Answer {
    match selected(object, known, call) {
        Ok(object) => Answer::json(200, &object),
        Err(refusal) => refusal,
    }
}

fn selected(object: &Value, known: &[&str], call: &Call) -> Result<Value, Answer> {
    let Some(wanted) = call.parameter("fields") else {
        return Ok(object.clone());
    };
    let mut chosen = Map::new();
    for field in wanted.split(',').map(str::trim).chain(["id"]) {
        if !known.contains(&field) {
            let message = format!("(#100) Tried accessing nonexisting field ({field})");
            return Err(error(400, 100, &message));
        }
        chosen.insert(field.to_owned(), object[field].clone());
    }
    Ok(Value::Object(chosen))
}

/// The app's subscription to a business account, with the callback that overrides the app's own.
async fn subscribed_apps(
    simulation: &Simulation,
    own: &[WhatsAppAccount],
    waba_id: &str,
    method: &Method,
    call: &Call,
) -> Answer {
    let numbers = || own.iter().filter(|account| account.waba_id == waba_id);
    let callbacks = &simulation.accounts;
    match *method {
        Method::GET => {
            let uri = numbers()
                .find_map(|a| callbacks.callback_of(Provider::WhatsApp, &a.phone_number_id));
            let mut app = json!({
                "whatsapp_business_api_data": { "id": "1", "name": "Sandbox", "link": "" }
            });
            if let Some(uri) = uri {
                app["override_callback_uri"] = uri.into();
            }
            Answer::json(200, &json!({ "data": [app] }))
        }
        Method::DELETE => {
            for account in numbers() {
                callbacks.forget_callback(Provider::WhatsApp, &account.phone_number_id);
            }
            Answer::json(200, &json!({ "success": true }))
        }
        Method::POST => {
            let wanted = match call.body.is_empty() {
                true => Value::Object(Map::new()),
                false => call.json().unwrap_or_default(),
            };
            let Some(wanted) = wanted.as_object() else {
                return product_required();
            };
            if let Err(violation) = check_fields(wanted, SUBSCRIPTION, "") {
                return refuse(&violation);
            }
            let field = |name: &str| wanted.get(name).and_then(Value::as_str);
            if let Some(uri) = field("override_callback_uri") {
                let token = field("verify_token").unwrap_or_default();
                if let Err(reason) = shake_hands(simulation, uri, token).await {
                    return error(
                        400,
                        2200,
                        &format!(
                            "(#2200) Callback verification failed with the following errors: \
                             {reason}"
                        ),
                    );
                }
                for account in numbers() {
                    callbacks.callback(Provider::WhatsApp, &account.phone_number_id, uri);
                }
            }
            Answer::json(200, &json!({ "success": true }))
        }
        _ => no_such_object(waba_id),
    }
}

/// The handshake that Meta performs before it accepts a callback: a challenge that must come back.
async fn shake_hands(simulation: &Simulation, uri: &str, token: &str) -> Result<(), String> {
    if !senders::is_loopback(uri) {
        return Err("The sandbox calls back only on this machine".to_owned());
    }
    let challenge = ids::digits(10);
    let request = senders::whatsapp::handshake(uri, token, &challenge)
        .map_err(|_| "Invalid callback URI".to_owned())?;
    let answer = request
        .send(&simulation.client)
        .await
        .map_err(|_| "Failed to connect".to_owned())?;
    if !answer.is_success() {
        return Err(format!("HTTP Status Code = {}", answer.status));
    }
    if answer.body.as_ref() != challenge.as_bytes() {
        return Err("Response does not match challenge".to_owned());
    }
    Ok(())
}

fn media(simulation: &Simulation, own: &[WhatsAppAccount], id: &str) -> Answer {
    let accounts = phone_number_ids(own);
    match simulation.media.find(Provider::WhatsApp, &accounts, id) {
        None => no_such_object(id),
        Some(file) => Answer::json(
            200,
            &json!({
                "url": format!("{}/attachments/{id}", simulation.base_url(Provider::WhatsApp)),
                "mime_type": file.media_type,
                "sha256": file.sha256(),
                "file_size": file.bytes.len(),
                "id": id,
                "messaging_product": "whatsapp",
            }),
        ),
    }
}

fn attachment(simulation: &Simulation, own: &[WhatsAppAccount], id: &str) -> Answer {
    let accounts = phone_number_ids(own);
    match simulation.media.find(Provider::WhatsApp, &accounts, id) {
        None => no_such_object(id),
        Some(file) => Answer::bytes(200, &file.media_type, file.bytes),
    }
}

fn phone_number_ids(own: &[WhatsAppAccount]) -> Vec<&str> {
    own.iter().map(|a| a.phone_number_id.as_str()).collect()
}

fn error_body(kind: &str, code: u32, message: &str) -> Value {
    json!({ "error": {
        "message": message,
        "type": kind,
        "code": code,
        "fbtrace_id": format!("A{}", ids::alphanumeric(22)),
    }})
}

fn error(status: u16, code: u32, message: &str) -> Answer {
    Answer::json(status, &error_body("OAuthException", code, message))
}

/// An error of the Cloud API itself, with the `details` that clients are told to rely on.
fn whatsapp_error(status: u16, code: u32, title: &str, details: &str) -> Answer {
    let mut body = error_body("OAuthException", code, &format!("(#{code}) {title}"));
    body["error"]["error_data"] = json!({ "messaging_product": "whatsapp", "details": details });
    Answer::json(status, &body)
}

fn invalid_token(message: &str) -> Answer {
    error(401, 190, message).with(
        header::WWW_AUTHENTICATE,
        &format!("OAuth \"Facebook Platform\" \"invalid_token\" \"{message}\""),
    )
}

fn no_such_object(id: &str) -> Answer {
    let mut body = error_body(
        "GraphMethodException",
        100,
        &format!(
            "Unsupported request. Object with ID '{id}' does not exist, cannot be loaded due to \
             missing permissions, or does not support this operation."
        ),
    );
    body["error"]["error_subcode"] = 33.into();
    Answer::json(400, &body)
}

fn product_required() -> Answer {
    error(
        400,
        100,
        "(#100) The parameter messaging_product is required.",
    )
}

/// The error for a departure from the documented shape: 131008 for what is missing, 131009 for a
/// value that is not valid, 100 for a parameter that does not exist or is too long.
fn refuse(violation: &Violation) -> Answer {
    let name = bracketed(&violation.path);
    match &violation.problem {
        Problem::Missing | Problem::Empty => whatsapp_error(
            400,
            131_008,
            "Required parameter is missing",
            &format!("Parameter {name} is mandatory"),
        ),
        Problem::Unknown => whatsapp_error(
            400,
            100,
            "Invalid parameter",
            &format!("Unexpected key {name} on param"),
        ),
        Problem::TooLong { max, .. } => error(
            400,
            100,
            &format!("(#100) Param {name} must be at most {max} characters long."),
        ),
        Problem::Type { expected, got } => whatsapp_error(
            400,
            131_009,
            "Parameter value is not valid",
            &format!("Parameter {name} must be {expected}, not {got}"),
        ),
        Problem::NotAllowed { allowed, got } => error(
            400,
            100,
            &format!("(#100) Param {name} must be one of {{{allowed}}} - got \"{got}\"."),
        ),
        Problem::TooSmall { .. } | Problem::TooLarge { .. } => whatsapp_error(
            400,
            131_009,
            "Parameter value is not valid",
            &format!("Parameter {name} is out of range"),
        ),
    }
}

/// `text.body` as Graph writes it: `text['body']`.
fn bracketed(path: &str) -> String {
    let mut parts = path.split('.');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        name.push_str(&format!("['{part}']"));
    }
    name
}
