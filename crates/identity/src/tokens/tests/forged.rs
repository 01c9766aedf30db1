//! Tokens that we did not sign, or not for this.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};

use super::*;

/// The parts of a token that is valid.
struct Parts {
    header: Value,
    claims: Value,
    signature: String,
}

fn parts(token: &str) -> Parts {
    let parts: Vec<&str> = token.split('.').collect();
    let json = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    Parts {
        header: json(parts[0]),
        claims: json(parts[1]),
        signature: parts[2].to_owned(),
    }
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn with(value: &Value, name: &str, other: Value) -> Value {
    let mut value = value.clone();
    value[name] = other;
    value
}

fn signed(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm);
    format!("{message}.{}", signature.expect("a signature"))
}

async fn code(app: &App, token: &str) -> u16 {
    app.send("GET", "/v1/members", Some(token), None)
        .await
        .0
        .as_u16()
}

#[tokio::test]
async fn what_we_did_not_sign_for_this_is_refused() {
    let (app, user) = app("viewer").await;
    app.tenant("globex").await;
    let token = issued(&app).await;
    let text = token["access_token"].as_str().expect("a token");
    let Parts {
        header,
        claims,
        signature,
    } = parts(text);
    let ours = app.tokens.signer().await.expect("a signer").key;
    let es256 = |header: &Value, claims: &Value| signed(header, claims, &ours, Algorithm::ES256);
    // What the others differ from is taken.
    assert_eq!(code(&app, &es256(&header, &claims)).await, 200);

    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let theirs = EncodingKey::from_ec_der(document.expect("a key").as_ref());
    let point = &app.db.published_keys().await.expect("keys")[0].point;
    let jwk = published(&app).await.remove(0).to_string();
    let hs256 = with(&header, "alg", json!("HS256"));
    let hmac = |secret: &[u8]| {
        signed(
            &hs256,
            &claims,
            &EncodingKey::from_secret(secret),
            Algorithm::HS256,
        )
    };
    let none = format!(
        "{}.{}.",
        encoded(&with(&header, "alg", json!("none"))),
        encoded(&claims)
    );
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let claim = |name: &str, value: Value| es256(&header, &with(&claims, name, value));
    let head = |name: &str, value: Value| es256(&with(&header, name, value), &claims);
    let other_tenant = app.known("globex").await.id.to_string();
    let mut no_exp = claims.clone();
    no_exp.as_object_mut().expect("claims").remove("exp");
    let forged = [
        ("alg none", none.clone()),
        (
            "alg None",
            none.replace(
                &encoded(&with(&header, "alg", json!("none"))),
                &encoded(&with(&header, "alg", json!("None"))),
            ),
        ),
        ("alg none with a signature", format!("{none}{signature}")),
        ("HS256 by the public point", hmac(point)),
        ("HS256 by its coordinates", hmac(&point[1..])),
        ("HS256 by the published key", hmac(jwk.as_bytes())),
        ("ES384 in the header", head("alg", json!("ES384"))),
        (
            "somebody else's key",
            signed(&header, &claims, &theirs, Algorithm::ES256),
        ),
        (
            "no signature",
            format!("{}.{}.", encoded(&header), encoded(&claims)),
        ),
        ("no key id", head("kid", Value::Null)),
        (
            "an unknown key id",
            head("kid", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ),
        ("another kind of token", head("typ", json!("JWT"))),
        (
            "another audience",
            claim("aud", json!("https://app.example.com/other")),
        ),
        (
            "another issuer",
            claim("iss", json!("https://evil.example.com")),
        ),
        ("expired", claim("exp", json!(now - 1))),
        ("without end", es256(&header, &no_exp)),
        ("another tenant", claim("tenant", json!(other_tenant))),
        ("no tenant", claim("tenant", json!("ten_nonsense"))),
        (
            "another person",
            claim("sub", json!(UserId::new().to_string())),
        ),
        (
            "another session",
            claim("sid", json!(SessionId::new().to_string())),
        ),
        (
            "changed claims",
            format!(
                "{}.{}.{signature}",
                encoded(&header),
                encoded(&with(&claims, "exp", json!(now + 86_400)))
            ),
        ),
        ("a part too many", format!("{text}.x")),
        ("dots", "..".to_owned()),
        ("nonsense", "a.b.c".to_owned()),
    ];
    for (name, token) in forged {
        assert_eq!(code(&app, &token).await, 401, "{name}");
    }
    // A role in the claims gives nothing: it is for others to read.
    let owner = claim("role", json!("owner"));
    let body = Some(json!({ "email": "x@example.com", "role": "viewer" }));
    assert_eq!(
        app.send("POST", "/v1/invitations", Some(&owner), body)
            .await
            .0,
        403
    );
    assert_eq!(claims["sub"], json!(user.to_string()));
    assert_eq!(code(&app, text).await, 200);
}
