//! Membership over HTTP and against a real database: joining, roles, leaving, and that nobody gives
//! more than they hold, whatever happens at once.

use axum::http::StatusCode;
use kernel::{permission::MembersWrite, testing::database};
use serde_json::{Value, json};

use crate::testing::{App, Browser, PASSWORD};

mod walk;

const OWNER: &str = "owner@example.com";
const ADMIN: &str = "admin@example.com";
const GRACE: &str = "grace@example.com";

async fn app() -> App {
    let app = App::new(database().await);
    app.tenant("acme").await;
    app
}

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["code"].as_str().unwrap_or(""))
}

/// A key of the tenant's with these permissions.
async fn key(app: &App, permissions: &[&str]) -> String {
    let body = json!({ "name": "k", "mode": "test", "permissions": permissions });
    let new = serde_json::from_value(body).expect("a key");
    let access = app.enter("acme").await;
    let issued = crate::api_keys::create(&access, new).await;
    issued.expect("issued").key.expose().to_owned()
}

async fn invite(app: &App, key: &str, email: &str, role: &str) -> (StatusCode, Value) {
    let body = json!({ "email": email, "role": role });
    app.send("POST", "/v1/invitations", Some(key), Some(body))
        .await
}

async fn accept(browser: &Browser<'_>, body: Value) -> (StatusCode, Value) {
    browser
        .send("POST", "/v1/auth/invitation", Some(body))
        .await
}

/// A key that may do everything a viewer's membership needs and invite people to it.
async fn inviter(app: &App) -> String {
    key(
        app,
        &[
            "members:read",
            "members:write",
            "credentials:read",
            "conversations:read",
            "agents:read",
            "jobs:read",
            "traces:read",
            "roles:read",
            "messages:send",
        ],
    )
    .await
}

#[tokio::test]
async fn an_invitation_makes_an_account_and_a_member() {
    let app = app().await;
    let key = inviter(&app).await;
    let sent = invite(&app, &key, "Grace@Example.com", "viewer").await;
    assert_eq!(sent.0, 201, "{}", sent.1);
    let token = app.token_for(GRACE).await;
    let browser = app.browser();
    let body = json!({ "token": token, "name": "Grace", "password": PASSWORD });
    let joined = accept(&browser, body.clone()).await;
    assert_eq!(joined.0, 200, "{}", joined.1);
    assert_eq!(browser.status("GET", "/app/acme/see").await, 200);
    assert_eq!(browser.status("POST", "/app/acme/see").await, 403);
    assert_eq!(
        code(&accept(&app.browser(), body).await),
        (422, "invalid_request")
    );
    let (_, list) = app.send("GET", "/v1/members", Some(&key), None).await;
    assert_eq!(list["data"][0]["email"], GRACE);
    assert_eq!(list["data"][0]["role"], "viewer");
    let again = invite(&app, &key, GRACE, "viewer").await;
    assert_eq!(code(&again), (409, "already_member"));
    let acts = app
        .count("SELECT count(*) FROM cell.audit_entry WHERE action IN ('invitation.sent', 'member.joined')")
        .await;
    assert_eq!(acts, 2);
}

#[tokio::test]
async fn who_has_an_account_signs_in_first() {
    let app = app().await;
    let key = inviter(&app).await;
    app.user(GRACE).await;
    app.user(ADMIN).await;
    invite(&app, &key, GRACE, "viewer").await;
    let token = app.token_for(GRACE).await;
    let newcomer = json!({ "token": token, "name": "Grace", "password": PASSWORD });
    let browser = app.browser();
    assert_eq!(
        code(&accept(&browser, newcomer).await),
        (401, "unauthenticated")
    );
    let (wrong, right) = (app.browser(), app.browser());
    wrong.sign_in(ADMIN, PASSWORD).await;
    right.sign_in(GRACE, PASSWORD).await;
    let body = json!({ "token": token });
    assert_eq!(
        code(&accept(&wrong, body.clone()).await),
        (422, "invalid_request")
    );
    let before = right.cookie();
    assert_eq!(accept(&right, body).await.0, 200);
    assert_ne!(right.cookie(), before, "the session means more now");
    assert_eq!(right.status("GET", "/app/acme/see").await, 200);
}

#[tokio::test]
async fn invitations_are_resent_revoked_and_end() {
    let app = app().await;
    let key = inviter(&app).await;
    let (_, sent) = invite(&app, &key, GRACE, "viewer").await;
    let first = app.token_for(GRACE).await;
    let path = format!("/v1/invitations/{}", sent["id"].as_str().expect("id"));
    let resend = format!("{path}/resend");
    assert_eq!(app.send("POST", &resend, Some(&key), None).await.0, 200);
    let second = app.token_for(GRACE).await;
    let body = |token: &str| json!({ "token": token, "name": "Grace", "password": PASSWORD });
    let browser = app.browser();
    assert_eq!(accept(&browser, body(&first)).await.0, 422, "replaced");
    app.execute("UPDATE control.invitation SET expires_at = now()")
        .await;
    assert_eq!(accept(&browser, body(&second)).await.0, 422, "expired");
    assert_eq!(app.send("POST", &resend, Some(&key), None).await.0, 200);
    let third = app.token_for(GRACE).await;
    assert_eq!(app.send("DELETE", &path, Some(&key), None).await.0, 204);
    assert_eq!(accept(&browser, body(&third)).await.0, 422, "revoked");
    assert_eq!(app.send("DELETE", &path, Some(&key), None).await.0, 404);
    let (_, list) = app.send("GET", "/v1/invitations", Some(&key), None).await;
    assert_eq!(list["data"], json!([]));
}

#[tokio::test]
async fn of_racing_acceptances_one_joins() {
    let app = app().await;
    let key = inviter(&app).await;
    invite(&app, &key, GRACE, "viewer").await;
    let token = app.token_for(GRACE).await;
    let body = json!({ "token": token, "name": "Grace", "password": PASSWORD });
    let browsers = [app.browser(), app.browser(), app.browser()];
    let answers = tokio::join!(
        accept(&browsers[0], body.clone()),
        accept(&browsers[1], body.clone()),
        accept(&browsers[2], body),
    );
    let statuses = [answers.0.0, answers.1.0, answers.2.0];
    let joined = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(joined, 1, "{statuses:?}");
    assert_eq!(
        app.count("SELECT count(*) FROM control.membership").await,
        1
    );
}

#[tokio::test]
async fn nobody_gives_more_than_they_hold() {
    let app = app().await;
    let narrow = key(
        &app,
        &[
            "members:write",
            "members:read",
            "roles:write",
            "roles:read",
            "agents:read",
            "conversations:read",
            "messages:send",
        ],
    )
    .await;
    assert_eq!(invite(&app, &narrow, GRACE, "agent").await.0, 201);
    for (role, refusal) in [
        ("viewer", (403, "forbidden")),
        ("owner", (403, "forbidden")),
        ("no-such-role", (422, "invalid_request")),
    ] {
        assert_eq!(
            code(&invite(&app, &narrow, GRACE, role).await),
            refusal,
            "{role}"
        );
    }
    let role =
        |name: &str, permissions: &[&str]| json!({ "name": name, "permissions": permissions });
    let make = async |body: Value| {
        app.send("POST", "/v1/roles", Some(&narrow), Some(body))
            .await
    };
    assert_eq!(make(role("desk", &["agents:read"])).await.0, 201);
    for (body, refusal) in [
        (role("more", &["credentials:write"]), (403, "forbidden")),
        (
            role("inner", &["credentials:use"]),
            (422, "invalid_request"),
        ),
        (role("odd", &["tenants:write"]), (422, "invalid_request")),
        (role("desk", &["agents:read"]), (409, "name_taken")),
        (role("owner", &["agents:read"]), (409, "name_taken")),
        (role("Not A Name", &[]), (422, "invalid_request")),
    ] {
        assert_eq!(code(&make(body.clone()).await), refusal, "{body}");
    }
}

#[tokio::test]
async fn a_role_of_the_tenants_own_holds_as_it_is_now() {
    let app = app().await;
    let member = app.member("acme", GRACE, "viewer").await;
    let owner = key(
        &app,
        &[
            "members:read",
            "members:write",
            "roles:read",
            "roles:write",
            "credentials:read",
            "conversations:read",
            "agents:read",
            "jobs:read",
            "traces:read",
        ],
    )
    .await;
    let body = json!({ "name": "desk", "permissions": ["members:read"] });
    assert_eq!(
        app.send("POST", "/v1/roles", Some(&owner), Some(body))
            .await
            .0,
        201
    );
    let (_, me) = member.send("GET", "/v1/me", None).await;
    let path = format!("/v1/members/{}", me["id"].as_str().expect("id"));
    let set = async |role: &str| {
        let body = json!({ "role": role });
        app.send("PATCH", &path, Some(&owner), Some(body)).await
    };
    assert_eq!(set("desk").await.0, 204);
    assert_eq!(member.status("GET", "/app/acme/see").await, 200);
    assert_eq!(member.status("POST", "/app/acme/see").await, 403);
    let body = json!({ "permissions": ["members:write"] });
    let changed = app
        .send("PUT", "/v1/roles/desk", Some(&owner), Some(body))
        .await;
    assert_eq!(changed.0, 200, "{}", changed.1);
    assert_eq!(member.status("GET", "/app/acme/see").await, 403);
    assert_eq!(member.status("POST", "/app/acme/see").await, 200);
    let used = app
        .send("DELETE", "/v1/roles/desk", Some(&owner), None)
        .await;
    assert_eq!(code(&used), (409, "role_in_use"));
    assert_eq!(set("viewer").await.0, 204);
    assert_eq!(
        app.send("DELETE", "/v1/roles/desk", Some(&owner), None)
            .await
            .0,
        204
    );
    let builtin = app
        .send("DELETE", "/v1/roles/viewer", Some(&owner), None)
        .await;
    assert_eq!(code(&builtin), (404, "not_found"));
}

#[tokio::test]
async fn owners_alone_make_and_unmake_owners() {
    let app = app().await;
    let owner = app.member("acme", OWNER, "owner").await;
    app.member("acme", ADMIN, "admin").await;
    let (_, me) = owner.send("GET", "/v1/me", None).await;
    let path = format!("/v1/members/{}", me["id"].as_str().expect("id"));
    let every: Vec<&str> = kernel::permission::TENANT
        .iter()
        .copied()
        .filter(|name| kernel::permission::grantable(name).is_some())
        .collect();
    let key = key(&app, &every).await;
    for body in [json!({ "role": "admin" }), json!({ "role": "viewer" })] {
        let answer = app.send("PATCH", &path, Some(&key), Some(body)).await;
        assert_eq!(code(&answer), (403, "forbidden"));
    }
    let answer = app.send("DELETE", &path, Some(&key), None).await;
    assert_eq!(code(&answer), (403, "forbidden"));
    assert_eq!(
        code(&invite(&app, &key, GRACE, "owner").await),
        (403, "forbidden")
    );
}

#[tokio::test]
async fn the_last_owner_stays() {
    let app = app().await;
    let owner = app.member("acme", OWNER, "owner").await;
    let (_, me) = owner.send("GET", "/v1/me", None).await;
    let id = me["id"].as_str().expect("id").parse().expect("an id");
    let access = app.enter::<MembersWrite>("acme").await;
    let refused = super::set_role(&access, id, "admin").await;
    assert_eq!(refused.expect_err("refused").code(), "last_owner");
    let refused = super::remove(&access, id).await;
    assert_eq!(refused.expect_err("refused").code(), "last_owner");
    let (_, list) = owner.send("GET", "/v1/me/memberships", None).await;
    let leave = format!(
        "/v1/me/memberships/{}",
        list["data"][0]["tenant"].as_str().expect("id")
    );
    let answer = owner.send("DELETE", &leave, None).await;
    assert_eq!(code(&answer), (409, "last_owner"));
    app.member("acme", ADMIN, "owner").await;
    assert_eq!(owner.status("DELETE", &leave).await, 204);
    assert_eq!(owner.status("DELETE", &leave).await, 404);
    assert_eq!(owner.status("GET", "/app/acme/see").await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_owners_who_demote_each_other_one_stays() {
    let app = app().await;
    app.member("acme", OWNER, "owner").await;
    app.member("acme", ADMIN, "owner").await;
    let owners: Vec<uuid::Uuid> = sqlx::query_scalar("SELECT user_id FROM control.membership")
        .fetch_all(&mut app.superuser().await)
        .await
        .expect("owners");
    for _ in 0..20 {
        app.execute("UPDATE control.membership SET role = 'owner'")
            .await;
        let (one, two) = (
            app.enter::<MembersWrite>("acme").await,
            app.enter::<MembersWrite>("acme").await,
        );
        let results = tokio::join!(
            super::set_role(&one, owners[0].into(), "viewer"),
            super::set_role(&two, owners[1].into(), "viewer"),
        );
        let refused = [results.0, results.1]
            .into_iter()
            .filter_map(Result::err)
            .map(|error| error.code())
            .collect::<Vec<_>>();
        assert_eq!(refused, ["last_owner"]);
        let left = "SELECT count(*) FROM control.membership WHERE role = 'owner'";
        assert_eq!(app.count(left).await, 1);
    }
}

#[tokio::test]
async fn strangers_and_unknown_tenants_answer_alike() {
    let app = app().await;
    app.tenant("globex").await;
    let member = app.member("acme", GRACE, "viewer").await;
    let answer = async |path: &str| {
        let mut answer = member.send("GET", path, None).await;
        answer.1["correlation_id"] = Value::Null;
        answer
    };
    let foreign = answer("/app/globex/see").await;
    assert_eq!(foreign, answer("/app/no-such-tenant/see").await);
    assert_eq!(code(&foreign), (404, "not_found"));
    assert_eq!(app.browser().status("GET", "/app/acme/see").await, 401);
    app.execute(
        "UPDATE control.tenant SET status = 'suspended', suspension = 'abuse',
         suspended_at = now() WHERE slug = 'acme'",
    )
    .await;
    let tenant = app.db.directory().by_slug("acme").await.expect("directory");
    app.db.directory().forget(&tenant.expect("acme"));
    assert_eq!(
        code(&answer("/app/acme/see").await),
        (403, "tenant_inactive")
    );
}

#[tokio::test]
async fn staff_need_their_role_and_their_second_factor() {
    let app = App::configured(database().await, true, true);
    app.user(GRACE).await;
    let browser = app.browser();
    browser.sign_in(GRACE, PASSWORD).await;
    let users = async || browser.send("GET", "/admin/v1/users", None).await;
    assert_eq!(code(&users().await), (404, "not_found"));
    let (_, me) = browser.send("GET", "/v1/me", None).await;
    let path = format!("/admin/v1/users/{}", me["id"].as_str().expect("id"));
    let role = json!({ "platform_role": "support" });
    assert_eq!(app.staff("PATCH", &path, Some(role)).await.0, 200);
    assert_eq!(
        browser.status("GET", "/v1/me").await,
        401,
        "its sessions ended"
    );
    browser.sign_in(GRACE, PASSWORD).await;
    assert_eq!(code(&users().await), (403, "second_factor_required"));
    app.execute("UPDATE control.session SET second_factor_at = now()")
        .await;
    assert_eq!(users().await.0, 200);
    let body = json!({ "status": "disabled" });
    let answer = browser.send("PATCH", &path, Some(body.clone())).await;
    assert_eq!(
        code(&answer),
        (403, "forbidden"),
        "support does not keep accounts"
    );
    assert_eq!(app.staff("PATCH", &path, Some(body)).await.0, 200);
    assert_eq!(users().await.0, 401);
    let listed = "SELECT count(*) FROM control.operator_audit
        WHERE action = 'user.listed' AND actor LIKE 'staff:usr\\_%'";
    assert_eq!(app.count(listed).await, 1);
}

#[tokio::test]
async fn without_its_entry_no_act_happens() {
    let app = app().await;
    app.member("acme", OWNER, "owner").await;
    app.member("acme", GRACE, "viewer").await;
    let key = inviter(&app).await;
    app.execute(
        "ALTER TABLE cell.audit_entry ADD CHECK (action NOT IN
            ('member.removed', 'invitation.sent')) NOT VALID",
    )
    .await;
    let (_, list) = app.send("GET", "/v1/members", Some(&key), None).await;
    let grace = list["data"][0]["id"].as_str().expect("id");
    let path = format!("/v1/members/{grace}");
    assert_eq!(app.send("DELETE", &path, Some(&key), None).await.0, 500);
    assert_eq!(
        app.count("SELECT count(*) FROM control.membership").await,
        2
    );
    assert_eq!(invite(&app, &key, "new@example.com", "viewer").await.0, 500);
    assert_eq!(
        app.count("SELECT count(*) FROM control.invitation").await,
        0
    );
    assert_eq!(app.mail_to("new@example.com").await, []);
}
