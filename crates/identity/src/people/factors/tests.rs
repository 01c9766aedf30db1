//! Second factors over HTTP and against a real database: what they open, what waits, and what racing
//! gains. Passkeys themselves are made and used by a real browser, in tests/browser.

use futures_util::future::join_all;
use kernel::testing::database;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::totp;
use crate::testing::{App, Browser, PASSWORD};

const ADA: &str = "ada@example.com";
const SECURITY: &str = "/account/security";
const AUTHENTICATOR: &str = "/account/security/authenticator";

/// An account with an authenticator.
struct Enrolled {
    secret: Vec<u8>,
    recovery: Vec<String>,
    /// The step whose code turned it on.
    step: i64,
}

fn step() -> i64 {
    totp::step_at(OffsetDateTime::now_utc().unix_timestamp())
}

fn decoded(base32: &str) -> Vec<u8> {
    let (mut held, mut bits, mut bytes) = (0_u32, 0, Vec::new());
    for letter in base32.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            _ => letter - b'2' + 26,
        };
        held = (held << 5 | u32::from(value)) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    bytes
}

async fn enrol(browser: &Browser<'_>) -> Enrolled {
    let begun = browser.form(AUTHENTICATOR, &[]).await;
    assert_eq!(begun.location.as_deref(), Some(AUTHENTICATOR));
    let page = browser.page(AUTHENTICATOR).await;
    let (_, rest) = page.body.split_once("data-copy=\"").expect("the secret");
    let secret = decoded(rest.split('"').next().expect("its end"));
    assert_eq!(secret.len(), totp::SECRET);
    let step = step();
    let code = totp::code_at(&secret, step);
    let done = browser
        .form(
            "/account/security/authenticator/confirm",
            &[("code", &code)],
        )
        .await;
    assert_eq!(done.status, 200, "{}", done.body);
    let (_, rest) = done.body.split_once("<pre").expect("recovery codes");
    let (_, rest) = rest.split_once("<code>").expect("recovery codes");
    let codes = rest.split("</code>").next().expect("their end");
    Enrolled {
        secret,
        recovery: codes.split_whitespace().map(str::to_owned).collect(),
        step,
    }
}

async fn enrolled(app: &App) -> Enrolled {
    app.user(ADA).await;
    let browser = app.browser();
    browser.sign_in(ADA, PASSWORD).await;
    enrol(&browser).await
}

/// A browser whose sign-in waits.
async fn waiting(app: &App) -> Browser<'_> {
    waiting_from(app, "192.0.2.1").await
}

async fn waiting_from<'a>(app: &'a App, address: &str) -> Browser<'a> {
    let mut browser = app.browser();
    browser.address = address.to_owned();
    let (status, answer) = browser.try_sign_in(ADA, PASSWORD).await;
    assert_eq!(
        (status.as_u16(), &answer["code"]),
        (403, &json!("second_factor_required"))
    );
    assert!(browser.cookie().is_none(), "there is no session");
    browser
}

async fn show(browser: &Browser<'_>, code: &str) -> u16 {
    let body: Value = json!({ "code": code });
    let (status, _) = browser
        .send("POST", "/v1/auth/second-factor", Some(body))
        .await;
    status.as_u16()
}

#[tokio::test]
async fn a_password_alone_opens_nothing_once_there_is_a_factor() {
    let app = App::new(database().await);
    let ada = enrolled(&app).await;
    assert_eq!(ada.recovery.len(), 10);
    let browser = waiting(&app).await;
    for path in ["/v1/me", "/account", SECURITY, AUTHENTICATOR] {
        assert_eq!(browser.status("GET", path).await, 401, "{path}");
    }
    // The token of a sign-in that waits is none of a session's, whatever cookie it is put into.
    let pending = browser.pending().expect("a sign-in that waits");
    let (_, token) = pending.split_once('=').expect("a token");
    browser.set_cookie(Some(format!("__Host-freehold_session={token}")));
    assert_eq!(browser.status("GET", "/v1/me").await, 401);
    browser.set_cookie(None);

    assert_eq!(
        show(&browser, &totp::code_at(&ada.secret, ada.step)).await,
        401
    );
    assert_eq!(
        show(&browser, &totp::code_at(&ada.secret, ada.step + 1)).await,
        200
    );
    assert_eq!(browser.status("GET", "/v1/me").await, 200);
    assert!(browser.pending().is_none(), "nothing waits any more");
    let marked = app
        .count("SELECT count(*) FROM control.session WHERE second_factor_at IS NOT NULL")
        .await;
    // The session that enrolled, and this one.
    assert_eq!(marked, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_opens_once_however_many_show_it_at_once() {
    let app = App::new(database().await);
    let ada = enrolled(&app).await;
    for code in [
        totp::code_at(&ada.secret, ada.step + 1),
        ada.recovery[0].clone(),
    ] {
        // One less than what may be wrong in a row: those who come after the one whose code opens
        // count as wrong, and the guess below is to be looked at as well.
        let mut browsers = Vec::new();
        for _ in 0..4 {
            browsers.push(waiting(&app).await);
        }
        let answers = join_all(browsers.iter().map(|browser| show(browser, &code))).await;
        let opened = answers.iter().filter(|status| **status == 200).count();
        assert_eq!(opened, 1, "{answers:?}");
    }
    assert_eq!(show(&waiting(&app).await, &ada.recovery[0]).await, 401);
    assert_eq!(show(&waiting(&app).await, &ada.recovery[1]).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_gives_no_guess_more() {
    let app = App::new(database().await);
    let ada = enrolled(&app).await;
    let mut browser = waiting(&app).await;
    // Else the network's own count would be what ends the guessing.
    browser.address = "198.51.100.1".to_owned();
    let guesses = (0..30).map(|number| {
        let code = format!("wrong{number}");
        let browser = &browser;
        async move { show(browser, &code).await }
    });
    let answers = join_all(guesses).await;
    let looked_at = answers.iter().filter(|status| **status == 401).count();
    assert_eq!(looked_at, 5, "{answers:?}");
    // Knowing the password does not end the pause, and neither does another network.
    let again = waiting_from(&app, "192.0.2.2").await;
    let code = totp::code_at(&ada.secret, ada.step + 1);
    assert_eq!(show(&again, &code).await, 429);
}

#[tokio::test]
async fn changing_factors_asks_for_what_a_found_browser_lacks() {
    let app = App::new(database().await);
    app.user(ADA).await;
    let early = app.browser();
    early.sign_in(ADA, PASSWORD).await;
    let browser = app.browser();
    browser.sign_in(ADA, PASSWORD).await;
    enrol(&browser).await;

    // A session from before has not shown the factor.
    let remove = "/account/security/authenticator/remove";
    let sent = early.page(remove).await;
    assert_eq!(
        sent.location.as_deref(),
        Some("/sign-in/second-factor?next=/account/security/authenticator/remove")
    );
    let sent = early.form(remove, &[]).await;
    assert!(
        sent.location
            .is_some_and(|to| to.starts_with("/sign-in/second-factor"))
    );

    app.execute("UPDATE control.session SET authenticated_at = now() - interval '16 minutes'")
        .await;
    let sent = browser.form(remove, &[]).await;
    assert_eq!(
        sent.location.as_deref(),
        Some("/account/confirm?next=/account/security")
    );
    let before = browser.cookie();
    let refused = browser
        .form("/account/confirm", &[("password", "another")])
        .await;
    assert_eq!(refused.status, 422);
    let form = [("password", PASSWORD), ("next", "//evil.example")];
    let confirmed = browser.form("/account/confirm", &form).await;
    assert_eq!(confirmed.location.as_deref(), Some("/app"));
    assert_ne!(browser.cookie(), before, "the session has another token");
    let removed = browser.form(remove, &[]).await;
    assert_eq!(removed.location.as_deref(), Some(SECURITY));
    let left = app
        .count("SELECT (SELECT count(*) FROM control.recovery_code) + (SELECT count(*) FROM control.totp)")
        .await;
    assert_eq!(left, 0, "recovery codes go with the last factor");
    browser.sign_in(ADA, PASSWORD).await;
}

#[tokio::test]
async fn a_new_password_ends_sign_ins_that_wait() {
    let app = App::new(database().await);
    let ada = enrolled(&app).await;
    let browser = waiting(&app).await;
    let stranger = app.browser();
    let asked = json!({ "email": ADA });
    stranger.send("POST", "/v1/auth/reset", Some(asked)).await;
    let token = app.token_for(ADA).await;
    let form = [
        ("token", token.as_str()),
        ("password", "another battery staple"),
    ];
    let done = stranger.form("/reset", &form).await;
    assert_eq!(done.location.as_deref(), Some("/sign-in"));
    assert_eq!(show(&browser, &ada.recovery[0]).await, 401);
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_no_passkey() {
    let app = App::new(database().await);
    app.user(ADA).await;
    let browser = app.browser();
    browser.sign_in(ADA, PASSWORD).await;
    let form = [("name", "Laptop"), ("credential", "{}")];
    let made = browser.form("/account/security/passkeys", &form).await;
    assert_eq!(made.status, 422);
    let stranger = app.browser();
    let options = stranger.form("/sign-in/passkey/options", &[]).await;
    assert_eq!(options.status, 200);
    assert!(options.body.contains("\"challenge\""), "{}", options.body);
    let form = [("credential", "{}")];
    let refused = stranger.form("/sign-in/passkey", &form).await;
    assert_eq!(refused.status, 422);
    assert!(stranger.cookie().is_none());
    // The challenge went with the answer.
    let left = app
        .count("SELECT count(*) FROM control.passkey_challenge")
        .await;
    assert_eq!(left, 0);
}
