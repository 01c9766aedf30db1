//! Keys over HTTP, against a real database: what they open, and when they stop.

mod life;

use kernel::{
    permission::{ApiKeysRead, ApiKeysWrite},
    testing::database,
};
use serde_json::{Value, json};

use super::*;
use crate::testing::App;

const PATH: &str = "/v1/api-keys";

/// A tenant and the text of a key that may manage keys.
async fn tenant(app: &App, slug: &str) -> Secret {
    app.tenant(slug).await;
    let body = json!({ "name": "root", "mode": "live", "role": "owner" });
    let new = serde_json::from_value(body).expect("a key");
    create(&app.enter(slug).await, new)
        .await
        .expect("issued")
        .key
}

async fn issue(app: &App, key: &Secret, body: Value) -> Value {
    let (status, issued) = app.send("POST", PATH, Some(key.expose()), Some(body)).await;
    assert_eq!(status, 201, "{issued}");
    issued
}

/// The secret part of a key's text: what stands before its checksum.
fn secret_of(text: &str) -> &str {
    &text[text.len() - 46..text.len() - 6]
}

#[tokio::test]
async fn a_key_opens_what_it_carries_and_nothing_else() {
    let app = App::new(database().await);
    let root = tenant(&app, "acme").await;
    let reader = issue(
        &app,
        &root,
        json!({ "name": " reader ", "mode": "test", "permissions": ["api_keys:read"] }),
    )
    .await;
    assert_eq!(reader["name"], "reader");
    assert_eq!(reader["permissions"], json!(["api_keys:read"]));
    let text = reader["key"].as_str().expect("the text");
    assert!(text.starts_with("fh_test_"));
    let display = reader["display"].as_str().expect("display");
    let recognised = display.strip_prefix("fh_test_").expect("prefix and mode");
    assert!(
        text.contains(recognised) && recognised.len() == 4,
        "{display}"
    );
    assert_eq!(app.send("GET", PATH, Some(text), None).await.0, 200);
    let body = json!({ "name": "x", "mode": "live", "role": "owner" });
    let (status, problem) = app.send("POST", PATH, Some(text), Some(body)).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (403, &json!("forbidden"))
    );
    assert_eq!(app.send("GET", PATH, None, None).await.0, 401);
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once() {
    let app = App::new(database().await);
    let root = tenant(&app, "acme").await;
    let body = json!({ "name": "k", "mode": "live", "permissions": ["api_keys:read"] });
    let issued = issue(&app, &root, body).await;
    let text = issued["key"].as_str().expect("the text");
    let path = format!("{PATH}/{}", issued["id"].as_str().expect("id"));
    assert_eq!(app.send("GET", PATH, Some(text), None).await.0, 200);
    for _ in 0..2 {
        assert_eq!(
            app.send("DELETE", &path, Some(root.expose()), None).await.0,
            204
        );
        assert_eq!(app.send("GET", PATH, Some(text), None).await.0, 401);
    }
    let (_, page) = app.send("GET", PATH, Some(root.expose()), None).await;
    assert_eq!(page["data"][0]["id"], issued["id"]);
    assert!(page["data"][0]["revoked_at"].is_string());
    // The second request changed nothing, so the log tells of one revocation.
    let access = app.enter::<ApiKeysRead>("acme").await;
    let mut tx = access.read().await.expect("read");
    let revocations = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM cell.audit_entry WHERE action = 'api_key.revoked'"#
    )
    .fetch_one(tx.conn())
    .await
    .expect("counted");
    assert_eq!(revocations, 1);
}

#[tokio::test]
async fn a_key_ends_at_its_time() {
    let app = App::new(database().await);
    let root = tenant(&app, "acme").await;
    let body = json!({ "name": "k", "mode": "live", "permissions": ["api_keys:read"],
        "expires_at": "2999-01-01T00:00:00Z" });
    let issued = issue(&app, &root, body).await;
    assert_eq!(issued["expires_at"], "2999-01-01T00:00:00Z");
    let text = issued["key"].as_str().expect("the text");
    assert_eq!(app.send("GET", PATH, Some(text), None).await.0, 200);
    let access = app.enter::<ApiKeysWrite>("acme").await;
    let mut tx = access.begin().await.expect("begun");
    sqlx::query!("UPDATE cell.api_key SET expires_at = now() WHERE expires_at IS NOT NULL")
        .execute(tx.conn())
        .await
        .expect("aged");
    tx.commit().await.expect("committed");
    assert_eq!(app.send("GET", PATH, Some(text), None).await.0, 401);
}

#[tokio::test]
async fn keys_of_other_tenants_do_not_exist() {
    let app = App::new(database().await);
    let acme = tenant(&app, "acme").await;
    let other = tenant(&app, "other").await;
    let body = json!({ "name": "k", "mode": "live", "role": "viewer" });
    let issued = issue(&app, &acme, body).await;
    let path = format!("{PATH}/{}", issued["id"].as_str().expect("id"));
    for path in [
        path.as_str(),
        "/v1/api-keys/key_x",
        "/v1/api-keys/ten_01h455vb4pex5vsknk084sn02q",
    ] {
        let (status, problem) = app.send("DELETE", path, Some(other.expose()), None).await;
        assert_eq!(
            (status.as_u16(), &problem["code"]),
            (404, &json!("not_found")),
            "{path}"
        );
    }
    let (_, page) = app.send("GET", PATH, Some(other.expose()), None).await;
    assert_eq!(page["data"].as_array().expect("a page").len(), 1);
}

#[tokio::test]
async fn a_keys_text_is_shown_once_and_kept_nowhere() {
    let app = App::new(database().await);
    let root = tenant(&app, "acme").await;
    let body = json!({ "name": "k", "mode": "live", "role": "agent" });
    let issued = issue(&app, &root, body).await;
    let text = issued["key"].as_str().expect("the text");
    let secret = secret_of(text);
    let (_, page) = app.send("GET", PATH, Some(root.expose()), None).await;
    assert!(!page.to_string().contains(secret));
    assert!(!page.to_string().contains("sha256"));
    let access = app.enter::<ApiKeysRead>("acme").await;
    let mut tx = access.read().await.expect("read");
    let rows = sqlx::query_scalar!(
        r#"SELECT row_to_json(k)::text AS "row!" FROM cell.api_key k
           UNION ALL SELECT row_to_json(a)::text FROM cell.audit_entry a"#
    )
    .fetch_all(tx.conn())
    .await
    .expect("rows");
    assert!(rows.len() >= 4, "keys and their entries: {}", rows.len());
    for row in rows {
        assert!(!row.contains(secret), "{row}");
    }
    let direct = create(
        &app.enter("acme").await,
        NewApiKey {
            name: "direct".to_owned(),
            mode: Mode::Live,
            permissions: None,
            role: Some("agent".to_owned()),
            expires_at: None,
        },
    )
    .await
    .expect("issued");
    assert!(!format!("{direct:?}").contains(secret_of(direct.key.expose())));
}

#[tokio::test]
async fn what_no_key_may_carry_is_refused() {
    let app = App::new(database().await);
    let root = tenant(&app, "acme").await;
    for body in [
        json!({ "name": "k", "mode": "live" }),
        json!({ "name": "k", "mode": "live", "permissions": ["credentials:use"] }),
        json!({ "name": "k", "mode": "live", "permissions": ["tenants:write"] }),
        json!({ "name": "k", "mode": "live", "role": "administrator" }),
        json!({ "name": "k", "mode": "prod", "role": "owner" }),
        json!({ "name": "", "mode": "live", "role": "owner" }),
        json!({ "name": "k", "mode": "live", "role": "owner", "expires_at": "2001-01-01T00:00:00Z" }),
        json!({ "name": "k", "mode": "live", "role": "owner", "expires_at": "tomorrow" }),
        json!({ "name": "k", "mode": "live", "role": "owner", "tenant": "other" }),
    ] {
        let (status, problem) = app
            .send("POST", PATH, Some(root.expose()), Some(body.clone()))
            .await;
        assert_eq!(
            (status.as_u16(), &problem["code"]),
            (422, &json!("invalid_request")),
            "{body}"
        );
    }
}
