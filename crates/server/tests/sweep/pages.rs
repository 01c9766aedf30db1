//! The pages of a tenant's console: strangers are sent to sign in, members are refused what their
//! role does not hold, and other tenants' things are not there.

use std::collections::BTreeSet;

use identity::{
    members,
    people::Email,
    users::{self, NewUser},
};
use kernel::{Operator, permission::UsersWrite, secret::Secret};
use reqwest::{Method, Response, header};
use serde_json::json;

use crate::{
    answer::none,
    common::TestNode,
    objects::{self, Objects},
    permissions::all_that_keys_carry,
    routes::{METHODS, filled, routed},
};

const PASSWORD: &str = "correct horse battery";

/// Pages that every member has, whatever their role. This list may only shrink.
const EVERYBODYS: [&str; 4] = [
    "/app/{tenant}",
    "/app/{tenant}/membership",
    "/app/{tenant}/membership/leave",
    "/app/{tenant}/branding/logo/{digest}",
];

/// The ends of the paths whose forms may hold a file.
const MULTIPART: [&str; 3] = [
    "/branding",
    "/credentials/import",
    "/credentials/import/run",
];

/// Names in paths that everybody has.
const SHARED: [&str; 3] = ["tenant", "provider", "version"];

/// Somebody with a role in a tenant, and their browser's cookie.
async fn signed_in(node: &TestNode, email: &str, slug: &str, role: &str) -> String {
    let operator = Operator::<UsersWrite>::local(&node.program().db, "test");
    let new = NewUser {
        email: Email::parse(email).expect("an address"),
        name: email.to_owned(),
        password: Secret::new(PASSWORD),
        platform_role: None,
    };
    let user = users::put(&node.program().people, &operator, new).await;
    let user = user.expect("an account").id;
    members::put(&operator, &node.known(slug).await, user, role)
        .await
        .expect("a member");
    let request = node
        .client
        .post(format!("{}/v1/auth/sign-in", node.url))
        .json(&json!({ "email": email, "password": PASSWORD }));
    let answer = request.send().await.expect("the server answers");
    assert!(answer.status().is_success(), "{}", answer.status());
    let cookie = answer.headers()[header::SET_COOKIE].to_str();
    let cookie = cookie.expect("a cookie").split(';').next();
    cookie.expect("a name and a value").to_owned()
}

async fn visit(node: &TestNode, method: &str, path: &str, cookie: Option<&str>) -> Response {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let mut request = node
        .client
        .request(method.clone(), format!("{}{path}", node.url))
        .header(header::ACCEPT, "text/html")
        .header("sec-fetch-site", "same-origin");
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    // What a form sends: enough for every handler to look at what the path names.
    if method == Method::POST && MULTIPART.iter().any(|end| path.ends_with(end)) {
        request = request
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=end")
            .body("--end--\r\n");
    } else if method == Method::POST {
        request = request
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body("version=0&enabled=true&role=viewer&email=no&text=x&key=1&name=x&permissions=agents:read");
    }
    request.send().await.expect("the server answers")
}

/// Every method of every page of a tenant's console.
async fn console(node: &TestNode) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let paths: BTreeSet<String> = routed(node)
        .into_iter()
        .filter(|path| path == "/app/{tenant}" || path.starts_with("/app/{tenant}/"))
        .collect();
    for path in paths {
        for method in METHODS {
            let answer = visit(node, method, &filled(&path, |_| "anything".into()), None).await;
            if answer.status() != 405 {
                found.push((method.to_owned(), path.clone()));
            }
        }
    }
    assert!(found.len() > 30, "{found:?}");
    found
}

/// What a path's parameter stands for, with the tenant's slug.
fn thing(things: &Objects, slug: &str, name: &str) -> String {
    match name {
        "tenant" => slug.to_owned(),
        "version" => "0".to_owned(),
        // No logo was uploaded, which is found out where everybody may look.
        "digest" => "0".repeat(64),
        name => things
            .get(name)
            .unwrap_or_else(|| panic!("no {name} is made in tests/sweep/objects.rs; add one"))
            .clone(),
    }
}

fn differs(answer: &Response, expected: &[u16]) -> Vec<String> {
    let status = answer.status().as_u16();
    match expected.contains(&status) {
        true => Vec::new(),
        false => vec![format!("answered {status}, not {expected:?}")],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_for_members_whose_role_allows_them() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    node.tenant("globex").await;
    let theirs = node.api_key("acme", &all_that_keys_carry()).await;
    let things = objects::of(&node, &acme, &theirs).await;
    let owner = signed_in(&node, "owner@acme.example", "acme", "owner").await;
    let clerk = signed_in(&node, "clerk@acme.example", "acme", "billing").await;
    let other = signed_in(&node, "owner@globex.example", "globex", "owner").await;
    let mut found = Vec::new();
    for (method, path) in console(&node).await {
        let name = format!("{method} {path}");
        let here = filled(&path, |name| thing(&things, "acme", name));

        let answer = visit(&node, &method, &here, None).await;
        let to = answer.headers().get(header::LOCATION);
        let to = to.and_then(|to| to.to_str().ok()).unwrap_or_default();
        let mut faults = differs(&answer, &[303]);
        if !to.starts_with("/sign-in?next=") {
            faults.push(format!("strangers are sent to {to:?}"));
        }

        let answer = visit(&node, &method, &here, Some(&other)).await;
        faults.extend(differs(&answer, &[404]));

        // Their own console with the other tenant's things.
        let parts: Vec<&str> = path
            .split('/')
            .filter(|part| part.starts_with('{'))
            .collect();
        let names_a_thing = parts
            .iter()
            .any(|part| !SHARED.contains(&part.trim_matches(['{', '}'])));
        if names_a_thing {
            let crossed = filled(&path, |name| thing(&things, "globex", name));
            let answer = visit(&node, &method, &crossed, Some(&other)).await;
            faults.extend(differs(&answer, &[404]));
            let text = answer.text().await.expect("the page is whole");
            if text.contains(objects::PLANTED) {
                faults.push("tells what was written to the other tenant".into());
            }
        }
        if !EVERYBODYS.contains(&path.as_str()) {
            let answer = visit(&node, &method, &here, Some(&clerk)).await;
            faults.extend(differs(&answer, &[403]));
        } else if method == "GET" && !path.ends_with("{digest}") {
            let answer = visit(&node, &method, &here, Some(&clerk)).await;
            faults.extend(differs(&answer, &[200]));
        }
        if method == "GET" && !path.ends_with("{digest}") {
            let answer = visit(&node, &method, &here, Some(&owner)).await;
            faults.extend(differs(&answer, &[200]));
            let text = answer.text().await.expect("the page is whole");
            // The export is a file.
            if !text.starts_with("<!DOCTYPE html>") && !path.ends_with("/export") {
                faults.push("is no document".into());
            }
        }
        found.push((name, faults));
    }
    none(found);
    node.settled().await;
    node.stop().await;
}
