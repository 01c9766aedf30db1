//! What becomes of jobs that fail.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use kernel::{Access, Error, jobs};

use crate::world::{Allowed, Log, World, options, start, work, working};

#[tokio::test]
async fn transient_failures_are_tried_again_then_put_aside_then_replayed() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let mut job = work(1);
    job.max_attempts = 3;
    let job = world.enqueue(&tenant, job).await;
    let (log, healed) = (Log::new(), Arc::new(AtomicBool::new(false)));
    let (seen, well) = (log.clone(), Arc::clone(&healed));
    let registry = working(move |_, n: u32| {
        seen.push(n);
        let well = well.load(Ordering::SeqCst);
        async move {
            if well {
                return Ok(());
            }
            Err(Error::Provider {
                provider: "twilio".into(),
                status: Some(503),
                detail: "down for maintenance".into(),
                retryable: true,
            })
        }
    });
    let worker = start(&world.db, registry, options());
    let row = world.until_job(job, |job| job.state == "dead").await;
    assert_eq!((row.attempt, log.len()), (3, 3));
    assert_eq!(
        row.last_error.as_deref(),
        Some("provider_error: twilio: down for maintenance")
    );

    healed.store(true, Ordering::SeqCst);
    let mut tx = world.tx(&tenant).await;
    let replayed = jobs::replay(&mut tx, job).await.unwrap();
    assert_eq!(
        (replayed.state, replayed.attempt),
        (jobs::JobState::Ready, 0)
    );
    tx.commit().await.unwrap();
    let row = world.until_job(job, |job| job.state == "done").await;
    assert_eq!((row.attempt, row.last_error), (1, None));
    let mut conn = world.superuser().await;
    let audited: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM cell.audit_entry WHERE action = 'job.replayed' AND target = $1",
    )
    .bind(job.to_string())
    .fetch_one(&mut conn)
    .await
    .unwrap();
    assert_eq!(audited, 1);
    drop(worker);
}

#[tokio::test]
async fn a_retry_waits_in_between() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let job = world.enqueue(&tenant, work(1)).await;
    let registry = working(|_, _: u32| async { Err(Error::RateLimited { retry_after: 3_600 }) });
    let worker = start(&world.db, registry, options());
    let row = world.until_job(job, |job| job.state == "scheduled").await;
    assert_eq!(row.attempt, 1);
    assert!(row.run_at > time::OffsetDateTime::now_utc() + time::Duration::minutes(59));
    drop(worker);
}

#[tokio::test]
async fn a_permanent_failure_is_not_tried_again() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let job = world.enqueue(&tenant, work(1)).await;
    let registry = working(|_, _: u32| async {
        Err(Error::CredentialMissing {
            provider: "openai".into(),
        })
    });
    let worker = start(&world.db, registry, options());
    let row = world.until_job(job, |job| job.state == "dead").await;
    assert_eq!(row.attempt, 1);
    assert_eq!(
        row.last_error.as_deref(),
        Some("credential_missing: no openai credential is set up; add one under credentials")
    );
    drop(worker);
}

#[tokio::test]
async fn a_panic_is_a_failed_attempt_and_harms_nobody_else() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let mut panicking = work(13);
    panicking.max_attempts = 2;
    let panicking = world.enqueue(&tenant, panicking).await;
    let other = world.enqueue(&tenant, work(1)).await;
    let log = Log::new();
    let seen = log.clone();
    let registry = working(move |_, n: u32| {
        seen.push(n);
        async move {
            assert_ne!(n, 13, "secret words of a panic");
            Ok(())
        }
    });
    let worker = start(&world.db, registry, options());
    let row = world.until_job(panicking, |job| job.state == "dead").await;
    assert_eq!(
        (row.attempt, row.last_error.as_deref()),
        (2, Some("panicked: the handler panicked"))
    );
    world.until_job(other, |job| job.state == "done").await;
    assert_eq!(log.entries().iter().filter(|n| **n == 13).count(), 2);
    drop(worker);
}

#[tokio::test]
async fn what_no_handler_can_take_becomes_a_dead_letter() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let misshapen = world.enqueue(&tenant, work("hunter2")).await;
    let mut unknown = jobs::NewJob::new("unheard.of", serde_json::Value::Null);
    unknown.max_attempts = 2;
    let unknown = world.enqueue(&tenant, unknown).await;
    let worker = start(&world.db, working(|_, _: u32| async { Ok(()) }), options());
    let row = world.until_job(misshapen, |job| job.state == "dead").await;
    let error = row.last_error.unwrap();
    assert!(error.starts_with("invalid_request: the payload"), "{error}");
    assert!(!error.contains("hunter2"));
    let row = world.until_job(unknown, |job| job.state == "dead").await;
    assert_eq!(row.attempt, 2);
    assert!(row.last_error.unwrap().starts_with("no_handler"));
    drop(worker);
}

#[tokio::test]
async fn a_suspended_tenants_job_waits_even_while_its_lane_is_open() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let mut conn = world.superuser().await;
    sqlx::query(
        "UPDATE control.tenant SET status = 'suspended', suspension = 'unpaid',
             suspended_at = now()",
    )
    .execute(&mut conn)
    .await
    .unwrap();
    let job = world.enqueue(&tenant, work(1)).await;
    let log = Log::new();
    let seen = log.clone();
    // A node that never knew the tenant as active.
    let node = world.other_node().await;
    let registry = || {
        let seen = seen.clone();
        working(move |_: Access<Allowed>, n: u32| {
            seen.push(n);
            async { Ok(()) }
        })
    };
    let worker = start(&node, registry(), options());
    let row = world.until_job(job, |job| job.state == "scheduled").await;
    assert_eq!((row.attempt, log.len()), (0, 0));
    drop(worker);

    sqlx::query(
        "UPDATE control.tenant SET status = 'active', suspension = NULL, suspended_at = NULL",
    )
    .execute(&mut conn)
    .await
    .unwrap();
    sqlx::query("UPDATE cell.job SET run_at = now()")
        .execute(&mut conn)
        .await
        .unwrap();
    let node = world.other_node().await;
    let worker = start(&node, registry(), options());
    log.until_len(1).await;
    drop(worker);
}
