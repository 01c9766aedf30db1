//! What `freehold vault` and `freehold tenant erase-keys` do, over the whole installation.

use std::time::Duration;

use kernel::{
    Operator,
    id::CredentialId,
    permission::{CredentialsUse, DataKeysWrite},
};
use server::{
    key_rotation::{Retired, Rotation, SETTLED},
    program::Program,
};

use crate::common::{TestNode, tenant};

fn rotation(program: &Program) -> Rotation<'_> {
    let db = &program.db;
    Rotation::new(
        db,
        &program.connect,
        &program.people,
        Operator::local(db, "test"),
        Operator::local(db, "test"),
    )
}

async fn store(node: &TestNode, slug: &str, name: &str, secret: &str) -> CredentialId {
    let values = [("api_key", secret.to_owned())];
    let made = tenant::connect_as(node.program(), slug, "openai", name, &values).await;
    made.id
}

async fn opened(node: &TestNode, slug: &str, id: CredentialId) -> Result<String, &'static str> {
    let access = node.enter::<CredentialsUse>(slug).await;
    let found = node.program().connect.resolve_id(&access, "openai", id);
    let found = found.await.map_err(|error| error.code())?;
    let secret = found.secret("api_key").map_err(|error| error.code())?;
    Ok(secret.expose().to_owned())
}

async fn retire(program: &Program) -> anyhow::Result<Retired> {
    rotation(program).retire(Duration::ZERO, &mut |_| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn old_keys_are_destroyed_when_nothing_needs_them() {
    let node = TestNode::start().await;
    let mut kept = Vec::new();
    for slug in ["acme", "globex"] {
        node.bare_tenant(slug).await;
        let secret = format!("sk-proj-{slug}-0000000000000000");
        let id = store(&node, slug, "first", &secret).await;
        kept.push((slug, id, secret));
    }
    let program = node.program();
    assert_eq!(
        rotation(program).rotate().await.expect("rotated"),
        "local:v2"
    );
    // What a request is about to store may still be wrapped by the old version.
    let soon = rotation(program).retire(SETTLED, &mut |_| {}).await;
    let refusal = soon.expect_err("it is too soon").to_string();
    assert!(refusal.contains("try again in"), "{refusal}");
    // It wraps something: nothing of it is destroyed.
    assert_eq!(retire(program).await.expect("it ran"), Retired::default());

    let mut lines = Vec::new();
    let moved = rotation(program).rewrap(&mut |line| lines.push(line)).await;
    assert!(moved.expect("rewrapped") >= 2, "{lines:?}");
    let census = rotation(program).prove(&mut |_| {}).await.expect("proved");
    assert!(census.faults.is_empty(), "{:?}", census.faults);
    assert_eq!(census.wraps.keys().collect::<Vec<_>>(), ["local:v2"]);
    assert_eq!(retire(program).await.expect("it ran").versions, [1]);
    program.connect.data_keys().clear();
    for (slug, id, secret) in &kept {
        assert_eq!(opened(&node, slug, *id).await.as_ref(), Ok(secret));
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_destroyed_keeps_no_key_alive() {
    let node = TestNode::start().await;
    for slug in ["acme", "globex"] {
        node.bare_tenant(slug).await;
    }
    let gone = store(&node, "acme", "first", "sk-proj-gone-0000000000000000").await;
    let other = store(&node, "globex", "first", "sk-proj-other-000000000000000").await;
    let access = node.enter::<DataKeysWrite>("acme").await;
    let program = node.program();
    let erased = program.connect.erase_keys(&access, "test").await;
    assert_eq!(erased.expect("destroyed").secrets, 1);
    let fresh = store(&node, "acme", "second", "sk-proj-fresh-000000000000000").await;

    rotation(program).rotate().await.expect("rotated");
    rotation(program)
        .rewrap(&mut |_| {})
        .await
        .expect("rewrapped");
    let census = rotation(program).prove(&mut |_| {}).await.expect("proved");
    assert!(census.faults.is_empty(), "{:?}", census.faults);
    assert_eq!(retire(program).await.expect("it ran").versions, [1]);
    program.connect.data_keys().clear();
    assert_eq!(opened(&node, "acme", gone).await, Err("keys_erased"));
    let secret = "sk-proj-fresh-000000000000000".to_owned();
    assert_eq!(opened(&node, "acme", fresh).await, Ok(secret));
    let secret = "sk-proj-other-000000000000000".to_owned();
    assert_eq!(opened(&node, "globex", other).await, Ok(secret));
    node.stop().await;
}

/// One row that does not open is named, keeps everything from being destroyed, and keeps nobody else
/// under the old key.
#[tokio::test(flavor = "multi_thread")]
async fn damage_of_one_tenant_is_that_tenants_alone() {
    let node = TestNode::start().await;
    let mut ids = Vec::new();
    for slug in ["acme", "globex", "initech"] {
        node.bare_tenant(slug).await;
        ids.push(store(&node, slug, "first", "sk-proj-000000000000000000000").await);
    }
    let acme = node.known("acme").await.id;
    let damage = format!(
        "UPDATE cell.data_key SET wrapped = set_byte(wrapped, length(wrapped) - 1,
             get_byte(wrapped, length(wrapped) - 1) # 1) WHERE tenant_id = '{}'",
        acme.uuid()
    );
    node.execute(&damage).await;
    let program = node.program();
    program.connect.data_keys().clear();
    rotation(program).rotate().await.expect("rotated");
    let mut lines = Vec::new();
    let outcome = rotation(program).rewrap(&mut |line| lines.push(line)).await;
    let refusal = outcome.expect_err("it is told").to_string();
    assert!(refusal.contains("1 tenants are left"), "{refusal}");
    assert!(
        lines.iter().any(|line| line.contains(&acme.to_string())),
        "{lines:?}"
    );
    let old = "SELECT count(*) FROM cell.data_key WHERE kek = 'local:v1'";
    assert_eq!(node.number(old).await, 1, "the others are moved");
    let refusal = retire(program).await.expect_err("something does not open");
    assert!(
        refusal.to_string().contains("nothing is destroyed"),
        "{refusal}"
    );
    assert!(opened(&node, "acme", ids[0]).await.is_err());
    for (slug, id) in [("globex", ids[1]), ("initech", ids[2])] {
        assert!(opened(&node, slug, id).await.is_ok(), "{slug}");
    }
    node.stop().await;
}
