//! The lifecycle against a real database: what each break leaves, and what racing callers see.

use kernel::{
    db::TenantStatus,
    id::TenantId,
    jobs::Lane,
    permission::{ApiKeysRead, TenantsRead, TenantsWrite},
    suspension::SuspensionKind,
    testing::database,
};
use serde_json::{Value, json};

use super::*;
use crate::testing::App;

fn new(slug: &str) -> NewTenant {
    NewTenant {
        slug: slug.to_owned(),
        name: "Acme".to_owned(),
        plan: None,
        region: None,
        weight: None,
    }
}

fn code(outcome: &kernel::Result<TenantView>) -> &'static str {
    match outcome {
        Ok(_) => "ok",
        Err(error) => error.code(),
    }
}

/// Leaves a tenant as a creation does that broke off after its first step, or its second.
async fn break_off(app: &App, slug: &str, placed: bool) -> TenantId {
    let id = TenantId::new();
    let operator = app.operator::<TenantsWrite>();
    let mut tx = operator
        .begin("test", None, json!({}))
        .await
        .expect("control");
    let cell = sqlx::query!(
        "INSERT INTO control.tenant (id, slug, name, plan, region, status, cell_id)
         SELECT $1, $2, 'Broken off', 'old', region, 'provisioning', id FROM control.cell
         RETURNING cell_id",
        id.uuid(),
        slug
    )
    .fetch_one(tx.conn())
    .await
    .expect("a row");
    tx.commit().await.expect("committed");
    if placed {
        let mut tx = operator
            .begin_in_cell(cell.cell_id.into(), "test", None)
            .await
            .expect("cell");
        sqlx::query!(
            "WITH tenancy AS (INSERT INTO cell.tenancy (tenant_id, epoch) VALUES ($1, 1))
             INSERT INTO cell.job_lane (tenant_id, weight) VALUES ($1, 3)",
            id.uuid()
        )
        .execute(tx.conn())
        .await
        .expect("placed");
        tx.commit().await.expect("committed");
    }
    id
}

/// Sets the lane aside from the status, as a change does that broke off halfway.
async fn set_paused(app: &App, tenant: &TenantView, paused: bool) {
    let entry = app
        .db
        .directory()
        .by_id(tenant.id)
        .await
        .expect("directory");
    let mut tx = app
        .operator::<TenantsWrite>()
        .begin_in_cell(entry.expect("known").cell, "test", None)
        .await
        .expect("cell");
    sqlx::query!(
        "UPDATE cell.job_lane SET paused = $2 WHERE tenant_id = $1",
        tenant.id.uuid(),
        paused
    )
    .execute(tx.conn())
    .await
    .expect("set");
    tx.commit().await.expect("committed");
}

async fn look(app: &App, tenant: &str) -> TenantView {
    get(&app.operator::<TenantsRead>(), tenant)
        .await
        .expect("the tenant")
}

fn paused(tenant: &TenantView) -> bool {
    tenant.queue.as_ref().expect("a lane").paused
}

#[tokio::test]
async fn a_created_tenant_is_active_and_can_be_entered() {
    let app = App::new(database().await);
    let tenant = create(
        &app.operator(),
        NewTenant {
            weight: Some(7),
            plan: Some("pro".to_owned()),
            ..new("acme")
        },
    )
    .await
    .expect("created");
    assert_eq!(tenant.status, TenantStatus::Active);
    assert_eq!(tenant.plan, "pro");
    let queue = Lane {
        tenant: tenant.id,
        weight: 7,
        max_running: 16,
        paused: false,
    };
    assert_eq!(tenant.queue, Some(queue));

    let access = app.enter::<ApiKeysRead>("acme").await;
    let tx = access.read().await.expect("the cell admits it");
    tx.commit().await.expect("committed");

    let (_, audit) = app.staff("GET", "/admin/v1/audit", None).await;
    let mut actions: Vec<&str> = audit["data"]
        .as_array()
        .expect("entries")
        .iter()
        .filter(|entry| entry["actor"] == "staff:local/test")
        .filter_map(|entry| entry["action"].as_str())
        .collect();
    actions.reverse();
    assert_eq!(
        actions,
        [
            "tenant.registered",
            "tenant.placed",
            "tenant.created",
            "tenant.entered"
        ]
    );
}

#[tokio::test]
async fn a_slug_is_given_once() {
    let app = App::new(database().await);
    let first = app.tenant("acme").await;
    assert_eq!(
        code(&create(&app.operator(), new("acme")).await),
        "slug_taken"
    );
    assert_eq!(
        code(&create(&app.operator(), new("admin")).await),
        "invalid_request"
    );
    close(&app.operator(), "acme").await.expect("closed");
    // Closed or not: URLs in other people's hands still name the first.
    assert_eq!(
        code(&create(&app.operator(), new("acme")).await),
        "slug_taken"
    );
    assert_eq!(look(&app, "acme").await.id, first.id);
}

#[tokio::test]
async fn a_creation_that_broke_off_is_taken_up() {
    let app = App::new(database().await);
    for (slug, placed) in [("registered", false), ("placed", true)] {
        let id = break_off(&app, slug, placed).await;
        let wanted = NewTenant {
            weight: Some(5),
            ..new(slug)
        };
        let tenant = create(&app.operator(), wanted).await.expect("finished");
        assert_eq!(tenant.id, id);
        assert_eq!(tenant.status, TenantStatus::Active);
        assert_eq!(
            (tenant.name.as_str(), tenant.plan.as_str()),
            ("Acme", "standard")
        );
        assert_eq!(tenant.queue.expect("a lane").weight, 5);
        app.enter::<ApiKeysRead>(slug).await;
    }
}

#[tokio::test]
async fn a_creation_is_not_taken_up_for_another_region() {
    let app = App::new(database().await);
    let id = break_off(&app, "far", false).await;
    let operator = app.operator::<TenantsWrite>();
    let mut tx = operator
        .begin("test", None, json!({}))
        .await
        .expect("control");
    sqlx::query!(
        "UPDATE control.tenant SET region = 'far' WHERE id = $1",
        id.uuid()
    )
    .execute(tx.conn())
    .await
    .expect("moved");
    tx.commit().await.expect("committed");
    let here = NewTenant {
        region: Some("local".to_owned()),
        ..new("far")
    };
    assert_eq!(code(&create(&operator, here).await), "slug_taken");
    assert_eq!(code(&create(&operator, new("far")).await), "ok");
}

#[tokio::test]
async fn an_unfinished_tenant_can_only_be_finished_or_given_up() {
    let app = App::new(database().await);
    break_off(&app, "half", false).await;
    let operator = app.operator();
    assert_eq!(
        code(&activate(&operator, "half").await),
        "invalid_transition"
    );
    assert_eq!(
        code(&suspend(&operator, "half", SuspensionKind::Investigation, "why").await),
        "invalid_transition"
    );
    let changes = TenantChanges {
        weight: Some(2),
        ..TenantChanges::default()
    };
    assert_eq!(
        code(&update(&operator, "half", changes).await),
        "invalid_transition"
    );
    assert_eq!(look(&app, "half").await.queue, None);
    let closed = close(&operator, "half").await.expect("given up");
    assert_eq!(closed.status, TenantStatus::Closed);
    assert_eq!(code(&create(&operator, new("half")).await), "slug_taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_creations_one_succeeds() {
    let app = App::new(database().await);
    let attempts: Vec<_> = (0..4)
        .map(|_| {
            let operator = app.operator();
            tokio::spawn(async move { create(&operator, new("acme")).await })
        })
        .collect();
    let mut codes = Vec::new();
    for attempt in attempts {
        codes.push(code(&attempt.await.expect("no panic")));
    }
    codes.sort_unstable();
    assert_eq!(codes, ["ok", "slug_taken", "slug_taken", "slug_taken"]);
    assert!(!paused(&look(&app, "acme").await));
}

#[tokio::test]
async fn suspension_keeps_callers_out_and_holds_the_queue() {
    let app = App::new(database().await);
    app.tenant("acme").await;
    let body = json!({ "name": "k", "mode": "live", "permissions": ["api_keys:read"] });
    let access = app.enter("acme").await;
    let key = crate::api_keys::create(&access, serde_json::from_value(body).expect("a key"))
        .await
        .expect("issued");
    let list = || app.send("GET", "/v1/api-keys", Some(key.key.expose()), None);
    assert_eq!(list().await.0, 200);

    let suspended = suspend(
        &app.operator(),
        "acme",
        SuspensionKind::Investigation,
        "unpaid",
    )
    .await
    .expect("suspended");
    assert_eq!(suspended.status, TenantStatus::Suspended);
    assert!(paused(&suspended));
    let (status, problem) = list().await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (403, &json!("tenant_inactive"))
    );

    let active = activate(&app.operator(), "acme").await.expect("active");
    assert!(!paused(&active));
    assert_eq!(list().await.0, 200);
}

#[tokio::test]
async fn a_change_that_broke_off_is_finished_by_repeating_it() {
    let app = App::new(database().await);
    let tenant = app.tenant("acme").await;
    let operator = app.operator();
    suspend(&operator, "acme", SuspensionKind::Investigation, "unpaid")
        .await
        .expect("suspended");
    set_paused(&app, &tenant, false).await;
    let again = suspend(&operator, "acme", SuspensionKind::Investigation, "unpaid")
        .await
        .expect("repeated");
    assert!(paused(&again));
    activate(&operator, "acme").await.expect("active");
    set_paused(&app, &tenant, true).await;
    let again = activate(&operator, "acme").await.expect("repeated");
    assert!(!paused(&again));
}

#[tokio::test]
async fn closed_is_final_and_frees_the_providers_ids() {
    let app = App::new(database().await);
    app.tenant("acme").await;
    app.tenant("other").await;
    let claim = async |slug: &str| {
        app.enter::<kernel::permission::CredentialsWrite>(slug)
            .await
            .claim_route("whatsapp", "phone_number_id", "1")
            .await
    };
    claim("acme").await.expect("claimed");
    let taken = claim("other").await.expect_err("taken");
    assert_eq!(taken.code(), "identifier_taken");

    let closed = close(&app.operator(), "acme").await.expect("closed");
    assert!(paused(&closed));
    claim("other").await.expect("free again");
    let operator = app.operator();
    assert_eq!(
        code(&activate(&operator, "acme").await),
        "invalid_transition"
    );
    assert_eq!(
        code(&suspend(&operator, "acme", SuspensionKind::Investigation, "why").await),
        "invalid_transition"
    );
    assert_eq!(
        code(&update(&operator, "acme", TenantChanges::default()).await),
        "invalid_transition"
    );
    assert_eq!(code(&close(&operator, "acme").await), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lane_agrees_with_the_status_after_a_race() {
    let app = App::new(database().await);
    app.tenant("acme").await;
    for round in 0..6 {
        let changes: Vec<_> = (0..4)
            .map(|index| {
                let operator = app.operator();
                tokio::spawn(async move {
                    if (index + round) % 2 == 0 {
                        suspend(&operator, "acme", SuspensionKind::Investigation, "race").await
                    } else {
                        activate(&operator, "acme").await
                    }
                })
            })
            .collect();
        for change in changes {
            change.await.expect("no panic").expect("changed");
        }
        let tenant = look(&app, "acme").await;
        assert_eq!(paused(&tenant), tenant.status != TenantStatus::Active);
    }
}

#[tokio::test]
async fn changes_leave_alone_what_they_do_not_name() {
    let app = App::new(database().await);
    app.tenant("acme").await;
    let path = "/admin/v1/tenants/acme";
    let (status, tenant) = app
        .staff("PATCH", path, Some(json!({ "weight": 10 })))
        .await;
    assert_eq!(status, 200);
    assert_eq!(
        (&tenant["queue"]["weight"], &tenant["name"]),
        (&json!(10), &json!("ACME"))
    );
    let (_, tenant) = app
        .staff("PATCH", path, Some(json!({ "name": " New " })))
        .await;
    assert_eq!(
        (&tenant["queue"]["weight"], &tenant["name"]),
        (&json!(10), &json!("New"))
    );
    for refused in [
        json!({ "weight": 0 }),
        json!({ "weight": 1001 }),
        json!({ "name": "" }),
        json!({ "plan": "No Such" }),
        json!({ "slug": "other" }),
        json!({ "status": "closed" }),
    ] {
        let (status, problem) = app.staff("PATCH", path, Some(refused)).await;
        assert_eq!(
            (status.as_u16(), &problem["code"]),
            (422, &json!("invalid_request"))
        );
    }
}

#[tokio::test]
async fn lists_are_paged_and_filtered() {
    let app = App::new(database().await);
    for slug in ["one", "two", "three"] {
        app.tenant(slug).await;
    }
    suspend(&app.operator(), "two", SuspensionKind::Investigation, "why")
        .await
        .expect("suspended");
    let slugs = |page: &Value| -> Vec<String> {
        let data = page["data"].as_array().expect("a page");
        data.iter()
            .map(|tenant| tenant["slug"].as_str().expect("slug").to_owned())
            .collect()
    };
    let (_, first) = app.staff("GET", "/admin/v1/tenants?limit=2", None).await;
    assert_eq!(slugs(&first), ["three", "two"]);
    let cursor = first["next_cursor"].as_str().expect("more");
    let path = format!("/admin/v1/tenants?limit=2&cursor={cursor}");
    let (_, second) = app.staff("GET", &path, None).await;
    assert_eq!(slugs(&second), ["one"]);
    assert_eq!(second["next_cursor"], Value::Null);
    let (_, suspended) = app
        .staff("GET", "/admin/v1/tenants?status=suspended", None)
        .await;
    assert_eq!(slugs(&suspended), ["two"]);
    for refused in [
        "status=gone",
        "limit=0",
        "limit=201",
        "cursor=x",
        "offset=1",
    ] {
        let path = format!("/admin/v1/tenants?{refused}");
        assert_eq!(app.staff("GET", &path, None).await.0, 422, "{refused}");
    }
}

#[tokio::test]
async fn a_tenant_is_found_by_id_and_slug_and_by_nothing_else() {
    let app = App::new(database().await);
    let tenant = app.tenant("acme").await;
    for name in ["acme", &tenant.id.to_string()] {
        let (status, found) = app
            .staff("GET", &format!("/admin/v1/tenants/{name}"), None)
            .await;
        assert_eq!((status.as_u16(), &found["slug"]), (200, &json!("acme")));
    }
    let unknown = TenantId::new().to_string();
    for name in [
        "ACME",
        "none",
        "ten_x",
        "key_01h455vb4pex5vsknk084sn02q",
        &unknown,
    ] {
        for (method, path) in [
            ("GET", format!("/admin/v1/tenants/{name}")),
            ("POST", format!("/admin/v1/tenants/{name}/activate")),
            ("POST", format!("/admin/v1/tenants/{name}/close")),
        ] {
            let (status, problem) = app.staff(method, &path, None).await;
            assert_eq!(
                (status.as_u16(), &problem["code"]),
                (404, &json!("not_found"))
            );
        }
    }
}

#[tokio::test]
async fn staff_alone_enter_the_operator_api() {
    let app = App::new(database().await);
    app.tenant("acme").await;
    let body = json!({ "name": "k", "mode": "live", "role": "owner" });
    let access = app.enter("acme").await;
    let key = crate::api_keys::create(&access, serde_json::from_value(body).expect("a key"))
        .await
        .expect("issued");
    for (method, path) in [
        ("GET", "/admin/v1/tenants"),
        ("POST", "/admin/v1/tenants"),
        ("GET", "/admin/v1/tenants/acme"),
        ("PATCH", "/admin/v1/tenants/acme"),
        ("POST", "/admin/v1/tenants/acme/suspend"),
        ("POST", "/admin/v1/tenants/acme/activate"),
        ("POST", "/admin/v1/tenants/acme/close"),
        ("GET", "/admin/v1/quarantine"),
        ("GET", "/admin/v1/audit"),
    ] {
        for token in [None, Some("wrong"), Some(key.key.expose())] {
            let (status, problem) = app.send(method, path, token, None).await;
            assert_eq!(status, 401, "{method} {path}");
            assert_eq!(problem["code"], "unauthenticated");
        }
    }
}

#[tokio::test]
async fn creating_over_http_answers_201_and_names_bad_fields() {
    let app = App::new(database().await);
    let path = "/admin/v1/tenants";
    let body = json!({ "slug": "acme", "name": "Acme" });
    let (status, tenant) = app.staff("POST", path, Some(body.clone())).await;
    assert_eq!(status, 201);
    assert_eq!(tenant["status"], "active");
    assert!(
        tenant["id"]
            .as_str()
            .is_some_and(|id| id.starts_with("ten_"))
    );
    let (status, problem) = app.staff("POST", path, Some(body)).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (409, &json!("slug_taken"))
    );
    for (field, body) in [
        ("slug", json!({ "slug": "-", "name": "x" })),
        ("name", json!({ "slug": "x", "name": " " })),
        ("plan", json!({ "slug": "x", "name": "x", "plan": "" })),
        ("weight", json!({ "slug": "x", "name": "x", "weight": 0 })),
        (
            "region",
            json!({ "slug": "x", "name": "x", "region": "moon" }),
        ),
    ] {
        let (status, problem) = app.staff("POST", path, Some(body)).await;
        assert_eq!(
            (status.as_u16(), &problem["errors"][0]["field"]),
            (422, &json!(field))
        );
    }
    let path = "/admin/v1/tenants/acme/suspend";
    for body in [
        json!({}),
        json!({ "kind": "abuse", "note": " " }),
        json!({ "kind": "mood", "note": "x" }),
    ] {
        assert_eq!(app.staff("POST", path, Some(body)).await.0, 422);
    }
}

#[tokio::test]
async fn lists_are_searched_and_sorted() {
    let app = App::new(database().await);
    for (slug, name, plan) in [
        ("a", "zeta", "pro"),
        ("b", "Alpha", "standard"),
        ("c", "beta", "pro"),
        ("d", "Éclair", "pro"),
    ] {
        let new = NewTenant {
            name: name.to_owned(),
            plan: Some(plan.to_owned()),
            ..new(slug)
        };
        create(&app.operator(), new).await.expect("created");
    }
    let slugs = async |query: &str| {
        let (mut slugs, mut cursor) = (String::new(), String::new());
        loop {
            let path = format!("/admin/v1/tenants?limit=1&{query}{cursor}");
            let (status, page) = app.staff("GET", &path, None).await;
            assert_eq!(status, 200, "{page}");
            for tenant in page["data"].as_array().expect("a page") {
                slugs += tenant["slug"].as_str().expect("slug");
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return slugs,
            }
        }
    };
    assert_eq!(slugs("").await, "dcba");
    assert_eq!(slugs("sort=created").await, "abcd");
    let by_name = slugs("sort=name").await;
    assert!(by_name.starts_with("bc") && by_name.len() == 4, "{by_name}");
    let reversed: String = by_name.chars().rev().collect();
    assert_eq!(slugs("sort=-name").await, reversed);
    assert_eq!(slugs("plan=pro&sort=created").await, "acd");
    assert_eq!(slugs("q=ETA&sort=created").await, "ac");
    assert_eq!(slugs("q=%25").await, "");
}
