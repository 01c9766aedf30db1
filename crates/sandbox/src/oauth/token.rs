//! The token endpoints, each with its own answers and its own way to refuse: Slack and GitHub do so
//! with status 200.

use aws_lc_rs::digest;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use http::header;
use kernel::secret::constant_time_eq;
use serde_json::{Value, json};

use super::{
    Rules,
    state::{Code, OAuthClient, OAuthServer, Spent},
    value,
};
use crate::{
    accounts::same,
    call::{Answer, Call},
    ids,
    provider::Provider,
    server::Simulation,
};

/// Why there is no token, before each provider puts it in its own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Client,
    Form,
    GrantType,
    Code(Spent),
    RedirectUri,
    Verifier,
    RefreshToken,
}

/// `None` for a client that is none of these, which is that of an account whose secret was entered.
pub(super) fn answer(
    simulation: &Simulation,
    provider: Provider,
    rules: Rules,
    call: &Call,
) -> Option<Answer> {
    let server = &simulation.oauth;
    let form = call.form().unwrap_or_default();
    let named = client_of(call, &form, rules);
    let known = named
        .as_ref()
        .is_some_and(|(id, _)| server.find(provider, id).is_some());
    if provider == Provider::GoogleCalendar && !known {
        return None;
    }
    let outcome = granted(server, provider, rules, named, &form);
    Some(
        match outcome {
            Ok(body) if provider == Provider::GitHub && !accepts_json(call) => {
                let text = serde_urlencoded::to_string(flat(&body)).unwrap_or_default();
                Answer::bytes(200, "application/x-www-form-urlencoded", text.into())
            }
            Ok(body) => Answer::json(200, &body),
            Err(why) => refused(provider, why),
        }
        .with(header::CACHE_CONTROL, "no-store"),
    )
}

fn accepts_json(call: &Call) -> bool {
    let accepted = call.header(&header::ACCEPT).unwrap_or_default();
    accepted.contains("application/json")
}

fn flat(body: &Value) -> Vec<(String, String)> {
    let fields = body.as_object().into_iter().flatten();
    fields
        .map(|(name, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), text)
        })
        .collect()
}

/// The client's id and secret, in one of the places where the provider takes them and in no other.
fn client_of(call: &Call, form: &[(String, String)], rules: Rules) -> Option<(String, String)> {
    let decoded = |text: &str| -> Option<String> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&format!("v={text}")).ok()?;
        pairs.into_iter().next().map(|(_, value)| value)
    };
    let shown = (value(form, "client_id"), value(form, "client_secret"));
    match call.basic() {
        Some((id, secret)) if rules.basic && shown.1.is_empty() => {
            Some((decoded(&id)?, decoded(&secret)?))
        }
        None if rules.form && !shown.0.is_empty() => Some((shown.0.to_owned(), shown.1.to_owned())),
        _ => None,
    }
}

fn granted(
    server: &OAuthServer,
    provider: Provider,
    rules: Rules,
    named: Option<(String, String)>,
    form: &[(String, String)],
) -> Result<Value, Why> {
    if form.is_empty() {
        return Err(Why::Form);
    }
    let (id, secret) = named.ok_or(Why::Client)?;
    let client = server
        .find(provider, &id)
        .filter(|client| same(&client.client_secret, &secret))
        .ok_or(Why::Client)?;
    // Slack and GitHub do not ask for the type where a code is sent.
    let grant = match value(form, "grant_type") {
        "" if matches!(provider, Provider::Slack | Provider::GitHub) => "authorization_code",
        named => named,
    };
    match grant {
        "authorization_code" => by_code(server, provider, rules, &client, form),
        "refresh_token" => by_refresh(server, provider, rules, &client, form),
        _ => Err(Why::GrantType),
    }
}

fn by_code(
    server: &OAuthServer,
    provider: Provider,
    rules: Rules,
    client: &OAuthClient,
    form: &[(String, String)],
) -> Result<Value, Why> {
    let code = server.redeem(value(form, "code")).map_err(Why::Code)?;
    if code.client_id != client.client_id {
        return Err(Why::Code(Spent::Unknown));
    }
    if code.redirect_uri != value(form, "redirect_uri") {
        return Err(Why::RedirectUri);
    }
    let verifier = value(form, "code_verifier");
    if !code.challenge.is_empty() {
        let shown = digest::digest(&digest::SHA256, verifier.as_bytes());
        let shown = BASE64_URL_SAFE_NO_PAD.encode(shown.as_ref());
        let proven = constant_time_eq(shown.as_bytes(), code.challenge.as_bytes());
        if !proven || !(43..=128).contains(&verifier.len()) {
            return Err(Why::Verifier);
        }
    } else if !verifier.is_empty() {
        return Err(Why::Verifier);
    }
    let family = server.new_family();
    Ok(tokens(server, provider, rules, client, &code, family, true))
}

fn by_refresh(
    server: &OAuthServer,
    provider: Provider,
    rules: Rules,
    client: &OAuthClient,
    form: &[(String, String)],
) -> Result<Value, Why> {
    let rotates = provider != Provider::GoogleCalendar;
    let shown = value(form, "refresh_token");
    let used = server
        .refresh(
            provider,
            shown,
            &client.client_id,
            rotates,
            rules.ends_before,
        )
        .map_err(|_| Why::RefreshToken)?;
    let again = Code {
        scopes: used.scopes.clone(),
        offline: false,
        ..Code::new(&client.client_id, "", "", used.account.clone())
    };
    Ok(tokens(
        server,
        provider,
        rules,
        client,
        &again,
        used.family(),
        rotates,
    ))
}

fn tokens(
    server: &OAuthServer,
    provider: Provider,
    rules: Rules,
    client: &OAuthClient,
    code: &Code,
    family: u64,
    with_refresh: bool,
) -> Value {
    let ends = client.expires || matches!(provider, Provider::Linear | Provider::GoogleCalendar);
    let renews = with_refresh && ends && (provider != Provider::GoogleCalendar || code.offline);
    let life = server.life_of(provider, rules.life);
    let random = ids::alphanumeric(48);
    let (access, refresh) = match (provider, ends) {
        (Provider::Slack, true) => (format!("xoxe.xoxb-1-{random}"), "xoxe-1-"),
        (Provider::Slack, false) => (format!("xoxb-{random}"), ""),
        (Provider::Linear, _) => (format!("lin_oauth_{random}"), "lin_refresh_"),
        (Provider::GitHub, true) => (format!("ghu_{random}"), "ghr_"),
        (Provider::GitHub, false) => (format!("gho_{random}"), ""),
        _ => (format!("ya29.{random}"), "1//"),
    };
    server.issue(provider, code, &access, ends.then_some(life), false, family);
    let mut body = json!({
        "access_token": access,
        "token_type": if provider == Provider::Slack { "bot" } else { "Bearer" },
        "scope": code.scopes.join(rules.granted_separator),
    });
    if ends {
        body["expires_in"] = life.into();
    }
    if renews {
        let token = format!("{refresh}{}", ids::alphanumeric(48));
        server.issue(provider, code, &token, None, true, family);
        body["refresh_token"] = token.into();
    }
    match provider {
        Provider::Slack => {
            body["ok"] = true.into();
            body["app_id"] = "A0SANDBOX1".into();
            body["bot_user_id"] = "U0SANDBOX1".into();
            body["team"] = json!({ "id": code.account.id, "name": code.account.name });
            body["enterprise"] = Value::Null;
            body["authed_user"] = json!({ "id": "U0SANDBOX2" });
        }
        Provider::GoogleCalendar if code.scopes.iter().any(|scope| scope == "openid") => {
            // Not signed by anything that could be checked: the client has it from the endpoint.
            let claims = json!({ "iss": "https://accounts.google.com", "aud": client.client_id,
                "sub": code.account.id, "email": code.account.name, "email_verified": true });
            let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
            let header = json!({ "alg": "RS256", "kid": "sandbox" });
            let signature = BASE64_STANDARD.encode("sandbox").replace('=', "");
            body["id_token"] = format!("{}.{}.{signature}", part(&header), part(&claims)).into();
        }
        _ => {}
    }
    body
}

fn refused(provider: Provider, why: Why) -> Answer {
    match provider {
        Provider::Slack => {
            let error = match why {
                Why::Client => "bad_client_secret",
                Why::Form => "invalid_form_data",
                Why::GrantType => "invalid_grant_type",
                Why::Code(Spent::Used) => "code_already_used",
                Why::Code(_) | Why::Verifier => "invalid_code",
                Why::RedirectUri => "bad_redirect_uri",
                Why::RefreshToken => "invalid_refresh_token",
            };
            Answer::json(200, &json!({ "ok": false, "error": error }))
        }
        Provider::GitHub => {
            let error = match why {
                Why::Client => "incorrect_client_credentials",
                Why::Form | Why::GrantType => "unsupported_grant_type",
                Why::Code(_) | Why::Verifier => "bad_verification_code",
                Why::RedirectUri => "redirect_uri_mismatch",
                Why::RefreshToken => "bad_refresh_token",
            };
            let body = json!({ "error": error, "error_description": "The request was refused." });
            Answer::json(200, &body)
        }
        _ => {
            let (status, error) = match why {
                Why::Client => (401, "invalid_client"),
                Why::Form => (400, "invalid_request"),
                Why::GrantType => (400, "unsupported_grant_type"),
                Why::RedirectUri if provider == Provider::GoogleCalendar => {
                    (400, "redirect_uri_mismatch")
                }
                _ => (400, "invalid_grant"),
            };
            let body = json!({ "error": error, "error_description": "The request was refused." });
            Answer::json(status, &body)
        }
    }
}
