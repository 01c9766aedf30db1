//! Authorization servers of Slack, Linear, GitHub and Google: a page of consent, the token endpoint,
//! revocation, and the calls that an account's token opens. As strict as each documents: addresses are
//! compared letter by letter, codes are good once and for ten minutes, code challenges are checked,
//! refresh tokens that rotate are good once.
//!
//! Sources: docs.slack.dev (installing with OAuth, using token rotation, oauth.v2.access,
//! auth.revoke), linear.app/developers/oauth-2-0-authentication, docs.github.com/en/apps
//! (authorizing OAuth apps; generating and refreshing user access tokens; the setup URL;
//! REST: apps, installations, OAuth authorizations), developers.google.com/identity/protocols/oauth2/web-server
//! (read 2026-11). RFC 6749, 7009, 7636.

mod calls;
mod consent;
mod github;
mod state;
mod token;

use http::Method;

pub use state::{GithubApp, OAuthAccount, OAuthClient, OAuthServer};

use crate::{
    call::{Answer, Call},
    provider::Provider,
    server::Simulation,
};

/// How one provider's server differs from the others.
#[derive(Debug, Clone, Copy)]
struct Rules {
    authorize: &'static str,
    token: &'static str,
    revoke: &'static str,
    /// Whether the client may prove itself by HTTP Basic, and whether in the form.
    basic: bool,
    form: bool,
    pkce: bool,
    scope_separator: &'static str,
    granted_separator: &'static str,
    /// Of an access token that ends, in seconds.
    life: i64,
    /// Whether a refresh takes back the access token before it.
    ends_before: bool,
}

/// Nothing where the provider has no such server here.
fn rules(provider: Provider) -> Option<Rules> {
    Some(match provider {
        Provider::Slack => Rules {
            authorize: "oauth/v2/authorize",
            token: "api/oauth.v2.access",
            revoke: "api/auth.revoke",
            basic: true,
            form: true,
            pkce: false,
            scope_separator: ",",
            granted_separator: ",",
            life: 43_200,
            ends_before: false,
        },
        Provider::Linear => Rules {
            authorize: "oauth/authorize",
            token: "oauth/token",
            revoke: "oauth/revoke",
            basic: true,
            form: true,
            pkce: true,
            scope_separator: ",",
            granted_separator: " ",
            life: 86_399,
            ends_before: false,
        },
        Provider::GitHub => Rules {
            authorize: "login/oauth/authorize",
            token: "login/oauth/access_token",
            revoke: "applications/{client_id}/token",
            basic: false,
            form: true,
            pkce: true,
            scope_separator: " ",
            granted_separator: ",",
            life: 28_800,
            ends_before: true,
        },
        Provider::GoogleCalendar => Rules {
            authorize: "o/oauth2/v2/auth",
            token: "token",
            revoke: "revoke",
            basic: true,
            form: true,
            pkce: true,
            scope_separator: " ",
            granted_separator: " ",
            life: 3_599,
            ends_before: false,
        },
        _ => return None,
    })
}

/// `None` where the call is none of these: it may be that of an account whose secret was entered.
pub(crate) fn answer(provider: Provider, simulation: &Simulation, call: &Call) -> Option<Answer> {
    let rules = rules(provider)?;
    let server = &simulation.oauth;
    let path = call.path.join("/");
    match (&call.method, path.as_str()) {
        (&Method::GET, path) if path == rules.authorize => {
            Some(consent::ask(server, provider, rules, call))
        }
        (&Method::POST, path) if path == rules.authorize => {
            Some(consent::decide(server, provider, rules, call))
        }
        (&Method::POST, path) if path == rules.token => {
            token::answer(simulation, provider, rules, call)
        }
        (&Method::POST, path) if path == rules.revoke => calls::revoke(server, provider, call),
        _ if provider == Provider::GitHub => {
            github::answer(server, call).or_else(|| calls::answer(server, provider, call))
        }
        _ => calls::answer(server, provider, call),
    }
}

/// The account or the client that a call proves, by what is not secret.
pub(crate) fn account_of(
    provider: Provider,
    simulation: &Simulation,
    call: &Call,
) -> Option<String> {
    let rules = rules(provider)?;
    let server = &simulation.oauth;
    if call.path.join("/") == rules.token {
        let form = call.form().unwrap_or_default();
        return server.account_of_form(provider, &form);
    }
    let token = server.access(provider, call.bearer()?)?;
    Some(token.account.id)
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    let found = pairs.iter().find(|(key, _)| key == name);
    found.map_or("", |(_, value)| value.as_str())
}

fn redirect(to: &str) -> Answer {
    Answer::bytes(303, "text/plain", "".into())
        .with(http::header::LOCATION, to)
        .with(http::header::CACHE_CONTROL, "no-store")
}

fn said(status: u16, text: &str) -> Answer {
    Answer::bytes(
        status,
        "text/plain; charset=utf-8",
        format!("{text}\n").into(),
    )
}
