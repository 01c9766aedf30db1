//! What the provider gets of a request.

use base64::prelude::{BASE64_STANDARD, Engine};
use connect::credentials::{Environment, NewCredential};
use http::Method;
use kernel::{permission::CredentialsWrite, secret::Secret};

use crate::{
    common::tenant,
    provider::{BASE, FakeProvider, PROXY, get, node, ok, request},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_gets_the_tenants_proof_and_nothing_of_the_callers() {
    let provider = FakeProvider::start(|_| ok("{}")).await;
    let (node, acme, key) = node(&provider.base_url()).await;
    let path = format!("{PROXY}/files/a%2Fb?x=%2e%2e&y=//z");
    let answer = request(&node, Method::PUT, &path, &key)
        .header("cookie", "session=1")
        .header("forwarded", "for=192.0.2.1")
        .header("x-forwarded-for", "192.0.2.1")
        .header("x-real-ip", "192.0.2.1")
        .header("x-correlation-id", "chosen by the caller")
        .header("freehold-anything", "1")
        .header("proxy-authorization", "Basic eDp5")
        .header("te", "trailers")
        .header("connection", "x-hop, close")
        .header("x-hop", "1")
        .header("x-repeats", key.expose())
        .header("x-custom", "kept")
        .header("user-agent", "builder/1")
        .header("accept", "application/json")
        .header("content-type", "text/plain")
        .body("what is sent")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
    let correlation = answer.headers()["x-correlation-id"].clone();
    let seen = provider.seen().pop().expect("a request");
    assert_eq!(seen.method, Method::PUT);
    assert_eq!(seen.path, format!("{BASE}/files/a%2Fb?x=%2e%2e&y=//z"));
    assert_eq!(seen.body, "what is sent");
    let proof = format!("Bearer {}", acme.openai.api_key.expose());
    assert_eq!(seen.header("authorization"), Some(proof.as_str()));
    assert_eq!(
        seen.header("host"),
        Some(provider.address.to_string().as_str())
    );
    assert_eq!(seen.headers["x-correlation-id"], correlation);
    for (name, value) in [
        ("x-custom", "kept"),
        ("user-agent", "builder/1"),
        ("accept", "application/json"),
        ("content-type", "text/plain"),
        ("content-length", "12"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    let names: Vec<&str> = seen.headers.keys().map(|name| name.as_str()).collect();
    for dropped in [
        "cookie",
        "forwarded",
        "x-forwarded-for",
        "x-real-ip",
        "freehold-anything",
        "proxy-authorization",
        "te",
        "x-hop",
        "x-repeats",
    ] {
        assert!(!names.contains(&dropped), "{dropped}: {names:?}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_that_is_named_is_the_one_that_is_used() {
    let provider = FakeProvider::start(|_| ok("{}")).await;
    let (node, acme, key) = node(&provider.base_url()).await;
    let access = node.enter::<CredentialsWrite>("acme").await;
    let test = NewCredential {
        provider: "openai".to_owned(),
        name: "for tests".to_owned(),
        environment: Environment::Test,
        values: [(
            "api_key".to_owned(),
            Secret::new("sk-proj-test-00000000000000000"),
        )]
        .into(),
        ..NewCredential::default()
    };
    let made = node
        .program()
        .connect
        .create_credential(&access, test)
        .await;
    let test = made.expect("it is stored").id.to_string();
    let call = async |headers: &[(&'static str, &str)]| {
        let mut call = get(&node, &format!("{PROXY}/models"), &key);
        for (name, value) in headers {
            call = call.header(*name, *value);
        }
        call.send().await.expect("an answer").status()
    };
    let live = format!("Bearer {}", acme.openai.api_key.expose());
    let for_tests = "Bearer sk-proj-test-00000000000000000";
    let environment = "freehold-environment";
    for (headers, proof) in [
        (vec![], live.as_str()),
        (vec![(environment, "live")], &live),
        (vec![(environment, "test")], for_tests),
        (vec![("freehold-credential", test.as_str())], for_tests),
        (
            vec![("freehold-credential", &test), (environment, "test")],
            for_tests,
        ),
    ] {
        assert_eq!(call(&headers).await, 200, "{headers:?}");
        let seen = provider.seen().pop().expect("a request");
        assert_eq!(seen.header("authorization"), Some(proof), "{headers:?}");
    }
    let sent = provider.seen().len();
    for headers in [
        vec![(environment, "production")],
        vec![
            ("freehold-credential", test.as_str()),
            (environment, "live"),
        ],
    ] {
        assert_eq!(call(&headers).await, 422, "{headers:?}");
    }
    assert_eq!(provider.seen().len(), sent, "nobody was called");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_may_stand_where_the_providers_library_puts_its_own() {
    let provider = FakeProvider::start(|_| ok("{}")).await;
    let (node, acme, key) = node(&provider.base_url()).await;
    let url = format!("{}{PROXY}/models", node.url);
    let basic = BASE64_STANDARD.encode(format!("AC1:{}", key.expose()));
    for (name, value) in [
        ("authorization", format!("Basic {basic}")),
        ("authorization", format!("token {}", key.expose())),
        ("xi-api-key", key.expose().to_owned()),
    ] {
        let answer = node.client.get(&url).header(name, value).send().await;
        assert_eq!(answer.expect("an answer").status(), 200, "{name}");
        let seen = provider.seen().pop().expect("a request");
        let shown = format!("{seen:?}");
        assert!(
            !shown.contains(key.expose()) && !shown.contains(&basic),
            "{shown}"
        );
        let proof = format!("Bearer {}", acme.openai.api_key.expose());
        assert_eq!(seen.header("authorization"), Some(proof.as_str()));
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_credentials_can_be_named() {
    let provider = FakeProvider::start(|_| ok("{}")).await;
    let (node, acme, key) = node(&provider.base_url()).await;
    let values = [("api_key", "sk-proj-second".to_owned())];
    let second = tenant::connect_as(node.program(), "acme", "openai", "second", &values).await;
    let path = format!("{PROXY}/models");
    let chosen = get(&node, &path, &key).header("freehold-credential", second.id.to_string());
    for (request, proof) in [
        (get(&node, &path, &key), acme.openai.api_key.expose()),
        (chosen, "sk-proj-second"),
    ] {
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let seen = provider.seen().pop().expect("a request");
        let proof = format!("Bearer {proof}");
        assert_eq!(seen.header("authorization"), Some(proof.as_str()));
        assert_eq!(seen.header("freehold-credential"), None);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_stand_in_paths_are_put_there() {
    let provider = FakeProvider::start(|_| ok("{}")).await;
    let (node, acme, key) = node(&provider.base_url()).await;
    let answer = get(&node, "/v1/proxy/telegram/getMe", &key).send().await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), 200);
    let body: serde_json::Value = answer.json().await.expect("JSON");
    assert_eq!(body["result"]["username"], acme.telegram.username.as_str());
    node.stop().await;
}
