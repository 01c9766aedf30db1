//! The pages of people's own: their accounts and what makes them safe. Strangers are sent to sign
//! in, a session that a tenant's identity provider opened gets no further, and somebody else's
//! passkeys and sessions are not there. And: no page belongs to no sweep.

use std::collections::BTreeSet;

use kernel::id::{PasskeyId, SessionId};

use serde_json::json;

use crate::{
    browser::{Browser, visits},
    common::TestNode,
    permissions::all_that_keys_carry,
    routes::{FALLBACK, documented, filled, paths, routed, router},
};

/// The one page where the session of a single tenant finds its way home. This list may only shrink.
const OF_ANY_SESSION: [&str; 1] = ["/app"];

fn is_own(path: &str) -> bool {
    path == "/app" || path == "/account" || path.starts_with("/account/")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ones_own_is_nobody_elses() {
    // Browsers know passkeys for names alone.
    let public_url = "http://localhost".to_owned();
    let node = TestNode::configured(|config| config.public_url = public_url).await;
    node.bare_tenant("acme").await;
    let theirs = node.member("other@example.com", "Other", "acme", "viewer");
    let theirs = theirs.await;
    for email in ["ada@example.com", "guest@example.com"] {
        node.member(email, "Somebody", "acme", "viewer").await;
    }
    let browser = async |email: &str| Browser::new(&node.url, Some(node.sign_in(email).await));
    let other = browser("other@example.com").await;
    let ada = browser("ada@example.com").await;
    let guest = browser("guest@example.com").await;
    let stranger = Browser::new(&node.url, None);
    let key = node.api_key("acme", &all_that_keys_carry()).await;
    let provider = json!({ "name": "staff", "label": "Staff", "issuer": "https://idp.example.com",
        "client_id": "client", "client_secret": "client-secret", "role": "viewer" });
    let (status, provider) = node.post("/v1/identity-providers", &key, &provider).await;
    assert_eq!(status, 201, "{provider}");
    node.execute(
        "UPDATE control.session SET confined_to = (SELECT id FROM control.tenant),
             provider_id = (SELECT id FROM control.identity_provider)
         WHERE user_id = (SELECT id FROM control.user WHERE email = 'guest@example.com')",
    )
    .await;
    let passkey = PasskeyId::new();
    node.execute(&format!(
        "INSERT INTO control.passkey (id, user_id, credential_id, credential, name)
         VALUES ('{}', '{}', 'credential', '{{}}', 'theirs')",
        passkey.uuid(),
        theirs.uuid()
    ))
    .await;
    let mut superuser = node.db.superuser().await;
    let session: uuid::Uuid =
        sqlx::query_scalar("SELECT id FROM control.session WHERE user_id = $1")
            .bind(theirs.uuid())
            .fetch_one(&mut superuser)
            .await
            .expect("their session");
    let session = SessionId::from(session).to_string();
    let address = |path: &str| {
        filled(path, |name| match name {
            "passkey" => passkey.to_string(),
            "session" => session.clone(),
            other => panic!("what is a {other}?"),
        })
    };

    let routed = routed(&node);
    let own = routed.iter().filter(|path| is_own(path)).collect();
    let mut faults = Vec::new();
    let mut lines = Vec::new();
    for (method, path) in visits(&stranger, own, address).await {
        let answer = stranger.ask(&method, &address(&path)).await;
        if answer.status != 303 || !answer.to.starts_with("/sign-in?next=/a") {
            faults.push(format!("{method} {path}: a stranger got {}", answer.line()));
        }
        let answer = guest.ask(&method, &address(&path)).await;
        let confined = answer.text.contains("session_confined");
        if !confined && !OF_ANY_SESSION.contains(&path.as_str()) {
            faults.push(format!("{method} {path}: a guest got {}", answer.line()));
        }
        let names_a_thing = path.contains('{');
        if names_a_thing || method == "GET" {
            let answer = ada.ask(&method, &address(&path)).await;
            if names_a_thing && answer.status != 404 {
                faults.push(format!("{method} {path}: another got {}", answer.line()));
            }
            lines.push(format!("{method:<5} {path:<50} {}", answer.line()));
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    insta::assert_snapshot!(lines.join("\n"));
    assert_eq!(other.ask("GET", "/account").await.status, 200);
    assert_eq!(
        node.number("SELECT count(*) FROM control.passkey WHERE name = 'theirs'")
            .await,
        1
    );
    node.stop().await;
}

/// The sweeps that look at a path: that of the API, of a tenant's console, of staff's, of people's
/// own pages, or the reviewed list of what strangers get.
fn unswept(paths: &BTreeSet<String>) -> Vec<&String> {
    const DOORS: [&str; 19] = [
        "/.well-known/jwks.json",
        "/assets/{version}/{name}",
        "/connect/{token}",
        "/docs/api",
        "/forgot",
        "/healthz",
        "/hooks/{provider}",
        "/hooks/{tenant}/{provider}",
        "/invitation",
        "/metrics",
        "/oauth/callback",
        "/oauth/connected",
        "/openapi.json",
        "/readyz",
        "/reset",
        "/sign-in",
        "/sign-out",
        "/sign-up",
        "/ui",
    ];
    let documented: BTreeSet<String> = documented().into_iter().map(|known| known.path).collect();
    let under = |path: &str, root: &str| path == root || path.starts_with(&format!("{root}/"));
    let swept = |path: &str| {
        documented.contains(path)
            || FALLBACK.contains(&path)
            || is_own(path)
            || path == "/verify"
            || ["/app/{tenant}", "/admin"]
                .iter()
                .any(|root| under(path, root))
            || DOORS.iter().any(|root| under(path, root))
    };
    paths.iter().filter(|path| !swept(path)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_belongs_to_a_sweep() {
    let node = TestNode::start().await;
    assert_eq!(unswept(&routed(&node)), Vec::<&String>::new());
    let careless = ["/app/careless", "/careless", "/accounts"];
    let more = careless.into_iter().fold(router(&node), |router, path| {
        router.route(path, axum::routing::get(async || "all that there is"))
    });
    let mut found = unswept(&paths(&more))
        .into_iter()
        .cloned()
        .collect::<Vec<_>>();
    found.sort_unstable();
    assert_eq!(found, ["/accounts", "/app/careless", "/careless"]);
    node.stop().await;
}
