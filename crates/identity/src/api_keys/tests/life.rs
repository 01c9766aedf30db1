//! What becomes of a key after it was issued: rotation, use, leaks; and the prefix of the next.

use kernel::{
    access::api_key::UsageWriter,
    jobs::{Registry, Worker, WorkerOptions},
};

use super::*;

async fn reader(app: &App, root: &Secret) -> (String, String) {
    let body = json!({ "name": "k", "mode": "live", "permissions": ["api_keys:read"] });
    let issued = issue(app, root, body).await;
    let text = |name: &str| issued[name].as_str().expect("text").to_owned();
    (text("id"), text("key"))
}

async fn status(app: &App, key: &str) -> u16 {
    app.send("GET", PATH, Some(key), None).await.0.as_u16()
}

async fn rotate(app: &App, root: &Secret, id: &str, grace: u32) -> (u16, Value) {
    let body = json!({ "grace_seconds": grace });
    let path = format!("{PATH}/{id}/rotate");
    let (status, answer) = app
        .send("POST", &path, Some(root.expose()), Some(body))
        .await;
    (status.as_u16(), answer)
}

#[tokio::test]
async fn a_rotated_key_is_the_same_key_with_another_secret() {
    let app = App::new(database().await);
    let root = tenant(&app, "acme").await;
    let (id, first) = reader(&app, &root).await;
    let (code, answer) = rotate(&app, &root, &id, 3600).await;
    assert_eq!(code, 200, "{answer}");
    assert_eq!(answer["id"], id.as_str());
    assert_eq!(answer["permissions"], json!(["api_keys:read"]));
    assert!(answer["previous_until"].is_string());
    let second = answer["key"].as_str().expect("text").to_owned();
    assert_ne!(secret_of(&first), secret_of(&second));
    assert_eq!(
        [status(&app, &first).await, status(&app, &second).await],
        [200, 200]
    );

    // At once: both of the earlier secrets end.
    let (_, answer) = rotate(&app, &root, &id, 0).await;
    assert_eq!(answer["previous_until"], Value::Null);
    let third = answer["key"].as_str().expect("text").to_owned();
    for (key, expected) in [(&first, 401), (&second, 401), (&third, 200)] {
        assert_eq!(status(&app, key).await, expected);
    }

    // The grace period ends by itself.
    let (_, answer) = rotate(&app, &root, &id, 3600).await;
    let fourth = answer["key"].as_str().expect("text").to_owned();
    assert_eq!(status(&app, &third).await, 200);
    app.execute("UPDATE cell.api_key SET previous_until = now() WHERE previous_until IS NOT NULL")
        .await;
    assert_eq!(
        [status(&app, &third).await, status(&app, &fourth).await],
        [401, 200]
    );

    // Revoking the key ends whatever secret it has.
    rotate(&app, &root, &id, 3600).await;
    let path = format!("{PATH}/{id}");
    app.send("DELETE", &path, Some(root.expose()), None).await;
    assert_eq!(status(&app, &fourth).await, 401);
    let (code, problem) = rotate(&app, &root, &id, 0).await;
    assert_eq!(
        (code, &problem["code"]),
        (409, &json!("invalid_transition"))
    );
    let (code, _) = rotate(&app, &root, "key_01h455vb4pex5vsknk084sn02q", 0).await;
    assert_eq!(code, 404);
    let (code, _) = rotate(&app, &root, &id, 2_592_001).await;
    assert_eq!(code, 422);
    let entries = app
        .count("SELECT count(*) FROM cell.audit_entry WHERE action = 'api_key.rotated'")
        .await;
    assert_eq!(entries, 4);
}

#[tokio::test]
async fn a_tenants_own_prefix_is_its_next_keys() {
    let app = App::new(database().await);
    let root = tenant(&app, "acme").await;
    let other = tenant(&app, "other").await;
    let (id, old) = reader(&app, &root).await;
    let path = "/v1/api-keys/prefix";
    let get = async |key: &Secret| app.send("GET", path, Some(key.expose()), None).await.1;
    assert_eq!(get(&root).await, json!({ "prefix": "fh" }));
    let put = async |prefix: &str| {
        let body = json!({ "prefix": prefix });
        app.send("PUT", path, Some(root.expose()), Some(body))
            .await
            .0
            .as_u16()
    };
    for bad in ["", "a", "Acme", "a_b", "elevenchars", "1a"] {
        assert_eq!(put(bad).await, 422, "{bad}");
    }
    assert_eq!(put("acme").await, 200);
    assert_eq!(put("acme2").await, 200);
    assert_eq!(get(&root).await, json!({ "prefix": "acme2" }));
    assert_eq!(get(&other).await, json!({ "prefix": "fh" }));
    let (_, new) = reader(&app, &root).await;
    assert!(new.starts_with("acme2_live_"));
    let (_, rotated) = rotate(&app, &root, &id, 60).await;
    let rotated = rotated["key"].as_str().expect("text");
    assert!(rotated.starts_with("acme2_live_"));
    for key in [old.as_str(), new.as_str(), rotated] {
        assert_eq!(status(&app, key).await, 200);
    }
}

#[tokio::test]
async fn use_is_counted_without_a_write_per_request() {
    let app = App::new(database().await);
    let root = tenant(&app, "acme").await;
    let (id, key) = reader(&app, &root).await;
    let rows = "SELECT count(*) FROM cell.api_key_usage";
    for _ in 0..5 {
        assert_eq!(status(&app, &key).await, 200);
    }
    // A permission that is missing is a use as well; a secret that is wrong is none.
    assert_eq!(
        app.send("POST", PATH, Some(&key), Some(json!({}))).await.0,
        403
    );
    let wrong = NewKey::generate("fh", Mode::Live, app.known("acme").await.id);
    assert_eq!(status(&app, wrong.text.expose()).await, 401);
    assert_eq!(app.count(rows).await, 0);
    // Twice, so that counts add up across nodes and intervals.
    UsageWriter::start(&app.db).stop().await;
    for _ in 0..3 {
        assert_eq!(status(&app, &key).await, 200);
    }
    UsageWriter::start(&app.db).stop().await;
    let path = format!("{PATH}/{id}/usage");
    let (_, usage) = app.send("GET", &path, Some(root.expose()), None).await;
    let counted: i64 = usage["data"]
        .as_array()
        .expect("days")
        .iter()
        .map(|day| day["requests"].as_i64().expect("a number"))
        .sum();
    assert_eq!(counted, 9, "{usage}");
    let (_, page) = app.send("GET", PATH, Some(root.expose()), None).await;
    assert_eq!(page["data"][0]["id"], id.as_str());
    assert!(page["data"][0]["last_used_at"].is_string(), "{page}");
    let (code, _) = app
        .send("GET", &format!("{path}?days=0"), Some(root.expose()), None)
        .await;
    assert_eq!(code, 422);
    let unknown = format!("{PATH}/key_01h455vb4pex5vsknk084sn02q/usage");
    assert_eq!(
        app.send("GET", &unknown, Some(root.expose()), None).await.0,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reported_key_ends_and_its_owners_are_told() {
    let app = App::new(database().await);
    let root = tenant(&app, "acme").await;
    app.member("acme", "owner@example.com", "owner").await;
    app.member("acme", "agent@example.com", "agent").await;
    let (_, key) = reader(&app, &root).await;
    let (_, spared) = reader(&app, &root).await;
    let unknown = NewKey::generate("fh", Mode::Live, app.known("acme").await.id);
    let nobodys = NewKey::generate("fh", Mode::Live, kernel::id::TenantId::new());
    let path = "/v1/api-keys/leaks";
    let report = async |tokens: &[&str]| {
        let found: Vec<Value> = tokens
            .iter()
            .map(|token| {
                json!({ "token": token, "type": "freehold_api_key", "source": "content",
                    "url": "https://evil.example.com/click-me", "more": 1 })
            })
            .collect();
        let (status, answer) = app.send("POST", path, None, Some(json!(found))).await;
        (status.as_u16(), answer)
    };
    let uniform = (202, Value::Null);
    assert_eq!(report(&["nonsense"]).await, uniform);
    assert_eq!(
        report(&[unknown.text.expose(), nobodys.text.expose()]).await,
        uniform
    );
    assert_eq!(status(&app, &key).await, 200);
    assert_eq!(report(&[&key, &key, "nonsense"]).await, uniform);
    assert_eq!(report(&[&key]).await, uniform);
    assert_eq!(
        [status(&app, &key).await, status(&app, &spared).await],
        [401, 200]
    );
    let many = vec!["nonsense"; 101];
    assert_eq!(report(&many).await.0, 422);

    let mut registry = Registry::new();
    crate::register(&mut registry);
    app.db
        .subscribe(registry.subscriptions())
        .expect("installed");
    let worker = Worker::start(&app.db, registry.into(), WorkerOptions::default());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while app.mail_to("owner@example.com").await.is_empty() {
        assert!(std::time::Instant::now() < deadline, "no mail was written");
        tokio::task::yield_now().await;
    }
    worker.drain(std::time::Duration::from_secs(10)).await;
    let mail = app.mail_to("owner@example.com").await;
    assert_eq!(mail.len(), 1, "one notice for one key");
    let (subject, text) = &mail[0];
    assert!(
        subject.contains("acme") && text.contains("revoked at once"),
        "{text}"
    );
    assert!(
        !text.contains("evil") && !text.contains(secret_of(&key)),
        "{text}"
    );
    assert!(app.mail_to("agent@example.com").await.is_empty());
    let access = app.enter::<ApiKeysRead>("acme").await;
    let mut tx = access.read().await.expect("read");
    let detail =
        sqlx::query_scalar!("SELECT detail FROM cell.audit_entry WHERE action = 'api_key.revoked'")
            .fetch_all(tx.conn())
            .await
            .expect("read");
    assert_eq!(detail.len(), 1);
    assert_eq!(detail[0]["reason"], "leaked");
    assert_eq!(detail[0]["url"], "https://evil.example.com/click-me");
}

#[tokio::test]
async fn reports_are_counted_by_network() {
    let app = App::new(database().await);
    let browser = app.browser();
    let mut refused = 0;
    for _ in 0..110 {
        let answer = browser
            .send("POST", "/v1/api-keys/leaks", Some(json!([])))
            .await;
        refused += u32::from(answer.0 == 429);
    }
    assert!((5..=10).contains(&refused), "{refused}");
}
