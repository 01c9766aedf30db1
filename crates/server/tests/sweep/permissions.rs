//! Each operation asks for one permission, and is refused to a key that carries all others.

use kernel::permission::{INTERNAL, TENANT};

use crate::{
    answer::{none, send},
    common::{OPERATOR_TOKEN, TestNode},
    routes::{Operation, Plane, documented, filled},
};

/// Every permission that a tenant may give to a key.
pub fn all_that_keys_carry() -> Vec<&'static str> {
    TENANT
        .iter()
        .copied()
        .filter(|name| !INTERNAL.contains(name))
        .collect()
}

fn of(plane: Plane) -> Vec<Operation> {
    documented()
        .into_iter()
        .filter(|operation| operation.plane == plane)
        .collect()
}

/// Ids that are none: whoever may do the operation learns that there is no such thing.
fn junk(_: &str) -> String {
    "anything".into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_refused_and_named() {
    let node = TestNode::start().await;
    node.bare_tenant("acme").await;
    let bare = node.api_key("acme", &[]).await;
    let mut matrix = Vec::new();
    let mut found = Vec::new();
    for operation in of(Plane::Tenant) {
        let path = filled(&operation.path, junk);
        let send = async |key: &kernel::secret::Secret| {
            send(&node, &operation.method, &path, Some(key.expose()), None).await
        };
        let answer = send(&bare).await;
        let needed = answer.body["detail"]
            .as_str()
            .and_then(|detail| detail.split('`').nth(1))
            .unwrap_or_default()
            .to_owned();
        matrix.push(format!("{:<45} {needed}", operation.name()));
        let mut faults = answer.differs_from(403, "forbidden");

        let all = all_that_keys_carry();
        let others: Vec<&str> = all.iter().copied().filter(|name| *name != needed).collect();
        if others.len() + 1 != all.len() {
            faults.push(format!("no key can carry {needed:?}"));
        }
        let answer = send(&node.api_key("acme", &others).await).await;
        faults.extend(answer.differs_from(403, "forbidden"));
        let answer = send(&node.api_key("acme", &[&needed]).await).await;
        if matches!(answer.status, 401 | 403) {
            faults.push(format!("{needed} alone is not enough: {}", answer.text));
        }
        found.push((operation.name(), faults));
    }
    none(found);
    insta::assert_snapshot!(matrix.join("\n"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_token_is_let_in() {
    let node = TestNode::start().await;
    let mut found = Vec::new();
    for operation in of(Plane::Operator) {
        let path = filled(&operation.path, junk);
        let answer = send(&node, &operation.method, &path, Some(OPERATOR_TOKEN), None).await;
        let mut faults = Vec::new();
        if matches!(answer.status, 401 | 403) {
            faults.push(format!("refused: {}", answer.text));
        }
        if answer.status >= 400 {
            faults.extend(answer.faults());
        }
        found.push((operation.name(), faults));
    }
    none(found);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_tenants_keys_open_nothing() {
    let node = TestNode::start().await;
    node.bare_tenant("acme").await;
    let key = node.api_key("acme", &all_that_keys_carry()).await;
    let suspend = "/admin/v1/tenants/acme/suspend";
    let body = serde_json::json!({ "kind": "investigation", "note": "odd" });
    let answer = send(&node, "POST", suspend, Some(OPERATOR_TOKEN), Some(&body)).await;
    assert!(answer.status < 300, "{}", answer.text);
    let mut found = Vec::new();
    for operation in of(Plane::Tenant) {
        let path = filled(&operation.path, junk);
        let answer = send(&node, &operation.method, &path, Some(key.expose()), None).await;
        found.push((
            operation.name(),
            answer.differs_from(403, "tenant_inactive"),
        ));
    }
    none(found);
    node.stop().await;
}
