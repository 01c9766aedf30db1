//! Setting a key, replacing it, going back: all at once or not at all.

use std::time::{Duration, Instant};

use connect::own_key::NewEncryptionKey;
use kernel::{Error, secret::Secret};
use serde_json::json;
use time::OffsetDateTime;

use crate::{bao::bao, world::World};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_set_replaced_and_taken_away() {
    let Some(bao) = bao().await else { return };
    let world = World::new(&[bao.gate.address]).await;
    let (here, there) = (world.node().await, world.node().await);
    let id = world.create(&here, &world.acme, "sk-1").await.unwrap();
    assert_eq!(world.refusal(&there, &world.acme, id).await, "opens");
    assert_eq!(world.keks().await, ["local:v1"]);

    let token = bao.token("freehold").await;
    let set = bao.key_with("freehold", token.clone());
    let first = world.set(&here, set).await.unwrap();
    let keks = world.keks().await;
    assert!(keks[0].starts_with("own:") && keks[0].ends_with(":transit:transit/freehold:v1"));
    let shown = serde_json::to_string(&first).unwrap();
    let at_rest = world.at_rest().await;
    for place in [&shown, &at_rest] {
        assert!(!place.contains(token.expose()), "{place}");
    }
    for node in [&here, &there] {
        world.until(node, &world.acme, id, "opens").await;
    }

    bao.make_key("second", true).await;
    bao.allow("second").await;
    let second = world.set(&there, bao.key("second").await).await.unwrap();
    assert_eq!(second.version, first.version + 1);
    assert_eq!(world.astray().await, 0);
    assert!(world.keks().await[0].ends_with(":transit:transit/second:v1"));
    // Nothing needs the first any more.
    bao.forbid("freehold").await;
    world.advance(Duration::from_secs(300));
    for node in [&here, &there] {
        world.until(node, &world.acme, id, "opens").await;
    }
    // What is new is under it as well.
    let keys = world.rotating().await;
    let later = OffsetDateTime::now_utc() + Duration::from_secs(60);
    assert_eq!(here.renew_key(&keys, later).await.unwrap(), Some(2));
    assert_eq!(world.astray().await, 0);

    there
        .remove_encryption_key(&world.changing().await)
        .await
        .unwrap();
    assert_eq!(world.keks().await, ["local:v1", "local:v1"]);
    bao.gate.cut();
    world.advance(Duration::from_secs(300));
    for node in [&here, &there] {
        world.until(node, &world.acme, id, "opens").await;
    }
    let again = there
        .remove_encryption_key(&world.changing().await)
        .await
        .unwrap_err();
    assert_eq!(again.code(), "not_found");
    assert_eq!(
        world.acts().await,
        [
            "encryption_key.set",
            "encryption_key.replaced",
            "encryption_key.removed"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_present_key_there_is_no_way_to_another() {
    let Some(bao) = bao().await else { return };
    let Some(elsewhere) = crate::bao::bao().await else {
        return;
    };
    let world = World::new(&[bao.gate.address, elsewhere.gate.address]).await;
    let node = world.node().await;
    let id = world.create(&node, &world.acme, "sk-1").await.unwrap();
    world.set(&node, bao.key("freehold").await).await.unwrap();
    let before = world.keks().await;
    // The data key is in memory, and does not leave it for another key-encryption key.
    assert_eq!(world.refusal(&node, &world.acme, id).await, "opens");

    bao.gate.cut();
    let other = elsewhere.key("freehold").await;
    let error = world.set(&node, other).await.unwrap_err();
    assert_eq!(error.code(), "tenant_key_unavailable");
    let removed = node.remove_encryption_key(&world.changing().await).await;
    assert_eq!(removed.unwrap_err().code(), "tenant_key_unavailable");
    bao.gate.mend();
    bao.forbid("freehold").await;
    let begun = Instant::now();
    loop {
        let removed = node.remove_encryption_key(&world.changing().await).await;
        if removed.unwrap_err().code() == "tenant_key_withdrawn" {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
    assert_eq!(world.keks().await, before);

    bao.allow("freehold").await;
    node.remove_encryption_key(&world.changing().await)
        .await
        .unwrap();
    assert_eq!(world.keks().await, ["local:v1"]);
}

fn wrong(error: Error) -> String {
    match error {
        Error::Invalid { fields, .. } => fields[0].field.clone(),
        other => other.code().to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_can_not_be_used_changes_nothing() {
    let Some(bao) = bao().await else { return };
    let world = World::new(&[bao.gate.address]).await;
    let node = world.node().await;
    let id = world.create(&node, &world.acme, "sk-1").await.unwrap();
    let read = |value| serde_json::from_value::<NewEncryptionKey>(value).unwrap();
    let at = |address: &str| {
        read(json!({
            "provider": "transit", "address": address, "key": "freehold", "login": "token",
            "secret": "hvs.token",
        }))
    };
    bao.allow("missing").await;
    for (new, field) in [
        (
            bao.key_with("freehold", Secret::new("not-a-token")),
            "secret",
        ),
        (bao.key_with("other", bao.token("freehold").await), "secret"),
        (bao.key("without-a-policy").await, "secret"),
        (bao.key("missing").await, "key"),
        // Inside, whether by an address or by a name, and nothing that the operator opened.
        (at("http://127.0.0.1:9"), "address_refused"),
        (at("https://127.0.0.1:8443"), "address_refused"),
        (at("https://localhost:8443"), "address_refused"),
        (at("https://169.254.169.254"), "address_refused"),
        (at("https://[::ffff:10.0.0.1]:8200"), "address_refused"),
        (at("http://bao.example.com"), "address_refused"),
        (
            read(json!({
                "provider": "aws", "key": "arn:aws:kms:evil.example/:123456789012:key/1",
                "access_key_id": "AKIA0000000000000000", "secret_access_key": "x",
            })),
            "key",
        ),
    ] {
        let described = format!("{new:?}");
        let error = world.set(&node, new).await.unwrap_err();
        assert_eq!(wrong(error), field, "{described}");
    }
    bao.gate.cut();
    let error = world.set(&node, bao.key("freehold").await).await;
    assert_eq!(wrong(error.unwrap_err()), "address");
    assert_eq!(world.keks().await, ["local:v1"]);
    assert_eq!(world.acts().await, Vec::<String>::new());
    assert_eq!(world.refusal(&node, &world.acme, id).await, "opens");
}

/// Whatever meets whatever, each data key is under the key that the tenant has.
#[tokio::test(flavor = "multi_thread")]
async fn changes_and_new_data_keys_at_once_leave_none_astray() {
    let Some(bao) = bao().await else { return };
    let world = World::new(&[bao.gate.address]).await;
    let node = world.node().await;
    let token = bao.token("freehold").await;
    let first = world.create(&node, &world.acme, "sk-0");
    let set = world.set(&node, bao.key_with("freehold", token.clone()));
    let (id, set) = tokio::join!(first, set);
    let id = id.unwrap();
    if let Err(error) = set {
        assert_eq!(error.code(), "changed_meanwhile");
        let set = bao.key_with("freehold", token.clone());
        world.set(&node, set).await.unwrap();
    }
    assert_eq!(world.astray().await, 0);

    let later = OffsetDateTime::now_utc() + Duration::from_secs(3_600);
    let renewals = async {
        let keys = world.rotating().await;
        for _ in 0..12 {
            if let Err(error) = node.renew_key(&keys, later).await {
                let passes = ["changed_meanwhile", "tenant_key_unavailable"];
                assert!(passes.contains(&error.code()), "{error:?}");
            }
        }
    };
    let changes = async {
        let access = world.changing().await;
        let mut done = 0;
        for _ in 0..6 {
            let set = bao.key_with("freehold", token.clone());
            for outcome in [
                node.remove_encryption_key(&access).await,
                world.set(&node, set).await.map(drop),
            ] {
                match outcome {
                    Ok(()) => done += 1,
                    Err(error) => {
                        let passes = ["changed_meanwhile", "not_found"];
                        assert!(passes.contains(&error.code()), "{error:?}");
                    }
                }
            }
        }
        done
    };
    let looks = async {
        for _ in 0..100 {
            assert_eq!(world.astray().await, 0);
            tokio::task::yield_now().await;
        }
    };
    let ((), done, ()) = tokio::join!(renewals, changes, looks);
    assert!(done > 0, "nothing was ever changed");
    assert!(world.keks().await.len() > 1, "nothing was ever renewed");
    assert_eq!(world.astray().await, 0);
    world.until(&node, &world.acme, id, "opens").await;
    let fresh = world.node().await;
    assert_eq!(world.refusal(&fresh, &world.acme, id).await, "opens");
}

/// A change that is broken off anywhere has happened altogether or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_killed_has_changed_everything_or_nothing() {
    let Some(bao) = bao().await else { return };
    let world = World::new(&[bao.gate.address]).await;
    let node = world.node().await;
    let id = world.create(&node, &world.acme, "sk-1").await.unwrap();
    let keys = world.rotating().await;
    let later = OffsetDateTime::now_utc() + Duration::from_secs(3_600);
    for _ in 0..3 {
        node.renew_key(&keys, later).await.unwrap();
    }
    let token = bao.token("freehold").await;
    let begun = Instant::now();
    let set = bao.key_with("freehold", token.clone());
    let first = world.changing().await;
    node.set_encryption_key(&first, set).await.unwrap();
    let whole = begun.elapsed();
    let (mut killed, mut done) = (0, 0);
    for step in 0..60 {
        let access = world.changing().await;
        let set = bao.key_with("freehold", token.clone());
        // Up to three times what it takes on this machine.
        let life = whole * step / 20;
        match tokio::time::timeout(life, node.set_encryption_key(&access, set)).await {
            Ok(outcome) => {
                outcome.unwrap();
                done += 1;
            }
            Err(_) => killed += 1,
        }
        assert_eq!(world.astray().await, 0, "after {life:?}");
    }
    assert!(killed > 0 && done > 0, "{killed} killed, {done} done");
    let fresh = world.node().await;
    assert_eq!(world.refusal(&fresh, &world.acme, id).await, "opens");
}
