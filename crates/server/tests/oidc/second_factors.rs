//! Accounts with a second factor: a provider's word is half of their sign-in.

use aws_lc_rs::hmac;
use kernel::secret::Secret;
use sandbox::OidcPerson;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{
    browser::{Answer, Browser, SIMULATED, configured, node, user},
    common::TestNode,
    tenants::{ACME, key, provider, put_member, send, set_up},
};

const AUTHENTICATOR: &str = "/account/security/authenticator";

/// The secret of an authenticator's page, which shows it for typing.
fn secret_of(page: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let is_secret = |word: &&str| word.len() == 32 && word.bytes().all(|b| alphabet.contains(&b));
    let mut words = page.split(|c: char| !c.is_ascii_alphanumeric());
    let text = words.find(is_secret).expect("the page shows the secret");
    let mut bits = 0_u64;
    let mut held = 0;
    let mut bytes = Vec::new();
    for letter in text.bytes() {
        let value = alphabet.iter().position(|known| *known == letter);
        bits = bits << 5 | value.expect("of the alphabet") as u64;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    bytes
}

/// The code of the present moment, by RFC 6238 with its defaults.
fn code(secret: &[u8]) -> String {
    let step = (OffsetDateTime::now_utc().unix_timestamp() / 30) as u64;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let mac = hmac::sign(&key, &step.to_be_bytes());
    let mac = mac.as_ref();
    let at = usize::from(mac[19] & 0xf);
    let word = u32::from_be_bytes(mac[at..at + 4].try_into().expect("four bytes"));
    format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
}

/// Sets up an authenticator for the account that the browser is signed in to: its recovery codes.
async fn enrol(browser: &Browser<'_>) -> Vec<String> {
    let begun = browser.post_form(AUTHENTICATOR, &[]).await;
    assert_eq!(begun.status, 303, "{}", begun.text);
    let page = browser.get(AUTHENTICATOR).await;
    let code = code(&secret_of(&page.text));
    let path = format!("{AUTHENTICATOR}/confirm");
    let shown = browser.post_form(&path, &[("code", &code)]).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    let is_code = |word: &&str| {
        let groups: Vec<&str> = word.split('-').collect();
        groups.len() == 4 && groups.iter().all(|group| group.len() == 4)
    };
    let words = shown
        .text
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let codes: Vec<String> = words.filter(is_code).map(str::to_owned).collect();
    assert!(codes.len() >= 8, "{codes:?}");
    codes
}

/// An account with a password and an authenticator: its recovery codes.
async fn guarded(node: &TestNode, email: &str) -> Vec<String> {
    user(node, email, None).await;
    signed_in_and_enrolled(node, email).await
}

async fn signed_in_and_enrolled(node: &TestNode, email: &str) -> Vec<String> {
    let browser = Browser::with_pages(node);
    browser.sign_in_with_password(email).await;
    let codes = enrol(&browser).await;
    browser.send("POST", "/v1/auth/sign-out", None).await;
    codes
}

fn waits(answer: &Answer) {
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert!(
        answer.location.starts_with("/sign-in/second-factor"),
        "{}",
        answer.location
    );
    assert!(!answer.opened_a_session());
}

async fn show(browser: &Browser<'_>, code: &str) -> Answer {
    let body = json!({ "code": code });
    browser
        .send("POST", "/v1/auth/second-factor", Some(body))
        .await
}

async fn sessions(node: &TestNode) -> i64 {
    let open = "SELECT count(*) FROM control.session WHERE revoked_at IS NULL";
    node.number(open).await
}

/// Links the account to the operator's provider, by somebody who has shown the second factor.
async fn link(node: &TestNode, email: &str, code: &str) {
    let browser = Browser::new(node);
    let body = json!({ "email": email, "password": crate::browser::PASSWORD });
    let answer = browser
        .send("POST", "/v1/auth/sign-in", Some(body.clone()))
        .await;
    assert_eq!(answer.code(), "second_factor_required");
    assert_eq!(show(&browser, code).await.status, 200);
    let answer = browser.sign_in(SIMULATED, email).await;
    waits(&answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_asked_for_after_the_providers_word() {
    let node = node().await;
    let codes = guarded(&node, "ada@acme.example").await;
    // An address alone links nothing to such an account, however much the provider is trusted.
    let answer = Browser::new(&node)
        .sign_in(SIMULATED, "ada@acme.example")
        .await;
    assert_eq!((answer.status, answer.code()), (403, "sign_in_link_first"));
    link(&node, "ada@acme.example", &codes[0]).await;

    let before = sessions(&node).await;
    let browser = Browser::new(&node);
    let answer = browser.sign_in(SIMULATED, "ada@acme.example").await;
    waits(&answer);
    assert_eq!(browser.me().await.status, 401, "half a sign-in is none");
    assert_eq!(show(&browser, "not-a-code").await.status, 401);
    assert_eq!(
        show(&browser, &codes[0]).await.status,
        401,
        "it was used before"
    );
    assert_eq!(sessions(&node).await, before);
    assert_eq!(show(&browser, &codes[1]).await.status, 200);
    assert_eq!(browser.me().await.status, 200);
    assert_eq!(sessions(&node).await, before + 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_stands_for_it_where_the_operator_trusts_it() {
    for (trusted, second_factor) in [(true, vec!["mfa".to_owned()]), (false, Vec::new())] {
        let node = configured(|provider| provider.second_factor = second_factor).await;
        let codes = guarded(&node, "ada@acme.example").await;
        link(&node, "ada@acme.example", &codes[0]).await;
        node.sandbox.oidc().person(OidcPerson {
            amr: vec!["pwd".into(), "mfa".into()],
            ..OidcPerson::new("ada@acme.example", "Ada")
        });
        let with_both = "SELECT count(*) FROM control.session WHERE second_factor_at IS NOT NULL";
        let before = node.number(with_both).await;
        let browser = Browser::new(&node);
        let answer = browser.sign_in(SIMULATED, "ada@acme.example").await;
        if trusted {
            assert!(answer.opened_a_session(), "{}", answer.text);
            assert_eq!(node.number(with_both).await, before + 1);
        } else {
            waits(&answer);
        }
        node.stop().await;
    }
}

/// A member of a tenant with a second factor, linked to the tenant's provider: the recovery codes
/// that are left.
async fn member(node: &TestNode) -> Vec<String> {
    put_member(node, "acme", "ada@acme.example", "agent").await;
    let mut codes = signed_in_and_enrolled(node, "ada@acme.example").await;
    let code = codes.remove(0);
    let browser = Browser::new(node);
    let body = json!({ "email": "ada@acme.example", "password": crate::browser::PASSWORD });
    browser.send("POST", "/v1/auth/sign-in", Some(body)).await;
    assert_eq!(show(&browser, &code).await.status, 200);
    waits(&browser.sign_in(ACME, "ada@acme.example").await);
    codes
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_for_it_stays_good_in_one_tenant() {
    let node = node().await;
    for slug in ["acme", "globex"] {
        node.bare_tenant(slug).await;
    }
    // A tenant's provider may say of its sign-ins what it likes.
    node.sandbox.oidc().person(OidcPerson {
        amr: vec!["mfa".into()],
        ..OidcPerson::new("ada@acme.example", "Ada")
    });
    set_up(&node, "acme", &[]).await;
    let codes = member(&node).await;
    let browser = Browser::new(&node);
    waits(&browser.sign_in(ACME, "ada@acme.example").await);
    assert_eq!(show(&browser, &codes[0]).await.status, 200);
    assert_eq!(browser.me().await.code(), "session_confined");
    for (path, body) in [
        ("/v1/me/token", json!({ "tenant": "acme" })),
        ("/v1/me/token", json!({ "tenant": "globex" })),
    ] {
        let answer = browser.send("POST", path, Some(body)).await;
        assert_eq!(
            (answer.status, answer.code()),
            (403, "session_confined"),
            "{path}: {}",
            answer.text
        );
    }
    let pages = Browser::with_pages(&node);
    waits(&pages.sign_in(ACME, "ada@acme.example").await);
    assert_eq!(show(&pages, &codes[1]).await.status, 200);
    let home = pages.get("/app/acme").await;
    assert_eq!(home.status, 200);
    assert!(
        !home.text.contains("/account/security"),
        "it offers what it refuses"
    );
    assert!(home.text.contains("/sign-out"));
    assert_eq!(pages.get("/app/acme/membership").await.status, 200);
    assert_eq!(pages.get("/app/globex").await.status, 404);
    let refused = pages.get("/account/security").await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("/sign-out"), "there is a way on");
    let answer = browser.send("POST", "/v1/auth/sign-out", None).await;
    assert_eq!(answer.status, 204);
    assert_eq!(browser.me().await.status, 401);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_ends_with_its_provider() {
    let node = node().await;
    node.bare_tenant("acme").await;
    let path = set_up(&node, "acme", &[]).await;
    let codes = member(&node).await;
    let key: Secret = key(&node, "acme").await;
    let browser = Browser::new(&node);
    waits(&browser.sign_in(ACME, "ada@acme.example").await);
    let mut content = provider(&node, &[("enabled", json!(false))]);
    let fields = content.as_object_mut().expect("an object");
    fields.remove("name");
    fields.remove("client_secret");
    let (status, changed) = send(&node, "PUT", &path, &key, &content).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(show(&browser, &codes[0]).await.status, 401);
    content["enabled"] = json!(true);
    send(&node, "PUT", &path, &key, &content).await;
    assert_eq!(
        show(&browser, &codes[0]).await.status,
        401,
        "it does not come back"
    );
    waits(&browser.sign_in(ACME, "ada@acme.example").await);
    let (status, _) = send(&node, "DELETE", &path, &key, &Value::Null).await;
    assert_eq!(status, 204);
    assert_eq!(show(&browser, &codes[0]).await.status, 401);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sign_in_page_offers_a_tenants_providers_to_its_people() {
    let node = node().await;
    for slug in ["acme", "globex"] {
        node.bare_tenant(slug).await;
    }
    set_up(&node, "acme", &[]).await;
    let browser = Browser::with_pages(&node);
    for (path, offered) in [
        ("/sign-in", false),
        ("/sign-in?tenant=acme", true),
        ("/sign-in?next=%2Fapp%2Facme%2Fteam", true),
        ("/sign-in?tenant=globex", false),
        ("/sign-in?tenant=nobody", false),
        ("/sign-in?tenant=..%2Facme", false),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.text.contains(ACME), offered, "{path}");
        assert!(page.text.contains(SIMULATED), "{path}");
    }
    node.stop().await;
}
