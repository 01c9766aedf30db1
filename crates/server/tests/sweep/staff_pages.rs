//! The operator console: strangers are sent to sign in, people who are no staff find nothing there,
//! and support is refused what only administrators may do.

use identity::{
    members,
    people::Email,
    users::{self, NewUser, PlatformRole},
};
use kernel::{Operator, permission::UsersWrite, secret::Secret};
use reqwest::{Method, header};

use crate::{
    common::TestNode,
    routes::{filled, routed},
};

const PASSWORD: &str = "correct horse battery";

/// Those that ask for a permission of administrators'.
const CLOSED_TO_SUPPORT: [(&str, &str); 13] = [
    ("GET", "/admin/tenants/new"),
    ("POST", "/admin/tenants/new"),
    ("GET", "/admin/tenants/{tenant}/edit"),
    ("POST", "/admin/tenants/{tenant}/edit"),
    ("GET", "/admin/tenants/{tenant}/suspend"),
    ("POST", "/admin/tenants/{tenant}/suspend"),
    ("POST", "/admin/tenants/{tenant}/reactivate"),
    ("GET", "/admin/tenants/{tenant}/close"),
    ("POST", "/admin/tenants/{tenant}/close"),
    ("POST", "/admin/users/{user}/disable"),
    ("POST", "/admin/users/{user}/enable"),
    ("POST", "/admin/users/{user}/require-reset"),
    ("POST", "/admin/jobs/{tenant}/{job}/replay"),
];

/// The cookie of somebody with this address, made and signed in.
async fn cookie(node: &TestNode, email: &str, role: Option<PlatformRole>) -> String {
    let operator = Operator::<UsersWrite>::local(&node.program().db, "test");
    let new = NewUser {
        email: Email::parse(email).expect("an address"),
        name: "Somebody".to_owned(),
        password: Secret::new(PASSWORD),
        platform_role: role,
    };
    let user = users::put(&node.program().people, &operator, new).await;
    let user = user.expect("an account").id;
    if role.is_none() {
        members::put(&operator, &node.known("acme").await, user, "viewer")
            .await
            .expect("a member");
    }
    let body = serde_json::json!({ "email": email, "password": PASSWORD });
    let answer = node
        .client
        .post(format!("{}/v1/auth/sign-in", node.url))
        .header("sec-fetch-site", "same-origin")
        .json(&body)
        .send()
        .await
        .expect("an answer");
    let cookie = answer.headers()[header::SET_COOKIE].to_str().expect("text");
    cookie.split(';').next().expect("a pair").to_owned()
}

/// Status, and where it leads.
async fn ask(node: &TestNode, method: &str, path: &str, cookie: Option<&str>) -> (u16, String) {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let mut request = node
        .client
        .request(method, format!("{}{path}", node.url))
        .header(header::ACCEPT, "text/html")
        .header("sec-fetch-site", "same-origin");
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    let answer = request.send().await.expect("an answer");
    let to = answer.headers().get(header::LOCATION);
    let to = to.map_or("", |to| to.to_str().expect("text")).to_owned();
    (answer.status().as_u16(), to)
}

fn pages(node: &TestNode) -> Vec<(&'static str, String)> {
    let paths: Vec<String> = routed(node)
        .into_iter()
        .filter(|path| path == "/admin" || path.starts_with("/admin/"))
        .filter(|path| !path.starts_with("/admin/v1/"))
        .collect();
    assert!(paths.len() > 15, "{paths:?}");
    let both = |path: String| [("GET", path.clone()), ("POST", path)];
    paths.into_iter().flat_map(both).collect()
}

fn junk(name: &str) -> String {
    match name {
        "tenant" => "acme".to_owned(),
        "user" => "usr_01h455vb4pex5vsknk084sn02q".to_owned(),
        "job" => "job_01h455vb4pex5vsknk084sn02q".to_owned(),
        "note" => "note_01h455vb4pex5vsknk084sn02q".to_owned(),
        other => panic!("what is a {other}?"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_page_knows_whom_it_is_for() {
    let node = TestNode::start().await;
    node.bare_tenant("acme").await;
    node.bare_tenant("globex").await;
    let member = cookie(&node, "member@example.com", None).await;
    let support = cookie(&node, "sam@example.com", Some(PlatformRole::Support)).await;
    let mut faults = Vec::new();
    for (method, path) in pages(&node) {
        let address = filled(&path, junk);
        let (status, to) = ask(&node, method, &address, None).await;
        let sent = status == 303 && to.starts_with("/sign-in?next=/admin");
        if status == 405 {
            continue;
        }
        if !sent {
            faults.push(format!("{method} {path}: a stranger got {status} {to}"));
        }
        let (status, _) = ask(&node, method, &address, Some(&member)).await;
        if status != 404 {
            faults.push(format!("{method} {path}: a member got {status}"));
        }
        let (status, _) = ask(&node, method, &address, Some(&support)).await;
        let closed = CLOSED_TO_SUPPORT.contains(&(method, path.as_str()))
            || path.starts_with("/admin/users/{user}/");
        if (status == 403) != closed {
            faults.push(format!("{method} {path}: support got {status}"));
        }
    }
    for (path, cookie, expected) in [
        ("/app/acme/impersonations", Some(&member), 403),
        ("/app/globex/impersonations", Some(&member), 404),
        ("/app/acme/impersonations", Some(&support), 404),
        ("/app/acme/impersonations", None, 303),
    ] {
        let (status, _) = ask(&node, "GET", path, cookie.map(String::as_str)).await;
        if status != expected {
            faults.push(format!("{path}: {status} instead of {expected}"));
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    node.stop().await;
}
