//! What the other login roles reach when they try. The grants say what they should; here each
//! verb is tried on each table, on rows of two tenants.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use crate::{
    rows::Of,
    schema::Table,
    worlds::{MINE, THEIRS, World, execute, outcome, shared},
};

/// One thing that a role could do, as in `select contact of a`.
type Reach = BTreeSet<String>;

/// Tries every verb on every table for rows of either tenant. What is refused by privilege or
/// policy, or reaches no row, does not count; a broken constraint does, since it was let through.
async fn reach(conn: &mut PgConnection, begin: &str, tables: &[Table]) -> Reach {
    let mut reached = Reach::new();
    for table in tables {
        let t = &table.name;
        for (tenant, letter) in [(MINE, 'a'), (THEIRS, 'b')] {
            let new = Of { letter, number: 9 };
            let parent = Of { letter, number: 1 };
            let verbs = [
                (
                    "select",
                    format!(
                        "SELECT to_jsonb(t)::text FROM cell.{t} t WHERE tenant_id = '{tenant}'"
                    ),
                ),
                ("insert", table.insert(Some(tenant), new, parent)),
                (
                    "update",
                    format!(
                        "UPDATE cell.{t} SET tenant_id = tenant_id WHERE tenant_id = '{tenant}'"
                    ),
                ),
                (
                    "delete",
                    format!("DELETE FROM cell.{t} WHERE tenant_id = '{tenant}'"),
                ),
            ];
            for (verb, sql) in verbs {
                execute(conn, begin).await;
                let outcome = outcome(conn, &sql).await;
                execute(conn, "ROLLBACK").await;
                if !outcome.starts_with("error 42501") && outcome != "0 rows" {
                    reached.insert(format!("{verb} {t} of {letter}"));
                }
            }
        }
    }
    reached
}

fn expected(reach: &[&str]) -> Reach {
    reach.iter().copied().map(str::to_owned).collect()
}

async fn reach_of(world: &World, role: &str, begin: &str, tables: &[Table]) -> Reach {
    reach(&mut world.login(role).await, begin, tables).await
}

fn ingest_begin() -> String {
    format!("BEGIN; SET LOCAL freehold.tenant_ids = '{{{MINE}}}'")
}

#[tokio::test]
async fn ingest_stores_events_and_jobs_of_its_batch_and_reads_none() {
    let (world, tables) = shared().await;
    let found = reach_of(&world, "freehold_ingest", &ingest_begin(), &tables).await;
    let allowed = [
        "select tenancy of a",
        "insert inbound_event of a",
        "insert job of a",
    ];
    assert_eq!(found, expected(&allowed));

    let mut conn = world.login("freehold_ingest").await;
    execute(&mut conn, &ingest_begin()).await;
    let keys = "SELECT DISTINCT tenant_id::text FROM cell.inbound_event
         WHERE dedup_key IS NOT NULL AND id IS NOT NULL AND provider IS NOT NULL";
    let seen = outcome(&mut conn, keys).await;
    assert_eq!(seen, format!("1 rows\n{MINE}"));
    for column in ["body", "payload", "headers", "url"] {
        execute(&mut conn, "SAVEPOINT before").await;
        let read = format!("SELECT {column}::text FROM cell.inbound_event");
        let refused = outcome(&mut conn, &read).await;
        assert!(refused.starts_with("error 42501"), "{column}: {refused}");
        execute(&mut conn, "ROLLBACK TO before").await;
    }
}

#[tokio::test]
async fn ingest_without_a_batch_raises() {
    let (world, _) = shared().await;
    let mut fresh = world.login("freehold_ingest").await;
    let keys = "SELECT tenant_id::text FROM cell.inbound_event";
    let refused = outcome(&mut fresh, keys).await;
    assert!(refused.starts_with("error 42704"), "{refused}");
    execute(&mut fresh, &format!("{}; COMMIT", ingest_begin())).await;
    let refused = outcome(&mut fresh, keys).await;
    assert!(refused.starts_with("error 22012"), "{refused}");
}

#[tokio::test]
async fn the_worker_sees_the_queue_and_who_changed_and_nothing_else() {
    let (world, tables) = shared().await;
    let found = reach_of(&world, "freehold_worker", "BEGIN", &tables).await;
    let allowed = [
        "select job of a",
        "select job of b",
        "insert job of a",
        "insert job of b",
        "update job of a",
        "update job of b",
        "delete job of a",
        "delete job of b",
        "select job_lane of a",
        "select job_lane of b",
        "insert job_lane of a",
        "insert job_lane of b",
        "update job_lane of a",
        "update job_lane of b",
        "select job_schedule of a",
        "select job_schedule of b",
        "update job_schedule of a",
        "update job_schedule of b",
        "select change of a",
        "select change of b",
    ];
    assert_eq!(found, expected(&allowed));
}

#[tokio::test]
async fn staff_reads_every_table_and_writes_only_who_is_here_and_at_what_pace() {
    let (world, tables) = shared().await;
    let found = reach_of(&world, "freehold_operator", "BEGIN", &tables).await;
    let mut allowed = expected(&[
        "insert tenancy of a",
        "insert tenancy of b",
        "update tenancy of a",
        "update tenancy of b",
        "insert job_lane of a",
        "insert job_lane of b",
    ]);
    for table in &tables {
        allowed.insert(format!("select {} of a", table.name));
        allowed.insert(format!("select {} of b", table.name));
    }
    assert_eq!(found, allowed);
}

#[tokio::test]
async fn a_wider_reach_is_noticed() {
    let (world, tables) = shared().await;
    world
        .break_by(
            "ALTER POLICY ingest_insert ON cell.inbound_event WITH CHECK (true);
             GRANT SELECT ON cell.contact TO freehold_worker;
             CREATE POLICY worker ON cell.contact FOR SELECT TO freehold_worker USING (true);
             GRANT DELETE ON cell.tenancy TO freehold_operator;
             CREATE POLICY staff_delete ON cell.tenancy FOR DELETE TO freehold_operator USING (true)",
        )
        .await;
    for (role, begin, more) in [
        (
            "freehold_ingest",
            ingest_begin(),
            "insert inbound_event of b",
        ),
        ("freehold_worker", "BEGIN".into(), "select contact of b"),
        ("freehold_operator", "BEGIN".into(), "delete tenancy of b"),
    ] {
        let found = reach_of(&world, role, &begin, &tables).await;
        assert!(found.contains(more), "{role} should reach: {more}");
    }
}
