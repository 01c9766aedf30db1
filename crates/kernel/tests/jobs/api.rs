//! The HTTP API of jobs.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use kernel::jobs;
use serde_json::Value;
use tower::ServiceExt;

use crate::world::{World, work};

async fn call(world: &World, method: &str, path: &str, key: &str) -> (StatusCode, Value) {
    let (router, _) = jobs::api::routes().split_for_parts();
    let router: Router = router.with_state(world.db.clone());
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {key}"))
        .body(Body::empty())
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn dead_letters_are_listed_and_replayed() {
    let world = World::new().await;
    let (tenant, other) = (world.tenant("acme").await, world.tenant("other").await);
    let all = world.key(&tenant, &["jobs:read", "jobs:replay"]).await;
    let reader = world.key(&tenant, &["jobs:read"]).await;
    let stranger = world.key(&other, &["jobs:read", "jobs:replay"]).await;
    let dead = world.enqueue(&tenant, work("what nobody may read")).await;
    let mut conn = world.superuser().await;
    sqlx::query(
        "UPDATE cell.job SET state = 'dead', attempt = 3, last_error = 'provider_error: down'",
    )
    .execute(&mut conn)
    .await
    .unwrap();
    let ready = world.enqueue(&tenant, work(2)).await;

    let (status, page) = call(&world, "GET", "/v1/jobs?limit=1", &all).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(page["data"][0]["id"], ready.to_string());
    let cursor = page["next_cursor"].as_str().unwrap();
    let (_, page) = call(
        &world,
        "GET",
        &format!("/v1/jobs?limit=1&cursor={cursor}"),
        &all,
    )
    .await;
    assert_eq!(page["data"][0]["id"], dead.to_string());
    assert_eq!(page["next_cursor"], Value::Null);

    let (_, page) = call(&world, "GET", "/v1/jobs?state=dead&kind=work", &all).await;
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
    assert_eq!(page["data"][0]["last_error"], "provider_error: down");
    assert!(!page.to_string().contains("what nobody may read"));

    let one = format!("/v1/jobs/{dead}");
    let replay = format!("{one}/replay");
    for (method, path, key, expected) in [
        ("GET", one.as_str(), all.as_str(), 200),
        ("GET", &one, &stranger, 404),
        ("GET", "/v1/jobs/job_nonsense", &all, 404),
        ("GET", "/v1/jobs?limit=201", &all, 422),
        ("GET", "/v1/jobs?state=asleep", &all, 422),
        ("GET", "/v1/jobs?cursor=x", &all, 422),
        ("GET", "/v1/jobs", "no-key", 401),
        ("POST", &replay, &reader, 403),
        ("POST", &replay, &stranger, 404),
        ("POST", &replay, &all, 202),
        ("POST", &replay, &all, 409),
    ] {
        let (status, body) = call(&world, method, path, key).await;
        assert_eq!(status.as_u16(), expected, "{method} {path}: {body}");
    }
    assert_eq!(world.job(dead).await.state, "ready");
}

#[test]
fn every_operation_is_documented() {
    let (_, api) = jobs::api::routes::<kernel::Db>().split_for_parts();
    let api = serde_json::to_value(api).unwrap();
    for (path, method, codes) in [
        ("/v1/jobs", "get", &["200", "401", "403", "422"][..]),
        ("/v1/jobs/{job}", "get", &["200", "401", "403", "404"]),
        (
            "/v1/jobs/{job}/replay",
            "post",
            &["202", "401", "403", "404", "409"],
        ),
    ] {
        let responses = api["paths"][path][method]["responses"].as_object().unwrap();
        let documented: Vec<&str> = responses.keys().map(String::as_str).collect();
        assert_eq!(documented, codes, "{method} {path}");
        for code in codes.iter().filter(|code| **code >= "400") {
            assert!(responses[*code]["content"]["application/problem+json"].is_object());
        }
    }
    let parameters = api["paths"]["/v1/jobs"]["get"]["parameters"]
        .as_array()
        .unwrap();
    let names: Vec<&str> = parameters
        .iter()
        .filter_map(|p| p["name"].as_str())
        .collect();
    assert_eq!(names, ["state", "kind", "cursor", "limit"]);
}
