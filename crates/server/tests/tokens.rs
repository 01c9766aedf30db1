//! Access tokens of a running node, judged by PyJWT (tests/judges/pyjwt.py), also after the signing
//! key was rotated; and across two nodes.

mod common;

use std::path::Path;

use common::{DEADLINE, TestNode};
use identity::{
    members,
    people::Email,
    tokens::Urgency,
    users::{self, NewUser},
};
use kernel::{
    Operator,
    permission::{SigningKeysWrite, UsersWrite},
    secret::Secret,
    testing,
};
use serde_json::{Value, json};
use server::serve::Node;
use tokio::{net::TcpListener, process::Command};

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";

async fn member(node: &TestNode) {
    node.bare_tenant("acme").await;
    let operator = Operator::<UsersWrite>::local(&node.program().db, "test");
    let new = NewUser {
        email: Email::parse(EMAIL).expect("an address"),
        name: "Ada".to_owned(),
        password: Secret::new(PASSWORD),
        platform_role: None,
    };
    let user = users::put(&node.program().people, &operator, new).await;
    let user = user.expect("an account").id;
    let put = members::put(&operator, &node.known("acme").await, user, "viewer").await;
    put.expect("a member");
}

async fn post(node: &TestNode, url: &str, path: &str, body: Value) -> (u16, Value) {
    let request = node.client.post(format!("{url}{path}")).json(&body);
    let answer = request.send().await.expect("the node answers");
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

async fn issued(node: &TestNode, url: &str) -> Value {
    let body = json!({ "email": EMAIL, "password": PASSWORD, "tenant": "acme" });
    let (status, answer) = post(node, url, "/v1/auth/token", body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

fn text(issued: &Value, name: &str) -> String {
    issued[name].as_str().expect("text").to_owned()
}

async fn status(node: &TestNode, url: &str, token: &str) -> u16 {
    let request = node.client.get(format!("{url}/v1/members"));
    let answer = request.bearer_auth(token).send().await;
    answer.expect("the node answers").status().as_u16()
}

/// Asks the judge, who has to take the good and refuse the bad; gives back the keys that it used.
async fn judged(python: &str, node: &TestNode, good: &[&str], bad: &[&str]) -> Vec<String> {
    let told = tempfile::NamedTempFile::new().expect("a file");
    let tokens = json!({ "good": good, "bad": bad }).to_string();
    std::fs::write(told.path(), tokens).expect("written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/judges/pyjwt.py");
    let output = Command::new(python)
        .arg(script)
        .env("JUDGED_URL", &node.url)
        .env("JUDGED_TOKENS", told.path())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(DEADLINE, output)
        .await
        .expect("the judge ends")
        .expect("the judge runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    let kids: Vec<String> = said
        .lines()
        .filter_map(|line| Some(line.strip_prefix("good ")?.to_owned()))
        .collect();
    assert_eq!(kids.len(), good.len(), "{said}");
    kids
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_library_takes_our_tokens_and_no_others() {
    let Ok(python) = std::env::var("JUDGES_PYTHON") else {
        testing::skip("JUDGES_PYTHON, a Python with tests/judges/requirements.txt");
        return;
    };
    let node = TestNode::start().await;
    member(&node).await;
    let old = text(&issued(&node, &node.url).await, "access_token");
    let (signed, _) = old.rsplit_once('.').expect("a signature");
    let unsigned = format!("{signed}.");
    let first = judged(&python, &node, &[&old], &[&unsigned]).await;

    let operator = Operator::<SigningKeysWrite>::local(&node.program().db, "test");
    let tokens = &node.program().tokens;
    let next = tokens
        .rotate(&operator, Urgency::Orderly)
        .await
        .expect("rotated");
    // As if the time in which others learn of it had passed.
    node.execute("UPDATE control.signing_key SET signs_from = now() WHERE generation = 2")
        .await;
    let new = text(&issued(&node, &node.url).await, "access_token");
    let kids = judged(&python, &node, &[&old, &new], &[]).await;
    assert_eq!(kids[0], first[0]);
    assert_eq!(Some(&kids[1]), next.as_ref());

    // Without its key an old token is nobody's.
    tokens
        .rotate(&operator, Urgency::AtOnce)
        .await
        .expect("rotated");
    let last = text(&issued(&node, &node.url).await, "access_token");
    judged(&python, &node, &[&last], &[&old, &new]).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_on_one_node_has_ended_on_the_other() {
    let node = TestNode::start().await;
    member(&node).await;
    let program = node.second_program().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let other = Node::start_on(program, listener).await.expect("it starts");
    let url = format!("http://{}", other.address);

    // A token of one node's opens the other, and either refreshes it.
    let token = issued(&node, &node.url).await;
    let access = text(&token, "access_token");
    for url in [&node.url, &url] {
        assert_eq!(status(&node, url, &access).await, 200);
    }
    let body = json!({ "refresh_token": text(&token, "refresh_token") });
    let (code, next) = post(&node, &url, "/v1/auth/token/refresh", body).await;
    assert_eq!(code, 200, "{next}");
    let body = json!({ "refresh_token": text(&next, "refresh_token") });
    let (code, _) = post(&node, &node.url, "/v1/auth/token/revoke", body.clone()).await;
    assert_eq!(code, 204);
    for token in [&access, &text(&next, "access_token")] {
        assert_eq!(status(&node, &url, token).await, 401);
    }
    let (code, _) = post(&node, &url, "/v1/auth/token/refresh", body).await;
    assert_eq!(code, 401);
    other.stop().await.expect("it stops");
    node.stop().await;
}
