//! Two nodes on one database: what is ended on one is ended on the other.

mod common;

use std::time::Instant;

use common::{DEADLINE, TestNode};
use server::serve::Node;
use tokio::net::TcpListener;

/// A second listening node of the installation.
async fn second(node: &TestNode) -> (Node, String) {
    let program = node.second_program().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let other = Node::start_on(program, listener).await.expect("it starts");
    let url = format!("http://{}", other.address);
    (other, url)
}

async fn status(node: &TestNode, url: &str, path: &str, token: &str) -> u16 {
    let request = node.client.get(format!("{url}{path}")).bearer_auth(token);
    let answer = request.send().await.expect("the node answers");
    answer.status().as_u16()
}

/// Polls until the node answers so.
async fn becomes(node: &TestNode, url: &str, token: &str, expected: u16) {
    let begun = Instant::now();
    while status(node, url, "/v1/agents", token).await != expected {
        assert!(begun.elapsed() < DEADLINE, "never answered {expected}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_revoked_on_one_node_is_refused_by_the_other() {
    let node = TestNode::start().await;
    let (other, url) = second(&node).await;
    node.bare_tenant("acme").await;
    let root = node
        .api_key("acme", &["api_keys:write", "api_keys:read", "agents:read"])
        .await;
    let new = serde_json::json!({ "name": "k", "mode": "test", "permissions": ["agents:read"] });
    let (_, issued) = node.post("/v1/api-keys", &root, &new).await;
    let (id, key) = (
        issued["id"].as_str().expect("id"),
        issued["key"].as_str().expect("key"),
    );
    // Both nodes have seen the key, and whatever they remember of it they remember now.
    for url in [&node.url, &url] {
        assert_eq!(status(&node, url, "/v1/agents", key).await, 200);
    }
    let revoke = node.client.delete(format!("{}/v1/api-keys/{id}", node.url));
    let revoked = revoke
        .bearer_auth(root.expose())
        .send()
        .await
        .expect("an answer");
    assert_eq!(revoked.status(), 204);
    // Not soon: the very next request.
    assert_eq!(status(&node, &url, "/v1/agents", key).await, 401);

    // A suspension is seen by the other node once its entry of the directory has aged.
    let (_, issued) = node.post("/v1/api-keys", &root, &new).await;
    let key = issued["key"].as_str().expect("key");
    becomes(&node, &url, key, 200).await;
    let suspend = node
        .client
        .post(format!("{}/admin/v1/tenants/acme/suspend", node.url));
    let suspended = suspend
        .bearer_auth(common::OPERATOR_TOKEN)
        .json(&serde_json::json!({ "kind": "abuse", "note": "sends spam" }))
        .send()
        .await
        .expect("an answer");
    assert!(suspended.status().is_success());
    assert_eq!(status(&node, &node.url, "/v1/agents", key).await, 403);
    becomes(&node, &url, key, 403).await;
    other.stop().await.expect("it stops");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nodes_counted_is_written_when_they_end() {
    let node = TestNode::start().await;
    let (other, url) = second(&node).await;
    node.bare_tenant("acme").await;
    let key = node.api_key("acme", &["agents:read"]).await;
    for url in [&node.url, &url, &url] {
        assert_eq!(status(&node, url, "/v1/agents", key.expose()).await, 200);
    }
    other.stop().await.expect("it stops");
    let counted = "SELECT COALESCE(sum(requests), 0)::bigint FROM cell.api_key_usage
        WHERE last_ip = '127.0.0.1'";
    assert!(node.number(counted).await >= 2);
    node.stop().await;
}
