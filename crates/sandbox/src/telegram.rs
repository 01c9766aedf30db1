//! Telegram's Bot API: sending, the bot itself, its webhook, and files.
//!
//! Parameters: core.telegram.org/bots/api (10.0). Errors and limits: tdlib/telegram-bot-api@01a3679
//! `telegram-bot-api/Client.cpp`, `ClientManager.cpp`.

use http::Method;
use kernel::secret::Secret;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::{
    accounts::{TelegramAccount, same},
    call::{Answer, Call, object_of},
    provider::Provider,
    server::Simulation,
    shape::{Field, Kind, Problem, Violation, check_fields, optional, required},
};

const CHAT: Kind = Kind::Either(&[Kind::Integer(i64::MIN, i64::MAX), Kind::Text(64)]);

/// What `sendMessage`, `sendPhoto` and `sendDocument` have in common.
macro_rules! sending {
    ($($own:expr),* $(,)?) => {
        &[
            $($own,)*
            required("chat_id", CHAT),
            optional("business_connection_id", Kind::Text(128)),
            optional("message_thread_id", Kind::Integer(1, i64::MAX)),
            optional("direct_messages_topic_id", Kind::Integer(1, i64::MAX)),
            optional("parse_mode", Kind::Choice(&["Markdown", "MarkdownV2", "HTML", ""])),
            optional("disable_notification", Kind::Flag),
            optional("protect_content", Kind::Flag),
            optional("allow_paid_broadcast", Kind::Flag),
            optional("message_effect_id", Kind::Text(64)),
            optional("suggested_post_parameters", Kind::Map),
            optional("reply_parameters", Kind::Map),
            optional("reply_markup", Kind::Map),
        ]
    };
}

static SEND_MESSAGE: &[Field] = sending![
    required("text", Kind::Text(4096)),
    optional("entities", Kind::List(&Kind::Map)),
    optional("link_preview_options", Kind::Map),
];
static SEND_PHOTO: &[Field] = sending![
    required("photo", Kind::Text(2048)),
    optional("caption", Kind::Text(1024)),
    optional("caption_entities", Kind::List(&Kind::Map)),
    optional("show_caption_above_media", Kind::Flag),
    optional("has_spoiler", Kind::Flag),
];
static SEND_DOCUMENT: &[Field] = sending![
    required("document", Kind::Text(2048)),
    optional("caption", Kind::Text(1024)),
    optional("caption_entities", Kind::List(&Kind::Map)),
    optional("thumbnail", Kind::Text(2048)),
    optional("disable_content_type_detection", Kind::Flag),
];
static SEND_CHAT_ACTION: &[Field] = &[
    required("chat_id", CHAT),
    required("action", Kind::Text(32)),
    optional("business_connection_id", Kind::Text(128)),
    optional("message_thread_id", Kind::Integer(1, i64::MAX)),
];
static SET_WEBHOOK: &[Field] = &[
    required("url", Kind::AnyText),
    optional("certificate", Kind::Text(65_536)),
    optional("ip_address", Kind::Text(64)),
    optional("max_connections", Kind::Integer(1, 100)),
    optional("allowed_updates", Kind::List(&Kind::AnyText)),
    optional("drop_pending_updates", Kind::Flag),
    optional("secret_token", Kind::AnyText),
];
static DELETE_WEBHOOK: &[Field] = &[optional("drop_pending_updates", Kind::Flag)];
static GET_FILE: &[Field] = &[required("file_id", Kind::Text(256))];

pub(crate) fn answer(simulation: &Simulation, call: &Call) -> Answer {
    match call.segments().as_slice() {
        ["file", bot, id] => match authenticate(simulation, bot) {
            Ok(account) => download(simulation, &account, id),
            Err(refusal) => refusal,
        },
        [bot, method] => match authenticate(simulation, bot) {
            Ok(account) => match perform(simulation, &account, method, call) {
                Ok(result) => Answer::json(200, &json!({ "ok": true, "result": result })),
                Err(refusal) => refusal,
            },
            Err(refusal) => refusal,
        },
        _ => error(404, "Not Found"),
    }
}

pub(crate) fn account_of(call: &Call) -> Option<String> {
    let token = call.path.iter().find_map(|part| part.strip_prefix("bot"))?;
    Some(token.split_once(':')?.0.to_owned())
}

pub(crate) fn failure(status: u16, retry_after: Option<u32>) -> Answer {
    match status {
        401 => error(401, "Unauthorized"),
        403 => error(403, "Forbidden: bot was blocked by the user"),
        429 => {
            let seconds = retry_after.unwrap_or(1);
            Answer::json(
                429,
                &json!({
                    "ok": false,
                    "error_code": 429,
                    "description": format!("Too Many Requests: retry after {seconds}"),
                    "parameters": { "retry_after": seconds },
                }),
            )
        }
        500 => error(500, "Internal Server Error"),
        502 => error(502, "Bad Gateway"),
        other => error(other, "The request failed"),
    }
}

fn error(status: u16, description: &str) -> Answer {
    Answer::json(
        status,
        &json!({ "ok": false, "error_code": status, "description": description }),
    )
}

fn bad_request(description: &str) -> Answer {
    error(400, &format!("Bad Request: {description}"))
}

fn authenticate(simulation: &Simulation, segment: &str) -> Result<TelegramAccount, Answer> {
    let token = segment
        .strip_prefix("bot")
        .ok_or_else(|| error(404, "Not Found"))?;
    let bot_id = token.split_once(':').map(|(id, _)| id);
    let Some(bot_id) = bot_id.filter(|id| id.parse::<u64>().is_ok_and(|id| id > 0)) else {
        return Err(error(401, "Unauthorized: invalid token specified"));
    };
    simulation
        .accounts
        .find_telegram(bot_id)
        .filter(|account| same(&account.bot_token, token))
        .ok_or_else(|| error(401, "Unauthorized"))
}

/// Performs a Bot API method; their names do not depend on letter case.
fn perform(
    simulation: &Simulation,
    account: &TelegramAccount,
    method: &str,
    call: &Call,
) -> Result<Value, Answer> {
    let method = method.to_ascii_lowercase();
    let fields: &[Field] = match method.as_str() {
        "getme" | "getwebhookinfo" => &[],
        "sendmessage" => SEND_MESSAGE,
        "sendphoto" => SEND_PHOTO,
        "senddocument" => SEND_DOCUMENT,
        "sendchataction" => SEND_CHAT_ACTION,
        "setwebhook" => SET_WEBHOOK,
        "deletewebhook" => DELETE_WEBHOOK,
        "getfile" => GET_FILE,
        _ => return Err(error(404, "Not Found: method not found")),
    };
    if !matches!(call.method, Method::GET | Method::POST) {
        return Err(error(404, "Not Found"));
    }
    let parameters = parameters(call, fields)?;
    check_fields(&parameters, fields, "").map_err(|violation| refuse(&violation))?;
    match method.as_str() {
        "getme" => Ok(describe(account)),
        "sendmessage" => sent(account, &parameters, "text"),
        "sendphoto" => sent(account, &parameters, "photo"),
        "senddocument" => sent(account, &parameters, "document"),
        "setwebhook" => set_webhook(simulation, account, &parameters),
        "getwebhookinfo" => Ok(json!({
            "url": simulation
                .accounts
                .callback_of(Provider::Telegram, account.bot_id())
                .unwrap_or_default(),
            "has_custom_certificate": false,
            "pending_update_count": 0,
        })),
        "deletewebhook" => {
            let accounts = &simulation.accounts;
            accounts.forget_callback(Provider::Telegram, account.bot_id());
            Ok(Value::Bool(true))
        }
        "getfile" => file(simulation, account, &parameters),
        _ => Ok(Value::Bool(true)),
    }
}

/// Parameters come in the query, in a form or as JSON, and count the same.
fn parameters(call: &Call, fields: &[Field]) -> Result<Map<String, Value>, Answer> {
    let mut texts = call.query.clone();
    let mut parameters = Map::new();
    if !call.body.is_empty() {
        match (call.json(), call.form()) {
            (Some(Value::Object(object)), _) => parameters = object,
            (Some(_), _) => return Err(bad_request("object expected")),
            (None, Some(form)) => texts.extend(form),
            (None, None) => return Err(bad_request("can't parse the request body")),
        }
    }
    if let Value::Object(texts) = object_of(texts) {
        for (name, value) in texts {
            let field = fields.iter().find(|field| field.name == name);
            let value = match (field, value) {
                (Some(field), Value::String(text)) => typed(text, &field.kind),
                (_, value) => value,
            };
            parameters.insert(name, value);
        }
    }
    Ok(parameters)
}

/// A parameter that came as text, as the type its documentation gives it.
fn typed(text: String, kind: &Kind) -> Value {
    let parsed = match kind {
        Kind::Flag => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Some(Value::Bool(true)),
            "false" | "no" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        Kind::Integer(..) => text.parse::<i64>().ok().map(Value::from),
        Kind::Map | Kind::List(_) => serde_json::from_str(&text).ok(),
        _ => None,
    };
    parsed.unwrap_or(Value::String(text))
}

fn refuse(violation: &Violation) -> Answer {
    let name = violation.path.as_str();
    match (name, &violation.problem) {
        ("text", Problem::Missing | Problem::Empty) => bad_request("message text is empty"),
        ("text", Problem::TooLong { .. }) => bad_request("message is too long"),
        ("caption", Problem::TooLong { .. }) => bad_request("message caption is too long"),
        ("file_id", Problem::Missing | Problem::Empty) => bad_request("file_id not specified"),
        ("parse_mode", Problem::NotAllowed { .. }) => bad_request("unsupported parse_mode"),
        (_, Problem::Missing | Problem::Empty) => bad_request(&format!("{name} is empty")),
        (_, Problem::Unknown) => bad_request(&format!("unknown parameter {name}")),
        (_, Problem::Type { expected, got }) => {
            bad_request(&format!("{name} must be {expected}, not {got}"))
        }
        _ => bad_request(&format!("{name} is invalid")),
    }
}

fn describe(account: &TelegramAccount) -> Value {
    json!({
        "id": account.bot_id().parse::<u64>().unwrap_or_default(),
        "is_bot": true,
        "first_name": account.username,
        "username": account.username,
        "can_join_groups": true,
        "can_read_all_group_messages": false,
        "supports_inline_queries": false,
        "can_connect_to_business": false,
        "has_main_web_app": false,
    })
}

fn sent(
    account: &TelegramAccount,
    parameters: &Map<String, Value>,
    content: &str,
) -> Result<Value, Answer> {
    let bot = describe(account);
    let mut message = json!({
        "message_id": rand::random_range(1..1_000_000),
        "from": {
            "id": bot["id"],
            "is_bot": true,
            "first_name": bot["first_name"],
            "username": bot["username"],
        },
        "chat": chat(&parameters["chat_id"])?,
        "date": OffsetDateTime::now_utc().unix_timestamp(),
    });
    let reference = &parameters[content];
    message[content] = match content {
        "photo" => json!([{
            "file_id": reference,
            "file_unique_id": "AQADsandbox",
            "width": 800,
            "height": 600,
        }]),
        "document" => json!({ "file_id": reference, "file_unique_id": "AgADsandbox" }),
        _ => reference.clone(),
    };
    if let Some(caption) = parameters.get("caption") {
        message["caption"] = caption.clone();
    }
    Ok(message)
}

/// The chat that an id names: a user's is positive, a group's negative, a channel's `@name`.
fn chat(id: &Value) -> Result<Value, Answer> {
    let number = id
        .as_i64()
        .or_else(|| id.as_str().and_then(|text| text.parse().ok()));
    match (number, id.as_str()) {
        (Some(0), _) => Err(bad_request("chat not found")),
        (Some(id), _) if id > 0 => {
            Ok(json!({ "id": id, "type": "private", "first_name": "Sandbox" }))
        }
        (Some(id), _) => Ok(json!({ "id": id, "type": "supergroup", "title": "Sandbox" })),
        (None, Some(name)) if name.len() > 1 && name.starts_with('@') => Ok(json!({
            "id": -1_001_000_000_001_i64,
            "type": "channel",
            "title": name,
            "username": name.trim_start_matches('@'),
        })),
        _ => Err(bad_request("chat not found")),
    }
}

fn set_webhook(
    simulation: &Simulation,
    account: &TelegramAccount,
    parameters: &Map<String, Value>,
) -> Result<Value, Answer> {
    let text = |name: &str| parameters.get(name).and_then(Value::as_str);
    let target = text("url").unwrap_or_default();
    if target.is_empty() {
        let accounts = &simulation.accounts;
        accounts.forget_callback(Provider::Telegram, account.bot_id());
        return Ok(Value::Bool(true));
    }
    let secret = text("secret_token").unwrap_or_default();
    if secret.len() > 256 {
        return Err(bad_request("secret token is too long"));
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !secret.bytes().all(allowed) {
        return Err(bad_request("secret token contains unallowed characters"));
    }
    // Telegram insists on https; on this machine itself there is no certificate to be had.
    let parsed =
        url::Url::parse(target).map_err(|_| bad_request("invalid webhook URL specified"))?;
    if parsed.scheme() != "https" && !crate::senders::is_loopback(target) {
        return Err(bad_request(
            "bad webhook: An HTTPS URL must be provided for webhook",
        ));
    }
    let accounts = &simulation.accounts;
    accounts.telegram(TelegramAccount {
        secret_token: Secret::new(secret),
        ..account.clone()
    });
    accounts.callback(Provider::Telegram, account.bot_id(), target);
    Ok(Value::Bool(true))
}

fn file(
    simulation: &Simulation,
    account: &TelegramAccount,
    parameters: &Map<String, Value>,
) -> Result<Value, Answer> {
    let id = parameters["file_id"].as_str().unwrap_or_default();
    let own = [account.bot_id()];
    let stored = |id: &str| simulation.media.find(Provider::Telegram, &own, id);
    // The smaller size of a picture carries the original's id and an `s`; its content is the same.
    let found = stored(id).or_else(|| id.strip_suffix('s').and_then(stored));
    match found {
        Some(media) => Ok(json!({
            "file_id": id,
            "file_unique_id": "AQADsandbox",
            "file_size": media.bytes.len(),
            "file_path": media.id,
        })),
        None => Err(bad_request(
            "wrong file_id or the file is temporarily unavailable",
        )),
    }
}

fn download(simulation: &Simulation, account: &TelegramAccount, id: &str) -> Answer {
    let own = [account.bot_id()];
    match simulation.media.find(Provider::Telegram, &own, id) {
        Some(media) => Answer::bytes(200, &media.media_type, media.bytes),
        None => error(404, "Not Found"),
    }
}
