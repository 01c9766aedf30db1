//! Addresses that tenants choose themselves: public ones, and what the operator allows.

use serde_json::Value;

use crate::{
    common::{TestNode, tenant},
    provider::{FakeProvider, get, mark, ok},
};

async fn ask(node: &TestNode, base_url: &str) -> (u16, Option<String>, String) {
    let slug = format!(
        "t{}",
        node.number("SELECT count(*) FROM control.tenant").await
    );
    node.bare_tenant(&slug).await;
    let values = [
        ("base_url", base_url.to_owned()),
        ("api_key", "local-key".to_owned()),
    ];
    tenant::connect(node.program(), &slug, "openai_compatible", &values).await;
    let key = node.api_key(&slug, &["proxy:use"]).await;
    let answer = get(node, "/v1/proxy/openai_compatible/models", &key)
        .send()
        .await;
    let answer = answer.expect("an answer");
    let (status, mark) = (answer.status().as_u16(), mark(&answer).map(str::to_owned));
    (status, mark, answer.text().await.expect("a body"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_own_address_is_guarded() {
    let inside = FakeProvider::start(|_| ok("{}")).await;
    let node = TestNode::start().await;
    let port = inside.address.port();
    for base_url in [
        inside.base_url(),
        format!("https://127.0.0.1:{port}/v1"),
        format!("https://localhost:{port}/v1"),
        format!("https://2130706433:{port}/v1"),
        format!("https://0x7f.1:{port}/v1"),
        format!("https://[::ffff:127.0.0.1]:{port}/v1"),
        // Nor the sandbox, which the operator has configured for providers of other names.
        node.sandbox.base_url(sandbox::Provider::OpenAi),
        "http://169.254.169.254/latest".to_owned(),
        "https://169.254.169.254/latest".to_owned(),
        "https://[fd00:ec2::254]/latest".to_owned(),
        "https://api.example.com:22/v1".to_owned(),
    ] {
        let (status, mark, text) = ask(&node, &base_url).await;
        assert_eq!(status, 422, "{base_url}: {text}");
        assert_eq!(
            mark.as_deref(),
            Some("address_refused"),
            "{base_url}: {text}"
        );
    }
    assert!(inside.seen().is_empty());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allow_list_opens_what_it_names() {
    let named = FakeProvider::start(|_| ok("{}")).await;
    let other = FakeProvider::start(|_| ok("{}")).await;
    let allow = format!("allow = [\"{}\"]", named.address);
    let node = TestNode::configured(|config| {
        config.egress = toml::from_str(&allow).expect("settings");
    })
    .await;
    let (status, mark, _) = ask(&node, &named.base_url()).await;
    assert_eq!((status, mark), (200, None));
    let seen = named.seen().pop().expect("a request");
    assert_eq!(seen.header("authorization"), Some("Bearer local-key"));
    let (status, mark, text) = ask(&node, &other.base_url()).await;
    assert_eq!((status, mark.as_deref()), (422, Some("address_refused")));
    let problem: Value = serde_json::from_str(&text).expect("a problem");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("[egress] allow"), "{detail}");
    assert!(other.seen().is_empty());
    node.stop().await;
}
