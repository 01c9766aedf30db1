//! Replay from the operator console.

use kernel::{id::JobId, testing::database};

use crate::{testing::App, users::PlatformRole};

#[tokio::test]
async fn dead_letters_are_replayed_inside_their_tenant() {
    let app = App::new(database().await);
    let tenant = app.tenant("acme").await;
    let olive = app
        .colleague("olive@freehold.example", PlatformRole::Administrator)
        .await;
    let sam = app
        .colleague("sam@freehold.example", PlatformRole::Support)
        .await;
    app.execute(
        "INSERT INTO cell.job (tenant_id, id, kind, payload, state, max_attempts, attempt, actor,
             correlation_id)
         SELECT tenant_id, gen_random_uuid(), 'k', '{}', 'dead', 1, 1, 'a', gen_random_uuid()
         FROM cell.tenancy",
    )
    .await;
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM cell.job")
        .fetch_one(&mut app.superuser().await)
        .await
        .expect("the job");
    let path = format!("/admin/jobs/{}/{}/replay", tenant.id, JobId::from(id));
    for page in [
        "/admin/jobs",
        "/admin/jobs?state=dead&tenant=acme",
        "/admin/quarantine",
        "/admin/audit?show=all&tenant=acme",
    ] {
        assert_eq!(sam.status("GET", page).await, 200, "{page}");
    }
    assert_eq!(sam.submit(&path, &[]).await.0, 403);
    let dead = "SELECT count(*) FROM cell.job WHERE state = 'dead'";
    assert_eq!(app.count(dead).await, 1);
    for _ in 0..2 {
        let answer = olive.submit(&path, &[]).await;
        assert_eq!(answer, (303, "/admin/jobs?state=dead".to_owned()));
    }
    assert_eq!(app.count(dead).await, 0);
    for (log, action) in [
        (
            "SELECT count(*) FROM cell.audit_entry WHERE action = 'job.replayed'",
            "job.replayed",
        ),
        (
            "SELECT count(*) FROM control.operator_audit WHERE action = 'tenant.entered'
                 AND detail->>'permission' = 'jobs:replay'",
            "tenant.entered",
        ),
    ] {
        assert!(app.count(log).await >= 1, "{action}");
    }
}
