//! Several nodes on one database: one refresh for all of them, and one that dies in the middle of it.

use std::sync::Arc;

use kernel::id::CredentialId;
use sandbox::{Fault, Provider, Scope};
use server::program::Program;
use time::{Duration, OffsetDateTime};
use tokio::{runtime::Runtime, task::JoinSet};

use crate::{
    common::poll,
    world::{World, token},
};

const USERS: usize = 50;

async fn ended(world: &World, provider: Provider) -> CredentialId {
    let browser = world.owner().await;
    let server = world.node.sandbox.oauth();
    server.life(provider, Some(1));
    let id = world.connected(&browser, provider, 0).await;
    server.life(provider, None);
    let over = async || {
        let found = world.connections().await;
        let until = found.first().and_then(|one| one.expires_at);
        until.is_some_and(|until| until < OffsetDateTime::now_utc())
    };
    assert!(poll(over).await, "it never ends");
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_users_on_two_nodes_refresh_once() {
    let world = World::new().await;
    let nodes: [Arc<Program>; 2] = [
        Arc::new(world.second().await),
        Arc::new(world.second().await),
    ];
    let id = ended(&world, Provider::Linear).await;
    // The provider takes its time, so that all of them wait for it.
    let scope = Scope::path("oauth/token");
    let faults = world.node.sandbox.faults();
    faults.next_in(Provider::Linear, scope, Fault::Slow { millis: 500 }, 1);
    let mut users = JoinSet::new();
    for user in 0..USERS {
        let node = Arc::clone(&nodes[user % 2]);
        users.spawn(async move { token(&node, Provider::Linear, id).await });
    }
    let mut seen = Vec::new();
    while let Some(user) = users.join_next().await {
        seen.push(user.expect("no panic").expect("a token"));
    }
    assert_eq!(seen.len(), USERS);
    assert!(
        seen.iter().all(|token| *token == seen[0]),
        "they have one and the same"
    );
    let account = world.account(Provider::Linear, 0);
    assert_eq!(
        world
            .node
            .sandbox
            .oauth()
            .refreshes(Provider::Linear, &account),
        1
    );
    for node in nodes {
        let node = Arc::into_inner(node).expect("nobody uses it");
        node.close().await.expect("it closes");
    }
    world.node.stop().await;
}

/// Ends a node in the middle of a refresh: everything that it runs is dropped when the provider has
/// given new tokens and the node has not got them.
async fn killed_mid_refresh(world: &World, provider: Provider, id: CredentialId) {
    let faults = world.node.sandbox.faults();
    let slow = Fault::Slow { millis: 60_000 };
    faults.next_in(provider, Scope::path("token"), slow, 1);
    let mortal = Mortal::new();
    let runtime = mortal.runtime();
    let program = {
        // Its connections live in its own runtime.
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let program = runtime.block_on(world.second());
                let _ = sender.send(program);
            });
        });
        receiver.await.expect("a node")
    };
    runtime.spawn(async move { token(&program, provider, id).await });
    let account = world.account(provider, 0);
    let server = world.node.sandbox.oauth();
    let given = poll(async || server.refreshes(provider, &account) == 1).await;
    drop(mortal);
    assert!(given, "the provider was never asked");
}

/// What a node runs on. However its test ends, this does not wait for it: a runtime that is dropped by
/// a test that fails would end the whole program, with all tests that come after.
struct Mortal(Option<Runtime>);

impl Mortal {
    fn new() -> Self {
        Self(Some(Runtime::new().expect("a runtime")))
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("it lives")
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_in_a_refresh_leaves_a_connection_that_heals() {
    let world = World::new().await;
    world
        .node
        .sandbox
        .oauth()
        .reuse_grace(Provider::Linear, Duration::minutes(30));
    let id = ended(&world, Provider::Linear).await;
    killed_mid_refresh(&world, Provider::Linear, id).await;
    let named =
        "SELECT count(*) FROM cell.oauth_grant WHERE owner IS NOT NULL AND owner_until > now()";
    assert_eq!(
        world.node.number(named).await,
        1,
        "its name stands there still"
    );
    // As if the lease had run out.
    world
        .node
        .execute("UPDATE cell.oauth_grant SET owner_until = now() - interval '1 second'")
        .await;
    let healed = token(world.node.program(), Provider::Linear, id).await;
    healed.expect("the next node has a token");
    let account = world.account(Provider::Linear, 0);
    assert_eq!(
        world
            .node
            .sandbox
            .oauth()
            .refreshes(Provider::Linear, &account),
        2
    );
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_used_refresh_tokens_are_refused_the_tenant_is_told_to_connect_again() {
    let world = World::new().await;
    let id = ended(&world, Provider::Linear).await;
    killed_mid_refresh(&world, Provider::Linear, id).await;
    world
        .node
        .execute("UPDATE cell.oauth_grant SET owner_until = now() - interval '1 second'")
        .await;
    let error = token(world.node.program(), Provider::Linear, id)
        .await
        .expect_err("no token");
    assert_eq!(error.code(), "reconnect_required");
    let browser = world.owner().await;
    assert_eq!(world.connected(&browser, Provider::Linear, 0).await, id);
    token(world.node.program(), Provider::Linear, id)
        .await
        .expect("a token");
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_goes_on_with_a_token_that_is_still_good() {
    let world = World::new().await;
    let browser = world.owner().await;
    let server = world.node.sandbox.oauth();
    server.life(Provider::Linear, Some(50));
    let id = world.connected(&browser, Provider::Linear, 0).await;
    let program = world.node.program();
    let before = token(program, Provider::Linear, id).await.expect("a token");
    // Somebody else is at it.
    world.node.execute(
        "UPDATE cell.oauth_grant SET owner = gen_random_uuid(), owner_until = now() + interval '1 minute',
             connected_at = connected_at - interval '1 hour'",
    )
    .await;
    let other = world.second().await;
    assert_eq!(
        token(&other, Provider::Linear, id)
            .await
            .expect("the old one"),
        before
    );
    let account = world.account(Provider::Linear, 0);
    assert_eq!(server.refreshes(Provider::Linear, &account), 0);
    other.close().await.expect("it closes");
    world.node.stop().await;
}
