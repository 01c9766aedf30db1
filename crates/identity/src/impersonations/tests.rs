//! What an impersonation opens, what it never does, and each way in which it ends.

use axum::http::StatusCode;
use kernel::testing::database;
use serde_json::{Value, json};

use crate::{
    testing::{App, Browser},
    users::PlatformRole,
};

const OLIVE: &str = "olive@freehold.example";
const SAM: &str = "sam@freehold.example";
const BEGIN: &str = "/admin/tenants/acme/impersonate";
const END: &str = "/admin/impersonation/end";

async fn app() -> App {
    let app = App::new(database().await);
    app.tenant("acme").await;
    app.tenant("globex").await;
    app
}

fn terms<'a>(minutes: &'a str, mode: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("reason", "Ticket 4711"),
        ("minutes", minutes),
        ("mode", mode),
    ]
}

async fn begin(staff: &Browser<'_>, mode: &str) {
    let answer = staff.submit(BEGIN, &terms("20", mode)).await;
    assert_eq!(answer, (303, "/app/acme".to_owned()));
}

#[tokio::test]
async fn it_reads_one_tenant_and_changes_nothing() {
    let app = app().await;
    let olive = app.colleague(OLIVE, PlatformRole::Administrator).await;
    assert_eq!(olive.status("GET", "/app/acme/see").await, 404);
    begin(&olive, "read").await;
    let (status, actor) = olive.send("GET", "/app/acme/see", None).await;
    assert_eq!(status, StatusCode::OK);
    let actor = actor.as_str().expect("an actor");
    assert!(
        actor.starts_with("impersonation:usr_") && actor.ends_with("/read"),
        "{actor}"
    );
    for path in ["/app/acme/see", "/app/acme/write"] {
        let (status, problem) = olive.send("POST", path, None).await;
        assert_eq!(
            (status.as_u16(), &problem["code"]),
            (403, &json!("forbidden")),
            "{path}"
        );
    }
    assert_eq!(olive.status("GET", "/app/globex/see").await, 404);
    // Elsewhere the person stays who they are.
    let (_, me) = olive.send("GET", "/v1/me", None).await;
    assert_eq!(me["email"], OLIVE);
}

#[tokio::test]
async fn writing_is_chosen_and_never_reaches_people_or_keys() {
    let app = app().await;
    let olive = app.colleague(OLIVE, PlatformRole::Administrator).await;
    begin(&olive, "write").await;
    let (status, actor) = olive.send("POST", "/app/acme/write", None).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        actor
            .as_str()
            .is_some_and(|actor| actor.ends_with("/write"))
    );
    assert_eq!(olive.status("POST", "/app/acme/see").await, 403);
    // The API takes keys, which an impersonation is none of and can make none of.
    for path in ["/v1/api-keys", "/v1/members", "/v1/impersonations"] {
        assert_eq!(olive.status("GET", path).await, 401, "{path}");
    }
    let key = json!({ "name": "n", "mode": "test", "permissions": ["agents:read"] });
    assert_eq!(olive.send("POST", "/v1/api-keys", Some(key)).await.0, 401);
}

#[tokio::test]
async fn support_only_looks_and_others_do_not_even() {
    let app = app().await;
    let sam = app.colleague(SAM, PlatformRole::Support).await;
    assert_eq!(sam.submit(BEGIN, &terms("20", "write")).await.0, 403);
    begin(&sam, "read").await;
    assert_eq!(sam.status("GET", "/app/acme/see").await, 200);
    let member = app.member("globex", "ann@example.com", "owner").await;
    assert_eq!(member.submit(BEGIN, &terms("20", "read")).await.0, 404);
    // The operator token belongs to nobody, so nobody would be on record.
    let (status, _) = app.staff("POST", BEGIN, None).await;
    assert!(status.is_client_error());
    let count = "SELECT count(*) FROM control.impersonation";
    assert_eq!(app.count(count).await, 1);
}

#[tokio::test]
async fn terms_are_bounded_and_one_goes_on_at_a_time() {
    let app = app().await;
    let olive = app.colleague(OLIVE, PlatformRole::Administrator).await;
    for minutes in ["0", "61", "-5", "soon", ""] {
        assert_eq!(
            olive.submit(BEGIN, &terms(minutes, "read")).await.0,
            422,
            "{minutes}"
        );
    }
    let blank = [("reason", "  "), ("minutes", "10")];
    assert_eq!(olive.submit(BEGIN, &blank).await.0, 422);
    begin(&olive, "read").await;
    let other = "/admin/tenants/globex/impersonate";
    assert_eq!(olive.submit(other, &terms("10", "read")).await.0, 409);
    app.execute("UPDATE control.tenant SET status = 'closed' WHERE slug = 'globex'")
        .await;
    let globex = app
        .db
        .directory()
        .by_slug("globex")
        .await
        .expect("directory");
    app.db.directory().forget(&globex.expect("known"));
    assert_eq!(olive.submit(END, &[]).await.0, 303);
    assert_eq!(olive.submit(other, &terms("10", "read")).await.0, 403);
}

#[tokio::test]
async fn it_ends_when_it_is_ended() {
    let app = app().await;
    let olive = app.colleague(OLIVE, PlatformRole::Administrator).await;
    begin(&olive, "read").await;
    assert_eq!(
        olive.submit(END, &[]).await,
        (303, "/admin/tenants/acme".to_owned())
    );
    assert_eq!(olive.status("GET", "/app/acme/see").await, 404);
    assert_eq!(
        olive.submit(END, &[]).await,
        (303, "/admin/tenants".to_owned())
    );
}

#[tokio::test]
async fn it_ends_with_its_time() {
    let app = app().await;
    let olive = app.colleague(OLIVE, PlatformRole::Administrator).await;
    begin(&olive, "read").await;
    app.execute(
        "UPDATE control.impersonation SET started_at = started_at - interval '21 minutes',
             expires_at = expires_at - interval '21 minutes'",
    )
    .await;
    assert_eq!(olive.status("GET", "/app/acme/see").await, 404);
    // Time that was up makes room for another.
    begin(&olive, "read").await;
    assert_eq!(olive.status("GET", "/app/acme/see").await, 200);
}

#[tokio::test]
async fn it_ends_with_the_session_and_belongs_to_it_alone() {
    let app = app().await;
    let olive = app.colleague(OLIVE, PlatformRole::Administrator).await;
    let elsewhere = app.browser();
    elsewhere.sign_in(OLIVE, crate::testing::PASSWORD).await;
    begin(&olive, "read").await;
    assert_eq!(elsewhere.status("GET", "/app/acme/see").await, 404);
    let cookie = olive.cookie();
    assert!(olive.status("POST", "/v1/auth/sign-out").await < 300);
    olive.set_cookie(cookie);
    assert_eq!(olive.status("GET", "/app/acme/see").await, 401);
    let record = record(&app).await;
    assert!(record[0]["ended_at"].is_string(), "{record}");
}

#[tokio::test]
async fn it_ends_with_the_role() {
    let app = app().await;
    let olive = app.colleague(OLIVE, PlatformRole::Administrator).await;
    begin(&olive, "write").await;
    app.execute("UPDATE control.user SET platform_role = 'support'")
        .await;
    assert_eq!(olive.status("GET", "/app/acme/see").await, 200);
    assert_eq!(olive.status("POST", "/app/acme/write").await, 403);
    app.execute("UPDATE control.user SET platform_role = NULL")
        .await;
    assert_eq!(olive.status("GET", "/app/acme/see").await, 404);
}

#[tokio::test]
async fn a_suspended_tenant_can_be_looked_at_and_not_changed() {
    let app = app().await;
    let olive = app.colleague(OLIVE, PlatformRole::Administrator).await;
    let kind = kernel::suspension::SuspensionKind::Abuse;
    crate::tenants::suspend(&app.operator(), "acme", kind, "spam")
        .await
        .expect("suspended");
    begin(&olive, "write").await;
    assert_eq!(olive.status("GET", "/app/acme/see").await, 200);
    let (status, problem) = olive.send("POST", "/app/acme/write", None).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (403, &json!("tenant_inactive"))
    );
}

/// What the tenant reads with a key of its own.
async fn record(app: &App) -> Value {
    let access = app.enter::<kernel::permission::ApiKeysWrite>("acme").await;
    let body = json!({ "name": "k", "mode": "test", "permissions": ["impersonations:read"] });
    let key = crate::api_keys::create(&access, serde_json::from_value(body).expect("a key"))
        .await
        .expect("issued");
    let (status, page) = app
        .send("GET", "/v1/impersonations", Some(key.key.expose()), None)
        .await;
    assert_eq!(status, 200, "{page}");
    page["data"].clone()
}

#[tokio::test]
async fn the_tenant_and_both_logs_keep_a_record() {
    let app = app().await;
    let olive = app.colleague(OLIVE, PlatformRole::Administrator).await;
    begin(&olive, "write").await;
    let goes_on = record(&app).await;
    assert_eq!(goes_on[0]["staff_name"], format!("Staff {OLIVE}"));
    assert_eq!(goes_on[0]["reason"], "Ticket 4711");
    assert_eq!(goes_on[0]["may_write"], true);
    assert_eq!(goes_on[0]["ended_at"], Value::Null);
    assert_eq!(olive.submit(END, &[]).await.0, 303);
    assert!(record(&app).await[0]["ended_at"].is_string());
    let owner = app.member("globex", "ann@example.com", "owner").await;
    assert_eq!(owner.status("GET", "/app/globex/impersonations").await, 200);
    for (sql, count) in [
        (
            "SELECT count(*) FROM control.operator_audit WHERE action = 'tenant.impersonation_started'
                 AND actor LIKE 'staff:usr\\_%' AND detail->>'mode' = 'write'",
            1,
        ),
        ("SELECT count(*) FROM control.operator_audit WHERE action = 'tenant.impersonation_ended'", 1),
        (
            "SELECT count(*) FROM cell.audit_entry WHERE action IN ('impersonation.started',
                 'impersonation.ended') AND actor LIKE 'impersonation:usr\\_%/write'",
            2,
        ),
    ] {
        assert_eq!(app.count(sql).await, count, "{sql}");
    }
}
