//! What enqueueing promises.

use std::sync::Arc;

use kernel::{
    Access,
    events::{Event, Subscriptions},
    jobs::Registry,
};
use tokio::sync::Notify;

use crate::world::{Allowed, Log, World, options, start, until, work, working};

#[tokio::test]
async fn a_job_exists_only_if_its_transaction_commits() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let mut tx = world.tx(&tenant).await;
    tx.enqueue_raw(work(1)).await.unwrap().unwrap();
    drop(tx);
    let kept = world.enqueue(&tenant, work(2)).await;
    let log = Log::new();
    let seen = log.clone();
    let registry = working(move |_, n: u32| {
        seen.push(n);
        async { Ok(()) }
    });
    let worker = start(&world.db, registry, options());
    world.until_job(kept, |job| job.state == "done").await;
    assert_eq!(log.entries(), [2]);
    let mut conn = world.superuser().await;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM cell.job")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert_eq!(rows, 1);
    drop(worker);
}

#[tokio::test]
async fn a_dedup_key_admits_one_job_until_it_has_ended() {
    let world = World::new().await;
    let (tenant, other) = (world.tenant("acme").await, world.tenant("other").await);
    let keyed = || {
        let mut job = work(1);
        job.dedup_key = Some("once".into());
        job
    };
    let first = world.enqueue(&tenant, keyed()).await;
    let enqueue_again = async || {
        let mut tx = world.tx(&tenant).await;
        let id = tx.enqueue_raw(keyed()).await.unwrap();
        tx.commit().await.unwrap();
        id
    };
    assert_eq!(enqueue_again().await, None, "while it waits");
    // Keys of other tenants are other keys.
    world.enqueue(&other, keyed()).await;

    let go = Arc::new(Notify::new());
    let started = Log::new();
    let (wait, seen) = (Arc::clone(&go), started.clone());
    let registry = working(move |access, _: u32| {
        let (wait, seen) = (Arc::clone(&wait), seen.clone());
        async move {
            if access.tenant().slug == "acme" {
                seen.push(());
                wait.notified().await;
            }
            Ok(())
        }
    });
    let worker = start(&world.db, registry, options());
    started.until_len(1).await;
    assert_eq!(enqueue_again().await, None, "while it runs");
    go.notify_one();
    world.until_job(first, |job| job.state == "done").await;
    assert!(enqueue_again().await.is_some(), "once it is done");
    go.notify_one();
    started.until_len(2).await;
    drop(worker);
}

#[tokio::test]
async fn a_job_waits_for_its_time() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let run_at = time::OffsetDateTime::now_utc() + time::Duration::milliseconds(400);
    let mut later = work(1);
    later.run_at = Some(run_at);
    let later = world.enqueue(&tenant, later).await;
    assert_eq!(world.job(later).await.state, "scheduled");
    let log = Log::new();
    let seen = log.clone();
    let registry = working(move |_, _: u32| {
        seen.push(time::OffsetDateTime::now_utc());
        async { Ok(()) }
    });
    let worker = start(&world.db, registry, options());
    let ran_at = log.until_len(1).await[0];
    assert!(ran_at >= run_at, "{ran_at} is before {run_at}");
    drop(worker);
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Rang {
    bell: u32,
}

impl Event for Rang {
    const NAME: &'static str = "bell.rang";
}

#[tokio::test]
async fn an_event_reaches_each_subscriber_with_the_senders_name_and_correlation() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let log = Log::new();
    let mut registry = Registry::new();
    for kind in ["hall.listen", "kitchen.listen"] {
        let log = log.clone();
        registry.subscribe(kind, move |access: Access<Allowed>, rang: Rang| {
            let (actor, correlation) = (access.actor().to_string(), access.correlation());
            let ambient = kernel::telemetry::current_correlation();
            log.push((
                kind,
                access.tenant().id,
                actor,
                correlation,
                ambient,
                rang.bell,
            ));
            async { Ok(()) }
        });
    }
    world.db.subscribe(registry.subscriptions()).unwrap();
    let mut tx = world.tx(&tenant).await;
    let (actor, correlation) = (tx.actor().to_string(), tx.correlation());
    tx.emit(&Rang { bell: 7 }).await.unwrap();
    tx.commit().await.unwrap();
    let worker = start(&world.db, registry, options());
    let mut entries = log.until_len(2).await;
    entries.sort_by_key(|entry| entry.0);
    let expected = |kind| {
        (
            kind,
            tenant.id,
            actor.clone(),
            correlation,
            Some(correlation),
            7,
        )
    };
    assert_eq!(
        entries,
        [expected("hall.listen"), expected("kitchen.listen")]
    );
    drop(worker);
}

#[tokio::test]
async fn a_commit_wakes_the_worker() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let log = Log::new();
    let seen = log.clone();
    let registry = working(move |_, n: u32| {
        seen.push(n);
        async { Ok(()) }
    });
    let mut options = options();
    // So slow that only a wake can bring the second job within the test's patience.
    options.poll = std::time::Duration::from_secs(600);
    let worker = start(&world.db, registry, options);
    world.enqueue(&tenant, work(1)).await;
    log.until_len(1).await;
    until(async || (world.count("running").await == 0).then_some(())).await;
    world.enqueue(&tenant, work(2)).await;
    log.until_len(2).await;
    drop(worker);
}

#[test]
#[should_panic(expected = "two handlers for jobs of kind \"work\"")]
fn a_kind_has_one_handler() {
    let mut registry = working(|_, (): ()| async { Ok(()) });
    registry.job("work", |_: Access<Allowed>, (): ()| async { Ok(()) });
    let _: Subscriptions = registry.subscriptions();
}
