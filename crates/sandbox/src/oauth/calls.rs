//! What a granted token opens: the call that says whose it is, the one by which credentials are
//! tested, and taking it back.

use http::{Method, header};
use serde_json::json;

use super::{
    state::{OAuthServer, Token},
    value,
};
use crate::{
    call::{Answer, Call},
    provider::Provider,
};

/// `None` where the call carries no token of these servers.
pub(super) fn answer(server: &OAuthServer, provider: Provider, call: &Call) -> Option<Answer> {
    let token = server.access(provider, call.bearer()?)?;
    let path = call.path.join("/");
    Some(match (provider, &call.method, path.as_str()) {
        (Provider::Slack, &Method::POST, "auth.test") => Answer::json(
            200,
            &json!({ "ok": true, "url": "https://sandbox.slack.com/", "team": token.account.name,
                "team_id": token.account.id, "user_id": "U0SANDBOX1", "bot_id": "B0SANDBOX1" }),
        )
        .with(
            header::HeaderName::from_static("x-oauth-scopes"),
            &token.scopes.join(","),
        ),
        (Provider::Slack, _, _) => {
            Answer::json(200, &json!({ "ok": false, "error": "unknown_method" }))
        }
        (Provider::Linear, &Method::POST, "graphql") => linear(&token, call),
        (Provider::GitHub, &Method::GET, "user") => match demanded(call) {
            true => Answer::json(200, &github_user(&token)),
            false => Answer::json(
                400,
                &json!({ "message": "x-github-api-version is missing" }),
            ),
        },
        (Provider::GitHub, &Method::GET, "rate_limit") => Answer::json(
            200,
            &json!({ "resources": {}, "rate": { "limit": 5000, "remaining": 4999 } }),
        )
        .with(
            header::HeaderName::from_static("x-oauth-scopes"),
            &token.scopes.join(", "),
        ),
        (Provider::GoogleCalendar, &Method::GET, "calendars/primary/events") => {
            let wanted = "https://www.googleapis.com/auth/calendar.events";
            match token.scopes.iter().any(|scope| scope == wanted) {
                true => Answer::json(200, &json!({ "kind": "calendar#events", "items": [] })),
                false => Answer::json(
                    403,
                    &json!({ "error": { "code": 403, "message": "Insufficient Permission",
                        "errors": [{ "reason": "insufficientPermissions" }] } }),
                ),
            }
        }
        _ => Answer::json(404, &json!({ "message": "Not Found" })),
    })
}

fn demanded(call: &Call) -> bool {
    let version = header::HeaderName::from_static("x-github-api-version");
    call.header(&version) == Some("2022-11-28")
}

fn github_user(token: &Token) -> serde_json::Value {
    let id: u64 = token.account.id.parse().unwrap_or_default();
    json!({ "id": id, "login": token.account.name, "type": "User" })
}

/// The two fields that are asked for, whatever else the query says.
fn linear(token: &Token, call: &Call) -> Answer {
    let query = call
        .json()
        .and_then(|body| Some(body.get("query")?.as_str()?.to_owned()));
    match query {
        Some(query) if query.contains("organization") => Answer::json(
            200,
            &json!({ "data": {
                "viewer": { "id": "0a0b0c0d-0000-4000-8000-000000000000" },
                "organization": { "id": token.account.id, "name": token.account.name, "urlKey": "sandbox" },
            } }),
        ),
        _ => Answer::json(
            400,
            &json!({ "errors": [{ "message": "the query is not known here" }] }),
        ),
    }
}

/// Taking a token back: Slack's by the token itself, the others' by RFC 7009. GitHub's is in `github`.
pub(super) fn revoke(server: &OAuthServer, provider: Provider, call: &Call) -> Option<Answer> {
    if provider == Provider::Slack {
        let token = call.bearer()?;
        return Some(match server.access(provider, token).is_some() {
            true => {
                server.revoke(provider, token, None);
                Answer::json(200, &json!({ "ok": true, "revoked": true }))
            }
            false => Answer::json(200, &json!({ "ok": false, "error": "invalid_auth" })),
        });
    }
    let form = call.form().unwrap_or_default();
    let gone = server.revoke(provider, value(&form, "token"), None);
    Some(match (provider, gone) {
        (Provider::GoogleCalendar, false) => Answer::json(
            400,
            &json!({ "error": "invalid_token", "error_description": "Token expired or revoked" }),
        ),
        _ => Answer::json(200, &json!({})),
    })
}
