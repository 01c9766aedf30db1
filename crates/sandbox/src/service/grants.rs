//! Token endpoints: RFC 6749's client credentials (Genesys) and refresh tokens (Google), the client
//! proven by HTTP Basic.

use http::Method;
use serde_json::json;

use crate::{
    accounts::same,
    call::{Answer, Call},
    ids,
    provider::Provider,
    server::Simulation,
};

/// The path below the base URL, and the grant that is taken there.
fn endpoint(provider: Provider) -> Option<(&'static str, &'static str)> {
    match provider {
        Provider::Genesys => Some(("oauth/token", "client_credentials")),
        Provider::GoogleCalendar => Some(("token", "refresh_token")),
        _ => None,
    }
}

/// The client that a call to the token endpoint names.
pub(super) fn client_of(provider: Provider, call: &Call) -> Option<String> {
    let (path, _) = endpoint(provider)?;
    (call.path.join("/") == path)
        .then(|| call.basic().map(|(client, _)| client))
        .flatten()
}

/// `None` where the call is none to a token endpoint.
pub(super) fn answer(provider: Provider, simulation: &Simulation, call: &Call) -> Option<Answer> {
    let (path, grant) = endpoint(provider)?;
    if call.path.join("/") != path {
        return None;
    }
    Some(grant_of(provider, grant, simulation, call).unwrap_or_else(|refusal| refusal))
}

fn grant_of(
    provider: Provider,
    grant: &str,
    simulation: &Simulation,
    call: &Call,
) -> Result<Answer, Answer> {
    let refuse = |status, error: &str, description: &str| {
        let body = json!({ "error": error, "error_description": description });
        Answer::json(status, &body)
    };
    if call.method != Method::POST {
        return Err(refuse(405, "invalid_request", "Use POST"));
    }
    let form = call
        .form()
        .ok_or_else(|| refuse(400, "invalid_request", "The body is no form"))?;
    let value = |wanted: &str| {
        let found = form.iter().find(|(name, _)| name == wanted);
        found.map_or("", |(_, value)| value.as_str())
    };
    if value("grant_type") != grant {
        return Err(refuse(
            400,
            "unsupported_grant_type",
            "The grant is not taken here",
        ));
    }
    let invalid = || refuse(401, "invalid_client", "client authentication failed");
    let (client, secret) = call.basic().ok_or_else(invalid)?;
    let account = simulation
        .accounts
        .services(provider)
        .into_iter()
        .find(|account| account.id == client && same(&account.secret, &secret))
        .ok_or_else(invalid)?;
    if grant == "refresh_token" {
        let known = account.says("refresh_token");
        if account.revoked || known.is_empty() || value("refresh_token") != known {
            let ended = "Token has been expired or revoked.";
            return Err(refuse(400, "invalid_grant", ended));
        }
    } else if account.revoked {
        return Err(invalid());
    }
    let token = ids::alphanumeric(40);
    simulation
        .accounts
        .grant(provider, account.id.clone(), &token);
    Ok(Answer::json(
        200,
        &json!({ "access_token": token, "token_type": "bearer", "expires_in": 3599 }),
    ))
}
