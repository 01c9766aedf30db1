//! What stays of calls: counts of the tenant's use, an entry in its audit log per caller and hour,
//! and each call under its correlation id.

use http::Method;
use kernel::id::CorrelationId;

use crate::{
    common::poll,
    provider::{FakeProvider, PROXY, get, node, ok, request, status},
};

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_counted_each_and_audited_once() {
    let provider = FakeProvider::start(|seen| match seen.method {
        Method::GET => ok("twelve bytes"),
        _ => status(401).body("no".into()).expect("an answer"),
    })
    .await;
    let (node, _, key) = node(&provider.base_url()).await;
    let path = format!("{PROXY}/models");
    for _ in 0..3 {
        let answer = get(&node, &path, &key).send().await.expect("an answer");
        answer.text().await.expect("a body");
    }
    let refused = request(&node, Method::POST, &path, &key).body("five!");
    let refused = refused.send().await.expect("an answer");
    let correlation = refused.headers()["x-correlation-id"]
        .to_str()
        .expect("text");
    let correlation: CorrelationId = correlation.parse().expect("an id");
    assert_eq!(refused.text().await.expect("a body"), "no");
    let used = "SELECT count(*) FROM cell.audit_entry WHERE action = 'credential.used'";
    assert_eq!(node.number(used).await, 1);
    // Another caller has an entry of their own.
    let second = node.api_key("acme", &["proxy:use"]).await;
    let answer = get(&node, &path, &second).send().await.expect("an answer");
    assert_eq!(answer.text().await.expect("a body"), "twelve bytes");
    assert_eq!(node.number(used).await, 2);
    assert_eq!(
        node.number("SELECT count(*) FROM cell.credential_use")
            .await,
        2
    );
    let recorded = format!(
        "SELECT count(*) FROM cell.provider_call WHERE provider = 'openai' AND operation = 'proxy'
             AND status = 401 AND correlation_id = '{}'",
        correlation.uuid()
    );
    assert_eq!(node.number(&recorded).await, 1);
    let meter = async |name: &str| {
        let sql = format!(
            "SELECT coalesce(sum(amount), 0)::bigint FROM cell.usage WHERE subject = 'openai' AND meter = '{name}'"
        );
        node.number(&sql).await
    };
    let written = poll(async || meter("proxy.bytes_received").await == 4 * 12 + 2).await;
    assert!(written, "{}", meter("proxy.bytes_received").await);
    assert_eq!(meter("proxy.bytes_sent").await, 5);
    assert_eq!(meter("proxy.calls").await, 5);
    node.stop().await;
}
