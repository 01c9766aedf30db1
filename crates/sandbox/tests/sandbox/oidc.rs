//! The identity provider: what it asks of clients, and what it gives them once.

use aws_lc_rs::digest::{SHA256, digest};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use kernel::secret::Secret;
use reqwest::Url;
use sandbox::{OidcClient, OidcFault, OidcPerson, Provider, Sandbox};
use serde_json::{Value, json};

use crate::fixture::{DEADLINE, client, exchange, start};

const BACK: &str = "https://app.example.com/back";
const SECRET: &str = "planted client+secret";
const VERIFIER: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
const HARD: &str = "0123456789abcdefghijklmnop";

fn registered(sandbox: &Sandbox) {
    sandbox.accounts().oidc(OidcClient {
        client_id: "us".into(),
        client_secret: Secret::new(SECRET),
        redirect_uris: vec![BACK.into()],
    });
}

fn request(changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
    let mut pairs: Vec<(String, String)> = [
        ("response_type", "code"),
        ("client_id", "us"),
        ("redirect_uri", BACK),
        ("scope", "openid email"),
        ("state", HARD),
        ("nonce", HARD),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("email", "ada@acme.example"),
        ("name", "Ada"),
        ("decision", "allow"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (name, value) in changes {
        pairs.retain(|(known, _)| known != name);
        pairs.push(((*name).to_owned(), (*value).to_owned()));
    }
    pairs
}

/// Where the page's form leads; nothing where the browser is sent nowhere.
async fn decided(sandbox: &Sandbox, changes: &[(&str, &str)]) -> Option<Url> {
    let url = format!("{}/authorize", sandbox.base_url(Provider::Oidc));
    // Where it leads is looked at, not gone to.
    let browser = reqwest::Client::builder()
        .no_proxy()
        .timeout(DEADLINE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a plain client can be built");
    let request = browser.post(url).form(&request(changes));
    let answer = request.send().await.expect("the sandbox answers");
    let to = answer.headers().get("location")?.to_str().expect("text");
    Some(to.parse().expect("an address"))
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    let mut pairs = url.query_pairs();
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

async fn redeemed(
    sandbox: &Sandbox,
    code: &str,
    changes: &[(&str, &str)],
    secret: &str,
) -> (u16, Value) {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
    ];
    for (name, value) in changes {
        form.retain(|(known, _)| known != name);
        form.push((name, value));
    }
    let url = format!("{}/token", sandbox.base_url(Provider::Oidc));
    exchange(
        client()
            .post(url)
            .basic_auth("us", Some(secret))
            .form(&form),
    )
    .await
}

const ENCODED: &str = "planted+client%2Bsecret";

#[tokio::test]
async fn a_code_gives_one_token_to_its_client() {
    let sandbox = start().await;
    registered(&sandbox);
    sandbox.oidc().person(OidcPerson {
        email_verified: false,
        ..OidcPerson::new("ada@acme.example", "Ada Lovelace")
    });
    let back = decided(&sandbox, &[]).await.expect("a way back");
    assert!(back.as_str().starts_with(BACK));
    assert_eq!(parameter(&back, "state").as_deref(), Some(HARD));
    assert_eq!(
        parameter(&back, "iss"),
        Some(sandbox.base_url(Provider::Oidc))
    );
    let code = parameter(&back, "code").expect("a code");
    let (status, tokens) = redeemed(&sandbox, &code, &[], ENCODED).await;
    assert_eq!(status, 200, "{tokens}");
    let token = tokens["id_token"].as_str().expect("a token");
    let claims = token.split('.').nth(1).expect("claims");
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).expect("base64url");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    assert_eq!(claims["name"], "Ada Lovelace");
    assert_eq!(claims["email_verified"], false);
    assert_eq!(claims["aud"], "us");
    assert_eq!(claims["nonce"], HARD);
    let (status, again) = redeemed(&sandbox, &code, &[], ENCODED).await;
    assert_eq!((status, &again["error"]), (400, &json!("invalid_grant")));
    let seen = serde_json::to_string(&sandbox.received(Provider::Oidc)).expect("JSON");
    for secret in [SECRET, ENCODED, &code, VERIFIER] {
        assert!(!seen.contains(secret), "{secret}: {seen}");
    }
}

#[tokio::test]
async fn what_does_not_fit_gives_no_token() {
    let sandbox = start().await;
    registered(&sandbox);
    for (changes, secret, wanted) in [
        (&[("code_verifier", HARD)][..], ENCODED, "invalid_grant"),
        (
            &[("redirect_uri", "https://app.example.com/")],
            ENCODED,
            "invalid_grant",
        ),
        (&[("code", "invented")], ENCODED, "invalid_grant"),
        (
            &[("grant_type", "password")],
            ENCODED,
            "unsupported_grant_type",
        ),
        (&[("client_secret", SECRET)], ENCODED, "invalid_request"),
        (&[], "wrong", "invalid_client"),
        // Not encoded as RFC 6749 §2.3.1 says.
        (&[], SECRET, "invalid_client"),
    ] {
        let back = decided(&sandbox, &[]).await.expect("a way back");
        let code = parameter(&back, "code").expect("a code");
        let (status, answer) = redeemed(&sandbox, &code, changes, secret).await;
        assert_eq!(answer["error"], wanted, "{changes:?}");
        assert_eq!(status == 401, wanted == "invalid_client", "{changes:?}");
    }
}

#[tokio::test]
async fn browsers_are_sent_to_registered_addresses_alone() {
    let sandbox = start().await;
    registered(&sandbox);
    for changes in [
        [("redirect_uri", "https://app.example.com/back/")],
        [("redirect_uri", "https://evil.example/back")],
        [("client_id", "them")],
    ] {
        assert_eq!(decided(&sandbox, &changes).await, None, "{changes:?}");
    }
    for (name, value, wanted) in [
        ("response_type", "token", "unsupported_response_type"),
        ("scope", "email", "invalid_scope"),
        ("nonce", "", "invalid_request"),
        ("state", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("decision", "deny", "access_denied"),
    ] {
        let back = decided(&sandbox, &[(name, value)])
            .await
            .expect("a way back");
        assert_eq!(parameter(&back, "error").as_deref(), Some(wanted), "{name}");
        assert_eq!(parameter(&back, "code"), None);
    }
    sandbox.oidc().plan(OidcFault::Denied);
    let back = decided(&sandbox, &[]).await.expect("a way back");
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    assert!(
        decided(&sandbox, &[])
            .await
            .is_some_and(|back| parameter(&back, "code").is_some())
    );
}

#[tokio::test]
async fn keys_change_their_kind() {
    let sandbox = start().await;
    let keys = async || {
        let url = format!("{}/keys", sandbox.base_url(Provider::Oidc));
        exchange(client().get(url)).await.1["keys"].clone()
    };
    let before = keys().await;
    sandbox.oidc().rotate();
    let after = keys().await;
    assert_eq!(
        (&before[0]["kty"], &after[0]["kty"]),
        (&json!("RSA"), &json!("EC"))
    );
    assert_ne!(before[0]["kid"], after[0]["kid"]);
    assert_eq!(after.as_array().map(Vec::len), Some(1));
}
