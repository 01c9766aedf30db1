//! What tenants see of their jobs, and what they may do again.

use kernel::{
    Error,
    db::Tenant,
    id::JobId,
    jobs::{self, JobFilter, JobState},
    page::PageQuery,
};

use crate::world::{World, options, start, until, work, working};

async fn set_state(world: &World, tenant: &Tenant, state: &str) {
    let mut conn = world.superuser().await;
    sqlx::query("UPDATE cell.job SET state = $1, attempt = 3, last_error = 'x', finished_at = now() WHERE tenant_id = $2")
        .bind(state)
        .bind(tenant.id.uuid())
        .execute(&mut conn)
        .await
        .unwrap();
}

#[tokio::test]
async fn lists_are_paged_newest_first_and_show_one_tenant() {
    let world = World::new().await;
    let (tenant, other) = (world.tenant("acme").await, world.tenant("other").await);
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(world.enqueue(&tenant, work(n)).await);
        world.enqueue(&other, work(n)).await;
    }
    ids.reverse();
    let mut tx = world.tx(&tenant).await;
    let mut page = PageQuery {
        limit: Some(2),
        ..PageQuery::default()
    };
    let mut seen: Vec<JobId> = Vec::new();
    loop {
        let jobs = jobs::list(&mut tx, &JobFilter::default(), &page)
            .await
            .unwrap();
        assert!(jobs.data.len() <= 2);
        seen.extend(jobs.data.iter().map(|job| job.id));
        match jobs.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(seen, ids);
}

#[tokio::test]
async fn dead_letters_are_found_by_kind() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let dead = world.enqueue(&tenant, work(1)).await;
    let mut mail = work(2);
    mail.kind = "mail";
    world.enqueue(&tenant, mail).await;
    set_state(&world, &tenant, "dead").await;
    let ready = world.enqueue(&tenant, work(3)).await;
    let mut tx = world.tx(&tenant).await;
    let all = PageQuery::default();
    assert_eq!(
        jobs::dead_letters(&mut tx, None, &all)
            .await
            .unwrap()
            .data
            .len(),
        2
    );
    let found = jobs::dead_letters(&mut tx, Some("work"), &all)
        .await
        .unwrap()
        .data;
    assert_eq!(found.iter().map(|job| job.id).collect::<Vec<_>>(), [dead]);
    assert_eq!(
        jobs::get(&mut tx, ready).await.unwrap().state,
        JobState::Ready
    );
}

#[tokio::test]
async fn only_own_dead_jobs_can_be_replayed() {
    let world = World::new().await;
    let (tenant, other) = (world.tenant("acme").await, world.tenant("other").await);
    let job = world.enqueue(&tenant, work(1)).await;
    let mut tx = world.tx(&tenant).await;
    let error = jobs::replay(&mut tx, job).await.unwrap_err();
    assert_eq!(error.code(), "job_not_dead");
    drop(tx);
    set_state(&world, &tenant, "dead").await;
    let mut tx = world.tx(&other).await;
    let error = jobs::replay(&mut tx, job).await.unwrap_err();
    assert!(matches!(error, Error::NotFound("job")));
}

#[tokio::test]
async fn a_replay_gives_way_to_a_newer_job_for_the_same_thing() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let keyed = || {
        let mut job = work(1);
        job.dedup_key = Some("invoice/1".into());
        job
    };
    let dead = world.enqueue(&tenant, keyed()).await;
    set_state(&world, &tenant, "dead").await;
    world.enqueue(&tenant, keyed()).await;
    let mut tx = world.tx(&tenant).await;
    let error = jobs::replay(&mut tx, dead).await.unwrap_err();
    assert_eq!(error.code(), "job_duplicate");
    drop(tx);
    let mut tx = world.tx(&tenant).await;
    assert_eq!(jobs::replay_all(&mut tx, "work").await.unwrap(), 0);
}

#[tokio::test]
async fn all_of_a_kind_are_replayed_at_once() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    world.backlog(&tenant, 30).await;
    let mut mail = work(2);
    mail.kind = "mail";
    world.enqueue(&tenant, mail).await;
    set_state(&world, &tenant, "dead").await;
    // Two dead letters for the same thing: only one of them can wait again.
    for _ in 0..2 {
        let mut job = work(7);
        job.dedup_key = Some("same".into());
        let job = world.enqueue(&tenant, job).await;
        let mut conn = world.superuser().await;
        sqlx::query("UPDATE cell.job SET state = 'dead' WHERE id = $1")
            .bind(job.uuid())
            .execute(&mut conn)
            .await
            .unwrap();
    }
    let worker = start(&world.db, working(|_, _: u32| async { Ok(()) }), options());
    let mut tx = world.tx(&tenant).await;
    assert_eq!(jobs::replay_all(&mut tx, "work").await.unwrap(), 31);
    tx.commit().await.unwrap();
    until(async || (world.count("done").await == 31).then_some(())).await;
    assert_eq!(world.count("dead").await, 2);
    drop(worker);
}

#[tokio::test]
async fn old_done_jobs_are_purged_and_dead_letters_kept() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let mut conn = world.superuser().await;
    for (state, jobs) in [("done", 700), ("dead", 5)] {
        // Ids as they were made in the spring of 2020.
        sqlx::query(
            "INSERT INTO cell.job (tenant_id, id, kind, payload, state, max_attempts, actor, correlation_id,
                 finished_at)
             SELECT $1, ('01710000000070' || substr(md5($2 || n::text), 1, 18))::uuid, 'work', '1', $2, 1,
                 'test', $1, '2020-04-01' FROM generate_series(1, $3) n",
        )
        .bind(tenant.id.uuid())
        .bind(state)
        .bind(jobs)
        .execute(&mut conn)
        .await
        .unwrap();
    }
    let fresh = world.enqueue(&tenant, work(1)).await;
    let worker = start(&world.db, working(|_, _: u32| async { Ok(()) }), options());
    world.until_job(fresh, |job| job.state == "done").await;
    until(async || (world.count("done").await == 1).then_some(())).await;
    assert_eq!(world.count("dead").await, 5);
    assert_eq!(world.job(fresh).await.state, "done");
    drop(worker);
}
