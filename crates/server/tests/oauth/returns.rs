//! Ways back that open nothing: replayed, too late, of another browser, of another person, forged.

use sandbox::Provider;
use time::Duration;

use crate::world::{Browser, PROVIDERS, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_good_once() {
    let world = World::new().await;
    let browser = world.owner().await;
    for provider in PROVIDERS {
        let back = world.allowed(&browser, provider, 0).await;
        assert_eq!(browser.get(&back).await.status, 303);
        let again = browser.get(&back).await;
        assert_eq!(again.status, 409, "{provider}");
        assert!(again.text.contains("connection_stale"), "{}", again.text);
    }
    assert_eq!(world.connections().await.len(), 4);
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_has_expired_connects_nothing() {
    let world = World::new().await;
    let browser = world.owner().await;
    for provider in PROVIDERS {
        let back = world.allowed(&browser, provider, 0).await;
        world.node.sandbox.oauth().advance(Duration::minutes(11));
        let answer = browser.get(&back).await;
        assert_eq!(answer.status, 409, "{provider}: {}", answer.text);
        assert!(answer.text.contains("connection_invalid"), "{provider}");
        assert!(
            answer.text.contains("/app/acme/connections/"),
            "{}",
            answer.text
        );
    }
    assert!(world.connections().await.is_empty());
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_browser_can_neither_use_a_state_nor_use_it_up() {
    let world = World::new().await;
    let (browser, other) = (world.owner().await, world.owner().await);
    // It has a handle of its own, from a way of its own.
    other.leave(Provider::Slack, &[]).await;
    let stranger = Browser::new(&world.node);
    for provider in PROVIDERS {
        let back = world.allowed(&browser, provider, 0).await;
        for foreign in [&other, &stranger] {
            let answer = foreign.get(&back).await;
            assert_eq!(answer.status, 409, "{provider}");
            assert!(answer.text.contains("connection_stale"), "{}", answer.text);
        }
        assert_eq!(browser.get(&back).await.status, 303, "{provider}");
    }
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_left_must_be_who_comes_back() {
    let world = World::new().await;
    world
        .node
        .member("second@example.com", "Second", "acme", "owner")
        .await;
    let browser = world.owner().await;
    let back = world.allowed(&browser, Provider::Linear, 0).await;
    // Somebody else signs in to the same browser meanwhile; then nobody is.
    let cookie = world.node.sign_in("second@example.com").await;
    let (name, value) = cookie.split_once('=').expect("a cookie");
    browser.keep(name, value);
    assert_eq!(browser.get(&back).await.status, 409);
    browser.keep(name, "nobody");
    assert_eq!(browser.get(&back).await.status, 409);
    assert!(world.connections().await.is_empty());
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_has_run_out_is_stale() {
    let world = World::new().await;
    let browser = world.owner().await;
    let back = world.allowed(&browser, Provider::Slack, 0).await;
    world
        .node
        .execute("UPDATE cell.oauth_flow SET expires_at = now() - interval '1 second'")
        .await;
    assert_eq!(browser.get(&back).await.status, 409);
    // The next who leaves clears it away.
    browser.leave(Provider::Slack, &[]).await;
    assert_eq!(
        world
            .node
            .number("SELECT count(*) FROM cell.oauth_flow")
            .await,
        1
    );
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_another_issuer_is_refused() {
    let world = World::new().await;
    let browser = world.owner().await;
    let back = world.allowed(&browser, Provider::GoogleCalendar, 0).await;
    let answer = browser
        .get(&format!("{back}&iss=https%3A%2F%2Fevil.example"))
        .await;
    assert_eq!(answer.status, 409);
    assert!(
        answer.text.contains("connection_invalid"),
        "{}",
        answer.text
    );
    assert!(world.connections().await.is_empty());
    for nonsense in ["", "?state=x&code=y", "?state=%00", "?error=access_denied"] {
        let answer = browser.get(&format!("/oauth/callback{nonsense}")).await;
        assert_eq!(answer.status, 409, "{nonsense}");
    }
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_fails_at_the_exchange_leaves_nothing_half_written() {
    let world = World::new().await;
    let browser = world.owner().await;
    for fault in [
        sandbox::Fault::ServerError,
        sandbox::Fault::rate_limited(5),
        sandbox::Fault::HalfAnswer,
        sandbox::Fault::Malformed,
    ] {
        let back = world.allowed(&browser, Provider::Linear, 0).await;
        let faults = world.node.sandbox.faults();
        faults.next_in(
            Provider::Linear,
            sandbox::Scope::path("oauth/token"),
            fault,
            1,
        );
        let answer = browser.get(&back).await;
        assert_eq!(answer.status, 502, "{}", answer.text);
        assert!(answer.text.contains("/app/acme/connections/linear"));
    }
    assert_eq!(
        world
            .node
            .number("SELECT count(*) FROM cell.credential")
            .await,
        0
    );
    world.node.stop().await;
}
