//! A tenant's own key in AWS KMS.

use std::time::Duration;

use connect::own_key::{Holder, KeyFailure, KeyState, NewAwsKey, NewEncryptionKey};
use kernel::secret::Secret;
use serde_json::json;

use crate::{moto::kms, world::World};

fn new(arn: &str) -> NewEncryptionKey {
    NewEncryptionKey::Aws(NewAwsKey {
        key: arn.to_owned(),
        access_key_id: "AKIA0000000000000000".to_owned(),
        secret_access_key: Secret::new("secret-access-key-of-acme"),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_kms_is_used_lost_and_given_back() {
    let Some(kms) = kms().await else { return };
    let world = World::new(&[]).await.with_kms(kms.gate.address);
    let node = world.node().await;
    let id = world.create(&node, &world.acme, "sk-1").await.unwrap();
    let arn = kms.make_key().await;
    let own = world.set(&node, new(&arn)).await.unwrap();
    assert_eq!(own.provider, Holder::Aws);
    assert!(!world.at_rest().await.contains("secret-access-key-of-acme"));
    assert!(world.keks().await[0].ends_with(&format!(":aws:{arn}")));
    world.advance(Duration::from_secs(300));
    assert_eq!(world.refusal(&node, &world.acme, id).await, "opens");

    kms.gate.cut();
    world.advance(Duration::from_secs(300));
    let found = world.refusal(&node, &world.acme, id).await;
    assert_eq!(found, "tenant_key_unavailable");
    kms.gate.mend();
    world.until(&node, &world.acme, id, "opens").await;

    // The simulator takes ids alone for these.
    let name = arn.rsplit('/').next().unwrap();
    kms.admin("DisableKey", json!({ "KeyId": name })).await;
    let access = world.changing().await;
    let found = node.verify_encryption_key(&access).await.unwrap().own;
    let found = found.unwrap();
    assert_eq!(found.state, KeyState::Withdrawn);
    assert_eq!(found.failure, Some(KeyFailure::Disabled));
    assert!(found.advice.unwrap().contains("enable the key"));
    kms.admin("EnableKey", json!({ "KeyId": name })).await;
    assert_eq!(world.verify(&node).await, KeyState::Working);

    let second = kms.make_key().await;
    world.set(&node, new(&second)).await.unwrap();
    assert!(world.keks().await[0].ends_with(&format!(":aws:{second}")));
    node.remove_encryption_key(&world.changing().await)
        .await
        .unwrap();
    assert_eq!(world.keks().await, ["local:v1"]);
    assert_eq!(world.refusal(&node, &world.acme, id).await, "opens");
}
