//! Texts that end an attribute, a title and a tag, planted wherever somebody else's page shows them.

use http::{Method, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sandbox::senders::whatsapp::Message;
use serde_json::{Value, json};

use crate::{
    common::{OPERATOR_TOKEN, TestTenant, people::PASSWORD},
    site::{Answer, Site},
};

/// A text that would run if it stood anywhere in a page as it is.
fn planted(place: &str) -> String {
    format!("{place}\"'></title></textarea><script>alert('{place}')</script>")
}

/// How it may stand there.
fn escaped(place: &str) -> String {
    format!("&lt;script&gt;alert('{place}')")
}

/// An address that is valid and holds a character reference.
const ADDRESS: &str = "tim&copy'onload=x@example.com";

/// Everything that people of a tenant, its contacts and strangers can write, as far as pages quote it.
/// What a browser calls itself is planted as well: pages say which browser that is, and quote nothing.
const PLACES: [&str; 11] = [
    "tenant", "person", "contact", "message", "company", "role", "api-key", "note", "label",
    "flash", "query",
];

async fn plant(site: &Site, acme: &TestTenant) {
    let node = &site.node;
    let as_staff = async |method: Method, path: &str, body: Value| {
        let request = site.request(method, path).bearer_auth(OPERATOR_TOKEN);
        let answer = Answer::to(request.json(&body)).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
    };
    let name = json!({ "name": planted("tenant") });
    as_staff(Method::PATCH, "/admin/v1/tenants/acme", name).await;
    let note = json!({ "body": planted("note") });
    as_staff(Method::POST, "/admin/v1/tenants/acme/notes", note).await;

    let as_tenant = async |method: Method, path: &str, body: Value| {
        let request = site.request(method, path).bearer_auth(site.key.expose());
        let answer = Answer::to(request.json(&body)).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
    };
    let company = json!({ "version": 0, "configuration": {
        "branding": { "company": planted("company") } } });
    as_tenant(Method::PUT, "/v1/config", company).await;
    let role = json!({ "name": "planted", "description": planted("role"),
        "permissions": ["agents:read"] });
    as_tenant(Method::POST, "/v1/roles", role).await;
    let key = json!({ "name": planted("api-key"), "mode": "test", "permissions": ["agents:read"] });
    as_tenant(Method::POST, "/v1/api-keys", key).await;
    let provider = json!({ "name": "planted", "label": planted("label"),
        "issuer": "https://idp.example.com", "client_id": "client",
        "client_secret": "client-secret", "role": "viewer" });
    as_tenant(Method::POST, "/v1/identity-providers", provider).await;

    let name = planted("person");
    node.member("owner@acme.example", &name, "acme", "owner")
        .await;
    node.member(ADDRESS, "Tim", "acme", "viewer").await;
    let request = site
        .request(Method::POST, "/v1/auth/sign-in")
        .header(header::USER_AGENT, planted("browser"))
        .json(&json!({ "email": "owner@acme.example", "password": PASSWORD }));
    assert_eq!(Answer::to(request).await.status, 200);

    // To the conversation that the walk opens, and by somebody whose name it lists.
    let message = Message::text("351911111111", &planted("message")).name(&planted("contact"));
    let sent = acme.whatsapp_message(&node.url, &message);
    assert_eq!(node.send(&sent).await.status, 200);
    node.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_texts_are_shown_and_do_nothing() {
    let (site, acme) = Site::with_tenant().await;
    plant(&site, &acme).await;
    let owner = site.node.sign_in("owner@acme.example").await;
    let query = utf8_percent_encode(&planted("query"), NON_ALPHANUMERIC).to_string();
    let query: Vec<String> = ["q", "action", "actor", "tenant", "next", "cursor"]
        .iter()
        .map(|name| format!("{name}={query}"))
        .collect();
    let flash = utf8_percent_encode(&planted("flash"), NON_ALPHANUMERIC).to_string();
    let with_flash = |cookie: &str| format!("{cookie}; freehold_flash=info.{flash}");
    let (owner, staff) = (with_flash(&owner), with_flash(&site.administrator));

    let mut pages = Vec::new();
    for path in site.paths() {
        let address = site.address(&path);
        for cookie in [None, Some(&*owner), Some(&*staff)] {
            pages.push((path.clone(), site.visit(&address, cookie).await));
            for query in &query {
                let answer = site.visit(&format!("{address}?{query}"), cookie).await;
                pages.push((format!("{path}?{query}"), answer));
            }
        }
    }
    // An address of nothing, a page that knows its tenant before anybody has signed in, the page of
    // each person, and what was typed into a form and comes back.
    let nothing = utf8_percent_encode(&planted("query"), NON_ALPHANUMERIC).to_string();
    let users = site.visit("/admin/users", Some(&staff)).await;
    pages.push(("/admin/users".to_owned(), users));
    for path in [&*format!("/app/{nothing}"), "/sign-in?next=/app/acme"] {
        pages.push((path.to_owned(), site.visit(path, None).await));
    }
    let form = [("email", planted("query")), ("password", "x".to_owned())];
    let typed = Answer::to(site.browser(Method::POST, "/sign-in", None).form(&form)).await;
    pages.push(("POST /sign-in".to_owned(), typed));

    let mut faults = Vec::new();
    for (name, answer) in pages.iter().filter(|(_, answer)| answer.is_page()) {
        for raw in ["<script>alert(", "\"'>", "tim&copy'"] {
            if answer.text.contains(raw) {
                faults.push(format!("{name}: has {raw}"));
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    let seen = |text: &str| pages.iter().any(|(_, answer)| answer.text.contains(text));
    let unseen: Vec<_> = PLACES
        .into_iter()
        .filter(|place| !seen(&escaped(place)))
        .collect();
    assert_eq!(unseen, Vec::<&str>::new(), "planted and shown nowhere");
    assert!(seen("tim&amp;copy'onload=x@example.com"));
    site.node.stop().await;
}
