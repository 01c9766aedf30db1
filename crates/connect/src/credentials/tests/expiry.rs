//! Ends: entered, listed, announced once for each number of days, and forgotten with the secret.

use kernel::{
    events::CredentialExpiring,
    jobs::{Registry, Worker, WorkerOptions},
    permission::MessagesSend,
};
use std::{sync::Arc, time::Duration as Pause};
use time::{Duration, OffsetDateTime};
use tokio::sync::mpsc;

use super::*;
use crate::credentials::{Change, expiry};

const PATIENCE: Pause = Pause::from_secs(30);

fn ends_in(days: i64) -> Change {
    Change {
        // Half a day less, so that whole days do not depend on how long the test takes.
        expires_at: Some(Some(
            OffsetDateTime::now_utc() + Duration::days(days) + Duration::hours(-12),
        )),
        ..Change::default()
    }
}

#[tokio::test]
async fn ends_that_can_not_be_told_again_are_refused() {
    use time::macros::datetime;
    let world = World::new().await;
    let write = world.write().await;
    let made = world.create(openai("main", Environment::Live)).await;
    for end in [
        datetime!(9999-12-31 23:59:59 -1),
        datetime!(0000-01-01 00:00 +1),
        datetime!(1969-12-31 23:59 UTC),
    ] {
        let change = Change {
            expires_at: Some(Some(end)),
            ..Change::default()
        };
        let changed = world.connect.change_credential(&write, made.id, change);
        assert_eq!(code(changed.await), "invalid_request", "{end}");
        let new = NewCredential {
            expires_at: Some(end),
            ..openai("other", Environment::Live)
        };
        let created = world.connect.create_credential(&write, new);
        assert_eq!(code(created.await), "invalid_request", "{end}");
    }
    assert_eq!(world.all().await.len(), 1);
}

#[tokio::test]
async fn ends_are_listed_and_replacing_the_secret_clears_them() {
    let world = World::new().await;
    let write = world.write().await;
    let id = world.create(openai("main", Environment::Live)).await.id;
    let other = world.create(openai("other", Environment::Live)).await.id;
    for (id, days) in [(id, 10), (other, 100)] {
        let changed = world.connect.change_credential(&write, id, ends_in(days));
        let changed = changed.await.expect("it is changed");
        assert!(changed.expires_at.is_some() && changed.expires_at == changed.entered_expiry);
    }
    let within = async |days: i64| {
        let filter = Filter {
            expiring_before: Some(OffsetDateTime::now_utc() + Duration::days(days)),
            ..Filter::default()
        };
        let found = read::list(&world.reading().await, &filter, None, 10).await;
        let found = found.expect("they are listed").into_iter();
        found.map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!(within(14).await, [id]);
    assert_eq!(within(101).await, [id, other]);
    assert_eq!(within(1).await, []);
    world.rotate(id, &[("organization", "org-abcdef")]).await;
    assert!(world.one(id).await.expires_at.is_some(), "the secret stays");
    world.rotate(id, &[("api_key", "sk-second-1111")]).await;
    assert_eq!(world.one(id).await.expires_at, None);
    let cleared = Change {
        expires_at: Some(None),
        ..Change::default()
    };
    let cleared = world.connect.change_credential(&write, other, cleared);
    assert_eq!(cleared.await.expect("it is changed").expires_at, None);
    let told = world.acts("credential.changed").await;
    assert_eq!(told.len(), 3, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_end_is_announced_once_for_each_number_of_days() {
    let world = World::new().await;
    let (told, mut heard) = mpsc::unbounded_channel();
    let mut registry = Registry::new();
    expiry::register(&mut registry);
    registry.subscribe(
        "test.expiring",
        move |_: Access<MessagesSend>, event: CredentialExpiring| {
            let sent = told.send((event.name, event.days));
            async move { sent.map_err(|_| kernel::Error::invalid("the test is over")) }
        },
    );
    let subscribed = world.test.db.subscribe(registry.subscriptions());
    subscribed.expect("installed");
    let options = WorkerOptions {
        poll: Pause::from_millis(20),
        ..WorkerOptions::default()
    };
    let _worker = Worker::start(&world.test.db, Arc::new(registry), options);
    let write = world.write().await;
    let id = world.create(openai("main", Environment::Live)).await.id;
    world.create(openai("endless", Environment::Live)).await;
    let change = async |days| {
        let changed = world.connect.change_credential(&write, id, ends_in(days));
        changed.await.expect("it is changed");
    };
    let look = async || {
        let done = expiry::announce(&world.reading().await).await;
        done.expect("it is looked");
    };
    let mut next = async || {
        let next = tokio::time::timeout(PATIENCE, heard.recv()).await;
        next.expect("comes in time").expect("the worker runs")
    };
    change(30).await;
    look().await;
    for (days, announced) in [(14, 14), (3, 3), (1, 0), (-1, 0)] {
        change(days).await;
        look().await;
        look().await;
        // In order and each once: whatever was announced twice would be heard in the place of the
        // next.
        assert_eq!(next().await, ("main".to_owned(), announced));
    }
    let schedules: Vec<String> = sqlx::query_scalar("SELECT kind FROM cell.job_schedule")
        .fetch_all(&mut world.test.superuser().await)
        .await
        .expect("they are read");
    assert_eq!(schedules, ["connect.expiry"]);
}

#[tokio::test]
async fn an_owner_is_a_member() {
    let world = World::new().await;
    let write = world.write().await;
    let id = world.create(openai("main", Environment::Live)).await.id;
    let change = Change {
        owner: Some(Some(kernel::id::UserId::new())),
        ..Change::default()
    };
    let refused = world.connect.change_credential(&write, id, change).await;
    assert_eq!(code(refused), "invalid_request");
}
