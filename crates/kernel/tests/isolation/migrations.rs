//! Every migration can be taken back and applied again, and leaves nothing behind when it goes.

use std::process::Command;

use kernel::{
    db,
    testing::{self, TestDb},
};
use sqlx::PgConnection;

/// The schema as `pg_dump` writes it. `None` where the Postgres of this machine comes without it.
async fn dump(superuser: &mut PgConnection) -> Option<String> {
    let program = testing::bin_dir().await.join("pg_dump");
    if !program.exists() {
        return None;
    }
    let (folder, port, user, database): (String, String, String, String) = sqlx::query_as(
        "SELECT current_setting('unix_socket_directories'), current_setting('port'),
             current_user::text, current_database()::text",
    )
    .fetch_one(superuser)
    .await
    .unwrap();
    // The setting is a list, so its entries may be quoted.
    let folder = folder.trim_matches('"');
    let output = Command::new(program)
        .args(["--schema-only", "--no-password", "--host", folder])
        .args(["--port", &port, "--username", &user, "--dbname", &database])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    // Newer releases guard their scripts with a random word, which differs from run to run.
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    Some(lines.collect::<Vec<_>>().join("\n"))
}

/// What is left in the schemas beside the migrations' own ledger.
async fn leftovers(superuser: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(
        "WITH schemas AS (SELECT unnest(ARRAY['control', 'cell']::regnamespace[]) AS oid)
         SELECT c.oid::regclass::text FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
         WHERE c.relname NOT IN ('_sqlx_migrations', '_sqlx_migrations_pkey')
         UNION ALL
         SELECT p.oid::regprocedure::text FROM pg_proc p JOIN schemas s ON s.oid = p.pronamespace
         UNION ALL
         SELECT y.oid::regtype::text FROM pg_type y JOIN schemas s ON s.oid = y.typnamespace
         WHERE y.typname NOT IN ('_sqlx_migrations', '__sqlx_migrations')
         UNION ALL
         SELECT format('%s on %s to %s', acl.privilege_type, n.nspname, acl.grantee::regrole)
         FROM pg_namespace n JOIN schemas s ON s.oid = n.oid, LATERAL aclexplode(n.nspacl) AS acl
         WHERE acl.grantee <> n.nspowner
         UNION ALL
         SELECT nspname::text FROM pg_namespace
         WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN
             ('control', 'cell', 'public', 'information_schema')
         ORDER BY 1",
    )
    .fetch_all(superuser)
    .await
    .unwrap()
}

/// The versions that are applied to either database, newest first.
async fn versions(superuser: &mut PgConnection) -> Vec<i64> {
    sqlx::query_scalar(
        "SELECT version FROM control._sqlx_migrations
         UNION SELECT version FROM cell._sqlx_migrations ORDER BY 1 DESC",
    )
    .fetch_all(superuser)
    .await
    .unwrap()
}

async fn migrated() -> (TestDb, PgConnection) {
    let test = testing::database().await;
    let superuser = test.superuser().await;
    test.db.close().await;
    (test, superuser)
}

#[tokio::test]
async fn down_leaves_nothing_and_up_again_makes_the_same() {
    let (test, mut superuser) = migrated().await;
    let before = dump(&mut superuser).await;
    if before.is_none() {
        testing::skip("pg_dump");
        return;
    }

    db::undo(&test.server, 0).await.unwrap();
    assert_eq!(leftovers(&mut superuser).await, Vec::<String>::new());
    assert_eq!(versions(&mut superuser).await, Vec::<i64>::new());

    db::migrate(&test.server).await.unwrap();
    assert_eq!(dump(&mut superuser).await, before);
    assert_eq!(db::pending(&test.server).await.unwrap(), 0);
}

#[tokio::test]
async fn each_migration_can_be_taken_back_alone() {
    let (test, mut superuser) = migrated().await;
    let before = dump(&mut superuser).await;
    if before.is_none() {
        testing::skip("pg_dump");
        return;
    }
    for version in versions(&mut superuser).await {
        db::undo(&test.server, version - 1).await.unwrap();
        assert!(
            versions(&mut superuser)
                .await
                .iter()
                .all(|left| *left < version)
        );
        db::migrate(&test.server).await.unwrap();
        assert_eq!(
            dump(&mut superuser).await,
            before,
            "down to {version} and up"
        );
    }
}

#[tokio::test]
async fn a_down_that_forgets_something_is_noticed() {
    let (test, mut superuser) = migrated().await;
    let before = dump(&mut superuser).await;
    for (forgotten, name) in [
        ("CREATE TABLE cell.forgotten ()", "cell.forgotten"),
        (
            "CREATE TYPE control.colour AS ENUM ('red')",
            "control.colour",
        ),
        (
            "GRANT CREATE ON SCHEMA cell TO freehold_app",
            "CREATE on cell to freehold_app",
        ),
        ("CREATE SCHEMA elsewhere", "elsewhere"),
    ] {
        sqlx::raw_sql(forgotten)
            .execute(&mut superuser)
            .await
            .unwrap();
        let left = leftovers(&mut superuser).await;
        assert!(
            left.iter().any(|object| object == name),
            "{forgotten}: {left:?}"
        );
    }
    if before.is_some() {
        assert_ne!(dump(&mut superuser).await, before);
    }
    drop(test);
}
