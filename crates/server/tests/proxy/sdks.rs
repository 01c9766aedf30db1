//! Providers' own libraries, with their base URL and key changed to the proxy's and nothing else.

use std::path::Path;

use kernel::{secret::Secret, testing};
use tokio::process::Command;

use crate::common::{DEADLINE, TestNode, TestTenant};

/// Runs a judge with the proxy and a key for it, and returns what it said.
async fn judged(
    script: &str,
    more: impl Fn(&TestNode, &TestTenant, &Secret) -> Vec<(&'static str, String)>,
) {
    let Ok(python) = std::env::var("JUDGES_PYTHON") else {
        testing::skip("JUDGES_PYTHON, a Python with tests/judges/requirements.txt");
        return;
    };
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    let key = node.api_key("acme", &["proxy:use"]).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/judges")
        .join(script);
    let output = Command::new(python)
        .arg(script)
        .envs(more(&node, &acme, &key))
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(DEADLINE * 3, output)
        .await
        .expect("the judge ends")
        .expect("the judge runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    for secret in [&acme.openai.api_key, &acme.twilio.auth_token] {
        assert!(!said.contains(secret.expose()), "{said}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openai_library_works_through_the_proxy() {
    judged("openai_sdk.py", |node, _, key| {
        vec![
            ("OPENAI_BASE_URL", format!("{}/v1/proxy/openai", node.url)),
            ("OPENAI_API_KEY", key.expose().to_owned()),
        ]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_twilio_library_works_through_the_proxy() {
    judged("twilio_proxy.py", |node, acme, key| {
        vec![
            ("PROXY_URL", format!("{}/v1/proxy/twilio", node.url)),
            ("FREEHOLD_KEY", key.expose().to_owned()),
            ("ACCOUNT_SID", acme.twilio.account_sid.clone()),
            ("FROM_NUMBER", acme.twilio.phone_number.clone()),
        ]
    })
    .await;
}
