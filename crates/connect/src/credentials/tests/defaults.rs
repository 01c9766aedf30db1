//! One default of each provider and environment, whoever adds, moves and removes at once.

use super::*;
use crate::credentials::Change;

const LIVE: Environment = Environment::Live;
const TEST: Environment = Environment::Test;

#[tokio::test]
async fn the_first_is_the_default_and_the_oldest_left_follows_it() {
    let world = World::new().await;
    let write = world.write().await;
    let first = world.create(openai("first", LIVE)).await;
    let second = world.create(openai("second", LIVE)).await;
    let third = world.create(openai("third", LIVE)).await;
    let test = world.create(openai("first", TEST)).await;
    assert_eq!(
        (first.is_default, second.is_default, test.is_default),
        (true, false, true),
        "one name in each environment, and one default"
    );
    let again = world
        .connect
        .create_credential(&write, openai("first", TEST));
    assert_eq!(code(again.await), "name_taken");

    let change = Change {
        default: Some(true),
        ..Change::default()
    };
    let changed = world.connect.change_credential(&write, third.id, change);
    assert!(changed.await.expect("it is changed").is_default);
    assert_eq!(world.defaults("openai", LIVE).await, [third.id]);
    let usage = world.usage().await;
    let resolved = world.connect.resolve(&usage, "openai").await;
    assert_eq!(resolved.expect("a default").id, third.id);

    world
        .connect
        .delete_credential(&write, third.id)
        .await
        .expect("it is deleted");
    assert_eq!(world.defaults("openai", LIVE).await, [first.id]);
    let told = world.acts("credential.deleted").await;
    assert_eq!(told[0]["default_is_now"], first.id.to_string());

    let refused = Change {
        default: Some(false),
        ..Change::default()
    };
    let refused = world.connect.change_credential(&write, first.id, refused);
    assert_eq!(code(refused.await), "invalid_request");
}

#[tokio::test]
async fn nothing_falls_back_between_live_and_test() {
    let world = World::new().await;
    let (write, usage) = (world.write().await, world.usage().await);
    let test = world.create(openai("only", TEST)).await;
    let missing = world.connect.resolve(&usage, "openai").await;
    assert_eq!(
        missing.expect_err("none is live").code(),
        "credential_missing"
    );
    let found = world.connect.resolve_in(&usage, "openai", TEST).await;
    assert_eq!(found.expect("it is there").id, test.id);

    let to_live = Change {
        environment: Some(LIVE),
        name: Some("moved".to_owned()),
        ..Change::default()
    };
    let moved = world.connect.change_credential(&write, test.id, to_live);
    let moved = moved.await.expect("it is moved");
    assert!(moved.is_default && moved.name == "moved", "{moved:?}");
    assert_eq!(moved.version, test.version, "its values are the same");
    let missing = world.connect.resolve_in(&usage, "openai", TEST).await;
    assert_eq!(
        missing.expect_err("none is for tests").code(),
        "credential_missing"
    );
    let found = world.connect.resolve(&usage, "openai").await;
    assert_eq!(found.expect("it is live").id, test.id);
}

/// Two numbers of one business account: whoever is left keeps its webhooks.
#[tokio::test]
async fn an_id_of_two_credentials_outlives_one_of_them() {
    let world = World::new().await;
    let write = world.write().await;
    let number = |name: &str, number: &str| NewCredential {
        provider: "whatsapp".to_owned(),
        name: name.to_owned(),
        values: values(&[
            ("phone_number_id", number),
            ("waba_id", "5550001"),
            ("access_token", "token-0000000000"),
            ("app_secret", "secret-0000000000"),
            ("verify_token", "verify-0000000000"),
        ]),
        ..NewCredential::default()
    };
    let one = world.create(number("one", "10001")).await;
    let two = world.create(number("two", "10002")).await;
    let owners = async || -> Vec<(String, uuid::Uuid)> {
        sqlx::query_as("SELECT external_id, credential_id FROM cell.identifier ORDER BY 1")
            .fetch_all(&mut world.test.superuser().await)
            .await
            .expect("they are read")
    };
    let routes = async || -> Vec<String> {
        sqlx::query_scalar("SELECT external_id FROM control.provider_route ORDER BY 1")
            .fetch_all(&mut world.test.superuser().await)
            .await
            .expect("they are read")
    };
    world
        .connect
        .delete_credential(&write, one.id)
        .await
        .expect("it is deleted");
    let left = [("10002", two.id.uuid()), ("5550001", two.id.uuid())];
    assert_eq!(owners().await, left.map(|(id, of)| (id.to_owned(), of)));
    assert_eq!(routes().await, ["10002", "5550001"]);
    world
        .connect
        .delete_credential(&write, two.id)
        .await
        .expect("it is deleted");
    assert_eq!(routes().await, Vec::<String>::new());
}

/// What was read before the lock may be gone after it.
#[tokio::test(flavor = "multi_thread")]
async fn choosing_what_is_being_deleted_leaves_the_default_where_it_is() {
    let world = World::new().await;
    let first = world.create(openai("first", LIVE)).await;
    let second = world.create(openai("second", LIVE)).await;
    let mut holder = world.test.superuser().await;
    let hold = "BEGIN; SELECT id FROM cell.credential FOR UPDATE";
    sqlx::raw_sql(hold)
        .execute(&mut holder)
        .await
        .expect("held");
    let (connect, access) = (world.connect.clone(), world.write().await);
    let chosen = tokio::spawn(async move {
        let change = Change {
            default: Some(true),
            ..Change::default()
        };
        connect.change_credential(&access, second.id, change).await
    });
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let begun = std::time::Instant::now();
    while sqlx::query_scalar::<_, i64>(waiting)
        .fetch_one(&mut world.test.superuser().await)
        .await
        .expect("it is counted")
        == 0
    {
        assert!(begun.elapsed().as_secs() < 30, "it never waits");
        tokio::task::yield_now().await;
    }
    let delete = format!(
        "DELETE FROM cell.credential WHERE id = '{}'; COMMIT",
        second.id.uuid()
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(delete))
        .execute(&mut holder)
        .await
        .expect("deleted");
    assert_eq!(code(chosen.await.expect("no panic")), "not_found");
    assert_eq!(world.defaults("openai", LIVE).await, [first.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_one_default_though_all_change_at_once() {
    let world = World::new().await;
    for round in 0..6 {
        let mut tasks = Vec::new();
        for number in 0..6 {
            let (connect, access) = (world.connect.clone(), world.write().await);
            let new = openai(&format!("{round} {number}"), LIVE);
            tasks.push(tokio::spawn(async move {
                connect.create_credential(&access, new).await
            }));
        }
        // Whoever was the default so far goes meanwhile, and another is chosen.
        let before = world.all().await;
        for (number, one) in before.iter().enumerate() {
            let (connect, access, id) = (world.connect.clone(), world.write().await, one.id);
            let goes = one.is_default || number % 2 == 0;
            tasks.push(tokio::spawn(async move {
                if goes {
                    connect.delete_credential(&access, id).await?;
                    return Err(kernel::Error::NotFound("it is gone"));
                }
                let change = Change {
                    default: Some(true),
                    ..Change::default()
                };
                connect.change_credential(&access, id, change).await
            }));
        }
        for task in tasks {
            match task.await.expect("no task panics") {
                Ok(_) | Err(kernel::Error::NotFound(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(
            world.defaults("openai", LIVE).await.len(),
            1,
            "in round {round}"
        );
    }
}
