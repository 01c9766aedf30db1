//! Nodes that die, stall and stop.

use std::{sync::Arc, time::Duration};

use kernel::{Error, id::JobId, jobs::Registry};
use tokio::sync::Notify;

use crate::world::{Log, World, options, start, until, work, working};

/// A registry whose jobs log that they began and then never end.
fn hanging(began: &Log<u32>) -> Registry {
    let began = began.clone();
    working(move |_, n: u32| {
        began.push(n);
        std::future::pending()
    })
}

fn finishing(done: &Log<u32>) -> Registry {
    let done = done.clone();
    working(move |_, n: u32| {
        done.push(n);
        async { Ok(()) }
    })
}

async fn run_out(world: &World, job: JobId) {
    let mut conn = world.superuser().await;
    sqlx::query("UPDATE cell.job SET lease_until = now() - interval '1 second' WHERE id = $1")
        .bind(job.uuid())
        .execute(&mut conn)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_killed_nodes_jobs_run_elsewhere() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let job = world.enqueue(&tenant, work(1)).await;
    let began = Log::new();
    let mut short = options();
    short.lease = Duration::from_millis(300);
    let killed = start(&world.db, hanging(&began), short);
    began.until_len(1).await;
    drop(killed);
    let done = Log::new();
    let other = world.other_node().await;
    let worker = start(&other, finishing(&done), short);
    done.until_len(1).await;
    let row = world.until_job(job, |job| job.state == "done").await;
    assert_eq!((row.attempt, row.lease_token), (2, 2));
    drop(worker);
}

#[tokio::test]
async fn a_job_that_kills_its_nodes_is_put_aside() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let mut deadly = work(1);
    deadly.max_attempts = 2;
    let job = world.enqueue(&tenant, deadly).await;
    let began = Log::new();
    for n in 1..=2 {
        let killed = start(&world.db, hanging(&began), options());
        began.until_len(n).await;
        drop(killed);
        run_out(&world, job).await;
    }
    let survivor = start(&world.db, hanging(&began), options());
    let row = world.until_job(job, |job| job.state == "dead").await;
    assert!(row.last_error.unwrap().starts_with("lease_expired"));
    assert_eq!(began.len(), 2);
    drop(survivor);
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_cannot_settle() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let job = world.enqueue(&tenant, work(1)).await;
    let (began, go) = (Log::new(), Arc::new(Notify::new()));
    let (seen, wait) = (began.clone(), Arc::clone(&go));
    let stale = working(move |_, n: u32| {
        seen.push(n);
        let wait = Arc::clone(&wait);
        async move {
            wait.notified().await;
            Err(Error::invalid("the outcome of the stale worker"))
        }
    });
    // Its next heartbeat is far away, so it does not notice what happens to its lease; and it has
    // no second slot, so it does not take the job up again itself.
    let mut slow = options();
    slow.lease = Duration::from_secs(600);
    slow.concurrency = 1;
    let stale = start(&world.db, stale, slow);
    began.until_len(1).await;
    run_out(&world, job).await;

    let done = Log::new();
    let other = world.other_node().await;
    let worker = start(&other, finishing(&done), options());
    world.until_job(job, |job| job.state == "done").await;
    go.notify_one();
    stale.drain(Duration::from_secs(10)).await;
    let row = world.job(job).await;
    assert_eq!(
        (row.state.as_str(), row.attempt, row.last_error),
        ("done", 2, None)
    );
    drop(worker);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_heartbeat_keeps_a_long_job() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let job = world.enqueue(&tenant, work(1)).await;
    let mut short = options();
    short.lease = Duration::from_millis(300);
    let runs = Log::new();
    let long = || {
        let runs = runs.clone();
        working(move |_, n: u32| {
            runs.push(n);
            async {
                // The work itself: four times as long as the lease.
                tokio::time::sleep(Duration::from_millis(1_200)).await;
                Ok(())
            }
        })
    };
    let other = world.other_node().await;
    let nodes = [
        start(&world.db, long(), short),
        start(&other, long(), short),
    ];
    let row = world.until_job(job, |job| job.state == "done").await;
    assert_eq!((row.attempt, row.lease_token), (1, 1));
    assert_eq!(runs.len(), 1);
    drop(nodes);
}

struct Ended(Log<u32>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.push(0);
    }
}

#[tokio::test]
async fn a_job_whose_lease_is_gone_is_stopped() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let job = world.enqueue(&tenant, work(1)).await;
    let (began, ended) = (Log::new(), Log::new());
    let (seen, gone) = (began.clone(), ended.clone());
    let registry = working(move |_, n: u32| {
        seen.push(n);
        let ended = Ended(gone.clone());
        async move {
            let _ended = ended;
            std::future::pending().await
        }
    });
    let mut short = options();
    short.lease = Duration::from_millis(300);
    let worker = start(&world.db, registry, short);
    began.until_len(1).await;
    let mut conn = world.superuser().await;
    // As if another node had claimed it.
    sqlx::query("UPDATE cell.job SET lease_token = 7, lease_until = now() + interval '1 hour' WHERE id = $1")
        .bind(job.uuid())
        .execute(&mut conn)
        .await
        .unwrap();
    ended.until_len(1).await;
    worker.drain(Duration::from_secs(10)).await;
    let row = world.job(job).await;
    assert_eq!(
        (row.state.as_str(), row.attempt, row.lease_token),
        ("running", 1, 7)
    );
}

#[tokio::test]
async fn draining_finishes_what_runs_and_claims_no_more() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    world.backlog(&tenant, 50).await;
    let (began, go) = (Log::new(), Arc::new(Notify::new()));
    let (seen, wait) = (began.clone(), Arc::clone(&go));
    let registry = working(move |_, n: u32| {
        seen.push(n);
        let wait = Arc::clone(&wait);
        async move {
            wait.notified().await;
            Ok(())
        }
    });
    let worker = start(&world.db, registry, options());
    began.until_len(8).await;
    let drained = tokio::spawn(worker.drain(Duration::from_secs(30)));
    go.notify_waiters();
    drained.await.unwrap();
    assert_eq!(
        (world.count("done").await, world.count("ready").await),
        (8, 42)
    );
}

#[tokio::test]
async fn draining_gives_back_what_does_not_end() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let job = world.enqueue(&tenant, work(1)).await;
    let began = Log::new();
    let worker = start(&world.db, hanging(&began), options());
    began.until_len(1).await;
    worker.drain(Duration::from_millis(50)).await;
    let row = world.job(job).await;
    assert_eq!(
        (row.state.as_str(), row.attempt),
        ("ready", 0),
        "the interrupted attempt is not counted"
    );

    let done = Log::new();
    let worker = start(&world.db, finishing(&done), options());
    let row = world.until_job(job, |job| job.state == "done").await;
    assert_eq!((row.attempt, row.lease_token), (1, 2));
    drop(worker);
}

#[tokio::test]
async fn jobs_survive_a_database_that_cuts_the_worker_off() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    world.backlog(&tenant, 400).await;
    let done = Log::new();
    let worker = start(&world.db, finishing(&done), options());
    let mut conn = world.superuser().await;
    for round in 1..=5 {
        until(async || (done.len() >= round * 50).then_some(())).await;
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND usename = 'freehold_worker'",
        )
        .execute(&mut conn)
        .await
        .unwrap();
    }
    // A claim that was committed as the connection broke comes back when its lease has run out.
    until(async || {
        sqlx::query("UPDATE cell.job SET lease_until = now() WHERE state = 'running' AND started_at < now() - interval '3 seconds'")
            .execute(&mut world.superuser().await)
            .await
            .unwrap();
        (world.count("done").await == 400).then_some(())
    })
    .await;
    drop(worker);
}
