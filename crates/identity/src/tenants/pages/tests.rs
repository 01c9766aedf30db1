//! A tenant's life from the operator console, and the drawing of its page.

use kernel::{db::TenantStatus, suspension::SuspensionKind, testing::database};
use maud::html;
use time::{Duration, macros::datetime};

use super::show::{May, view};
use crate::{
    tenants::{TenantDetail, TenantView},
    testing::App,
    users::PlatformRole,
};

const HOME: &str = "/admin/tenants/acme";

#[tokio::test]
async fn a_tenants_life_by_forms() {
    let app = App::new(database().await);
    let olive = app
        .colleague("olive@freehold.example", PlatformRole::Administrator)
        .await;
    let new = |slug, owner| {
        [
            ("name", "Acme"),
            ("slug", slug),
            ("plan", ""),
            ("weight", "2"),
            ("owner", owner),
        ]
    };
    let path = "/admin/tenants/new";
    assert_eq!(olive.submit(path, &new("Not A Slug", "")).await.0, 422);
    assert_eq!(olive.submit(path, &new("acme", "nobody")).await.0, 422);
    assert_eq!(
        olive.submit(path, &new("acme", "ada@example.com")).await,
        (303, HOME.to_owned())
    );
    assert_eq!(app.mail_to("ada@example.com").await.len(), 1);
    assert_eq!(olive.submit(path, &new("acme", "")).await.0, 409);

    let edit = format!("{HOME}/edit");
    assert_eq!(olive.status("GET", &edit).await, 200);
    let changes = |weight| [("name", "Acme Ltd"), ("plan", "pro"), ("weight", weight)];
    assert_eq!(olive.submit(&edit, &changes("many")).await.0, 422);
    assert_eq!(olive.submit(&edit, &changes("3")).await.0, 303);

    let ann = app.member("acme", "ann@example.com", "owner").await;
    let suspend = format!("{HOME}/suspend");
    assert_eq!(olive.status("GET", &suspend).await, 200);
    let terms = |kind, typed| {
        [
            ("kind", kind),
            ("note", "invoice 7"),
            ("confirmation", typed),
        ]
    };
    for (kind, typed) in [("unpaid", "globex"), ("", "acme"), ("mood", "acme")] {
        assert_eq!(
            olive.submit(&suspend, &terms(kind, typed)).await.0,
            422,
            "{kind} {typed}"
        );
    }
    assert_eq!(ann.status("POST", "/app/acme/see").await, 200);
    assert_eq!(
        olive.submit(&suspend, &terms("unpaid", "acme")).await.0,
        303
    );
    assert_eq!(ann.status("GET", "/app/acme/see").await, 200, "may read");
    assert_eq!(
        ann.status("POST", "/app/acme/see").await,
        403,
        "may not write"
    );
    assert_eq!(olive.submit(&suspend, &terms("abuse", "acme")).await.0, 303);
    assert_eq!(
        ann.status("GET", "/app/acme/see").await,
        403,
        "may not enter"
    );
    let notes =
        "SELECT count(*) FROM control.tenant_note WHERE body LIKE 'Suspended (%): invoice 7'";
    assert_eq!(app.count(notes).await, 2);
    assert_eq!(
        olive.submit(&format!("{HOME}/reactivate"), &[]).await.0,
        303
    );
    assert_eq!(ann.status("POST", "/app/acme/see").await, 200);

    let close = format!("{HOME}/close");
    assert_eq!(olive.status("GET", &close).await, 200);
    assert_eq!(
        olive.submit(&close, &[("confirmation", "acm")]).await.0,
        422
    );
    assert_eq!(
        olive.submit(&close, &[("confirmation", "acme")]).await.0,
        303
    );
    assert_eq!(ann.status("GET", "/app/acme/see").await, 403);
    assert_eq!(olive.status("GET", HOME).await, 200);
}

#[tokio::test]
async fn support_reads_and_changes_nothing() {
    let app = App::new(database().await);
    app.tenant("acme").await;
    let sam = app
        .colleague("sam@freehold.example", PlatformRole::Support)
        .await;
    for page in [
        "/admin",
        "/admin/tenants?q=ac&status=active&sort=name",
        HOME,
    ] {
        assert_eq!(sam.status("GET", page).await, 200, "{page}");
    }
    for act in ["edit", "suspend", "close"] {
        assert_eq!(
            sam.status("GET", &format!("{HOME}/{act}")).await,
            403,
            "{act}"
        );
        assert_eq!(
            sam.submit(&format!("{HOME}/{act}"), &[]).await.0,
            403,
            "{act}"
        );
    }
    assert_eq!(sam.submit(&format!("{HOME}/reactivate"), &[]).await.0, 403);
    assert_eq!(sam.status("GET", "/admin/tenants/new").await, 403);
}

#[test]
fn a_suspended_tenant() {
    let now = datetime!(2026-03-02 12:00 UTC);
    let detail = TenantDetail {
        tenant: TenantView {
            id: uuid::Uuid::from_u128(7).into(),
            slug: "acme".to_owned(),
            name: "Acme & Sons".to_owned(),
            plan: "pro".to_owned(),
            region: "local".to_owned(),
            status: TenantStatus::Suspended,
            suspension: Some(SuspensionKind::Unpaid),
            suspended_at: Some(now - Duration::days(2)),
            created_at: now - Duration::days(200),
            updated_at: now - Duration::days(2),
            queue: None,
        },
        members: Vec::new(),
        has_more_members: false,
        keys: 3,
        credentials: 5,
        conversations: 1200,
        dead_jobs: 0,
        notes: Vec::new(),
        acts: Vec::new(),
        own_acts: Vec::new(),
    };
    let may = May {
        write: true,
        note: true,
        impersonate: true,
    };
    let drawn = view(&detail, may, html! {}, now).into_string();
    insta::assert_snapshot!(drawn);
    let other = view(&detail, May::default(), html! {}, now).into_string();
    for act in ["/suspend", "/close", "/reactivate", "/impersonate", "/edit"] {
        assert!(!other.contains(act), "{act}");
    }
}
