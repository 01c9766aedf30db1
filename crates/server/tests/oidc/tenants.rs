//! Tenants' own providers: what their word is worth at home, and nowhere else.

use identity::members;
use kernel::{Operator, permission::UsersWrite, secret::Secret};
use sandbox::OidcPerson;
use serde_json::{Value, json};

use crate::{
    browser::{Browser, CLIENT, CLIENT_SECRET, accounts, node, user},
    common::TestNode,
};

pub const ACME: &str = "/sign-in/oidc/acme/staff";

pub fn provider(node: &TestNode, change: &[(&str, Value)]) -> Value {
    let mut provider = json!({
        "name": "staff", "label": "Acme staff", "client_id": CLIENT, "client_secret": CLIENT_SECRET,
        "issuer": node.sandbox.base_url(sandbox::Provider::Oidc),
        "domains": ["acme.example"], "role": "agent",
    });
    for (name, value) in change {
        provider[*name] = value.clone();
    }
    provider
}

/// A key with everything that an administrator has. Keys are nobody's owner.
pub async fn key(node: &TestNode, slug: &str) -> Secret {
    let roles = kernel::permission::Roles::builtin();
    let held = roles.tenant("admin").expect("the role");
    let held: Vec<&str> = held.iter().map(String::as_str).collect();
    node.api_key(slug, &held).await
}

/// Sets a provider up and gives its path in the API.
pub async fn set_up(node: &TestNode, slug: &str, change: &[(&str, Value)]) -> String {
    let body = provider(node, change);
    let (status, made) = node
        .post("/v1/identity-providers", &key(node, slug).await, &body)
        .await;
    assert_eq!(status, 201, "{made}");
    assert!(!made.to_string().contains(CLIENT_SECRET));
    format!(
        "/v1/identity-providers/{}",
        made["id"].as_str().expect("an id")
    )
}

pub async fn put_member(node: &TestNode, slug: &str, email: &str, role: &str) {
    let user = user(node, email, None).await;
    let operator = Operator::<UsersWrite>::local(&node.program().db, "test");
    members::put(&operator, &node.known(slug).await, user, role)
        .await
        .expect("a member");
}

pub async fn send(
    node: &TestNode,
    method: &str,
    path: &str,
    key: &Secret,
    body: &Value,
) -> (u16, Value) {
    let method = method.parse().expect("a method");
    let request = node.client.request(method, format!("{}{path}", node.url));
    crate::common::exchange(request.bearer_auth(key.expose()).json(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_becomes_a_member_and_is_one_there_alone() {
    let node = node().await;
    node.bare_tenant("acme").await;
    set_up(&node, "acme", &[]).await;
    let browser = Browser::new(&node);
    let answer = browser.sign_in(ACME, "ada@acme.example").await;
    assert_eq!(
        (answer.status, answer.location.as_str()),
        (303, "/app/acme"),
        "{}",
        answer.text
    );
    let members = "SELECT count(*) FROM control.membership WHERE role = 'agent'";
    assert_eq!(node.number(members).await, 1);
    // The session is not the account's: neither to look at nor to change.
    for (method, path) in [("GET", "/v1/me"), ("GET", "/v1/me/sessions")] {
        let answer = browser.send(method, path, None).await;
        assert_eq!(
            (answer.status, answer.code()),
            (403, "session_confined"),
            "{path}"
        );
    }
    // A tenant's word is nothing that the platform believes of an address.
    let confirmed = "SELECT count(*) FROM control.user WHERE email_verified_at IS NOT NULL";
    assert_eq!(node.number(confirmed).await, 0);
    let answer = Browser::new(&node)
        .sign_in(crate::browser::SIMULATED, "ada@acme.example")
        .await;
    assert_eq!(answer.code(), "sign_in_link_first");
    // Again, as the same; and the session can be ended.
    browser.sign_in(ACME, "ada@acme.example").await;
    assert_eq!(accounts(&node).await, 1);
    assert_eq!(
        browser.send("POST", "/v1/auth/sign-out", None).await.status,
        204
    );
    let open = "SELECT count(*) FROM control.session WHERE revoked_at IS NULL";
    assert_eq!(node.number(open).await, 0);
    let entries = "SELECT count(*) FROM cell.audit_entry WHERE action = 'member.joined'";
    assert_eq!(node.number(entries).await, 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_outside_of_the_tenant_are_not_taken_over() {
    let node = node().await;
    node.bare_tenant("acme").await;
    node.bare_tenant("globex").await;
    set_up(
        &node,
        "acme",
        &[("domains", json!(["acme.example", "globex.example"]))],
    )
    .await;
    put_member(&node, "globex", "bob@globex.example", "owner").await;
    put_member(&node, "globex", "eve@else.example", "agent").await;
    let browser = Browser::new(&node);
    for (email, code) in [
        ("bob@globex.example", "sign_in_link_first"),
        ("eve@else.example", "sign_in_not_admitted"),
        ("new@else.example", "sign_in_not_admitted"),
        ("new@sub.acme.example", "sign_in_not_admitted"),
        ("new@notacme.example", "sign_in_not_admitted"),
    ] {
        let answer = browser.sign_in(ACME, email).await;
        assert_eq!((answer.status, answer.code()), (403, code), "{email}");
    }
    node.sandbox.oidc().person(OidcPerson {
        email_verified: false,
        ..OidcPerson::new("ada@acme.example", "Ada")
    });
    let answer = browser.sign_in(ACME, "ada@acme.example").await;
    assert_eq!(answer.code(), "sign_in_unverified");
    assert_eq!(
        node.number("SELECT count(*) FROM control.member_identity")
            .await,
        0
    );
    assert_eq!(node.number("SELECT count(*) FROM control.session").await, 0);
    // Whoever holds the account may join by it; the session is good in the one tenant.
    browser.sign_in_with_password("bob@globex.example").await;
    let answer = browser.sign_in(ACME, "bob@globex.example").await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_eq!(browser.me().await.code(), "session_confined");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tenants_people_are_strangers_to_another() {
    let node = node().await;
    for slug in ["acme", "globex"] {
        node.bare_tenant(slug).await;
    }
    let path = set_up(&node, "acme", &[]).await;
    set_up(&node, "globex", &[("domains", json!([]))]).await;
    let browser = Browser::new(&node);
    assert_eq!(browser.sign_in(ACME, "ada@acme.example").await.status, 303);
    // The same issuer, subject and address, by the other tenant's provider.
    let answer = Browser::new(&node)
        .sign_in("/sign-in/oidc/globex/staff", "ada@acme.example")
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (403, "sign_in_not_admitted")
    );
    let own = "SELECT count(*) FROM control.membership";
    assert_eq!(node.number(own).await, 1);
    // Nor is it in the other's reach.
    let theirs = key(&node, "globex").await;
    let mut content = provider(&node, &[]);
    content.as_object_mut().expect("an object").remove("name");
    for (method, body) in [
        ("GET", &Value::Null),
        ("PUT", &content),
        ("DELETE", &Value::Null),
    ] {
        let (status, _) = send(&node, method, &path, &theirs, body).await;
        assert_eq!(status, 404, "{method}");
    }
    let (_, listed) = node.get("/v1/identity-providers", &theirs).await;
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_signed_in_while_they_are_members() {
    let node = node().await;
    node.bare_tenant("acme").await;
    set_up(&node, "acme", &[("domains", json!(["acme.example"]))]).await;
    put_member(&node, "acme", "bob@else.example", "agent").await;
    put_member(&node, "acme", "olga@else.example", "owner").await;
    let browser = Browser::new(&node);
    assert_eq!(browser.sign_in(ACME, "bob@else.example").await.status, 303);
    // An administrator's provider vouches for no owner.
    let answer = Browser::new(&node).sign_in(ACME, "olga@else.example").await;
    assert_eq!(
        (answer.status, answer.code()),
        (403, "sign_in_not_admitted")
    );
    // Of a domain that may come in, and removed: they stay out.
    assert_eq!(browser.sign_in(ACME, "ada@acme.example").await.status, 303);
    node.execute("DELETE FROM control.membership WHERE created_by LIKE 'identity_provider:%'")
        .await;
    let answer = browser.sign_in(ACME, "ada@acme.example").await;
    assert_eq!(
        (answer.status, answer.code()),
        (403, "sign_in_not_admitted")
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn turning_a_provider_off_ends_what_it_opened() {
    let node = node().await;
    node.bare_tenant("acme").await;
    let path = set_up(&node, "acme", &[]).await;
    let key = key(&node, "acme").await;
    let browser = Browser::new(&node);
    browser.sign_in(ACME, "ada@acme.example").await;
    let page = browser.leave(ACME).await;
    let back = browser
        .at_provider(&page, "ada@acme.example", "allow")
        .await;
    let mut content = provider(&node, &[("enabled", json!(false))]);
    let fields = content.as_object_mut().expect("an object");
    fields.remove("name");
    fields.remove("client_secret");
    let (status, changed) = send(&node, "PUT", &path, &key, &content).await;
    assert_eq!(
        (status, &changed["enabled"]),
        (200, &json!(false)),
        "{changed}"
    );
    assert_eq!(browser.me().await.status, 401);
    assert_eq!(browser.get(&back).await.code(), "sign_in_not_admitted");
    assert_eq!(browser.get(ACME).await.status, 404);
    // The secret stays with the issuer that it was entered for.
    content["issuer"] = json!("https://evil.example");
    let (status, refused) = send(&node, "PUT", &path, &key, &content).await;
    assert_eq!(
        (status, &refused["errors"][0]["field"]),
        (422, &json!("client_secret"))
    );
    content["issuer"] = json!(node.sandbox.base_url(sandbox::Provider::Oidc));
    content["enabled"] = json!(true);
    let (status, changed) = send(&node, "PUT", &path, &key, &content).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(browser.sign_in(ACME, "ada@acme.example").await.status, 303);
    let (status, _) = send(&node, "DELETE", &path, &key, &Value::Null).await;
    assert_eq!(status, 204);
    assert_eq!(browser.me().await.status, 401);
    assert_eq!(
        node.number("SELECT count(*) FROM control.member_identity")
            .await,
        0
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_not_set_up() {
    let node = node().await;
    node.bare_tenant("acme").await;
    let all = key(&node, "acme").await;
    set_up(&node, "acme", &[]).await;
    for (field, value) in [
        ("name", json!("Staff")),
        ("label", json!("")),
        ("issuer", json!("http://idp.example.com")),
        ("issuer", json!("ftp://idp.example.com")),
        ("client_id", json!("")),
        ("client_secret", json!("")),
        ("domains", json!(["*.example"])),
        ("role", json!("owner")),
        ("role", json!("invented")),
    ] {
        let body = provider(&node, &[("name", json!("other")), (field, value.clone())]);
        let (status, answer) = node.post("/v1/identity-providers", &all, &body).await;
        assert_eq!(
            (status, &answer["errors"][0]["field"]),
            (422, &json!(field)),
            "{value}: {answer}"
        );
    }
    let (status, taken) = node
        .post("/v1/identity-providers", &all, &provider(&node, &[]))
        .await;
    assert_eq!((status, &taken["code"]), (409, &json!("name_taken")));
    // Newcomers get nothing that the caller could not give.
    let some = node.api_key("acme", &["sign_in:write"]).await;
    let body = provider(&node, &[("name", json!("other"))]);
    let (status, refused) = node.post("/v1/identity-providers", &some, &body).await;
    assert_eq!((status, &refused["code"]), (403, &json!("forbidden")));
    // The secret lies sealed.
    let plain = format!(
        "SELECT count(*) FROM control.identity_provider p
         WHERE position('{}'::bytea IN p.sealed) > 0 OR p::text LIKE '%{CLIENT_SECRET}%'",
        CLIENT_SECRET
    );
    assert_eq!(node.number(&plain).await, 0);
    node.stop().await;
}
