//! `POST /{phone_number_id}/messages`: the documented message types, read receipts, and the
//! delivery statuses that follow an accepted message.
//!
//! Shapes and limits: Meta's Cloud API reference, "Messages" (developers.facebook.com, v23.0).
//! Templates are taken on trust: the sandbox keeps no list of approved ones.

use serde_json::{Map, Value, json};

use super::{error, product_required, refuse, whatsapp_error};
use crate::{
    accounts::WhatsAppAccount,
    call::{Answer, Call},
    ids,
    provider::Provider,
    senders::whatsapp::{Delivery, Status},
    server::Simulation,
    shape::{Field, Kind, Problem, Violation, check_fields, optional, required},
};

const TEXT_LIMIT: usize = 4096;
const CAPTION_LIMIT: usize = 1024;
const URL_LIMIT: usize = 2048;

static CONTEXT: &[Field] = &[required("message_id", Kind::Text(512))];
static TYPING: &[Field] = &[required("type", Kind::Choice(&["text"]))];

/// What every message has beside the object named by its type.
static ENVELOPE: &[Field] = &[
    required("messaging_product", Kind::Choice(&["whatsapp"])),
    optional("recipient_type", Kind::Choice(&["individual", "group"])),
    required("to", Kind::Text(64)),
    optional("type", Kind::Choice(TYPES)),
    optional("context", Kind::Object(CONTEXT)),
    optional("biz_opaque_callback_data", Kind::Text(512)),
];

static READ: &[Field] = &[
    required("messaging_product", Kind::Choice(&["whatsapp"])),
    required("status", Kind::Choice(&["read"])),
    required("message_id", Kind::Text(512)),
    optional("typing_indicator", Kind::Object(TYPING)),
];

const TYPES: &[&str] = &[
    "text",
    "image",
    "audio",
    "video",
    "document",
    "sticker",
    "location",
    "contacts",
    "reaction",
    "interactive",
    "template",
];

static TEXT: &[Field] = &[
    required("body", Kind::Text(TEXT_LIMIT)),
    optional("preview_url", Kind::Flag),
];
static PICTURE: &[Field] = &[
    optional("id", Kind::Text(128)),
    optional("link", Kind::Text(URL_LIMIT)),
    optional("caption", Kind::Text(CAPTION_LIMIT)),
];
static AUDIO: &[Field] = &[
    optional("id", Kind::Text(128)),
    optional("link", Kind::Text(URL_LIMIT)),
    optional("voice", Kind::Flag),
];
static DOCUMENT: &[Field] = &[
    optional("id", Kind::Text(128)),
    optional("link", Kind::Text(URL_LIMIT)),
    optional("caption", Kind::Text(CAPTION_LIMIT)),
    optional("filename", Kind::Text(240)),
];
static STICKER: &[Field] = &[
    optional("id", Kind::Text(128)),
    optional("link", Kind::Text(URL_LIMIT)),
];
const COORDINATE: Kind = Kind::Either(&[Kind::Decimal(-180.0, 180.0), Kind::Text(32)]);
static LOCATION: &[Field] = &[
    required("latitude", COORDINATE),
    required("longitude", COORDINATE),
    optional("name", Kind::Text(1000)),
    optional("address", Kind::Text(1000)),
];
static REACTION: &[Field] = &[
    required("message_id", Kind::Text(512)),
    required("emoji", Kind::AnyText),
];
static INTERACTIVE_BODY: &[Field] = &[required("text", Kind::Text(TEXT_LIMIT))];
static INTERACTIVE_FOOTER: &[Field] = &[required("text", Kind::Text(60))];
static INTERACTIVE: &[Field] = &[
    required(
        "type",
        Kind::Choice(&[
            "button",
            "list",
            "cta_url",
            "flow",
            "product",
            "product_list",
            "catalog_message",
            "location_request_message",
            "address_message",
            "voice_call",
        ]),
    ),
    optional("header", Kind::Map),
    optional("body", Kind::Object(INTERACTIVE_BODY)),
    optional("footer", Kind::Object(INTERACTIVE_FOOTER)),
    required("action", Kind::Map),
];
static LANGUAGE: &[Field] = &[
    required("code", Kind::Text(16)),
    optional("policy", Kind::Choice(&["deterministic"])),
];
static COMPONENT: &[Field] = &[
    required(
        "type",
        Kind::Choice(&[
            "header", "body", "footer", "button", "carousel", "HEADER", "BODY", "BUTTON",
        ]),
    ),
    optional("sub_type", Kind::Text(32)),
    optional("index", Kind::Either(&[Kind::Integer(0, 9), Kind::Text(1)])),
    optional("parameters", Kind::List(&Kind::Map)),
    optional("cards", Kind::List(&Kind::Map)),
];
static TEMPLATE: &[Field] = &[
    required("name", Kind::Text(512)),
    required("language", Kind::Object(LANGUAGE)),
    optional("components", Kind::List(&Kind::Object(COMPONENT))),
];

fn kind_of(message_type: &str) -> Kind {
    Kind::Object(match message_type {
        "image" | "video" => PICTURE,
        "audio" => AUDIO,
        "document" => DOCUMENT,
        "sticker" => STICKER,
        "location" => LOCATION,
        "reaction" => REACTION,
        "interactive" => INTERACTIVE,
        "template" => TEMPLATE,
        "contacts" => return Kind::List(&Kind::Map),
        _ => TEXT,
    })
}

pub(super) fn answer(simulation: &Simulation, account: &WhatsAppAccount, call: &Call) -> Answer {
    let body = call.json();
    let Some(message) = body.as_ref().and_then(Value::as_object) else {
        return product_required();
    };
    if message.contains_key("status") {
        return match check_fields(message, READ, "") {
            Ok(()) => Answer::json(200, &json!({ "success": true })),
            Err(violation) => refuse(&violation),
        };
    }
    match check(simulation, account, message) {
        Err(refusal) => refusal,
        Ok(accepted) => accept(simulation, account, message, &accepted),
    }
}

struct Accepted<'a> {
    input: &'a str,
    /// The recipient's digits.
    wa_id: String,
    message_type: &'a str,
}

fn check<'a>(
    simulation: &Simulation,
    account: &WhatsAppAccount,
    message: &'a Map<String, Value>,
) -> Result<Accepted<'a>, Answer> {
    if message.get("messaging_product").is_none() {
        return Err(product_required());
    }
    let message_type = match message.get("type") {
        None => "text",
        Some(Value::String(named)) if TYPES.contains(&named.as_str()) => named,
        Some(_) => "text",
    };
    let envelope: Map<String, Value> = message
        .iter()
        .filter(|(name, _)| *name != message_type)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    check_fields(&envelope, ENVELOPE, "").map_err(|violation| refuse(&violation))?;
    let content = message
        .get(message_type)
        .ok_or_else(|| refuse(&Violation::new(message_type, Problem::Missing)))?;
    crate::shape::check(content, &kind_of(message_type), message_type)
        .map_err(|violation| refuse(&violation))?;
    if matches!(
        message_type,
        "image" | "audio" | "video" | "document" | "sticker"
    ) {
        check_media(simulation, account, message_type, content)?;
    }
    let input = message["to"].as_str().unwrap_or_default();
    let Some(wa_id) = wa_id(input) else {
        return Err(whatsapp_error(
            400,
            131_009,
            "Parameter value is not valid",
            "Parameter to is not a phone number with its country code",
        ));
    };
    Ok(Accepted {
        input,
        wa_id,
        message_type,
    })
}

/// A media message names exactly one source: an uploaded file or a link.
fn check_media(
    simulation: &Simulation,
    account: &WhatsAppAccount,
    message_type: &str,
    content: &Value,
) -> Result<(), Answer> {
    match (content["id"].as_str(), content["link"].as_str()) {
        (Some(id), None) => {
            let own = [account.phone_number_id.as_str()];
            match simulation.media.find(Provider::WhatsApp, &own, id) {
                Some(_) => Ok(()),
                None => Err(error(
                    400,
                    100,
                    &format!(
                        "(#100) Param {message_type}['id'] is not a valid whatsapp business \
                         account media attachment ID"
                    ),
                )),
            }
        }
        (None, Some(link)) if is_web_url(link) => Ok(()),
        (None, Some(_)) => Err(error(
            400,
            100,
            &format!("(#100) Param {message_type}['link'] is not a valid URL."),
        )),
        (None, None) => Err(refuse(&Violation::new(
            format!("{message_type}.id"),
            Problem::Missing,
        ))),
        (Some(_), Some(_)) => Err(whatsapp_error(
            400,
            131_009,
            "Parameter value is not valid",
            &format!("Parameters id and link of {message_type} exclude each other"),
        )),
    }
}

fn is_web_url(link: &str) -> bool {
    url::Url::parse(link).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// The digits of a phone number; `+`, spaces, hyphens and parentheses are allowed around them.
fn wa_id(to: &str) -> Option<String> {
    let digits: String = to
        .chars()
        .filter(|c| !matches!(c, '+' | '-' | ' ' | '(' | ')'))
        .collect();
    let sound = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    sound.then_some(digits)
}

fn accept(
    simulation: &Simulation,
    account: &WhatsAppAccount,
    message: &Map<String, Value>,
    accepted: &Accepted<'_>,
) -> Answer {
    let id = ids::wamid();
    let callback = simulation
        .accounts
        .callback_of(Provider::WhatsApp, &account.phone_number_id);
    if let Some(url) = callback {
        let status = |status: Status| {
            let status = match message.get("biz_opaque_callback_data") {
                Some(Value::String(data)) => status.callback_data(data),
                _ => status,
            };
            Delivery::new()
                .status(account, status)
                .signed(&url, &account.app_secret)
        };
        simulation.deliver(vec![
            status(Status::sent(&id, &accepted.wa_id)),
            status(Status::delivered(&id, &accepted.wa_id)),
        ]);
    }
    let mut sent = json!({ "id": id });
    if accepted.message_type == "template" {
        sent["message_status"] = "accepted".into();
    }
    Answer::json(
        200,
        &json!({
            "messaging_product": "whatsapp",
            "contacts": [{ "input": accepted.input, "wa_id": accepted.wa_id }],
            "messages": [sent],
        }),
    )
}
