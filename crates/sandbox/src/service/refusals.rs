//! How each provider refuses, as its API reference and public issue threads show it. Where no
//! source shows a body (Magicline), it is a plain one, and only the status is relied on.

use http::header;
use serde_json::{Value, json};

use crate::{call::Answer, provider::Provider};

#[derive(Debug, Clone)]
pub(super) enum Why {
    /// No proof, or not in the provider's form.
    Missing,
    /// A proof that nobody has.
    Wrong,
    /// One that was taken back.
    Revoked,
    /// A header that must be there.
    Header(&'static str),
    /// A query parameter that is not documented.
    Parameter(String),
    Body,
    NotFound,
    /// A fault on demand.
    Status(u16),
}

pub(super) fn of(provider: Provider, why: Why) -> Answer {
    let unproven = matches!(why, Why::Missing | Why::Wrong | Why::Revoked);
    match (provider, &why) {
        // Slack refuses with status 200, but for the rate limit.
        (Provider::Slack, Why::Status(429)) => {
            Answer::json(429, &json!({ "ok": false, "error": "ratelimited" }))
        }
        (Provider::Slack, why) if !matches!(why, Why::Status(_)) => {
            Answer::json(200, &json!({ "ok": false, "error": slack(why) }))
        }
        (Provider::Mailgun, _) if unproven => {
            Answer::bytes(401, "text/html; charset=utf-8", "Forbidden".into())
        }
        (provider, _) if unproven => {
            let (status, body) = unproven_body(provider, matches!(why, Why::Missing));
            // As Google writes it; the others are read by status and body.
            let challenge = match provider {
                Provider::GoogleCalendar => {
                    "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\""
                }
                _ => "Bearer realm=\"api\"",
            };
            Answer::json(status, &body).with(header::WWW_AUTHENTICATE, challenge)
        }
        (provider, why) => {
            let (status, message) = match why {
                Why::Header(name) => (400, format!("the header {name} is missing or wrong")),
                Why::Parameter(name) => (400, format!("unknown parameter {name}")),
                Why::Body => (400, "the body must be JSON".to_owned()),
                Why::Status(status) => (*status, "the request failed".to_owned()),
                _ => (404, "not found".to_owned()),
            };
            Answer::json(status, &other_body(provider, status, &message))
        }
    }
}

fn slack(why: &Why) -> &'static str {
    match why {
        Why::Missing => "not_authed",
        Why::Wrong => "invalid_auth",
        Why::Revoked => "token_revoked",
        Why::NotFound => "unknown_method",
        _ => "invalid_arguments",
    }
}

fn unproven_body(provider: Provider, missing: bool) -> (u16, Value) {
    let body = match provider {
        Provider::Vapi => json!({
            "message": "Invalid Key. Hot tip, you may be using the private key instead of the public key, or vice versa.",
            "error": "Unauthorized",
            "statusCode": 401,
        }),
        Provider::ElevenLabs => {
            let status = if missing {
                "needs_authorization"
            } else {
                "invalid_api_key"
            };
            json!({ "detail": { "status": status, "message": "Invalid API key" } })
        }
        Provider::Resend if missing => json!({
            "statusCode": 401,
            "name": "missing_api_key",
            "message": "Missing API key in the authorization header.",
        }),
        Provider::Resend => {
            let body = json!({
                "statusCode": 403,
                "name": "invalid_api_key",
                "message": "API key is invalid.",
            });
            return (403, body);
        }
        Provider::SendGrid => json!({ "errors": [{
            "field": null,
            "message": "The provided authorization grant is invalid, expired, or revoked",
        }] }),
        Provider::Postmark => json!({
            "ErrorCode": 10,
            "Message": "The Server Token you provided in the X-Postmark-Server-Token request header was invalid.",
        }),
        Provider::GoogleCalendar => json!({ "error": {
            "code": 401,
            "message": "Request had invalid authentication credentials.",
            "errors": [{
                "message": "Invalid Credentials",
                "domain": "global",
                "reason": "authError",
                "location": "Authorization",
                "locationType": "header",
            }],
            "status": "UNAUTHENTICATED",
        } }),
        Provider::Genesys => json!({
            "message": "Invalid login credentials.",
            "code": "bad.credentials",
            "status": 401,
        }),
        Provider::Linear => json!({ "errors": [{
            "message": "Authentication required, not authenticated",
            "extensions": {
                "type": "authentication error",
                "code": "AUTHENTICATION_ERROR",
                "statusCode": 401,
                "userError": true,
            },
        }] }),
        Provider::GitHub => json!({
            "message": "Bad credentials",
            "documentation_url": "https://docs.github.com/rest",
            "status": "401",
        }),
        Provider::Anthropic => json!({
            "type": "error",
            "error": { "type": "authentication_error", "message": "invalid x-api-key" },
        }),
        Provider::Stripe => json!({ "error": {
            "message": "Invalid API Key provided: sk_****",
            "type": "invalid_request_error",
        } }),
        Provider::N8n if missing => json!({ "message": "'X-N8N-API-KEY' header required" }),
        Provider::N8n => json!({ "message": "unauthorized" }),
        Provider::Discord => json!({ "message": "401: Unauthorized", "code": 0 }),
        _ => json!({ "message": "Unauthorized" }),
    };
    (401, body)
}

fn other_body(provider: Provider, status: u16, message: &str) -> Value {
    match provider {
        Provider::Anthropic => {
            let kind = match status {
                403 => "permission_error",
                404 => "not_found_error",
                429 => "rate_limit_error",
                529 => "overloaded_error",
                500.. => "api_error",
                _ => "invalid_request_error",
            };
            json!({ "type": "error", "error": { "type": kind, "message": message } })
        }
        Provider::Stripe => {
            json!({ "error": { "type": "invalid_request_error", "message": message } })
        }
        Provider::GoogleCalendar => json!({ "error": { "code": status, "message": message } }),
        Provider::SendGrid => json!({ "errors": [{ "field": null, "message": message }] }),
        Provider::Postmark => json!({ "ErrorCode": 1, "Message": message }),
        Provider::Linear => json!({ "errors": [{ "message": message }] }),
        Provider::ElevenLabs => json!({ "detail": { "status": "error", "message": message } }),
        _ => json!({ "message": message }),
    }
}
