//! Which routes there are: those of the OpenAPI document, and those of the router.

use std::collections::BTreeSet;

use axum::Router;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;
use server::http::{self, AppState, Readiness};

use crate::common::TestNode;

pub const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Who an operation is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Plane {
    Tenant,
    Operator,
    /// Those who have signed in, each for themselves.
    Person,
    /// Those who are about to.
    Stranger,
}

const SIGN_OUT: &str = "/v1/auth/sign-out";
/// Whoever finds a key may say so.
const LEAKS: &str = "/v1/api-keys/leaks";

/// One documented operation.
#[derive(Clone, Debug)]
pub struct Operation {
    pub method: String,
    /// With its parameters' names, as in `/v1/agents/{agent}`.
    pub path: String,
    pub plane: Plane,
    pub takes_body: bool,
}

impl Operation {
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The names of the path's parameters.
    pub fn parameters(&self) -> Vec<&str> {
        self.path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect()
    }
}

/// Every operation of the OpenAPI document. Each names the kind of key of its path's plane.
pub fn documented() -> Vec<Operation> {
    let document = serde_json::to_value(http::openapi()).expect("the document is JSON");
    let paths = document["paths"].as_object().expect("paths");
    let mut operations = Vec::new();
    for (path, item) in paths {
        for method in METHODS {
            let operation = &item[method.to_lowercase()];
            if operation.is_null() {
                continue;
            }
            let (plane, scheme) = if path.starts_with("/admin/v1/") {
                (Plane::Operator, Some("operator_token"))
            } else if path == "/v1/me" || path.starts_with("/v1/me/") || path == SIGN_OUT {
                (Plane::Person, Some("session"))
            } else if path.starts_with("/v1/auth/") || path == LEAKS {
                (Plane::Stranger, None)
            } else {
                (Plane::Tenant, Some("api_key"))
            };
            let expected = match scheme {
                Some(scheme) => serde_json::json!([{ scheme: [] }]),
                None => Value::Null,
            };
            assert_eq!(
                operation["security"], expected,
                "{method} {path} says which key it takes"
            );
            operations.push(Operation {
                method: method.to_owned(),
                path: path.clone(),
                plane,
                takes_body: operation["requestBody"] != Value::Null,
            });
        }
    }
    assert!(operations.len() > 20, "the document lists the API");
    operations
}

/// What axum itself routes to the fallback. What strangers get there is in the snapshot of public
/// routes.
pub const FALLBACK: [&str; 2] = ["/", "/{*__private__axum_fallback}"];

/// The router of a node, once more.
pub fn router(node: &TestNode) -> Router {
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let state = AppState::new(node.program(), Readiness::ready(), metrics).expect("a public URL");
    http::router(state)
}

/// Every path that a node's router knows.
pub fn routed(node: &TestNode) -> BTreeSet<String> {
    paths(&router(node))
}

/// Every path that a router knows. axum shows them in its debugging output and nowhere else.
pub fn paths(router: &Router) -> BTreeSet<String> {
    let text = format!("{router:?}");
    let paths: BTreeSet<String> = text
        .split("RouteId(")
        .filter_map(|part| {
            let (_, rest) = part.split_once("): \"")?;
            let (path, _) = rest.split_once('"')?;
            // The document writes parameters that hold slashes as it writes all others.
            path.starts_with('/')
                .then(|| path.replace("{*path}", "{path}"))
        })
        .collect();
    assert!(paths.contains("/healthz"), "axum shows its paths: {text}");
    paths
}

/// A path with something in place of its parameters.
pub fn filled(path: &str, value: impl Fn(&str) -> String) -> String {
    path.split('/')
        .map(|part| match part.strip_prefix('{') {
            Some(name) => value(name.trim_end_matches('}').trim_start_matches('*')),
            None => part.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("/")
}
