//! Agents over HTTP, against a real database.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::*;
use crate::testing::App;

const PATH: &str = "/v1/agents";
const BOTH: &[&str] = &["agents:read", "agents:write"];

fn agent(name: &str) -> Value {
    json!({ "name": name, "model": "gpt-4o-mini", "instructions": "You are Acme." })
}

#[tokio::test]
async fn an_agent_is_created_read_replaced_and_deleted() {
    let app = App::new().await;
    let tenant = app.test.tenant("acme").await;
    let key = app.test.key(&tenant, BOTH).await;
    let (status, created) = app
        .send("POST", PATH, Some(&key), Some(agent(" Desk ")))
        .await;
    assert_eq!(status, 201, "{created}");
    assert_eq!(created["name"], "Desk");
    assert_eq!(
        (
            &created["provider"],
            &created["history"],
            &created["enabled"]
        ),
        (&json!("openai"), &json!(20), &json!(true))
    );
    let path = format!("{PATH}/{}", created["id"].as_str().expect("id"));
    assert_eq!(
        app.send("GET", &path, Some(&key), None).await,
        (StatusCode::OK, created.clone())
    );

    let other = json!({ "name": "Desk", "model": "m", "history": 0, "enabled": false });
    let (status, replaced) = app.send("PUT", &path, Some(&key), Some(other)).await;
    assert_eq!(status, 200, "{replaced}");
    // What the body leaves out takes its default: PUT replaces the whole.
    assert_eq!(
        (
            &replaced["model"],
            &replaced["instructions"],
            &replaced["enabled"]
        ),
        (&json!("m"), &json!(""), &json!(false))
    );
    assert_eq!(replaced["id"], created["id"]);
    assert_eq!(app.send("GET", &path, Some(&key), None).await.1, replaced);

    assert_eq!(app.send("DELETE", &path, Some(&key), None).await.0, 204);
    for method in ["GET", "DELETE"] {
        assert_eq!(app.send(method, &path, Some(&key), None).await.0, 404);
    }
    let access = app.test.enter::<AgentsRead>(&tenant).await;
    let mut tx = access.read().await.expect("read");
    let actions = sqlx::query_scalar!(
        "SELECT action FROM cell.audit_entry WHERE action LIKE 'agent.%' ORDER BY id"
    )
    .fetch_all(tx.conn())
    .await
    .expect("entries");
    assert_eq!(
        actions,
        ["agent.created", "agent.replaced", "agent.deleted"]
    );
}

#[tokio::test]
async fn agents_of_other_tenants_do_not_exist() {
    let app = App::new().await;
    let acme = app.test.tenant("acme").await;
    let other = app.test.tenant("other").await;
    let (acme, other) = (
        app.test.key(&acme, BOTH).await,
        app.test.key(&other, BOTH).await,
    );
    let (_, created) = app
        .send("POST", PATH, Some(&acme), Some(agent("Desk")))
        .await;
    let path = format!("{PATH}/{}", created["id"].as_str().expect("id"));
    for path in [path.as_str(), "/v1/agents/agt_x", "/v1/agents/x"] {
        for (method, body) in [("GET", None), ("PUT", Some(agent("x"))), ("DELETE", None)] {
            let (status, problem) = app.send(method, path, Some(&other), body).await;
            assert_eq!(
                (status.as_u16(), &problem["code"]),
                (404, &json!("not_found"))
            );
        }
    }
    let (_, page) = app.send("GET", PATH, Some(&other), None).await;
    assert_eq!(page, json!({ "data": [], "next_cursor": null }));
    // A name is taken within its tenant alone.
    assert_eq!(
        app.send("POST", PATH, Some(&other), Some(agent("Desk")))
            .await
            .0,
        201
    );
}

#[tokio::test]
async fn each_permission_opens_its_half() {
    let app = App::new().await;
    let tenant = app.test.tenant("acme").await;
    let reader = app.test.key(&tenant, &["agents:read"]).await;
    let writer = app.test.key(&tenant, &["agents:write"]).await;
    let path = format!("{PATH}/{}", AgentId::new());
    for (method, path) in [("GET", PATH), ("GET", path.as_str())] {
        assert_eq!(app.send(method, path, None, None).await.0, 401);
        assert_eq!(app.send(method, path, Some(&writer), None).await.0, 403);
    }
    for (method, path) in [
        ("POST", PATH),
        ("PUT", path.as_str()),
        ("DELETE", path.as_str()),
    ] {
        assert_eq!(app.send(method, path, None, Some(agent("x"))).await.0, 401);
        assert_eq!(
            app.send(method, path, Some(&reader), Some(agent("x")))
                .await
                .0,
            403
        );
    }
}

#[tokio::test]
async fn names_are_distinct_and_values_bounded() {
    let app = App::new().await;
    let tenant = app.test.tenant("acme").await;
    let key = app.test.key(&tenant, BOTH).await;
    let send = async |method: &str, path: &str, body: Value| {
        let (status, problem) = app.send(method, path, Some(&key), Some(body)).await;
        (status.as_u16(), problem)
    };
    assert_eq!(send("POST", PATH, agent("one")).await.0, 201);
    let (_, two) = send("POST", PATH, agent("two")).await;
    let path = format!("{PATH}/{}", two["id"].as_str().expect("id"));
    for (method, path) in [("POST", PATH), ("PUT", path.as_str())] {
        let (status, problem) = send(method, path, agent("one")).await;
        assert_eq!((status, &problem["code"]), (409, &json!("name_taken")));
        for (field, value) in [
            ("name", json!(" ")),
            ("name", json!("x".repeat(101))),
            ("model", json!("")),
            ("instructions", json!("x".repeat(32_001))),
            ("instructions", json!("nul\0")),
            ("history", json!(-1)),
            ("history", json!(201)),
            ("provider", json!("Open AI")),
        ] {
            let mut body = agent("three");
            body[field] = value;
            let (status, problem) = send(method, path, body).await;
            assert_eq!(
                (status, &problem["errors"][0]["field"]),
                (422, &json!(field))
            );
        }
        let mut body = agent("three");
        body["temperature"] = json!(1);
        assert_eq!(send(method, path, body).await.0, 422);
    }
}

#[tokio::test]
async fn lists_are_paged_newest_first() {
    let app = App::new().await;
    let tenant = app.test.tenant("acme").await;
    let key = app.test.key(&tenant, BOTH).await;
    for name in ["one", "two", "three"] {
        app.send("POST", PATH, Some(&key), Some(agent(name))).await;
    }
    let names = |page: &Value| -> Vec<Value> {
        let data = page["data"].as_array().expect("a page");
        data.iter().map(|agent| agent["name"].clone()).collect()
    };
    let (_, first) = app
        .send("GET", "/v1/agents?limit=2", Some(&key), None)
        .await;
    assert_eq!(names(&first), ["three", "two"]);
    let cursor = first["next_cursor"].as_str().expect("more");
    let path = format!("/v1/agents?limit=2&cursor={cursor}");
    let (_, second) = app.send("GET", &path, Some(&key), None).await;
    assert_eq!(
        (names(&second), &second["next_cursor"]),
        (vec![json!("one")], &Value::Null)
    );
}
