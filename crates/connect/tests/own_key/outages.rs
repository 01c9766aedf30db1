//! A provider that does not answer, one that refuses, and what of it who notices.

use std::time::{Duration, Instant};

use connect::own_key::KeyState;

use crate::{bao::bao, world::World};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_provider_is_its_own_tenants_trouble_alone_and_passes_by_itself() {
    let Some(bao) = bao().await else { return };
    let world = World::new(&[bao.gate.address]).await;
    let node = world.node().await;
    let id = world.create(&node, &world.acme, "sk-1").await.unwrap();
    let other = world.create(&node, &world.globex, "sk-2").await.unwrap();
    let own = world.set(&node, bao.key("freehold").await).await.unwrap();
    assert_eq!(own.state, KeyState::Working);
    assert_eq!(world.read(&node, &world.acme, id).await.unwrap(), "sk-1");

    bao.gate.cut();
    // Whoever's data key is in memory goes on for five minutes, and asks nobody.
    let reached = bao.gate.connections();
    for minute in 0..5 {
        let found = world.refusal(&node, &world.acme, id).await;
        assert_eq!(found, "opens", "in minute {minute}");
        world.advance(Duration::from_secs(59));
    }
    assert_eq!(bao.gate.connections(), reached);
    world.advance(Duration::from_secs(6));
    let refusal = world.read(&node, &world.acme, id).await.unwrap_err();
    assert_eq!(refusal.code(), "tenant_key_unavailable");
    assert!(refusal.is_transient(), "jobs are tried again");
    let refusal = world.create(&node, &world.acme, "sk-3").await.unwrap_err();
    assert_eq!(refusal.code(), "tenant_key_unavailable");
    assert_eq!(world.refusal(&node, &world.globex, other).await, "opens");

    // The circuit spares the provider, and the change is written once.
    let reached = bao.gate.connections();
    for _ in 0..100 {
        let found = world.refusal(&node, &world.acme, id).await;
        assert_eq!(found, "tenant_key_unavailable");
    }
    let tried = bao.gate.connections() - reached;
    assert!(tried < 20, "{tried} tries");
    assert_eq!(world.announced().await, 1);
    assert_eq!(
        world.acts().await,
        ["encryption_key.set", "encryption_key.unavailable"]
    );

    bao.gate.mend();
    world.until(&node, &world.acme, id, "opens").await;
    world.create(&node, &world.acme, "sk-3").await.unwrap();
    assert_eq!(
        world.acts().await.last().unwrap(),
        "encryption_key.recovered"
    );
    assert_eq!(world.announced().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_silent_provider_keeps_nobody_else_waiting() {
    let Some(bao) = bao().await else { return };
    // Takes connections, and never says a word.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::new(&[bao.gate.address]).await;
    let node = world.node().await;
    let id = world.create(&node, &world.acme, "sk-1").await.unwrap();
    let other = world.create(&node, &world.globex, "sk-2").await.unwrap();
    world.set(&node, bao.key("freehold").await).await.unwrap();
    let settings = serde_json::json!(format!("http://{}", silent.local_addr().unwrap()));
    sqlx::query("UPDATE cell.tenant_key SET settings = jsonb_set(settings, '{address}', $1)")
        .bind(settings)
        .execute(&mut world.test.superuser().await)
        .await
        .unwrap();
    let world = world.opening(silent.local_addr().unwrap());
    let node = world.node().await;
    let waiting = world.read(&node, &world.acme, id);
    tokio::pin!(waiting);
    let begun = Instant::now();
    let mut reads = 0;
    let refusal = loop {
        tokio::select! {
            biased;
            outcome = &mut waiting => break outcome.unwrap_err(),
            text = world.read(&node, &world.globex, other) => {
                assert_eq!(text.unwrap(), "sk-2");
                reads += 1;
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it never ends");
    };
    assert_eq!(refusal.code(), "tenant_key_unavailable");
    assert!(reads > 0, "others are served meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_key_is_told_clearly_is_dropped_everywhere_and_works_when_given_back() {
    let Some(bao) = bao().await else { return };
    let world = World::new(&[bao.gate.address]).await;
    let (here, there) = (world.node().await, world.node().await);
    let id = world.create(&here, &world.acme, "sk-1").await.unwrap();
    let other = world.create(&here, &world.globex, "sk-2").await.unwrap();
    let key = bao.key_by_approle("freehold").await;
    world.set(&here, key).await.unwrap();
    for node in [&here, &there] {
        world.until(node, &world.acme, id, "opens").await;
    }

    bao.forbid("freehold").await;
    assert_eq!(
        world.refusal(&here, &world.acme, id).await,
        "opens",
        "from memory"
    );
    assert_eq!(world.verify(&here).await, KeyState::Withdrawn);
    let refusal = world.read(&here, &world.acme, id).await.unwrap_err();
    assert_eq!(refusal.code(), "tenant_key_withdrawn");
    assert!(refusal.to_string().contains("policy"), "{refusal}");
    assert!(refusal.is_transient(), "jobs are tried again");
    world
        .until(&there, &world.acme, id, "tenant_key_withdrawn")
        .await;
    for node in [&here, &there] {
        assert_eq!(world.refusal(node, &world.globex, other).await, "opens");
    }
    assert_eq!(world.announced().await, 1);

    bao.allow("freehold").await;
    for node in [&here, &there] {
        world.until(node, &world.acme, id, "opens").await;
    }
    assert_eq!(
        world.acts().await,
        [
            "encryption_key.set",
            "encryption_key.withdrawn",
            "encryption_key.recovered"
        ]
    );
    assert_eq!(world.verify(&there).await, KeyState::Working);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_version_of_the_key_is_a_withdrawal_that_ends() {
    let Some(bao) = bao().await else { return };
    let world = World::new(&[bao.gate.address]).await;
    let node = world.node().await;
    let id = world.create(&node, &world.acme, "sk-1").await.unwrap();
    world.set(&node, bao.key("freehold").await).await.unwrap();
    bao.rotate("freehold").await;
    bao.close_before("freehold", 2).await;
    // The newest version works, and what is stored does not open by it.
    assert_eq!(world.verify(&node).await, KeyState::Withdrawn);
    let refusal = world.read(&node, &world.acme, id).await.unwrap_err();
    assert_eq!(refusal.code(), "tenant_key_withdrawn");
    assert!(refusal.to_string().contains("min_decryption_version"));

    bao.close_before("freehold", 1).await;
    world.until(&node, &world.acme, id, "opens").await;
    // Moved under the newest version, the old one can be closed.
    let access = world.rotating().await;
    assert_eq!(node.rewrap_keys(&access, "local:v1").await.unwrap(), 1);
    bao.close_before("freehold", 2).await;
    assert_eq!(world.verify(&node).await, KeyState::Working);
    world.advance(Duration::from_secs(300));
    assert_eq!(world.refusal(&node, &world.acme, id).await, "opens");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_destroyed_without_the_provider() {
    let Some(bao) = bao().await else { return };
    let world = World::new(&[bao.gate.address]).await;
    let node = world.node().await;
    let id = world.create(&node, &world.acme, "sk-1").await.unwrap();
    world.set(&node, bao.key("freehold").await).await.unwrap();
    bao.gate.cut();
    let erased = node.erase_keys(&world.rotating().await, "test").await;
    assert_eq!(erased.unwrap().generations, [1]);
    assert_eq!(world.refusal(&node, &world.acme, id).await, "keys_erased");
    // With nothing left to give out, the key can be taken away.
    node.remove_encryption_key(&world.changing().await)
        .await
        .unwrap();
    let id = world.create(&node, &world.acme, "sk-2").await.unwrap();
    assert_eq!(world.refusal(&node, &world.acme, id).await, "opens");
    assert_eq!(world.keks().await, ["local:v1"]);
}
