//! What a session that a tenant's provider opened reaches, and what the settings may say. The way to
//! a provider and back is tested on a running server.

use egress::AllowList;
use kernel::{access::Vouched, permission::SignInWrite, secret::Secret};

use super::{Oidc, PlatformProvider};
use crate::testing::{App, Browser};

/// Makes the browser's session one of a provider of the tenant's, saved by whoever holds `access`.
async fn confine(app: &App, slug: &str, email: &str, vouched: &Vouched) {
    let tenant = app.db.directory().by_slug(slug).await.expect("directory");
    let tenant = tenant.expect("the tenant").id.uuid();
    let mut superuser = app.superuser().await;
    sqlx::query(
        "WITH p AS (INSERT INTO control.identity_provider (tenant_id, id, name, label, issuer, client_id,
             kek, wrapped, sealed, domains, role, enabled, vouches_for, vouches_for_owners, created_by)
         VALUES ($1, $1, 'staff', 'Staff', 'i', 'c', 'k', '', '', '{}', 'agent', true, $3, $4, 'test')
         ON CONFLICT (tenant_id, id) DO UPDATE SET vouches_for = $3, vouches_for_owners = $4
         RETURNING id)
         UPDATE control.session SET confined_to = $1, provider_id = $1
         WHERE user_id = (SELECT id FROM control.user WHERE email = $2)",
    )
    .bind(tenant)
    .bind(email)
    .bind(vouched.permissions())
    .bind(vouched.owners())
    .execute(&mut superuser)
    .await
    .expect("the session is confined");
}

async fn seen(browser: &Browser<'_>) -> [u16; 4] {
    [
        browser.status("GET", "/app/acme/see").await,
        browser.status("POST", "/app/acme/see").await,
        browser.status("GET", "/app/globex/see").await,
        browser.status("GET", "/v1/me").await,
    ]
}

/// An owner's word, and that of somebody with some permissions.
fn owners() -> Vouched {
    Vouched::stored(Some(Vec::new()), Some(true)).expect("both are there")
}

fn holder(permissions: &[&str]) -> Vouched {
    let permissions = permissions.iter().map(|name| (*name).to_owned()).collect();
    Vouched::stored(Some(permissions), Some(false)).expect("both are there")
}

fn of_role(role: &str) -> Vouched {
    let held = kernel::permission::Roles::builtin().tenant(role);
    let held: Vec<&str> = held.expect("the role").iter().map(String::as_str).collect();
    holder(&held)
}

#[tokio::test]
async fn it_is_good_in_the_one_tenant_and_no_further_than_whoever_set_it_up() {
    let app = App::new(kernel::testing::database().await);
    app.tenant("acme").await;
    app.tenant("globex").await;
    let email = "ada@acme.example";
    let browser = app.member("acme", email, "admin").await;
    app.join("globex", email, "owner").await;
    assert_eq!(seen(&browser).await, [200, 200, 200, 200]);
    confine(&app, "acme", email, &owners()).await;
    assert_eq!(seen(&browser).await, [200, 200, 404, 403]);
    confine(&app, "acme", email, &of_role("admin")).await;
    assert_eq!(seen(&browser).await, [200, 200, 404, 403]);
    // Somebody who set it up with less can't be an administrator by it.
    confine(&app, "acme", email, &of_role("developer")).await;
    assert_eq!(seen(&browser).await, [404, 404, 404, 403]);
    // Roles change while sessions last.
    app.join("acme", email, "viewer").await;
    assert_eq!(seen(&browser).await, [200, 403, 404, 403]);
    app.join("acme", email, "owner").await;
    confine(&app, "acme", email, &of_role("admin")).await;
    assert_eq!(seen(&browser).await, [404, 404, 404, 403]);
    confine(&app, "acme", email, &owners()).await;
    assert_eq!(seen(&browser).await, [200, 200, 404, 403]);
    app.execute("UPDATE control.identity_provider SET enabled = false")
        .await;
    assert_eq!(seen(&browser).await, [404, 404, 404, 403]);
}

#[tokio::test]
async fn staff_who_come_by_a_tenants_provider_are_no_staff() {
    let app = App::new(kernel::testing::database().await);
    app.tenant("acme").await;
    let email = "staff@acme.example";
    let browser = app.member("acme", email, "agent").await;
    app.execute("UPDATE control.user SET platform_role = 'administrator'")
        .await;
    assert_eq!(browser.status("GET", "/admin/v1/tenants").await, 200);
    confine(&app, "acme", email, &owners()).await;
    assert_eq!(browser.status("GET", "/admin/v1/tenants").await, 404);
}

#[tokio::test]
async fn a_word_is_the_callers_own() {
    let app = App::new(kernel::testing::database().await);
    app.tenant("acme").await;
    let access = app.enter::<SignInWrite>("acme").await;
    let staff = Vouched::by(&access);
    assert!(staff.owners() && staff.covers("owner", None));
    let some = holder(&["agents:read", "messages:send", "conversations:read"]);
    for (role, defined, covered) in [
        ("agent", None, true),
        ("viewer", None, false),
        ("owner", None, false),
        ("billing", None, true),
        ("special", Some(vec!["agents:read".to_owned()]), true),
        ("special", Some(vec!["agents:write".to_owned()]), false),
    ] {
        assert_eq!(
            some.covers(role, defined.as_deref()),
            covered,
            "{role} {defined:?}"
        );
    }
    assert!(Vouched::stored(None, Some(true)).is_none());
}

#[tokio::test]
async fn settings_that_cannot_work_are_named() {
    let app = App::new(kernel::testing::database().await);
    let provider = PlatformProvider {
        id: "acme".into(),
        name: "Acme".into(),
        issuer: "https://idp.example.com".into(),
        client_id: "us".into(),
        client_secret: Secret::new("secret"),
        sign_up: false,
        link: false,
        second_factor: Vec::new(),
    };
    let made =
        |provider: PlatformProvider| Oidc::new(&app.people, vec![provider], &AllowList::default());
    let oidc = made(provider.clone()).expect("it works");
    for (next, path) in [
        (None, "/sign-in/oidc/acme"),
        (
            Some("/app/x?y=1&z"),
            "/sign-in/oidc/acme?next=%2Fapp%2Fx%3Fy%3D1%26z",
        ),
        (Some("//evil.example"), "/sign-in/oidc/acme"),
    ] {
        let offered = oidc.offered(next);
        assert_eq!(
            (offered[0].label.as_str(), offered[0].path.as_str()),
            ("Acme", path)
        );
    }
    for (change, named) in [
        (
            PlatformProvider {
                id: "callback".into(),
                ..provider.clone()
            },
            "callback",
        ),
        (
            PlatformProvider {
                id: "A/B".into(),
                ..provider.clone()
            },
            "A/B",
        ),
        (
            PlatformProvider {
                issuer: "http://idp.example.com".into(),
                ..provider.clone()
            },
            "acme.issuer",
        ),
        (
            PlatformProvider {
                issuer: "http://127.0.0.1".into(),
                ..provider.clone()
            },
            "acme.issuer",
        ),
        (
            PlatformProvider {
                client_id: " ".into(),
                ..provider.clone()
            },
            "acme.client_id",
        ),
        (
            PlatformProvider {
                client_secret: Secret::new(""),
                ..provider.clone()
            },
            "acme.client_secret",
        ),
    ] {
        let refused = made(change).expect_err(named).to_string();
        assert!(refused.contains(named), "{refused}");
    }
}
