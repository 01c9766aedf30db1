//! Who writes, changes and deletes notes, and that each act is on record without its text.

use kernel::testing::database;
use serde_json::json;

use crate::{testing::App, users::PlatformRole};

const NOTES: &str = "/admin/v1/tenants/acme/notes";

#[tokio::test]
async fn notes_belong_to_their_authors() {
    let app = App::new(database().await);
    app.tenant("acme").await;
    app.tenant("globex").await;
    let olive = app
        .colleague("olive@freehold.example", PlatformRole::Administrator)
        .await;
    let sam = app
        .colleague("sam@freehold.example", PlatformRole::Support)
        .await;
    let written = json!({ "body": "planted-words\r\nsecond line " });
    let (status, note) = sam.send("POST", NOTES, Some(written)).await;
    assert_eq!(status, 201, "{note}");
    assert_eq!(note["author_name"], "Staff sam@freehold.example");
    assert_eq!(note["body"], "planted-words\nsecond line");
    let own = format!("{NOTES}/{}", note["id"].as_str().expect("id"));
    let changed = json!({ "body": "changed" });
    assert_eq!(
        olive.send("PATCH", &own, Some(changed.clone())).await.0,
        403
    );
    let elsewhere = own.replace("acme", "globex");
    assert_eq!(
        sam.send("PATCH", &elsewhere, Some(changed.clone())).await.0,
        404
    );
    let (_, note) = sam.send("PATCH", &own, Some(changed)).await;
    assert!(note["edited_at"].is_string() && note["body"] == "changed");
    let (_, other) = olive
        .send("POST", NOTES, Some(json!({ "body": "hers" })))
        .await;
    let hers = format!("{NOTES}/{}", other["id"].as_str().expect("id"));
    assert_eq!(sam.status("DELETE", &hers).await, 403);
    assert_eq!(olive.status("DELETE", &own).await, 204);
    let (_, left) = sam.send("GET", NOTES, None).await;
    assert_eq!(left.as_array().map(Vec::len), Some(1));
    for refused in [json!({ "body": " " }), json!({ "body": "x".repeat(4001) })] {
        assert_eq!(sam.send("POST", NOTES, Some(refused)).await.0, 422);
    }
    let acts = "SELECT count(*) FROM control.operator_audit
        WHERE action IN ('note.added', 'note.edited', 'note.deleted')";
    assert_eq!(
        app.count(acts).await,
        4,
        "refused acts are taken back with their entries"
    );
    let told = "SELECT count(*) FROM control.operator_audit WHERE detail::text LIKE '%planted%'";
    assert_eq!(app.count(told).await, 0);
}

#[tokio::test]
async fn pages_add_change_and_delete() {
    let app = App::new(database().await);
    app.tenant("acme").await;
    let sam = app
        .colleague("sam@freehold.example", PlatformRole::Support)
        .await;
    let home = "/admin/tenants/acme";
    let add = format!("{home}/notes");
    assert_eq!(
        sam.submit(&add, &[("body", "one")]).await,
        (303, home.to_owned())
    );
    let (_, notes) = sam.send("GET", NOTES, None).await;
    let note = format!("{add}/{}", notes[0]["id"].as_str().expect("id"));
    assert_eq!(sam.status("GET", &format!("{note}/edit")).await, 200);
    assert_eq!(
        sam.submit(&format!("{note}/edit"), &[("body", "")]).await.0,
        422
    );
    assert_eq!(
        sam.submit(&format!("{note}/edit"), &[("body", "two")])
            .await
            .0,
        303
    );
    assert_eq!(sam.status("GET", &format!("{note}/delete")).await, 200);
    assert_eq!(sam.submit(&format!("{note}/delete"), &[]).await.0, 303);
    assert_eq!(
        app.count("SELECT count(*) FROM control.tenant_note").await,
        0
    );
}
