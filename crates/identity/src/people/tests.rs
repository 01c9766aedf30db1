//! The ways in and the account, over HTTP and against a real database: what they open, what they
//! tell strangers, and what racing gains.

use axum::http::StatusCode;
use futures_util::future::join_all;
use kernel::testing::database;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::testing::{App, Browser, PASSWORD};

const ADA: &str = "ada@example.com";
const NEW: &str = "another battery staple";

async fn app() -> App {
    App::new(database().await)
}

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["code"].as_str().unwrap_or(""))
}

async fn post(browser: &Browser<'_>, path: &str, body: Value) -> (StatusCode, Value) {
    browser.send("POST", path, Some(body)).await
}

async fn sign_up(browser: &Browser<'_>, app: &App, email: &str, slug: &str) {
    let asked = post(browser, "/v1/auth/sign-up", json!({ "email": email })).await;
    assert_eq!(asked.0, 202, "{}", asked.1);
    let token = app.token_for(email).await;
    let body = json!({ "token": token, "name": "Ada", "password": PASSWORD,
        "tenant": { "slug": slug, "name": "Acme" } });
    let done = post(browser, "/v1/auth/sign-up/finish", body).await;
    assert_eq!(done.0, 201, "{}", done.1);
}

#[tokio::test]
async fn a_sign_up_makes_an_owner_of_a_tenant() {
    let app = app().await;
    let browser = app.browser();
    sign_up(&browser, &app, ADA, "acme").await;
    let (_, me) = browser.send("GET", "/v1/me", None).await;
    assert_eq!(
        (&me["email"], &me["email_verified"]),
        (&json!(ADA), &json!(true))
    );
    let (_, list) = browser.send("GET", "/v1/me/memberships", None).await;
    assert_eq!(list["data"][0]["slug"], "acme");
    assert_eq!(list["data"][0]["role"], "owner");
    let (status, actor) = browser.send("GET", "/app/acme/see", None).await;
    assert_eq!(status, 200);
    assert_eq!(
        actor,
        json!(format!("user:{}", me["id"].as_str().expect("id")))
    );
    let entries = app
        .count("SELECT count(*) FROM cell.audit_entry WHERE action = 'member.joined'")
        .await;
    assert_eq!(entries, 1);
}

#[tokio::test]
async fn a_sign_ups_link_works_once_and_makes_one_account() {
    let app = app().await;
    post(&app.browser(), "/v1/auth/sign-up", json!({ "email": ADA })).await;
    let token = app.token_for(ADA).await;
    let body = json!({ "token": token, "name": "Ada", "password": PASSWORD });
    let browsers: Vec<_> = (0..5).map(|_| app.browser()).collect();
    let answers = join_all(
        browsers
            .iter()
            .map(|browser| post(browser, "/v1/auth/sign-up/finish", body.clone())),
    )
    .await;
    let made = answers.iter().filter(|answer| answer.0 == 201).count();
    assert_eq!(made, 1, "{answers:?}");
    let refused = answers.iter().filter(|answer| answer.0 != 201);
    for answer in refused {
        assert_eq!(code(answer), (422, "invalid_request"));
    }
}

#[tokio::test]
async fn sign_up_can_be_switched_off() {
    let app = App::configured(database().await, false, false);
    let answer = post(&app.browser(), "/v1/auth/sign-up", json!({ "email": ADA })).await;
    assert_eq!(code(&answer), (404, "not_found"));
    let member = {
        app.tenant("acme").await;
        app.member("acme", ADA, "owner").await
    };
    let answer = post(
        &member,
        "/v1/me/tenants",
        json!({ "slug": "mine", "name": "Mine" }),
    )
    .await;
    assert_eq!(code(&answer), (404, "not_found"));
}

#[tokio::test]
async fn strangers_do_not_learn_who_has_an_account() {
    let app = app().await;
    app.user(ADA).await;
    let browser = app.browser();
    for path in ["/v1/auth/sign-up", "/v1/auth/reset"] {
        let known = post(&browser, path, json!({ "email": ADA })).await;
        let unknown = post(&browser, path, json!({ "email": "nobody@example.com" })).await;
        assert_eq!(known, unknown, "{path}");
        assert_eq!(known, (StatusCode::ACCEPTED, Value::Null));
    }
    // Both get mail after a sign-up, the account alone after a reset.
    let subjects = |mail: Vec<(String, String)>| -> Vec<String> {
        mail.into_iter().map(|(subject, _)| subject).collect()
    };
    assert_eq!(
        subjects(app.mail_to(ADA).await),
        ["You have an account already", "Set a new password"]
    );
    assert_eq!(
        subjects(app.mail_to("nobody@example.com").await),
        ["Finish your sign-up"]
    );
    let without = |answer: (StatusCode, Value)| {
        let mut answer = answer;
        answer.1["correlation_id"] = Value::Null;
        answer
    };
    let wrong = without(browser.try_sign_in(ADA, NEW).await);
    let unknown = without(browser.try_sign_in("nobody@example.com", NEW).await);
    assert_eq!(wrong, unknown);
    assert_eq!(code(&wrong), (401, "unauthenticated"));
    app.execute("UPDATE control.user SET status = 'disabled'")
        .await;
    assert_eq!(without(browser.try_sign_in(ADA, PASSWORD).await), wrong);
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_gives_no_guess_more() {
    let app: &'static App = Box::leak(Box::new(app().await));
    app.user(ADA).await;
    for email in [ADA, "nobody@example.com"] {
        let mut guesses = JoinSet::new();
        for number in 0..50 {
            guesses.spawn(async move {
                let mut browser = app.browser();
                browser.address = format!("198.51.100.{number}");
                browser
                    .try_sign_in(email, &format!("a wrong guess {number}"))
                    .await
            });
        }
        let answers = guesses.join_all().await;
        let verified = answers.iter().filter(|answer| answer.0 == 401).count();
        let paused = answers.iter().filter(|answer| answer.0 == 429).count();
        assert_eq!((verified, paused), (5, 45), "{email}");
    }
    assert_eq!(
        app.count(
            "SELECT count(*) FROM control.account_audit WHERE action = 'account.sign_in_refused'"
        )
        .await,
        10
    );
    // The pause holds for the right password too, and ends.
    let browser = app.browser();
    assert_eq!(
        code(&browser.try_sign_in(ADA, PASSWORD).await),
        (429, "rate_limited")
    );
    app.execute("UPDATE control.attempt SET blocked_until = now()")
        .await;
    browser.sign_in(ADA, PASSWORD).await;
    let left = app
        .count("SELECT count(*) FROM control.attempt WHERE subject LIKE 'account:%'")
        .await;
    assert_eq!(left, 1, "the account's count ends, the stranger's stays");
}

#[tokio::test]
async fn pauses_grow_and_a_network_has_its_own() {
    let app = app().await;
    let mut pauses = Vec::new();
    let browser = app.browser();
    for _ in 0..7 {
        browser.try_sign_in(ADA, "a wrong guess").await;
        let pause = app
            .count(
                "SELECT COALESCE(round(extract(epoch FROM blocked_until - last_at)), 0)::bigint
                 FROM control.attempt WHERE subject LIKE 'account:%'",
            )
            .await;
        pauses.push(pause);
        app.execute("UPDATE control.attempt SET blocked_until = NULL")
            .await;
    }
    assert_eq!(pauses, [0, 0, 0, 0, 30, 60, 120]);
    for number in 0..40 {
        let email = format!("somebody{number}@example.com");
        let answer = browser.try_sign_in(&email, "a wrong guess").await;
        if answer.0 == 429 {
            assert!(number >= 20, "{number}");
            return;
        }
    }
    panic!("one network may try forever");
}

#[tokio::test]
async fn a_reset_is_used_once_and_ends_every_session() {
    let app = app().await;
    app.user(ADA).await;
    let browser = app.browser();
    browser.sign_in(ADA, PASSWORD).await;
    post(&app.browser(), "/v1/auth/reset", json!({ "email": ADA })).await;
    let old = app.token_for(ADA).await;
    post(&app.browser(), "/v1/auth/reset", json!({ "email": ADA })).await;
    let token = app.token_for(ADA).await;
    // An unfit password leaves the link as it is; a replaced link is void.
    for (token, password) in [(&token, "short"), (&old, NEW)] {
        let body = json!({ "token": token, "password": password });
        let answer = post(&browser, "/v1/auth/reset/finish", body).await;
        assert_eq!(code(&answer), (422, "invalid_request"));
    }
    assert_eq!(browser.status("GET", "/v1/me").await, 200);
    let body = json!({ "token": token, "password": NEW });
    let browsers: Vec<_> = (0..10).map(|_| app.browser()).collect();
    let answers = join_all(
        browsers
            .iter()
            .map(|browser| post(browser, "/v1/auth/reset/finish", body.clone())),
    )
    .await;
    let won = answers.iter().filter(|answer| answer.0 == 204).count();
    assert_eq!(won, 1, "{answers:?}");
    assert_eq!(browser.status("GET", "/v1/me").await, 401);
    assert_eq!(browser.try_sign_in(ADA, PASSWORD).await.0, 401);
    browser.sign_in(ADA, NEW).await;
}

#[tokio::test]
async fn links_expire_and_open_only_what_they_are_for() {
    let app = app().await;
    app.user(ADA).await;
    let browser = app.browser();
    post(&browser, "/v1/auth/reset", json!({ "email": ADA })).await;
    let token = app.token_for(ADA).await;
    let verify = post(&browser, "/v1/auth/verify", json!({ "token": token })).await;
    assert_eq!(code(&verify), (422, "invalid_request"));
    app.execute("UPDATE control.email_token SET expires_at = now()")
        .await;
    let body = json!({ "token": token, "password": NEW });
    let answer = post(&browser, "/v1/auth/reset/finish", body).await;
    assert_eq!(code(&answer), (422, "invalid_request"));
}

#[tokio::test]
async fn changing_the_password_ends_other_sessions_and_rotates_this_one() {
    let app = app().await;
    app.user(ADA).await;
    let (here, there) = (app.browser(), app.browser());
    here.sign_in(ADA, PASSWORD).await;
    there.sign_in(ADA, PASSWORD).await;
    let before = here.cookie();
    let wrong = json!({ "current": "not this one at all", "password": NEW });
    let answer = here.send("PUT", "/v1/me/password", Some(wrong)).await;
    assert_eq!(code(&answer), (422, "invalid_request"));
    let right = json!({ "current": PASSWORD, "password": NEW });
    let answer = here.send("PUT", "/v1/me/password", Some(right)).await;
    assert_eq!(answer.0, 204, "{}", answer.1);
    assert_eq!(here.status("GET", "/v1/me").await, 200);
    assert_eq!(there.status("GET", "/v1/me").await, 401);
    assert_ne!(here.cookie(), before);
    there.set_cookie(before);
    assert_eq!(there.status("GET", "/v1/me").await, 401);
    let subjects = app.mail_to(ADA).await;
    assert_eq!(
        subjects.last().expect("mail").0,
        "Your password was changed"
    );
}

#[tokio::test]
async fn an_address_changes_once_its_mailbox_was_read() {
    let app = app().await;
    app.user(ADA).await;
    app.user("grace@example.com").await;
    let browser = app.browser();
    browser.sign_in(ADA, PASSWORD).await;
    for email in ["grace@example.com", "ada@example.org"] {
        let body = json!({ "password": PASSWORD, "email": email });
        let answer = browser.send("PUT", "/v1/me/email", Some(body)).await;
        assert_eq!(answer, (StatusCode::ACCEPTED, Value::Null), "{email}");
    }
    let taken = app.mail_to("grace@example.com").await;
    assert_eq!(taken[0].0, "You have an account already");
    let (_, me) = browser.send("GET", "/v1/me", None).await;
    assert_eq!(me["email"], ADA);
    let token = app.token_for("ada@example.org").await;
    let confirm = async || post(&browser, "/v1/auth/verify", json!({ "token": token })).await;
    assert_eq!(confirm().await.0, 204);
    assert_eq!(code(&confirm().await), (422, "invalid_request"));
    let (_, me) = browser.send("GET", "/v1/me", None).await;
    assert_eq!(me["email"], "ada@example.org");
    assert_eq!(
        app.mail_to(ADA).await[0].0,
        "Your account has another address"
    );
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_owner_alone() {
    let app = app().await;
    app.user(ADA).await;
    app.user("grace@example.com").await;
    let (one, two, grace) = (app.browser(), app.browser(), app.browser());
    one.sign_in(ADA, PASSWORD).await;
    two.sign_in(ADA, PASSWORD).await;
    grace.sign_in("grace@example.com", PASSWORD).await;
    let (_, list) = one.send("GET", "/v1/me/sessions", None).await;
    let sessions = list["data"].as_array().expect("a list");
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[0]["current"], false);
    assert_eq!(sessions[1]["current"], true);
    assert_eq!(sessions[0]["ip"], "192.0.2.1");
    assert_eq!(sessions[0]["user_agent"], "test browser");
    let other = format!(
        "/v1/me/sessions/{}",
        sessions[0]["id"].as_str().expect("id")
    );
    assert_eq!(grace.status("DELETE", &other).await, 404);
    assert_eq!(two.status("GET", "/v1/me").await, 200);
    assert_eq!(one.status("DELETE", &other).await, 204);
    assert_eq!(two.status("GET", "/v1/me").await, 401);
    two.sign_in(ADA, PASSWORD).await;
    assert_eq!(one.status("DELETE", "/v1/me/sessions").await, 204);
    assert_eq!(two.status("GET", "/v1/me").await, 401);
    let stolen = one.cookie();
    assert_eq!(one.status("POST", "/v1/auth/sign-out").await, 204);
    assert_eq!(one.cookie(), None);
    one.set_cookie(stolen);
    assert_eq!(one.status("GET", "/v1/me").await, 401);
}

#[tokio::test]
async fn sessions_end_when_idle_and_in_any_case() {
    let app = app().await;
    app.user(ADA).await;
    let browser = app.browser();
    for change in [
        "UPDATE control.session SET last_seen_at = now() - idle_limit",
        "UPDATE control.session SET expires_at = now()",
        "UPDATE control.user SET status = 'disabled'",
    ] {
        browser.sign_in(ADA, PASSWORD).await;
        assert_eq!(browser.status("GET", "/v1/me").await, 200);
        app.execute(change).await;
        assert_eq!(browser.status("GET", "/v1/me").await, 401, "{change}");
    }
}

#[tokio::test]
async fn seeing_a_session_is_written_down_once_a_minute() {
    let app = app().await;
    app.user(ADA).await;
    let browser = app.browser();
    browser.sign_in(ADA, PASSWORD).await;
    let version = "SELECT xmin::text::bigint FROM control.session";
    let before = app.count(version).await;
    browser.status("GET", "/v1/me").await;
    assert_eq!(app.count(version).await, before);
    app.execute("UPDATE control.session SET last_seen_at = now() - interval '2 minutes'")
        .await;
    browser.status("GET", "/v1/me").await;
    let recent =
        "SELECT count(*) FROM control.session WHERE last_seen_at > now() - interval '1 minute'";
    assert_eq!(app.count(recent).await, 1);
}

#[tokio::test]
async fn other_sites_cannot_use_a_session() {
    let app = app().await;
    app.tenant("acme").await;
    let owner = app.member("acme", ADA, "owner").await;
    for site in ["cross-site", "same-site"] {
        for path in ["/v1/auth/sign-out", "/app/acme/see"] {
            let answer = owner.send_from(site, "POST", path, None).await;
            assert_eq!(code(&answer), (403, "cross_origin"), "{site} {path}");
        }
        let body = json!({ "email": ADA, "password": PASSWORD });
        let answer = owner
            .send_from(site, "POST", "/v1/auth/sign-in", Some(body))
            .await;
        assert_eq!(code(&answer), (403, "cross_origin"), "{site}");
    }
    // Following a link is no harm.
    assert_eq!(
        owner
            .send_from("cross-site", "GET", "/app/acme/see", None)
            .await
            .0,
        200
    );
    assert_eq!(owner.status("POST", "/app/acme/see").await, 200);
}

#[tokio::test]
async fn nothing_stored_signs_anybody_in() {
    let app = app().await;
    app.user(ADA).await;
    let browser = app.browser();
    browser.sign_in(ADA, PASSWORD).await;
    let stored: String =
        sqlx::query_scalar("SELECT string_agg(s::text, ' ') FROM control.session s")
            .fetch_one(&mut app.superuser().await)
            .await
            .expect("a row");
    let cookie = browser.cookie().expect("a cookie");
    let (_, token) = cookie.split_once('=').expect("a pair");
    assert_eq!(token.len(), 43);
    assert!(!stored.contains(token));
    let digest = stored.split("\\\\x").nth(1).and_then(|rest| rest.get(..64));
    let digest = digest.expect("the digest").to_owned();
    browser.set_cookie(Some(format!("__Host-freehold_session={digest}")));
    assert_eq!(browser.status("GET", "/v1/me").await, 401);
}

#[tokio::test]
async fn an_old_hash_is_renewed_at_sign_in() {
    let app = app().await;
    app.user(ADA).await;
    let weak = {
        use argon2::{
            Algorithm, Argon2, Params, Version,
            password_hash::{PasswordHasher, phc::PasswordHash},
        };
        let params = Params::new(8 * 1024, 1, 1, None).expect("parameters");
        let hash: PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_with_salt(PASSWORD.as_bytes(), b"0123456789abcdef")
            .expect("hashed");
        hash.to_string()
    };
    sqlx::query("UPDATE control.user SET password_hash = $1")
        .bind(&weak)
        .execute(&mut app.superuser().await)
        .await
        .expect("set");
    app.browser().sign_in(ADA, PASSWORD).await;
    let renewed = "SELECT count(*) FROM control.user WHERE password_hash LIKE '%m=19456,t=2,p=1%'";
    assert_eq!(app.count(renewed).await, 1);
    app.browser().sign_in(ADA, PASSWORD).await;
}
