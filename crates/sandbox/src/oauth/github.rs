//! What GitHub alone has: apps that are installed, their JWTs, installations' tokens, and ending an
//! authorization as the app.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use http::Method;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{
    consent, said,
    state::{Code, GithubApp, OAuthServer},
    value,
};
use crate::{
    accounts::same,
    call::{Answer, Call},
    ids,
    provider::Provider,
};

const GITHUB: Provider = Provider::GitHub;
/// A JWT's longest life, in seconds.
const JWT: i64 = 600;

pub(super) fn answer(server: &OAuthServer, call: &Call) -> Option<Answer> {
    match (&call.method, call.segments().as_slice()) {
        (&Method::GET, ["apps", slug, "installations", "new"]) => {
            Some(match server.github_app(|app| app.slug == *slug) {
                Some(_) => consent::page(server, GITHUB, &call.query),
                None => said(404, "There is no such app."),
            })
        }
        (&Method::POST, ["apps", slug, "installations", "new"]) => {
            Some(install(server, slug, call))
        }
        (&Method::GET, ["user", "installations"]) => installations(server, call),
        (&Method::DELETE, ["applications", client, "token"]) => Some(end(server, client, call)),
        (&Method::POST, ["app", "installations", id, "access_tokens"]) => {
            let app = signed(server, call)?;
            Some(mint(server, &app, id))
        }
        (&Method::DELETE, ["app", "installations", id]) => {
            let app = signed(server, call)?;
            let is_own = installed(server, &app, id);
            let gone = is_own.is_some_and(|id| server.uninstall(id));
            Some(if gone {
                Answer::bytes(204, "text/plain", "".into())
            } else {
                missing()
            })
        }
        _ => None,
    }
}

fn missing() -> Answer {
    Answer::json(404, &json!({ "message": "Not Found" }))
}

/// Somebody installs the app, and is asked who they are on the way ("Request user authorization
/// during installation").
fn install(server: &OAuthServer, slug: &str, call: &Call) -> Answer {
    let form = call.form().unwrap_or_default();
    let Some((client, app)) = server.github_app(|app| app.slug == slug) else {
        return missing();
    };
    let (Some(address), state) = (client.redirect_uris.first(), value(&form, "state")) else {
        return said(400, "The app has no callback URL.");
    };
    if value(&form, "decision") != "allow" {
        // GitHub sends nobody back from there; whoever cancels stays.
        return said(200, "Nothing was installed.");
    }
    let accounts = server.accounts(GITHUB);
    let Some(account) = accounts
        .into_iter()
        .find(|one| one.id == value(&form, "account"))
    else {
        return said(400, "There is no such account.");
    };
    let id = server.install(app.app_id, account.clone()).to_string();
    let code = server.give(Code::new(&client.client_id, address, "", account));
    let pairs = [
        ("code", code.as_str()),
        ("installation_id", &id),
        ("setup_action", "install"),
    ];
    consent::back(address, state, &pairs)
}

/// Those that the token's owner may see.
fn installations(server: &OAuthServer, call: &Call) -> Option<Answer> {
    let token = server.access(GITHUB, call.bearer()?)?;
    let all = server.installations();
    let theirs: Vec<Value> = all
        .iter()
        .filter(|one| one.account.id == token.account.id)
        .map(|one| {
            json!({ "id": one.id, "app_id": one.app_id, "account": { "login": one.account.name },
                "permissions": { "issues": "write", "metadata": "read" } })
        })
        .collect();
    let number = |name| {
        call.parameter(name)
            .and_then(|text| text.parse::<usize>().ok())
    };
    let per_page = number("per_page").unwrap_or(30).clamp(1, 100);
    let page = number("page").unwrap_or(1).max(1);
    let shown: Vec<&Value> = theirs
        .iter()
        .skip((page - 1) * per_page)
        .take(per_page)
        .collect();
    let body = json!({ "total_count": theirs.len(), "installations": shown });
    Some(Answer::json(200, &body))
}

/// docs.github.com/en/rest/apps/oauth-applications#delete-an-app-token
fn end(server: &OAuthServer, client_id: &str, call: &Call) -> Answer {
    let proven = call.basic().is_some_and(|(id, secret)| {
        let client = server.find(GITHUB, &id);
        id == client_id && client.is_some_and(|client| same(&client.client_secret, &secret))
    });
    if !proven {
        return missing();
    }
    let body = call.json().unwrap_or_default();
    let token = body["access_token"].as_str().unwrap_or_default();
    match server.revoke(GITHUB, token, Some(client_id)) {
        true => Answer::bytes(204, "text/plain", "".into()),
        false => missing(),
    }
}

/// The app whose JWT a call carries. `None` for one that is not signed by any of these.
fn signed(server: &OAuthServer, call: &Call) -> Option<GithubApp> {
    let text = call.bearer()?;
    let (message, signature) = text.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let decoded = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).ok();
    let read = |part: &str| -> Option<Value> { serde_json::from_slice(&decoded(part)?).ok() };
    let (header, claims, signature) = (read(header)?, read(claims)?, decoded(signature)?);
    let issuer = claims["iss"].as_str().map(str::to_owned);
    let issuer = issuer.or_else(|| claims["iss"].as_u64().map(|id| id.to_string()))?;
    let (_, app) = server.github_app(|app| app.app_id.to_string() == issuer)?;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let (from, until) = (claims["iat"].as_i64()?, claims["exp"].as_i64()?);
    let sound = header["alg"] == json!("RS256")
        && from <= now
        && until > now
        && until <= now + JWT
        && app.has_signed(message.as_bytes(), &signature);
    sound.then_some(app)
}

fn installed(server: &OAuthServer, app: &GithubApp, id: &str) -> Option<u64> {
    let all = server.installations();
    let found = all
        .iter()
        .find(|one| one.id.to_string() == id && one.app_id == app.app_id)?;
    Some(found.id)
}

fn mint(server: &OAuthServer, app: &GithubApp, id: &str) -> Answer {
    let Some(id) = installed(server, app, id) else {
        return missing();
    };
    let all = server.installations();
    let Some(found) = all.into_iter().find(|one| one.id == id) else {
        return missing();
    };
    let token = format!("ghs_{}", ids::alphanumeric(36));
    let until = server.now() + Duration::HOUR;
    let code = Code::new(&app.slug, "", "", found.account);
    let family = server.new_family();
    server.issue(GITHUB, &code, &token, Some(3600), false, family);
    let expires_at = until
        .replace_nanosecond(0)
        .unwrap_or(until)
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap_or_default();
    Answer::json(
        201,
        &json!({ "token": token, "expires_at": expires_at, "permissions": { "metadata": "read" } }),
    )
}
