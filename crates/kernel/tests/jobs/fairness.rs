//! Shares between tenants.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use kernel::jobs::{LaneChange, lane, set_lane};

use crate::world::{Log, World, options, start, working};

fn logging(log: &Log<String>) -> kernel::jobs::Registry {
    let log = log.clone();
    working(move |access, _: u32| {
        log.push(access.tenant().slug.clone());
        async { Ok(()) }
    })
}

fn shares(log: &[String]) -> HashMap<&str, usize> {
    let mut shares = HashMap::new();
    for slug in log {
        *shares.entry(slug.as_str()).or_default() += 1;
    }
    shares
}

#[tokio::test]
async fn a_backlog_holds_up_nobody_else() {
    let world = World::new().await;
    let big = world.tenant("big").await;
    world.backlog(&big, 20_000).await;
    let mut small = Vec::new();
    for n in 0..9 {
        small.push(world.tenant(&format!("small-{n}")).await);
    }
    let log = Log::new();
    let worker = start(&world.db, logging(&log), options());
    log.until_len(100).await;
    for tenant in &small {
        world.backlog(tenant, 20).await;
    }
    let from = log.len();
    let all = |log: &[String]| log.iter().filter(|slug| *slug != "big").count() == 180;
    let entries = crate::world::until(async || {
        let entries = log.entries();
        all(&entries).then_some(entries)
    })
    .await;
    let last = entries.iter().rposition(|slug| slug != "big").unwrap();
    let big_meanwhile = entries[from..=last]
        .iter()
        .filter(|slug| *slug == "big")
        .count();
    // Ten lanes share evenly: some 20 jobs of the big one's, and what was claimed already.
    assert!(
        big_meanwhile < 100,
        "{big_meanwhile} of the backlog went first"
    );
    assert!(
        world.count("ready").await > 15_000,
        "the backlog is still there"
    );
    drop(worker);
}

#[tokio::test]
async fn lanes_share_by_weight() {
    let world = World::new().await;
    for (slug, weight) in [("one", 1), ("two", 2), ("four", 4)] {
        let tenant = world.tenant(slug).await;
        let change = LaneChange {
            weight: Some(weight),
            // A job counts as running until its end is written down. Where the machine is busy, the
            // cap would hold back the lane with the most jobs.
            max_running: Some(1_000),
            ..LaneChange::default()
        };
        world.lane(tenant.id, change).await;
        world.backlog(&tenant, 1_000).await;
    }
    let log = Log::new();
    let worker = start(&world.db, logging(&log), options());
    let entries = log.until_len(1_400).await;
    drop(worker);
    let shares = shares(&entries[..1_400]);
    for (slug, expected) in [("one", 200), ("two", 400), ("four", 800)] {
        let share = shares[slug];
        assert!(
            share.abs_diff(expected) <= 20,
            "{slug}: {share} instead of {expected}"
        );
    }
}

#[tokio::test]
async fn idleness_saves_up_no_turns() {
    let world = World::new().await;
    let busy = world.tenant("busy").await;
    let idle = world.tenant("idle").await;
    world.backlog(&busy, 500).await;
    let log = Log::new();
    let worker = start(&world.db, logging(&log), options());
    log.until_len(500).await;
    worker.drain(Duration::from_secs(10)).await;

    world.backlog(&busy, 300).await;
    world.backlog(&idle, 300).await;
    let worker = start(&world.db, logging(&log), options());
    let entries = log.until_len(900).await;
    drop(worker);
    let late = shares(&entries[500..700])["idle"];
    assert!((85..=115).contains(&late), "{late} of the next 200");
}

/// How many jobs of each tenant run at once, now and at most.
#[derive(Clone, Default)]
struct Load(Arc<Mutex<HashMap<String, (usize, usize)>>>);

impl Load {
    fn begin(&self, slug: &str) {
        let mut load = self.0.lock().unwrap();
        let (now, most) = load.entry(slug.to_owned()).or_default();
        *now += 1;
        *most = (*most).max(*now);
    }

    fn end(&self, slug: &str) {
        self.0.lock().unwrap().get_mut(slug).unwrap().0 -= 1;
    }

    fn most(&self, slug: &str) -> usize {
        self.0.lock().unwrap()[slug].1
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn caps_hold_across_nodes() {
    let world = World::new().await;
    let capped = world.tenant("capped").await;
    let free = world.tenant("free").await;
    let two = LaneChange {
        max_running: Some(2),
        ..LaneChange::default()
    };
    world.lane(capped.id, two).await;
    world.backlog(&capped, 60).await;
    world.backlog(&free, 120).await;
    let (load, log) = (Load::default(), Log::new());
    let registry = || {
        let (load, log) = (load.clone(), log.clone());
        working(move |access, _: u32| {
            let (load, log) = (load.clone(), log.clone());
            async move {
                let slug = &access.tenant().slug;
                load.begin(slug);
                // The work itself: long enough for others to be claimed meanwhile.
                tokio::time::sleep(Duration::from_millis(5)).await;
                load.end(slug);
                log.push(slug.clone());
                Ok(())
            }
        })
    };
    let other = world.other_node().await;
    let nodes = [
        start(&world.db, registry(), options()),
        start(&other, registry(), options()),
    ];
    log.until_len(180).await;
    drop(nodes);
    assert_eq!(load.most("capped"), 2);
    assert!(load.most("free") > 2, "the others run beside it");
}

#[tokio::test]
async fn a_paused_lane_rests_until_it_is_resumed() {
    let world = World::new().await;
    let paused = world.tenant("paused").await;
    let other = world.tenant("other").await;
    let pause = |paused| LaneChange {
        paused: Some(paused),
        ..LaneChange::default()
    };
    assert!(world.lane(paused.id, pause(true)).await.paused);
    world.backlog(&paused, 5).await;
    let log = Log::new();
    let worker = start(&world.db, logging(&log), options());
    // The others' jobs come later and still run first.
    world.backlog(&other, 50).await;
    let entries = log.until_len(50).await;
    assert_eq!(shares(&entries).get("paused"), None);
    world.lane(paused.id, pause(false)).await;
    assert_eq!(shares(&log.until_len(55).await)["paused"], 5);
    drop(worker);
}

#[tokio::test]
async fn jobs_of_a_tenant_without_a_lane_run_too() {
    let world = World::new().await;
    let tenant = world.tenant("laneless").await;
    let mut conn = world.superuser().await;
    sqlx::query("DELETE FROM cell.job_lane")
        .execute(&mut conn)
        .await
        .unwrap();
    world.backlog(&tenant, 3).await;
    let log = Log::new();
    let worker = start(&world.db, logging(&log), options());
    log.until_len(3).await;
    drop(worker);
}

#[tokio::test]
async fn a_lane_whose_jobs_wait_for_each_other_holds_up_nobody() {
    let world = World::new().await;
    let stuck = world.tenant("stuck").await;
    let other = world.tenant("other").await;
    // One key, its first job scheduled for later: thousands are ready, none may run.
    let mut tx = world.tx(&stuck).await;
    for n in 0..2_500 {
        let mut job = crate::world::work(n);
        job.ordering_key = Some("conversation".into());
        if n == 0 {
            job.run_at = Some(time::OffsetDateTime::now_utc() + time::Duration::HOUR);
        }
        tx.enqueue_raw(job).await.unwrap();
    }
    tx.commit().await.unwrap();
    let log = Log::new();
    let mut options = options();
    options.concurrency = 1;
    let worker = start(&world.db, logging(&log), options);
    world.backlog(&other, 100).await;
    let entries = log.until_len(100).await;
    drop(worker);
    assert_eq!(shares(&entries)["other"], 100);
}

#[tokio::test]
async fn operators_set_lanes_within_bounds() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let change = LaneChange {
        weight: Some(10),
        ..LaneChange::default()
    };
    let set = world.lane(tenant.id, change).await;
    assert_eq!((set.weight, set.max_running, set.paused), (10, 16, false));
    let mut tx = world.staff_tx().await;
    assert_eq!(lane(&mut tx, tenant.id).await.unwrap(), set);
    for refused in [
        LaneChange {
            weight: Some(0),
            ..LaneChange::default()
        },
        LaneChange {
            weight: Some(1_001),
            ..LaneChange::default()
        },
        LaneChange {
            max_running: Some(0),
            ..LaneChange::default()
        },
    ] {
        let error = set_lane(&mut tx, tenant.id, refused).await.unwrap_err();
        assert_eq!(error.code(), "invalid_request");
    }
}
