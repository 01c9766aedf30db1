//! OpenAI's API as far as chat needs it: models and chat completions. The request's shape is in
//! `request`, the text of the answer in `reply`, its JSON and event stream in `completion`.
//!
//! Shapes: openai/openai-python 3.52.0 `src/openai/types/chat/`. Error texts: answers of the live
//! API as quoted in public issue threads.

mod completion;
mod reply;
mod request;

use http::{Method, header};
use serde_json::{Value, json};

use crate::{
    accounts::{Accounts, OpenAiAccount},
    call::{Answer, Call},
    ids,
    server::Simulation,
    shape::{Problem, Violation},
};

pub(crate) fn answer(simulation: &Simulation, call: &Call) -> Answer {
    let account = match authenticate(&simulation.accounts, call) {
        Ok(account) => account,
        Err(refusal) => return refusal,
    };
    let answer = match (&call.method, call.segments().as_slice()) {
        (&Method::POST, ["v1", "chat", "completions"]) => complete(&account, call),
        (&Method::GET, ["v1", "models"]) => {
            let data: Vec<Value> = account.models.iter().map(|id| model(id)).collect();
            Answer::json(200, &json!({ "object": "list", "data": data }))
        }
        (&Method::GET, ["v1", "models", id]) if account.models.iter().any(|m| m == id) => {
            Answer::json(200, &model(id))
        }
        (&Method::GET, ["v1", "models", id]) => no_such_model(id),
        (method, ["v1", "chat", "completions"] | ["v1", "models"]) => error(
            405,
            "invalid_request_error",
            None,
            Some("method_not_supported"),
            &format!("Not allowed to {method} on this URL"),
        ),
        (method, path) => error(
            404,
            "invalid_request_error",
            None,
            None,
            &format!("Invalid URL ({method} /{})", path.join("/")),
        ),
    };
    answer.with(
        header::HeaderName::from_static("x-request-id"),
        &format!("req_{}", ids::hex(32)),
    )
}

pub(crate) fn account_of(call: &Call) -> Option<String> {
    let key = kernel::secret::Secret::new(call.bearer()?);
    key.last4()
}

pub(crate) fn failure(status: u16) -> Answer {
    let invalid = "invalid_request_error";
    match status {
        401 => error(
            401,
            invalid,
            None,
            Some("invalid_api_key"),
            "Incorrect API key provided. You can find your API key at \
             https://platform.openai.com/account/api-keys.",
        ),
        403 => error(
            403,
            invalid,
            None,
            None,
            "You have insufficient permissions for this operation.",
        ),
        429 => error(
            429,
            "requests",
            None,
            Some("rate_limit_exceeded"),
            "Rate limit reached for requests. Please try again later.",
        ),
        500 => error(
            500,
            "server_error",
            None,
            None,
            "The server had an error while processing your request. Sorry about that!",
        ),
        503 => error(
            503,
            "server_error",
            None,
            None,
            "The engine is currently overloaded, please try again later",
        ),
        other => error(other, invalid, None, None, "The request failed"),
    }
}

fn error(
    status: u16,
    kind: &str,
    parameter: Option<&str>,
    code: Option<&str>,
    message: &str,
) -> Answer {
    Answer::json(
        status,
        &json!({ "error": {
            "message": message,
            "type": kind,
            "param": parameter,
            "code": code,
        }}),
    )
}

/// A 400 about one parameter.
fn invalid(parameter: &str, code: Option<&str>, message: &str) -> Answer {
    error(400, "invalid_request_error", Some(parameter), code, message)
}

fn authenticate(accounts: &Accounts, call: &Call) -> Result<OpenAiAccount, Answer> {
    let Some(key) = call.bearer() else {
        return Err(error(
            401,
            "invalid_request_error",
            None,
            None,
            "You didn't provide an API key. You need to provide your API key in an Authorization \
             header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        ));
    };
    accounts.openai_by_key(key).ok_or_else(|| failure(401))
}

fn model(id: &str) -> Value {
    json!({ "id": id, "object": "model", "created": 1_735_689_600, "owned_by": "sandbox" })
}

fn no_such_model(id: &str) -> Answer {
    error(
        404,
        "invalid_request_error",
        None,
        Some("model_not_found"),
        &format!("The model `{id}` does not exist or you do not have access to it."),
    )
}

fn complete(account: &OpenAiAccount, call: &Call) -> Answer {
    let body = call.json();
    let Some(body) = body.as_ref().and_then(Value::as_object) else {
        return error(
            400,
            "invalid_request_error",
            None,
            None,
            "We could not parse the JSON body of your request. (HINT: This likely means you \
             aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but \
             what was sent was not valid JSON.)",
        );
    };
    if let Err(refusal) = request::check(body) {
        return refusal;
    }
    let model = body["model"].as_str().unwrap_or_default();
    if !account.models.iter().any(|known| known == model) {
        return no_such_model(model);
    }
    completion::answer(body)
}

/// The error for a departure from the documented shape.
fn refuse(violation: &Violation) -> Answer {
    let path = violation.path.as_str();
    match &violation.problem {
        // An unknown argument of the request itself is reported without naming it as a parameter.
        Problem::Unknown if !path.contains(['.', '[']) => error(
            400,
            "invalid_request_error",
            None,
            None,
            &format!("Unrecognized request argument supplied: {path}"),
        ),
        Problem::Unknown => invalid(
            path,
            Some("unknown_parameter"),
            &format!("Unknown parameter: '{path}'."),
        ),
        Problem::Missing => invalid(
            path,
            Some("missing_required_parameter"),
            &format!("Missing required parameter: '{path}'."),
        ),
        Problem::Type { expected, got } => invalid(
            path,
            Some("invalid_type"),
            &format!("Invalid type for '{path}': expected {expected}, but got {got} instead."),
        ),
        Problem::Empty => invalid(
            path,
            Some("empty_string"),
            &format!(
                "Invalid '{path}': empty string. Expected a string with minimum length 1, but got \
                 an empty string instead."
            ),
        ),
        Problem::TooLong { max, got } => invalid(
            path,
            Some("string_above_max_length"),
            &format!(
                "Invalid '{path}': string too long. Expected a string with maximum length {max}, \
                 but got a string with length {got} instead."
            ),
        ),
        Problem::TooSmall { of, min, got } => invalid(
            path,
            Some(&format!("{of}_below_min_value")),
            &format!(
                "Invalid '{path}': {of} below minimum value. Expected a value >= {min}, but got \
                 {got} instead."
            ),
        ),
        Problem::TooLarge { of, max, got } => invalid(
            path,
            Some(&format!("{of}_above_max_value")),
            &format!(
                "Invalid '{path}': {of} above maximum value. Expected a value <= {max}, but got \
                 {got} instead."
            ),
        ),
        Problem::NotAllowed { allowed, got } => invalid(
            path,
            Some("invalid_value"),
            &format!("Invalid value: '{got}'. Supported values are: {allowed}."),
        ),
    }
}
