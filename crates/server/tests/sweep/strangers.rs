//! What those get who show nothing, or something that is not a key.

use std::collections::BTreeSet;

use kernel::access::api_key::{Mode, NewKey};

use crate::{
    answer::{none, send},
    common::TestNode,
    routes::{FALLBACK, METHODS, Operation, Plane, documented, filled, routed},
};

fn junk(_: &str) -> String {
    "anything".into()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_documented_or_known_to_be_public() {
    let node = TestNode::start().await;
    let documented: BTreeSet<String> = documented().into_iter().map(|known| known.path).collect();
    let routed = routed(&node);
    let lost: Vec<_> = documented.difference(&routed).collect();
    assert!(lost.is_empty(), "documented and not routed: {lost:?}");
    let others: Vec<_> = routed.difference(&documented).cloned().collect();
    // Operators' pages and operators' API begin alike.
    let is_api = |path: &str| path.starts_with("/v1/") || path.starts_with("/admin/v1/");
    let listed = |path: &str| {
        FALLBACK.contains(&path)
            || server::http::UNDOCUMENTED
                .iter()
                .any(|known| path == *known || path.starts_with(&format!("{known}/")))
    };
    let unlisted: Vec<_> = others
        .iter()
        .filter(|path| is_api(path) || !listed(path))
        .collect();
    assert!(unlisted.is_empty(), "routed in secret: {unlisted:?}");
    node.stop().await;
}

/// The routes that answer strangers with something else than 401. This list may only shrink.
#[tokio::test(flavor = "multi_thread")]
async fn public_routes_are_the_reviewed_ones() {
    let node = TestNode::start().await;
    let mut public = Vec::new();
    for path in routed(&node) {
        for method in METHODS {
            let answer = send(&node, method, &filled(&path, junk), None, None).await;
            if !matches!(answer.status, 401 | 405) {
                public.push(format!("{method:<7} {path} {}", answer.status));
            }
        }
    }
    insta::assert_snapshot!(public.join("\n"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_no_further_than_the_door() {
    let node = TestNode::start().await;
    let tenant = node.bare_tenant("acme").await;
    // Well-formed, of a tenant that exists, and of no key that was ever issued.
    let invented = NewKey::generate("fh", Mode::Live, tenant.id).text;
    let operations = documented();
    let mut found = Vec::new();
    let closed = |operation: &&Operation| operation.plane != Plane::Stranger;
    for operation in operations.iter().filter(closed) {
        let path = filled(&operation.path, junk);
        for token in [None, Some("nonsense"), Some(""), Some(invented.expose())] {
            let answer = send(&node, &operation.method, &path, token, None).await;
            let name = format!("{} with {token:?}", operation.name());
            found.push((name, answer.differs_from(401, "unauthenticated")));
        }
    }
    // Beside what is documented a path takes no other method.
    for path in operations.iter().map(|operation| &operation.path) {
        for method in METHODS {
            let known =
                |operation: &&Operation| operation.path == *path && operation.method == method;
            if operations.iter().find(known).is_none() {
                let answer = send(&node, method, &filled(path, junk), None, None).await;
                let name = format!("{method} {path}");
                found.push((name, answer.differs_from(405, "method_not_allowed")));
            }
        }
    }
    let answer = send(&node, "GET", "/v1/no-such-thing", None, None).await;
    found.push((
        "an unknown path".into(),
        answer.differs_from(404, "not_found"),
    ));
    none(found);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_plane_refuses_the_others_key() {
    let node = TestNode::start().await;
    node.bare_tenant("acme").await;
    let key = node
        .api_key("acme", &crate::permissions::all_that_keys_carry())
        .await;
    let mut found = Vec::new();
    for operation in documented() {
        let path = filled(&operation.path, junk);
        let wrong = match operation.plane {
            Plane::Tenant => crate::common::OPERATOR_TOKEN,
            Plane::Operator | Plane::Person => key.expose(),
            Plane::Stranger => continue,
        };
        let answer = send(&node, &operation.method, &path, Some(wrong), None).await;
        found.push((
            operation.name(),
            answer.differs_from(401, "unauthenticated"),
        ));
    }
    none(found);
    node.stop().await;
}
