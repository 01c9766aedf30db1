//! Recurring jobs.

use time::OffsetDateTime;

use crate::world::{Log, World, options, start, working};

async fn next_at(world: &World, name: &str) -> Option<OffsetDateTime> {
    let mut conn = world.superuser().await;
    sqlx::query_scalar("SELECT next_at FROM cell.job_schedule WHERE name = $1")
        .bind(name)
        .fetch_optional(&mut conn)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_nodes_one_enqueues() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let mut tx = world.tx(&tenant).await;
    tx.schedule("tick", "* * * * * *", "work", &5)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let log = Log::new();
    let registry = || {
        let seen = log.clone();
        working(move |access, n: u32| {
            seen.push((access.actor().to_string(), n));
            async { Ok(()) }
        })
    };
    let other = world.other_node().await;
    let nodes = [
        start(&world.db, registry(), options()),
        start(&other, registry(), options()),
    ];
    let entries = log.until_len(3).await;
    drop(nodes);
    assert_eq!(entries[0], ("schedule:tick".to_owned(), 5));
    let mut conn = world.superuser().await;
    let (jobs, seconds): (i64, i64) = sqlx::query_as(
        "SELECT count(*), count(DISTINCT date_trunc('second', created_at)) FROM cell.job",
    )
    .fetch_one(&mut conn)
    .await
    .unwrap();
    assert_eq!(jobs, seconds, "one job a second");
}

#[tokio::test]
async fn missed_times_are_made_up_for_once() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let mut tx = world.tx(&tenant).await;
    tx.schedule("hourly", "0 * * * *", "work", &1)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut conn = world.superuser().await;
    sqlx::query("UPDATE cell.job_schedule SET next_at = now() - interval '3 days'")
        .execute(&mut conn)
        .await
        .unwrap();
    let log = Log::new();
    let seen = log.clone();
    let registry = working(move |_, n: u32| {
        seen.push(n);
        async { Ok(()) }
    });
    let worker = start(&world.db, registry, options());
    log.until_len(1).await;
    drop(worker);
    assert!(next_at(&world, "hourly").await.unwrap() > OffsetDateTime::now_utc());
    let mut conn = world.superuser().await;
    let jobs: i64 = sqlx::query_scalar("SELECT count(*) FROM cell.job")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert_eq!(jobs, 1);
}

#[tokio::test]
async fn declaring_a_schedule_again_postpones_nothing() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let declare = async |cron: &str| {
        let mut tx = world.tx(&tenant).await;
        tx.schedule("report", cron, "work", &1).await.unwrap();
        tx.commit().await.unwrap();
    };
    declare("0 9 * * *").await;
    let mut conn = world.superuser().await;
    sqlx::query("UPDATE cell.job_schedule SET next_at = '2030-01-01'")
        .execute(&mut conn)
        .await
        .unwrap();
    declare("0 9 * * *").await;
    assert_eq!(next_at(&world, "report").await.unwrap().year(), 2030);
    declare("0 10 * * *").await;
    assert_eq!(next_at(&world, "report").await.unwrap().hour(), 10);

    let mut tx = world.tx(&tenant).await;
    assert!(tx.unschedule("report").await.unwrap());
    assert!(!tx.unschedule("report").await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(next_at(&world, "report").await, None);
}

#[tokio::test]
async fn a_pattern_that_never_matches_is_refused() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let mut tx = world.tx(&tenant).await;
    let error = tx
        .schedule("never", "0 0 30 2 *", "work", &1)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "invalid_request");
}
