//! Operators' rotation beside tenants' own keys: neither keeps the other from its work.

use std::collections::BTreeMap;

use kernel::permission::DataKeysWrite;

use crate::{bao::bao, world::World};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_key_withholds_its_tenant_and_nothing_else() {
    let Some(bao) = bao().await else { return };
    let world = World::new(&[bao.gate.address]).await;
    let node = world.node().await;
    let id = world.create(&node, &world.acme, "sk-1").await.unwrap();
    world.create(&node, &world.globex, "sk-2").await.unwrap();
    world.set(&node, bao.key("freehold").await).await.unwrap();
    let (acme, own) = (world.rotating().await, world.keks().await.remove(0));
    let globex = world.test.enter::<DataKeysWrite>(&world.globex).await;
    let wraps = |pairs: &[(&str, u64)]| {
        let pairs = pairs.iter().map(|(kek, count)| ((*kek).to_owned(), *count));
        pairs.collect::<BTreeMap<_, _>>()
    };
    let census = node.prove_keys(&acme).await.unwrap();
    assert_eq!(census.faults, Vec::<String>::new());
    assert!(census.withheld.is_empty());
    // The login at the provider is wrapped by the installation's key.
    assert_eq!(census.wraps, wraps(&[("local:v1", 1), (&own, 1)]));

    bao.gate.cut();
    let keyring = world.keyring();
    assert_eq!(keyring.rotate().unwrap(), 2);
    let error = node.rewrap_keys(&acme, "local:v2").await.unwrap_err();
    assert_eq!(error.code(), "tenant_key_unavailable");
    assert_eq!(node.rewrap_keys(&globex, "local:v2").await.unwrap(), 1);
    let census = node.prove_keys(&acme).await.unwrap();
    assert_eq!(census.faults, Vec::<String>::new());
    assert_eq!(
        census.withheld.keys().collect::<Vec<_>>(),
        [&world.acme.id.to_string()]
    );
    assert_eq!(census.secrets, BTreeMap::from([(1, 1)]), "they are counted");
    // What the installation's key had wrapped of this tenant was moved all the same.
    assert_eq!(census.wraps, wraps(&[("local:v2", 1), (&own, 1)]));
    keyring.retire(&[1]).unwrap();

    bao.gate.mend();
    world.until(&node, &world.acme, id, "opens").await;
    let fresh = world.node().await;
    assert_eq!(world.refusal(&fresh, &world.acme, id).await, "opens");
    assert_eq!(node.rewrap_keys(&acme, "local:v2").await.unwrap(), 0);
    let census = node.prove_keys(&acme).await.unwrap();
    assert!(census.withheld.is_empty() && census.faults.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_was_moved_to_another_row_is_found() {
    let Some(bao) = bao().await else { return };
    let world = World::new(&[bao.gate.address]).await;
    let node = world.node().await;
    world.create(&node, &world.acme, "sk-1").await.unwrap();
    world.set(&node, bao.key("freehold").await).await.unwrap();
    sqlx::query("UPDATE cell.tenant_key SET tenant_id = $1")
        .bind(world.globex.id.uuid())
        .execute(&mut world.test.superuser().await)
        .await
        .unwrap();
    let globex = world.test.enter::<DataKeysWrite>(&world.globex).await;
    let census = node.prove_keys(&globex).await.unwrap();
    assert_eq!(census.faults.len(), 1, "{:?}", census.faults);
}
