//! Ordering keys and priorities.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use kernel::Error;

use crate::world::{Log, World, options, start, work, working};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn jobs_with_a_key_run_one_at_a_time_and_in_order_despite_failures() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let mut tx = world.tx(&tenant).await;
    for n in 0..12 {
        for key in 0..10 {
            let mut job = work((key, n));
            job.ordering_key = Some(format!("conversation/{key}"));
            tx.enqueue_raw(job).await.unwrap();
        }
    }
    tx.commit().await.unwrap();

    let done = Log::<(u32, u32)>::new();
    let running = Arc::new(Mutex::new(HashSet::<u32>::new()));
    let failed = Arc::new(Mutex::new(HashSet::<(u32, u32)>::new()));
    let registry = || {
        let (done, running, failed) = (done.clone(), Arc::clone(&running), Arc::clone(&failed));
        working(move |_, (key, n): (u32, u32)| {
            let (done, running, failed) = (done.clone(), Arc::clone(&running), Arc::clone(&failed));
            async move {
                assert!(running.lock().unwrap().insert(key), "two of {key} at once");
                tokio::time::sleep(Duration::from_millis(1)).await;
                running.lock().unwrap().remove(&key);
                // Every third fails once; those behind it must wait for its second attempt.
                if n % 3 == 0 && failed.lock().unwrap().insert((key, n)) {
                    return Err(Error::StaleEpoch);
                }
                done.push((key, n));
                Ok(())
            }
        })
    };
    let other = world.other_node().await;
    let nodes = [
        start(&world.db, registry(), options()),
        start(&other, registry(), options()),
    ];
    let entries = done.until_len(120).await;
    drop(nodes);
    let mut order: HashMap<u32, Vec<u32>> = HashMap::new();
    for (key, n) in entries {
        order.entry(key).or_default().push(n);
    }
    let expected: Vec<u32> = (0..12).collect();
    for (key, order) in order {
        assert_eq!(order, expected, "key {key}");
    }
    assert_eq!(failed.lock().unwrap().len(), 40);
}

#[tokio::test]
async fn a_dead_letter_lets_those_behind_it_pass() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let mut ids = Vec::new();
    for n in 0..3 {
        let mut job = work(n);
        job.ordering_key = Some("conversation".into());
        ids.push(world.enqueue(&tenant, job).await);
    }
    let log = Log::new();
    let seen = log.clone();
    let registry = working(move |_, n: u32| {
        seen.push(n);
        async move {
            if n == 0 {
                Err(Error::invalid("never"))
            } else {
                Ok(())
            }
        }
    });
    let worker = start(&world.db, registry, options());
    assert_eq!(log.until_len(3).await, [0, 1, 2]);
    world.until_job(ids[2], |job| job.state == "done").await;
    assert_eq!(world.job(ids[0]).await.state, "dead");
    drop(worker);
}

#[tokio::test]
async fn urgent_jobs_go_first_within_their_tenant() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    world.backlog(&tenant, 20).await;
    let mut urgent = work(1_000);
    urgent.priority = 5;
    world.enqueue(&tenant, urgent).await;
    let log = Log::new();
    let seen = log.clone();
    let registry = working(move |_, n: u32| {
        seen.push(n);
        async { Ok(()) }
    });
    let mut options = options();
    options.concurrency = 1;
    let worker = start(&world.db, registry, options);
    let entries = log.until_len(21).await;
    drop(worker);
    let expected: Vec<u32> = std::iter::once(1_000).chain(0..20).collect();
    assert_eq!(entries, expected);
}

#[tokio::test]
async fn a_priority_cannot_turn_an_order_round() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    for (n, priority) in [(0, 0), (1, 9), (2, 5)] {
        let mut job = work(n);
        job.ordering_key = Some("conversation".into());
        job.priority = priority;
        world.enqueue(&tenant, job).await;
    }
    let log = Log::new();
    let seen = log.clone();
    let registry = working(move |_, n: u32| {
        seen.push(n);
        async { Ok(()) }
    });
    let worker = start(&world.db, registry, options());
    assert_eq!(log.until_len(3).await, [0, 1, 2]);
    drop(worker);
}
