//! The JWT by which a GitHub App proves itself, to be exchanged for an installation's token.
//!
//! Source: docs.github.com, "Generating a JSON Web Token (JWT) for a GitHub App" (read 2026-11):
//! RS256, `iss` the app's id or client id, `iat` a minute back against clock drift, `exp` at most
//! ten minutes ahead.

use aws_lc_rs::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PKCS1_SHA256};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use kernel::{Error, Result, secret::Secret};
use serde_json::json;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

const DRIFT: Duration = Duration::seconds(60);
const LIFE: Duration = Duration::minutes(9);

pub(crate) fn jwt(app_id: &str, private_key: &Secret, now: OffsetDateTime) -> Result<Secret> {
    let key = key(private_key).ok_or_else(|| {
        Error::invalid("the private key is not an RSA key in PEM, as GitHub gives it out")
    })?;
    let header = json!({ "alg": "RS256", "typ": "JWT" });
    let claims = json!({
        "iat": (now - DRIFT).unix_timestamp(),
        "exp": (now + LIFE).unix_timestamp(),
        "iss": app_id,
    });
    let encode = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .map_err(|_| Error::invalid("the private key can't sign"))?;
    let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
    Ok(Secret::new(format!("{signed}.{signature}")))
}

/// Reads PKCS#1 (`RSA PRIVATE KEY`, GitHub's form) and PKCS#8 (`PRIVATE KEY`). Line breaks may be
/// missing or written as `\n`, as environment files have them.
fn key(pem: &Secret) -> Option<KeyPair> {
    let text = Zeroizing::new(pem.expose().replace("\\n", "\n"));
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    let body = Zeroizing::new(body.split_whitespace().collect::<String>());
    let der = Zeroizing::new(BASE64_STANDARD.decode(body.as_str()).ok()?);
    match label {
        "RSA PRIVATE KEY" => KeyPair::from_der(&der).ok(),
        "PRIVATE KEY" => KeyPair::from_pkcs8(&der).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::{AsDer, Pkcs8V1Der},
        rsa::KeySize,
        signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
    };

    use super::*;

    #[test]
    fn the_token_is_signed_and_short_lived() {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("makes a key");
        let der: Pkcs8V1Der<'_> = pair.as_der().expect("encodes");
        let body = BASE64_STANDARD.encode(der.as_ref());
        let pem = Secret::new(format!(
            "-----BEGIN PRIVATE KEY-----\\n{body}\\n-----END PRIVATE KEY-----\\n"
        ));
        let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("is a time");
        let jwt = jwt("12345", &pem, now).expect("signs");
        let parts: Vec<&str> = jwt.expose().split('.').collect();
        let [header, claims, signature] = parts[..] else {
            panic!("three parts");
        };
        let decode = |part| BASE64_URL_SAFE_NO_PAD.decode(part).expect("is base64url");
        let claims: serde_json::Value = serde_json::from_slice(&decode(claims)).expect("is JSON");
        assert_eq!(
            claims,
            json!({ "iss": "12345", "iat": 1_799_999_940, "exp": 1_800_000_540 })
        );
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key());
        let signed = format!("{header}.{}", parts[1]);
        public
            .verify(signed.as_bytes(), &decode(signature))
            .expect("verifies");
    }

    #[test]
    fn what_is_no_key_is_refused_in_words() {
        for text in [
            "",
            "secret",
            "-----BEGIN PRIVATE KEY-----AAAA-----END PRIVATE KEY-----",
        ] {
            let error = jwt("1", &Secret::new(text), OffsetDateTime::UNIX_EPOCH);
            assert!(error.is_err(), "{text}");
        }
    }
}
