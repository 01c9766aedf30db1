//! The token endpoint, and the ID tokens that it gives.

use aws_lc_rs::{digest, hmac};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use http::header;
use kernel::secret::constant_time_eq;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    issuer::{Grant, OidcFault},
    name,
};
use crate::{
    accounts::{OidcClient, same},
    call::{Answer, Call},
    ids,
    server::Simulation,
};

/// Of a token, in seconds.
const LIFE: i64 = 300;

pub(super) fn answer(simulation: &Simulation, call: &Call) -> Answer {
    match redeem(simulation, call) {
        Ok(body) => Answer::json(200, &body).with(header::CACHE_CONTROL, "no-store"),
        Err((status, code)) => {
            let answer = Answer::json(status, &json!({ "error": code }))
                .with(header::CACHE_CONTROL, "no-store");
            match status {
                401 => answer.with(header::WWW_AUTHENTICATE, "Basic realm=\"token\""),
                _ => answer,
            }
        }
    }
}

/// RFC 6749 §4.1.3 and §5.2.
fn redeem(simulation: &Simulation, call: &Call) -> Result<Value, (u16, &'static str)> {
    let client = authenticated(simulation, call).ok_or((401, "invalid_client"))?;
    let form = call.form().ok_or((400, "invalid_request"))?;
    let value = |name: &str| {
        let mut found = form.iter().filter(|(key, _)| key == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Ok(value.as_str()),
            _ => Err((400, "invalid_request")),
        }
    };
    if value("grant_type")? != "authorization_code" {
        return Err((400, "unsupported_grant_type"));
    }
    // The secret is in the header, and in one place alone (§2.3).
    if value("client_secret").is_ok() {
        return Err((400, "invalid_request"));
    }
    let (redirect_uri, verifier) = (value("redirect_uri")?, value("code_verifier")?);
    let grant = simulation.oidc.redeem(value("code")?);
    let grant = grant.ok_or((400, "invalid_grant"))?;
    let shown = digest::digest(&digest::SHA256, verifier.as_bytes());
    let proven = constant_time_eq(
        BASE64_URL_SAFE_NO_PAD.encode(shown.as_ref()).as_bytes(),
        grant.challenge.as_bytes(),
    );
    let length = (43..=128).contains(&verifier.len());
    if grant.client != client.client_id || grant.redirect_uri != redirect_uri || !proven || !length
    {
        return Err((400, "invalid_grant"));
    }
    let fault = simulation.oidc.fault(|fault| !fault.is_in_answer());
    Ok(json!({
        "access_token": ids::alphanumeric(40),
        "token_type": "Bearer",
        "expires_in": LIFE,
        "scope": "openid email profile",
        "id_token": id_token(simulation, &client, &grant, fault),
    }))
}

/// By HTTP Basic, each half form-encoded (RFC 6749 §2.3.1).
fn authenticated(simulation: &Simulation, call: &Call) -> Option<OidcClient> {
    let (id, secret) = call.basic()?;
    let decoded = |text: &str| -> Option<String> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&format!("v={text}")).ok()?;
        pairs.into_iter().next().map(|(_, value)| value)
    };
    let client = simulation.accounts.find_oidc(&decoded(&id)?)?;
    same(&client.client_secret, &decoded(&secret)?).then_some(client)
}

fn id_token(
    simulation: &Simulation,
    client: &OidcClient,
    grant: &Grant,
    fault: Option<OidcFault>,
) -> String {
    let (key, other) = (simulation.oidc.key(), || simulation.oidc.other_key());
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let person = &grant.person;
    let mut header = json!({ "typ": "JWT", "alg": key.algorithm(), "kid": key.id });
    let mut claims = json!({
        "iss": name(simulation), "sub": person.subject, "aud": client.client_id,
        "iat": now, "exp": now + LIFE, "nonce": grant.nonce,
        "email": person.email, "email_verified": person.email_verified, "amr": person.amr,
    });
    if !person.name.is_empty() {
        claims["name"] = person.name.clone().into();
    }
    let mut signer = key;
    match fault {
        Some(OidcFault::WrongNonce) => claims["nonce"] = ids::alphanumeric(43).into(),
        Some(OidcFault::NoNonce) => {
            claims.as_object_mut().map(|claims| claims.remove("nonce"));
        }
        Some(OidcFault::WrongIssuer) => claims["iss"] = "https://other.example".into(),
        Some(OidcFault::WrongAudience) => claims["aud"] = "another-client".into(),
        Some(OidcFault::ExtraAudience) => {
            claims["aud"] = json!([client.client_id, "another-client"])
        }
        Some(OidcFault::WrongParty) => claims["azp"] = "another-client".into(),
        Some(OidcFault::Expired) => {
            claims["iat"] = (now - 2 * LIFE).into();
            claims["exp"] = (now - LIFE).into();
        }
        Some(OidcFault::Old) => claims["iat"] = (now - 86_400).into(),
        Some(OidcFault::BadSignature) => {
            // The published key's own algorithm, over something else.
            let message = signed_part(&header, &claims);
            return joined(&message, &signer.sign(b"something else"));
        }
        Some(OidcFault::UnknownKey) => {
            signer = other();
            header["kid"] = signer.id.clone().into();
            header["alg"] = signer.algorithm().into();
        }
        Some(OidcFault::AlgNone) => {
            header["alg"] = "none".into();
            return joined(&signed_part(&header, &claims), b"");
        }
        Some(OidcFault::AlgHs256) => {
            header["alg"] = "HS256".into();
            let message = signed_part(&header, &claims);
            let secret = client.client_secret.expose().as_bytes();
            let tag = hmac::sign(
                &hmac::Key::new(hmac::HMAC_SHA256, secret),
                message.as_bytes(),
            );
            return joined(&message, tag.as_ref());
        }
        // These strike elsewhere.
        Some(OidcFault::Denied | OidcFault::OtherIssuerAnswers | OidcFault::NoIssuerAnswers)
        | None => {}
    }
    let message = signed_part(&header, &claims);
    let signature = signer.sign(message.as_bytes());
    joined(&message, &signature)
}

/// RFC 7515 §7.1, in its two steps.
fn signed_part(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn joined(message: &str, signature: &[u8]) -> String {
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}
