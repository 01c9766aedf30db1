//! An OpenID Connect provider: discovery, keys, a page to sign in on, and the token endpoint, for the
//! authorization code flow with PKCE.
//!
//! Specifications: OpenID Connect Core 1.0 §3.1, Discovery 1.0 §3 and §4, RFC 6749 §4.1 and §5.2,
//! RFC 7636 §4, RFC 9207 §2. What they recommend is asked for here: every request names a state, a
//! nonce and an S256 challenge.

mod authorize;
mod issuer;
mod key;
mod token;

use http::{Method, StatusCode, header};
use serde_json::json;

pub use issuer::{OidcFault, OidcIssuer, OidcPerson};

use crate::{
    accounts::Accounts,
    call::{Answer, Call},
    provider::Provider,
    server::Simulation,
};

pub(crate) fn answer(simulation: &Simulation, call: &Call) -> Answer {
    match (&call.method, call.segments().as_slice()) {
        (&Method::GET, [".well-known", "openid-configuration"]) => metadata(simulation),
        (&Method::GET, ["keys"]) => Answer::json(200, &simulation.oidc.published()),
        (&Method::GET, ["authorize"]) => authorize::ask(simulation, call),
        (&Method::POST, ["authorize"]) => authorize::decide(simulation, call),
        (&Method::POST, ["token"]) => token::answer(simulation, call),
        (_, [".well-known", "openid-configuration"] | ["keys"] | ["authorize"] | ["token"]) => {
            failure(405)
        }
        _ => failure(404),
    }
}

/// The client that a call names.
pub(crate) fn account_of(call: &Call) -> Option<String> {
    let named = call.parameter("client_id").map(str::to_owned);
    let shown = || call.basic().map(|(client, _)| client);
    let sent = || {
        let form = call.form()?;
        let found = form.into_iter().find(|(name, _)| name == "client_id");
        found.map(|(_, value)| value)
    };
    named.or_else(shown).or_else(sent)
}

pub(crate) fn failure(status: u16) -> Answer {
    let code = match status {
        401 => "invalid_client",
        429 | 503 => "temporarily_unavailable",
        500.. => "server_error",
        _ => "invalid_request",
    };
    Answer::json(status, &json!({ "error": code }))
}

/// The issuer's name, which is also where it is found.
fn name(simulation: &Simulation) -> String {
    simulation.base_url(Provider::Oidc)
}

fn metadata(simulation: &Simulation) -> Answer {
    let issuer = name(simulation);
    Answer::json(
        200,
        &json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "scopes_supported": ["openid", "email", "profile"],
            "claims_supported": ["sub", "email", "email_verified", "name", "amr"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        }),
    )
}

/// Sends the browser to an address.
fn redirect(to: &str) -> Answer {
    Answer::bytes(StatusCode::SEE_OTHER.as_u16(), "text/plain", "".into())
        .with(header::LOCATION, to)
        .with(header::CACHE_CONTROL, "no-store")
}

/// Whether an address is one of a client's, letter by letter (RFC 9700 §4.1.3).
fn is_registered(accounts: &Accounts, client: &str, address: &str) -> bool {
    accounts
        .find_oidc(client)
        .is_some_and(|client| client.redirect_uris.iter().any(|known| known == address))
}
