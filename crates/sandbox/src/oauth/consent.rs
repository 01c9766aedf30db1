//! The page of consent, and the way back to the client. Whoever looks at it picks an account and
//! allows or declines; nobody has to sign in.

use url::Url;

use super::{
    Rules, redirect, said,
    state::{Code, OAuthServer},
    value,
};
use crate::{
    call::{Answer, Call},
    provider::Provider,
};

type Pairs = Vec<(String, String)>;

pub(super) fn ask(server: &OAuthServer, provider: Provider, rules: Rules, call: &Call) -> Answer {
    match check(server, provider, rules, &call.query) {
        Ok(()) => page(server, provider, &call.query),
        Err(refusal) => refusal,
    }
}

/// Takes the page's form: the request once more, with `account` and `decision`.
pub(super) fn decide(
    server: &OAuthServer,
    provider: Provider,
    rules: Rules,
    call: &Call,
) -> Answer {
    let form = call.form().unwrap_or_default();
    if let Err(refusal) = check(server, provider, rules, &form) {
        return refusal;
    }
    let redirect_uri = value(&form, "redirect_uri");
    let state = value(&form, "state");
    if value(&form, "decision") != "allow" {
        let denied = [
            ("error", "access_denied"),
            ("error_description", "The user denied the request"),
        ];
        return back(redirect_uri, state, &denied);
    }
    let chosen = value(&form, "account");
    let accounts = server.accounts(provider);
    let Some(account) = accounts.into_iter().find(|account| account.id == chosen) else {
        return said(400, "There is no such account.");
    };
    let scopes = value(&form, "scope").split(rules.scope_separator);
    let code = server.give(Code {
        scopes: scopes.map(str::to_owned).collect(),
        offline: value(&form, "access_type") == "offline",
        ..Code::new(
            value(&form, "client_id"),
            redirect_uri,
            value(&form, "code_challenge"),
            account,
        )
    });
    back(redirect_uri, state, &[("code", &code)])
}

/// Without a client and an address of its own the browser is sent nowhere (RFC 6749, section
/// 4.1.2.1).
fn check(
    server: &OAuthServer,
    provider: Provider,
    rules: Rules,
    pairs: &Pairs,
) -> Result<(), Answer> {
    let repeated = pairs
        .iter()
        .enumerate()
        .any(|(place, (name, _))| pairs[..place].iter().any(|(earlier, _)| earlier == name));
    let redirect_uri = value(pairs, "redirect_uri");
    let client = server.find(provider, value(pairs, "client_id"));
    let known = client.is_some_and(|client| {
        client
            .redirect_uris
            .iter()
            .any(|known| known == redirect_uri)
    });
    if repeated || !known {
        return Err(said(
            400,
            "The client or its redirect_uri is not registered, or a parameter is repeated.",
        ));
    }
    let state = value(pairs, "state");
    let refuse = |error: &str| Err(back(redirect_uri, state, &[("error", error)]));
    if value(pairs, "response_type") != "code" {
        return refuse("unsupported_response_type");
    }
    if value(pairs, "scope").is_empty() {
        return refuse("invalid_scope");
    }
    // 128 bits in base64url, at the least.
    if state.len() < 22 {
        return refuse("invalid_request");
    }
    let (challenge, method) = (
        value(pairs, "code_challenge"),
        value(pairs, "code_challenge_method"),
    );
    let sound = match rules.pkce {
        true => challenge.len() == 43 && method == "S256",
        // A parameter that the provider does not document.
        false => challenge.is_empty() && method.is_empty(),
    };
    if sound {
        Ok(())
    } else {
        refuse("invalid_request")
    }
}

pub(super) fn back(redirect_uri: &str, state: &str, pairs: &[(&str, &str)]) -> Answer {
    let Ok(mut to) = Url::parse(redirect_uri) else {
        return said(400, "redirect_uri is no address");
    };
    to.query_pairs_mut()
        .extend_pairs(pairs)
        .append_pair("state", state);
    redirect(to.as_str())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

pub(super) fn page(server: &OAuthServer, provider: Provider, request: &Pairs) -> Answer {
    let hidden: String = request
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "account" | "decision"))
        .map(|(name, value)| {
            let (name, value) = (escaped(name), escaped(value));
            format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">\n")
        })
        .collect();
    let choices: String = server
        .accounts(provider)
        .iter()
        .enumerate()
        .map(|(place, account)| {
            let (id, name) = (escaped(&account.id), escaped(&account.name));
            let checked = if place == 0 { " checked" } else { "" };
            format!(
                "<label><input type=\"radio\" name=\"account\" value=\"{id}\"{checked}> {name}</label>\n"
            )
        })
        .collect();
    let scope = escaped(value(request, "scope"));
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Simulated {provider}</title>\n\
         <style>\n\
         :root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}\n\
         main {{ max-width: 24rem; margin: 12vh auto; padding: 0 1rem }}\n\
         label {{ display: block; margin: .5rem 0 }}\n\
         code {{ overflow-wrap: anywhere }}\n\
         button {{ padding: .5rem 1rem; font: inherit }}\n\
         </style></head><body><main>\n\
         <h1>Simulated {provider}</h1>\n\
         <p>An app asks for <code>{scope}</code>. Which account may it have? Nothing here is real.</p>\n\
         <form method=\"post\">\n{hidden}\
         <fieldset><legend>Account</legend>\n{choices}</fieldset>\n\
         <p><button name=\"decision\" value=\"allow\">Allow</button>\n\
         <button name=\"decision\" value=\"deny\">Cancel</button></p>\n\
         </form></main></body></html>\n"
    );
    Answer::bytes(200, "text/html; charset=utf-8", html.into())
}
