//! Tokens over HTTP, against a real database: what they open, when they stop, and what is refused.

mod forged;

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use kernel::{
    permission::{SigningKeysWrite, UsersWrite},
    testing::database,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::*;
use crate::{
    members,
    testing::{App, PASSWORD},
    users,
};

const ADA: &str = "ada@example.com";
const DEADLINE: Duration = Duration::from_secs(20);

/// A tenant with a member, who is not signed in anywhere.
async fn app(role: &str) -> (App, UserId) {
    let app = App::new(database().await);
    app.tenant("acme").await;
    let user = app.user(ADA).await;
    put(&app, user, role).await;
    (app, user)
}

async fn put(app: &App, user: UserId, role: &str) {
    members::put(
        &app.operator::<UsersWrite>(),
        &app.known("acme").await,
        user,
        role,
    )
    .await
    .expect("a member");
}

async fn post(app: &App, path: &str, body: Value) -> (u16, Value) {
    let (status, answer) = app.send("POST", path, None, Some(body)).await;
    (status.as_u16(), answer)
}

async fn ask(app: &App, password: &str, tenant: &str) -> (u16, Value) {
    let body = json!({ "email": ADA, "password": password, "tenant": tenant });
    post(app, "/v1/auth/token", body).await
}

async fn issued(app: &App) -> Value {
    let (status, answer) = ask(app, PASSWORD, "acme").await;
    assert_eq!(status, 200, "{answer}");
    answer
}

async fn refreshed(app: &App, token: &Value) -> (u16, Value) {
    post(
        app,
        "/v1/auth/token/refresh",
        json!({ "refresh_token": token }),
    )
    .await
}

/// What the member list says to a token, which needs `members:read`.
async fn status(app: &App, issued: &Value) -> u16 {
    let token = issued["access_token"].as_str().expect("a token");
    app.send("GET", "/v1/members", Some(token), None)
        .await
        .0
        .as_u16()
}

#[tokio::test]
async fn a_token_opens_what_its_persons_role_does() {
    let (app, user) = app("viewer").await;
    let token = issued(&app).await;
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(
        (&token["expires_in"], &token["role"]),
        (&json!(600), &json!("viewer"))
    );
    assert_eq!(status(&app, &token).await, 200);
    let text = token["access_token"].as_str().expect("a token");
    let body = json!({ "email": "x@example.com", "role": "viewer" });
    let (code, _) = app
        .send("POST", "/v1/invitations", Some(text), Some(body.clone()))
        .await;
    assert_eq!(code, 403);
    // The role is the one of now, not of when the token was made.
    put(&app, user, "admin").await;
    let (code, made) = app
        .send("POST", "/v1/invitations", Some(text), Some(body))
        .await;
    assert_eq!(code, 201, "{made}");
    assert_eq!(made["invited_by"], json!(format!("user:{user}")));
    // Neither staff nor an account is what a token opens.
    assert_eq!(
        app.send("GET", "/admin/v1/users", Some(text), None).await.0,
        401
    );
    assert_eq!(app.send("GET", "/v1/me", Some(text), None).await.0, 401);
}

#[tokio::test]
async fn strangers_and_tenants_of_others_get_none() {
    let (app, _) = app("viewer").await;
    app.tenant("globex").await;
    assert_eq!(ask(&app, "another password", "acme").await.0, 401);
    assert_eq!(ask(&app, "another password", "nowhere").await.0, 401);
    let (code, problem) = ask(&app, PASSWORD, "globex").await;
    assert_eq!(code, 404);
    let (_, unknown) = ask(&app, PASSWORD, "nowhere").await;
    for field in ["code", "detail", "status"] {
        assert_eq!(problem[field], unknown[field]);
    }
    let id = app.known("acme").await.id.to_string();
    assert_eq!(ask(&app, PASSWORD, &id).await.0, 200);
    // Guesses count as those at the sign-in do.
    let mut limited = false;
    for _ in 0..10 {
        limited |= ask(&app, "another password", "acme").await.0 == 429;
    }
    assert!(limited);
}

#[tokio::test]
async fn whatever_ends_it_ends_it_at_once() {
    let (app, user) = app("viewer").await;
    let operator = app.operator::<UsersWrite>();
    let browser = app.browser();
    browser.sign_in(ADA, PASSWORD).await;

    // The session, by its owner.
    let token = issued(&app).await;
    let (_, list) = browser.send("GET", "/v1/me/sessions", None).await;
    let row = list["data"].as_array().expect("sessions").iter();
    let row = row
        .clone()
        .find(|row| row["id"] == token["session"])
        .expect("is listed");
    assert_eq!(row["tenant"], token["tenant"]);
    let path = format!("/v1/me/sessions/{}", token["session"].as_str().expect("id"));
    assert_eq!(browser.status("DELETE", &path).await, 204);
    assert_eq!(status(&app, &token).await, 401);
    assert_eq!(refreshed(&app, &token["refresh_token"]).await.0, 401);

    // The client itself.
    let token = issued(&app).await;
    let body = json!({ "refresh_token": token["refresh_token"] });
    assert_eq!(post(&app, "/v1/auth/token/revoke", body).await.0, 204);
    assert_eq!(status(&app, &token).await, 401);
    let nonsense = json!({ "refresh_token": "nonsense" });
    assert_eq!(post(&app, "/v1/auth/token/revoke", nonsense).await.0, 204);

    // Another password.
    let token = issued(&app).await;
    let change = json!({ "current": PASSWORD, "password": "another battery staple" });
    assert_eq!(
        browser.send("PUT", "/v1/me/password", Some(change)).await.0,
        204
    );
    assert_eq!(status(&app, &token).await, 401);
    let back = json!({ "current": "another battery staple", "password": PASSWORD });
    assert_eq!(
        browser.send("PUT", "/v1/me/password", Some(back)).await.0,
        204
    );

    // The tenant's standing, which other nodes learn within the directory's seconds.
    let token = issued(&app).await;
    let abuse = Some(json!({ "kind": "abuse", "note": "sends spam" }));
    let (suspended, _) = app
        .staff("POST", "/admin/v1/tenants/acme/suspend", abuse)
        .await;
    assert_eq!(suspended, 200);
    assert_eq!(status(&app, &token).await, 403);
    let (code, problem) = refreshed(&app, &token["refresh_token"]).await;
    assert_eq!((code, &problem["code"]), (403, &json!("tenant_inactive")));
    assert_eq!(ask(&app, PASSWORD, "acme").await.0, 403);
    app.staff("POST", "/admin/v1/tenants/acme/activate", None)
        .await;
    assert_eq!(status(&app, &token).await, 200);
    let (code, token) = refreshed(&app, &token["refresh_token"]).await;
    assert_eq!(code, 200, "the token was not used up by the refusal");

    // The membership.
    let path = format!("/v1/members/{user}");
    let owner = app.member("acme", "owner@example.com", "owner").await;
    drop(owner);
    let body = json!({ "email": "owner@example.com", "password": PASSWORD, "tenant": "acme" });
    let (_, owner) = post(&app, "/v1/auth/token", body).await;
    let owner = owner["access_token"].as_str();
    assert_eq!(app.send("DELETE", &path, owner, None).await.0, 204);
    assert_eq!(status(&app, &token).await, 401);
    assert_eq!(refreshed(&app, &token["refresh_token"]).await.0, 401);
    put(&app, user, "viewer").await;

    // The account.
    let token = issued(&app).await;
    let changes = serde_json::from_value(json!({ "status": "disabled" })).expect("changes");
    users::update(&operator, user, &changes)
        .await
        .expect("disabled");
    assert_eq!(status(&app, &token).await, 401);
    assert_eq!(refreshed(&app, &token["refresh_token"]).await.0, 401);
}

#[tokio::test]
async fn a_refresh_token_is_used_once_and_its_second_showing_ends_the_session() {
    let (app, _) = app("viewer").await;
    let first = issued(&app).await;
    let (code, second) = refreshed(&app, &first["refresh_token"]).await;
    assert_eq!(code, 200, "{second}");
    assert_eq!(second["session"], first["session"]);
    assert_ne!(second["access_token"], first["access_token"]);
    // Both access tokens are good until they run out.
    assert_eq!(
        [status(&app, &first).await, status(&app, &second).await],
        [200, 200]
    );
    let (code, third) = refreshed(&app, &second["refresh_token"]).await;
    assert_eq!(code, 200);
    assert_eq!(refreshed(&app, &first["refresh_token"]).await.0, 401);
    for token in [&first, &second, &third] {
        assert_eq!(status(&app, token).await, 401);
        assert_eq!(refreshed(&app, &token["refresh_token"]).await.0, 401);
    }
    let noted = app
        .count("SELECT count(*) FROM control.account_audit WHERE action = 'session.refresh_token_reused'")
        .await;
    assert_eq!(noted, 1);
    // Another client of the same person's goes on.
    assert_eq!(status(&app, &issued(&app).await).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_refreshes_one_wins() {
    let (app, _) = app("viewer").await;
    for _ in 0..3 {
        let token: Secret = issued(&app).await["refresh_token"]
            .as_str()
            .expect("text")
            .to_owned()
            .into();
        let mut racing = JoinSet::new();
        for _ in 0..10 {
            let (tokens, token) = (app.tokens.clone(), token.clone());
            racing.spawn(async move { refresh(&tokens, &Visitor::default(), &token).await });
        }
        let outcomes = racing.join_all().await;
        let won = outcomes
            .into_iter()
            .filter(|outcome| outcome.as_ref().expect("no fault of ours").is_some());
        assert_eq!(won.count(), 1);
    }
}

#[tokio::test]
async fn a_browsers_session_gives_a_token_that_ends_with_it() {
    let (app, _) = app("viewer").await;
    app.tenant("globex").await;
    let browser = app.browser();
    browser.sign_in(ADA, PASSWORD).await;
    let exchange = async |tenant: &str| {
        browser
            .send("POST", "/v1/me/token", Some(json!({ "tenant": tenant })))
            .await
    };
    let (code, token) = exchange("acme").await;
    assert_eq!(code, 200, "{token}");
    assert_eq!(token.get("refresh_token"), None);
    assert_eq!(status(&app, &token).await, 200);
    assert_eq!(exchange("globex").await.0, 404);
    let other = browser
        .send_from(
            "cross-site",
            "POST",
            "/v1/me/token",
            Some(json!({ "tenant": "acme" })),
        )
        .await;
    assert_eq!(other.0, 403);
    assert_eq!(browser.status("POST", "/v1/auth/sign-out").await, 204);
    assert_eq!(status(&app, &token).await, 401);
}

async fn published(app: &App) -> Vec<Value> {
    let (status, set) = app.send("GET", "/.well-known/jwks.json", None, None).await;
    assert_eq!(status, StatusCode::OK);
    set["keys"].as_array().expect("keys").clone()
}

fn kid(issued: &Value) -> String {
    let token = issued["access_token"].as_str().expect("a token");
    jsonwebtoken::decode_header(token)
        .expect("a header")
        .kid
        .expect("a kid")
}

#[tokio::test]
async fn keys_overlap_when_they_are_rotated() {
    let (app, _) = app("viewer").await;
    let operator = app.operator::<SigningKeysWrite>();
    let old = issued(&app).await;
    assert_eq!(published(&app).await.len(), 1);
    let next = app
        .tokens
        .rotate(&operator, Urgency::Orderly)
        .await
        .expect("rotated");
    let next = next.expect("nobody else rotates");
    // Published, and not signing yet.
    assert_eq!(published(&app).await.len(), 2);
    assert_eq!(kid(&issued(&app).await), kid(&old));
    app.execute("UPDATE control.signing_key SET signs_from = now() WHERE generation = 2")
        .await;
    let new = issued(&app).await;
    assert_eq!(kid(&new), next);
    assert_eq!(
        [status(&app, &old).await, status(&app, &new).await],
        [200, 200]
    );
    // The old key goes once its last token has run out.
    let stays = app
        .count("SELECT extract(epoch FROM published_until - now())::bigint FROM control.signing_key WHERE generation = 1")
        .await;
    assert!(stays >= 600 + 600, "lead and a token's life: {stays}");
    app.execute("UPDATE control.signing_key SET published_until = now() WHERE generation = 1")
        .await;
    assert_eq!(published(&app).await.len(), 1);
    gone(&app, &old).await;
    assert_eq!(status(&app, &new).await, 200);
}

/// Polls until the token is refused: a node remembers keys for seconds.
async fn gone(app: &App, token: &Value) {
    let begun = Instant::now();
    while status(app, token).await != 401 {
        assert!(begun.elapsed() < DEADLINE, "the token is still taken");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn keys_in_wrong_hands_end_at_once() {
    let (app, _) = app("viewer").await;
    let old = issued(&app).await;
    assert_eq!(status(&app, &old).await, 200);
    let operator = app.operator::<SigningKeysWrite>();
    app.tokens
        .rotate(&operator, Urgency::AtOnce)
        .await
        .expect("rotated");
    assert_eq!(published(&app).await.len(), 1);
    gone(&app, &old).await;
    // The session goes on with the next token.
    let (code, new) = refreshed(&app, &old["refresh_token"]).await;
    assert_eq!(code, 200);
    assert_ne!(kid(&new), kid(&old));
    assert_eq!(status(&app, &new).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_rotate_at_once_make_one_key() {
    let (app, _) = app("viewer").await;
    // Also the first one.
    let mut racing = JoinSet::new();
    for _ in 0..5 {
        let tokens = app.tokens.clone();
        racing.spawn(async move { tokens.rotate_if_due().await.expect("looked") });
    }
    assert!(racing.join_all().await.into_iter().all(|rotated| !rotated));
    assert_eq!(app.tokens.keys().await.expect("listed").len(), 1);
    app.execute("UPDATE control.signing_key SET signs_from = now() - interval '31 days'")
        .await;
    let mut racing = JoinSet::new();
    for _ in 0..5 {
        let tokens = app.tokens.clone();
        racing.spawn(async move { tokens.rotate_if_due().await.expect("looked") });
    }
    let rotated = racing
        .join_all()
        .await
        .into_iter()
        .filter(|rotated| *rotated)
        .count();
    assert_eq!(rotated, 1);
    assert_eq!(app.tokens.keys().await.expect("listed").len(), 2);
}

#[tokio::test]
async fn the_private_half_is_sealed() {
    let (app, _) = app("viewer").await;
    issued(&app).await;
    // PKCS #8 ends with the public half, so its bytes would show in an unsealed one.
    let shown = app
        .count(
            "SELECT count(*) FROM control.signing_key
            WHERE position(substring(public_key FROM 2 FOR 16) IN sealed || wrapped) > 0",
        )
        .await;
    assert_eq!(shown, 0);
    let signer = app.tokens.signer().await.expect("opened");
    assert_eq!(
        signer.kid,
        published(&app).await[0]["kid"].as_str().expect("a kid")
    );
    let rows = app
        .count("SELECT count(*) FROM control.refresh_token WHERE length(token_sha256) = 32")
        .await;
    assert_eq!(rows, 1);
}
