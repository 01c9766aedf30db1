//! Versions: kept, shown masked, gone back to, sealed anew with everything else, and pruned.

use super::*;
use crate::credentials::{VersionReason, VersionView, versions};

const ORGANISATION: &str = "org-abcdef";

async fn history(world: &World, id: CredentialId) -> Vec<VersionView> {
    let found = versions::versions(&world.reading().await, id).await;
    found.expect("they are read")
}

async fn slots(world: &World) -> Vec<String> {
    sqlx::query_scalar("SELECT slot FROM cell.credential_secret ORDER BY length(slot), slot")
        .fetch_all(&mut world.test.superuser().await)
        .await
        .expect("they are read")
}

#[tokio::test]
async fn a_version_is_gone_back_to_and_the_present_values_have_their_grace() {
    let world = World::new().await;
    let write = world.write().await;
    let id = world.create(openai("main", Environment::Live)).await.id;
    world
        .rotate(
            id,
            &[
                ("api_key", "sk-second-1111"),
                ("organization", ORGANISATION),
            ],
        )
        .await;
    world.rotate(id, &[("api_key", "sk-third-2222")]).await;

    let restored = world.connect.restore_credential(&write, id, 1, 600).await;
    let restored = restored.expect("it is restored");
    assert_eq!(restored.version, 4);
    assert_eq!(
        restored.fields.get("organization"),
        None,
        "a field that it did not have is gone"
    );
    assert_eq!(
        world.secret("openai", id, "api_key").await,
        "sk-main-0000000000"
    );
    let previous: Vec<_> = restored
        .secrets
        .iter()
        .filter(|secret| secret.slot == "previous")
        .collect();
    assert_eq!(previous.len(), 1);
    assert_eq!(previous[0].last4.as_deref(), Some("2222"));
    let until = previous[0].valid_until.expect("it ends");
    let left = until - time::OffsetDateTime::now_utc();
    assert!(left.whole_seconds() <= 600, "{left}");

    let found = history(&world, id).await;
    let told: Vec<_> = found
        .iter()
        .map(|version| {
            let last4 = version.secrets[0].last4.as_deref().unwrap_or_default();
            (
                version.version,
                version.reason,
                version.restored_from,
                last4,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (4, VersionReason::Restored, Some(1), "0000"),
            (3, VersionReason::Rotated, None, "2222"),
            (2, VersionReason::Rotated, None, "1111"),
            (1, VersionReason::Created, None, "0000"),
        ]
    );
    assert!(found[0].current && !found[1].current);
    assert_eq!(found[0].changed, ["api_key", "organization"]);
    assert_eq!(found[1].changed, ["api_key"]);
    assert_eq!(found[2].changed, ["api_key", "organization"]);
    let acts = world.acts("credential.restored").await;
    assert_eq!(
        (&acts[0]["version"], &acts[0]["rolled_back_from"]),
        (&1.into(), &3.into())
    );

    // Version 1 again: nothing differs. The one in use, one that never was, and a stranger's.
    for (version, expected) in [
        (1, "invalid_request"),
        (4, "invalid_request"),
        (9, "not_found"),
    ] {
        let refused = world.connect.restore_credential(&write, id, version, 0);
        assert_eq!(code(refused.await), expected, "{version}");
    }
    let globex = world.test.tenant("globex").await;
    let stranger: Access<CredentialsWrite> = world.test.enter(&globex).await;
    let refused = world.connect.restore_credential(&stranger, id, 2, 0).await;
    assert_eq!(code(refused), "not_found");

    let ended = world.connect.end_grace(&write, id).await.expect("it ends");
    assert!(ended.secrets.iter().all(|secret| secret.slot == "current"));
    assert_eq!(ended.version, 4, "its values are the same");
    assert_eq!(world.acts("credential.grace_ended").await.len(), 1);
    world.connect.end_grace(&write, id).await.expect("again");
    assert_eq!(world.acts("credential.grace_ended").await.len(), 1);
}

/// Of two who change one credential at once, one is told so.
#[tokio::test(flavor = "multi_thread")]
async fn going_back_overwrites_nothing_of_somebody_else() {
    let world = World::new().await;
    let id = world.create(openai("main", Environment::Live)).await.id;
    world.rotate(id, &[("api_key", "sk-second-1111")]).await;
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let (connect, access) = (world.connect.clone(), world.write().await);
        tasks.push(tokio::spawn(async move {
            connect.restore_credential(&access, id, 1, 0).await
        }));
    }
    let mut done = 0;
    for task in tasks {
        match task.await.expect("no task panics") {
            Ok(_) => done += 1,
            Err(error) => assert!(
                ["changed_meanwhile", "invalid_request"].contains(&error.code()),
                "{error:?}"
            ),
        }
    }
    assert_eq!(done, 1);
    assert_eq!(world.one(id).await.version, 3);
}

#[tokio::test]
async fn the_newest_ten_versions_are_kept() {
    let world = World::new().await;
    let id = world.create(openai("main", Environment::Live)).await.id;
    for number in 2..=13 {
        world
            .rotate(id, &[("api_key", &format!("sk-number-{number}"))])
            .await;
    }
    let kept: Vec<i64> = history(&world, id)
        .await
        .into_iter()
        .map(|version| version.version)
        .collect();
    assert_eq!(kept, (4..=13).rev().collect::<Vec<_>>());
    let mut expected: Vec<String> = (4..10).map(|number| format!("v{number}")).collect();
    expected.extend(["v10", "v11", "v12", "current", "previous"].map(str::to_owned));
    assert_eq!(slots(&world).await, expected);
    let write = world.write().await;
    let gone = world.connect.restore_credential(&write, id, 3, 0).await;
    assert_eq!(code(gone), "not_found");
    let oldest = world.connect.restore_credential(&write, id, 4, 0).await;
    assert_eq!(oldest.expect("it is kept").version, 14);
    assert_eq!(world.secret("openai", id, "api_key").await, "sk-number-4");
    world
        .connect
        .delete_credential(&write, id)
        .await
        .expect("it is deleted");
    assert_eq!(slots(&world).await, Vec::<String>::new());
}

#[tokio::test]
async fn archived_secrets_are_sealed_anew_proved_and_erased_with_the_others() {
    let world = World::new().await;
    let (write, keys) = (world.write().await, world.keys().await);
    let id = world.create(openai("main", Environment::Live)).await.id;
    world.rotate(id, &[("api_key", "sk-second-1111")]).await;
    world.rotate(id, &[("api_key", "sk-third-2222")]).await;
    assert_eq!(slots(&world).await, ["v1", "v2", "current", "previous"]);

    let later = time::OffsetDateTime::now_utc() + time::Duration::MINUTE;
    let renewed = world.connect.renew_key(&keys, later).await;
    assert_eq!(renewed.expect("it is renewed"), Some(2));
    let resealed = world.connect.reseal(&keys, |_| {}).await;
    assert_eq!(resealed.expect("they are sealed anew"), 4);
    let census = world.connect.prove_keys(&keys).await.expect("it is asked");
    assert_eq!(census.faults, Vec::<String>::new());
    assert_eq!(census.secrets, BTreeMap::from([(2, 4)]));
    let retired = world.connect.retire_keys(&keys).await;
    assert_eq!(retired.expect("nothing needs it"), [1]);

    let restored = world.connect.restore_credential(&write, id, 2, 0).await;
    assert_eq!(restored.expect("it opens").version, 4);
    assert_eq!(
        world.secret("openai", id, "api_key").await,
        "sk-second-1111"
    );

    let erased = world.connect.erase_keys(&keys, "test").await;
    assert_eq!(erased.expect("they are destroyed").secrets, 5);
    let gone = world.connect.restore_credential(&write, id, 1, 0).await;
    assert_eq!(code(gone), "keys_erased");
    // What is entered anew can be used, and what it replaced stays what it is: unreadable.
    world.rotate(id, &[("api_key", "sk-fourth-3333")]).await;
    assert_eq!(
        world.secret("openai", id, "api_key").await,
        "sk-fourth-3333"
    );
    let gone = world.connect.restore_credential(&write, id, 4, 0).await;
    assert_eq!(code(gone), "keys_erased");
}

/// Archives are copied from rows that may be under an old key, while that key is being retired.
#[tokio::test(flavor = "multi_thread")]
async fn no_archive_is_lost_to_a_key_that_is_retired_meanwhile() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for number in 0..4 {
        let new = openai(&format!("{number}"), Environment::Live);
        ids.push(world.create(new).await.id);
    }
    let mut tasks = Vec::new();
    for id in ids.clone() {
        let (connect, access) = (world.connect.clone(), world.write().await);
        tasks.push(tokio::spawn(async move {
            for number in 0..12 {
                let rotation = Rotation {
                    values: values(&[("api_key", &format!("sk-value-{number}"))]),
                    grace_seconds: 60,
                };
                match connect.rotate_credential(&access, id, rotation).await {
                    // The data key was retired between looking for it and using it.
                    Ok(_) | Err(kernel::Error::Conflict { .. }) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        }));
    }
    let keys = world.keys().await;
    while tasks.iter().any(|task| !task.is_finished()) {
        let later = time::OffsetDateTime::now_utc() + time::Duration::MINUTE;
        world.connect.renew_key(&keys, later).await.expect("renews");
        world.connect.reseal(&keys, |_| {}).await.expect("reseals");
        world.connect.retire_keys(&keys).await.expect("retires");
    }
    for task in tasks {
        task.await.expect("no task panics");
    }
    let census = world.connect.prove_keys(&keys).await.expect("it is asked");
    assert_eq!(census.faults, Vec::<String>::new());
    for id in ids {
        assert!(history(&world, id).await.len() > 1);
    }
}

/// The bytes of archived secrets are nowhere in what is shown.
#[tokio::test]
async fn versions_show_four_characters_and_no_more() {
    let world = World::new().await;
    let id = world.create(openai("main", Environment::Live)).await.id;
    for canary in ["sk-canary-aaaaaaaaaaaa1111", "sk-canary-bbbbbbbbbbbb2222"] {
        world.rotate(id, &[("api_key", canary)]).await;
    }
    let found = history(&world, id).await;
    let shown = serde_json::to_string(&found).expect("serialises") + &format!("{found:?}");
    assert!(shown.contains("1111") && shown.contains("2222"), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
    let audited = world.acts("credential.rotated").await;
    assert!(!format!("{audited:?}").contains("canary"));
}
