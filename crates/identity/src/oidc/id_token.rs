//! ID tokens: which are believed (OpenID Connect Core 1.0 §3.1.3.7), and what they say of a person.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::Jwk};
use kernel::{
    Error, Result,
    error::SignInRefusal,
    secret::{Secret, constant_time_eq},
};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use time::OffsetDateTime;

use super::{
    keys::{Issuer, Issuers},
    wire::Wire,
};

/// Signatures that only the issuer can make. `none` is no algorithm here, and those by a shared
/// secret would let the key set, or the client, sign.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// How far the issuer's clock may be from ours, in seconds.
const LEEWAY: u64 = 60;
/// A token is made for this very sign-in, so an old one is somebody else's, in seconds.
const OLDEST: i64 = 15 * 60;
/// The longest subject (OpenID Connect Core 1.0 §2).
const SUBJECT: usize = 255;

/// What a believed token says.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Claims {
    pub sub: String,
    #[serde(default)]
    aud: Audience,
    #[serde(default)]
    azp: Option<String>,
    #[serde(default)]
    iat: i64,
    #[serde(default)]
    nonce: String,
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default, deserialize_with = "yes")]
    pub email_verified: bool,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub amr: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Audience {
    /// Whether the token is for one client and for nobody else, whom it might be presented by.
    fn is_only(&self, client: &str) -> bool {
        match self {
            Self::One(one) => one == client,
            Self::Many(many) => !many.is_empty() && many.iter().all(|one| one == client),
        }
    }
}

/// Some providers (Amazon Cognito) write the claim as a string.
fn yes<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<bool, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(yes) => yes,
        Value::String(text) => text == "true",
        _ => false,
    })
}

/// What a token has to be for.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    pub client_id: &'a str,
    pub nonce: &'a str,
}

/// Verifies a token with its issuer's keys.
///
/// # Errors
/// `sign_in_invalid`; which check failed goes to the log, the token does not. `provider_error` when
/// the keys can't be had.
pub(super) async fn verify(
    wire: &Wire,
    issuers: &Issuers,
    issuer: &Issuer,
    token: &Secret,
    expected: &Expected<'_>,
) -> Result<Claims> {
    let header = decode_header(token.expose()).map_err(|_| invalid("its header can't be read"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(invalid("its algorithm is not accepted"));
    }
    if header.crit.is_some() {
        return Err(invalid("it has extensions that are not known"));
    }
    let key = issuers.key(wire, issuer, header.kid.as_deref()).await?;
    let key = key.ok_or_else(|| invalid("its key is none of the issuer's"))?;
    let claims = with_key(token, header.alg, &key, &issuer.issuer, expected)?;
    Ok(claims)
}

fn with_key(
    token: &Secret,
    algorithm: Algorithm,
    key: &Jwk,
    issuer: &str,
    expected: &Expected<'_>,
) -> Result<Claims> {
    let agrees = key
        .common
        .key_algorithm
        .is_none_or(|named| Algorithm::try_from(named).is_ok_and(|named| named == algorithm));
    if !agrees {
        return Err(invalid("its key is for another algorithm"));
    }
    let key = DecodingKey::from_jwk(key).map_err(|_| invalid("its key can't be used"))?;
    let mut validation = Validation::new(algorithm);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[expected.client_id]);
    let claims = decode::<Claims>(token.expose(), &key, &validation)
        .map_err(|error| invalid(&error.to_string()))?
        .claims;
    claims.check(expected)?;
    Ok(claims)
}

impl Claims {
    /// What the library leaves to its caller.
    fn check(&self, expected: &Expected<'_>) -> Result<()> {
        if !constant_time_eq(self.nonce.as_bytes(), expected.nonce.as_bytes()) {
            return Err(invalid("its nonce is another"));
        }
        if !self.aud.is_only(expected.client_id) {
            return Err(invalid("it is for others as well"));
        }
        if self
            .azp
            .as_ref()
            .is_some_and(|party| party != expected.client_id)
        {
            return Err(invalid("it was issued to another party"));
        }
        let age = OffsetDateTime::now_utc()
            .unix_timestamp()
            .saturating_sub(self.iat);
        if !(-LEEWAY.cast_signed()..=OLDEST).contains(&age) {
            return Err(invalid("it was not made for this sign-in"));
        }
        let plain = !self.sub.is_empty()
            && self.sub.len() <= SUBJECT
            && self.sub.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if !plain {
            return Err(invalid("its subject can't be one"));
        }
        Ok(())
    }
}

fn invalid(reason: &str) -> Error {
    tracing::warn!(reason, "an ID token is not believed");
    Error::SignIn(SignInRefusal::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Expected<'static> = Expected {
        client_id: "us",
        nonce: "n",
    };

    fn claims(change: &[(&str, Value)]) -> Claims {
        let mut value = serde_json::json!({
            "sub": "1", "aud": "us", "nonce": "n",
            "iat": OffsetDateTime::now_utc().unix_timestamp(),
        });
        for (name, other) in change {
            value[*name] = other.clone();
        }
        serde_json::from_value(value).expect("claims")
    }

    #[test]
    fn a_token_is_for_this_sign_in_alone() {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        assert!(claims(&[]).check(&EXPECTED).is_ok());
        for (name, value, believed) in [
            ("aud", serde_json::json!(["us"]), true),
            ("aud", serde_json::json!(["us", "them"]), false),
            ("aud", serde_json::json!("them"), false),
            ("aud", serde_json::json!([]), false),
            ("azp", "us".into(), true),
            ("azp", "them".into(), false),
            ("nonce", "m".into(), false),
            ("nonce", "".into(), false),
            ("iat", (now - 16 * 60).into(), false),
            ("iat", (now + 61).into(), false),
            ("iat", (now + 50).into(), true),
            ("iat", i64::MIN.into(), false),
            ("sub", "".into(), false),
            ("sub", "a\nb".into(), false),
            ("sub", "x".repeat(256).into(), false),
        ] {
            let found = claims(&[(name, value.clone())]).check(&EXPECTED);
            assert_eq!(found.is_ok(), believed, "{name}: {value}");
        }
    }

    #[test]
    fn only_a_plain_yes_confirms_an_address() {
        for (value, confirmed) in [
            (Value::Bool(true), true),
            ("true".into(), true),
            (Value::Bool(false), false),
            ("false".into(), false),
            ("yes".into(), false),
            (1.into(), false),
            (Value::Null, false),
        ] {
            let found = claims(&[("email_verified", value.clone())]);
            assert_eq!(found.email_verified, confirmed, "{value}");
        }
        assert!(!claims(&[]).email_verified);
    }
}
