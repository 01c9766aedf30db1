//! The page to sign in on, and the way back to the client.

use url::Url;

use super::{
    is_registered,
    issuer::{Grant, OidcFault},
    name, redirect,
};
use crate::{
    call::{Answer, Call},
    server::Simulation,
};

/// What a client asks for.
struct Request {
    client: String,
    redirect_uri: String,
    state: String,
    nonce: String,
    challenge: String,
}

type Pairs = Vec<(String, String)>;

fn value<'a>(pairs: &'a Pairs, name: &str) -> &'a str {
    let found = pairs.iter().find(|(key, _)| key == name);
    found.map_or("", |(_, value)| value.as_str())
}

/// Shows the page.
pub(super) fn ask(simulation: &Simulation, call: &Call) -> Answer {
    match read(simulation, &call.query) {
        Ok(_) => page(&call.query),
        Err(refusal) => refusal,
    }
}

/// Takes the page's form: the request once more, with `email`, `name` and `decision`.
pub(super) fn decide(simulation: &Simulation, call: &Call) -> Answer {
    let form = call.form().unwrap_or_default();
    let request = match read(simulation, &form) {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    let issuer = &simulation.oidc;
    let fault = issuer.fault(OidcFault::is_in_answer);
    let email = value(&form, "email").trim();
    if value(&form, "decision") != "allow" || fault == Some(OidcFault::Denied) {
        return back(
            simulation,
            &request.redirect_uri,
            &request.state,
            fault,
            &[("error", "access_denied")],
        );
    }
    if !email.contains('@') {
        return page(&form);
    }
    let person = issuer.whoever(email, value(&form, "name").trim());
    let code = issuer.give(Grant::new(
        request.client,
        request.redirect_uri.clone(),
        request.nonce,
        request.challenge,
        person,
    ));
    back(
        simulation,
        &request.redirect_uri,
        &request.state,
        fault,
        &[("code", &code)],
    )
}

/// A request, judged. Without a client and an address of its own the browser is sent nowhere
/// (RFC 6749 §4.1.2.1).
fn read(simulation: &Simulation, pairs: &Pairs) -> Result<Request, Answer> {
    let repeated = pairs
        .iter()
        .enumerate()
        .any(|(place, (name, _))| pairs[..place].iter().any(|(earlier, _)| earlier == name));
    let (client, redirect_uri) = (value(pairs, "client_id"), value(pairs, "redirect_uri"));
    if repeated || !is_registered(&simulation.accounts, client, redirect_uri) {
        return Err(Answer::bytes(
            400,
            "text/plain; charset=utf-8",
            "The client or its redirect_uri is not registered, or a parameter is repeated.\n"
                .into(),
        ));
    }
    let state = value(pairs, "state");
    let refuse = |error: &str, why: &str| {
        let pairs = [("error", error), ("error_description", why)];
        Err(back(simulation, redirect_uri, state, None, &pairs))
    };
    if value(pairs, "response_type") != "code" {
        return refuse("unsupported_response_type", "response_type must be code");
    }
    if !value(pairs, "scope")
        .split(' ')
        .any(|scope| scope == "openid")
    {
        return refuse("invalid_scope", "scope must contain openid");
    }
    // 128 bits in base64url, at the least.
    if state.len() < 22 || value(pairs, "nonce").len() < 22 {
        return refuse("invalid_request", "state and nonce must be hard to guess");
    }
    let challenge = value(pairs, "code_challenge");
    if challenge.len() != 43 || value(pairs, "code_challenge_method") != "S256" {
        return refuse("invalid_request", "code_challenge must be by S256");
    }
    Ok(Request {
        client: client.to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        state: state.to_owned(),
        nonce: value(pairs, "nonce").to_owned(),
        challenge: challenge.to_owned(),
    })
}

fn back(
    simulation: &Simulation,
    redirect_uri: &str,
    state: &str,
    fault: Option<OidcFault>,
    pairs: &[(&str, &str)],
) -> Answer {
    let Ok(mut to) = Url::parse(redirect_uri) else {
        return Answer::bytes(400, "text/plain", "redirect_uri is no address\n".into());
    };
    let mut query = to.query_pairs_mut();
    query.extend_pairs(pairs);
    if !state.is_empty() {
        query.append_pair("state", state);
    }
    match fault {
        Some(OidcFault::NoIssuerAnswers) => {}
        Some(OidcFault::OtherIssuerAnswers) => {
            query.append_pair("iss", "https://other.example");
        }
        _ => {
            query.append_pair("iss", &name(simulation));
        }
    }
    drop(query);
    redirect(to.as_str())
}

fn page(request: &Pairs) -> Answer {
    let escaped = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
    };
    let typed = ["email", "name", "decision"];
    let hidden: String = request
        .iter()
        .filter(|(name, _)| !typed.contains(&name.as_str()))
        .map(|(name, value)| {
            format!(
                "<input type=\"hidden\" name=\"{}\" value=\"{}\">\n",
                escaped(name),
                escaped(value)
            )
        })
        .collect();
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Simulated identity provider</title>\n\
         <style>\n\
         :root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}\n\
         main {{ max-width: 22rem; margin: 12vh auto; padding: 0 1rem }}\n\
         label {{ display: block; margin: 1rem 0 }}\n\
         input:not([type=hidden]) {{ display: block; box-sizing: border-box; width: 100%; padding: .5rem; font: inherit }}\n\
         button {{ padding: .5rem 1rem; font: inherit }}\n\
         </style></head><body><main>\n\
         <h1>Simulated identity provider</h1>\n\
         <p>Whatever address you type here is believed. It is for trying things out.</p>\n\
         <form method=\"post\" action=\"authorize\">\n{hidden}\
         <label>E-mail address\n\
         <input name=\"email\" type=\"email\" autocomplete=\"email\" value=\"{}\"></label>\n\
         <label>Name\n\
         <input name=\"name\" autocomplete=\"name\" value=\"{}\"></label>\n\
         <button name=\"decision\" value=\"allow\">Continue</button>\n\
         <button name=\"decision\" value=\"deny\">Cancel</button>\n\
         </form></main></body></html>\n",
        escaped(value(request, "email")),
        escaped(value(request, "name")),
    );
    Answer::bytes(200, "text/html; charset=utf-8", html.into())
}
