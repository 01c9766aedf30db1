//! Tokens that end: renewed before, once, with pauses where the provider fails, and given up where it
//! says so.

use kernel::id::CredentialId;
use sandbox::{Fault, Provider, Scope};
use time::OffsetDateTime;

use crate::{
    common::poll,
    world::{PROVIDERS, World, token},
};

/// Where each asks for tokens.
fn endpoint(provider: Provider) -> Scope {
    Scope::path(match provider {
        Provider::Slack => "oauth.v2.access",
        Provider::GitHub => "login/oauth/access_token",
        _ => "token",
    })
}

/// A connection whose token ends in a moment, and has ended when this returns.
async fn ended(world: &World, provider: Provider) -> CredentialId {
    let browser = world.owner().await;
    let server = world.node.sandbox.oauth();
    server.life(provider, Some(1));
    let id = world.connected(&browser, provider, 0).await;
    server.life(provider, None);
    let over = async || {
        let found = world.connections().await;
        let one = found.iter().find(|one| one.credential == id);
        one.and_then(|one| one.expires_at)
            .is_some_and(|until| until < OffsetDateTime::now_utc())
    };
    assert!(poll(over).await, "it never ends");
    id
}

async fn status(world: &World, id: CredentialId) -> (String, Option<String>) {
    let found = world.connections().await;
    let one = found.into_iter().find(|one| one.credential == id);
    let one = one.expect("the connection");
    (one.status, one.last_error)
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_tokens_are_renewed_when_they_are_used() {
    let world = World::new().await;
    for provider in PROVIDERS {
        let id = ended(&world, provider).await;
        let program = world.node.program();
        let one = token(program, provider, id).await.expect("renewed");
        assert_eq!(token(program, provider, id).await.expect("kept"), one);
        let account = world.account(provider, 0);
        assert_eq!(
            world.node.sandbox.oauth().refreshes(provider, &account),
            1,
            "{provider}"
        );
        assert_eq!(status(&world, id).await, ("active".to_owned(), None));
    }
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_renews_what_nobody_uses() {
    let world = World::new().await;
    let id = ended(&world, Provider::GoogleCalendar).await;
    // As if the minute had come.
    world
        .node
        .execute("UPDATE cell.job_schedule SET next_at = now() - interval '1 second'")
        .await;
    let account = world.account(Provider::GoogleCalendar, 0);
    let server = world.node.sandbox.oauth();
    assert!(poll(async || server.refreshes(Provider::GoogleCalendar, &account) == 1).await);
    let renewed = async || {
        let found = world.connections().await;
        found
            .iter()
            .any(|one| one.credential == id && one.refreshed_at.is_some())
    };
    assert!(poll(renewed).await, "it is never written down");
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_fails_is_asked_again_after_a_pause() {
    let world = World::new().await;
    for (fault, least) in [(Fault::ServerError, 3), (Fault::rate_limited(600), 590)] {
        let id = ended(&world, Provider::Linear).await;
        let faults = world.node.sandbox.faults();
        faults.next_in(Provider::Linear, endpoint(Provider::Linear), fault, 1);
        let program = world.node.program();
        let error = token(program, Provider::Linear, id)
            .await
            .expect_err("no token");
        assert!(
            error.is_transient() && error.code() == "provider_error",
            "{error}"
        );
        // The provider is left in peace until then.
        let again = token(program, Provider::Linear, id)
            .await
            .expect_err("no token");
        assert_eq!(again.code(), "provider_error");
        let pause =
            "SELECT extract(epoch FROM next_attempt_at - now())::bigint FROM cell.oauth_grant";
        assert!(world.node.number(pause).await >= least);
        world
            .node
            .execute("UPDATE cell.oauth_grant SET next_attempt_at = now()")
            .await;
        token(program, Provider::Linear, id).await.expect("renewed");
        assert_eq!(status(&world, id).await, ("active".to_owned(), None));
    }
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_was_withdrawn_has_to_be_connected_again() {
    let world = World::new().await;
    let browser = world.owner().await;
    for provider in PROVIDERS {
        let id = ended(&world, provider).await;
        let account = world.account(provider, 0);
        world.node.sandbox.oauth().withdraw(provider, &account);
        let program = world.node.program();
        for _ in 0..2 {
            let error = token(program, provider, id).await.expect_err("no token");
            assert_eq!(error.code(), "reconnect_required", "{provider}: {error}");
        }
        let (state, error) = status(&world, id).await;
        assert_eq!(state, "reconnect_required");
        assert!(error.is_some_and(|error| error.contains("gave no token")));
        let page = browser.get(&format!("/app/acme/credentials/{id}")).await;
        assert!(page.text.contains("Has to be connected again"));
        // Which heals it.
        assert_eq!(world.connected(&browser, provider, 0).await, id);
        token(program, provider, id).await.expect("a token");
        assert_eq!(status(&world, id).await, ("active".to_owned(), None));
    }
    let told =
        "SELECT count(*) FROM cell.audit_entry WHERE action = 'connection.reconnect_required'";
    assert_eq!(world.node.number(told).await, 4);
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_end() {
    let world = World::new().await;
    let id = ended(&world, Provider::Slack).await;
    world
        .node
        .execute("UPDATE cell.oauth_grant SET attempts = 29")
        .await;
    let faults = world.node.sandbox.faults();
    faults.next_in(
        Provider::Slack,
        endpoint(Provider::Slack),
        Fault::ServerError,
        1,
    );
    let error = token(world.node.program(), Provider::Slack, id)
        .await
        .expect_err("no token");
    assert_eq!(error.code(), "reconnect_required");
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_heals_where_the_provider_lets_it() {
    let world = World::new().await;
    for (provider, grace, heals) in [
        // It stays the same.
        (Provider::GoogleCalendar, false, true),
        (Provider::Linear, true, true),
        (Provider::Linear, false, false),
        (Provider::Slack, false, false),
        (Provider::GitHub, false, false),
    ] {
        let server = world.node.sandbox.oauth();
        let minutes = if grace { 30 } else { -1 };
        server.reuse_grace(provider, time::Duration::minutes(minutes));
        let id = ended(&world, provider).await;
        let faults = world.node.sandbox.faults();
        faults.next_in(provider, endpoint(provider), Fault::HalfAnswer, 1);
        let program = world.node.program();
        let lost = token(program, provider, id).await.expect_err("no token");
        assert_eq!(lost.code(), "provider_error", "{provider}");
        world
            .node
            .execute("UPDATE cell.oauth_grant SET next_attempt_at = now()")
            .await;
        match token(program, provider, id).await {
            Ok(_) => assert!(heals, "{provider}"),
            Err(error) => assert!(
                !heals && error.code() == "reconnect_required",
                "{provider}: {error}"
            ),
        }
    }
    world.node.stop().await;
}
