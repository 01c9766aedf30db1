//! Each provider through the console: connected, declined, twice, again, and ended.

use kernel::id::CredentialId;
use sandbox::Provider;
use serde_json::json;

use crate::world::{Browser, PROVIDERS, World, api, token};

async fn proof(world: &World, provider: Provider, id: CredentialId) -> String {
    let proof = token(world.node.program(), provider, id).await;
    proof.unwrap_or_else(|error| panic!("{provider}: {error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_connected_named_and_used() {
    let world = World::new().await;
    let browser = world.owner().await;
    for provider in PROVIDERS {
        let id = world.connected(&browser, provider, 0).await;
        let account = &world.node.sandbox.oauth().accounts(provider)[0];
        let (status, shown) = api(&world, "GET", &format!("/v1/connections/{id}"), None).await;
        assert_eq!(status, 200, "{shown}");
        assert_eq!(shown["account_id"], account.id, "{provider}");
        assert_eq!(shown["name"], account.name, "{provider}");
        assert_eq!(shown["status"], "active");
        assert!(
            shown["connected_by"]
                .as_str()
                .is_some_and(|by| by.starts_with("user:usr_"))
        );
        assert!(
            shown["scopes"]
                .as_array()
                .is_some_and(|scopes| !scopes.is_empty())
        );
        assert!(shown["expires_at"].is_string(), "{provider}");
        // It works: the provider takes it in the call that tests it.
        let path = format!("/v1/credentials/{id}/verify");
        let (status, found) = api(&world, "POST", &path, None).await;
        assert_eq!(
            (status, &found["outcome"]),
            (200, &json!("good")),
            "{provider}: {found}"
        );
        assert!(proof(&world, provider, id).await.starts_with("Bearer "));
        let page = browser.get(&format!("/app/acme/credentials/{id}")).await;
        assert!(page.text.contains(&account.name), "{}", page.text);
    }
    // Ids that route webhooks are claimed as for credentials that were entered.
    let routed =
        "SELECT count(*) FROM control.provider_route WHERE provider IN ('slack', 'linear')";
    assert_eq!(world.node.number(routed).await, 2);
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_connect_workspaces_by_the_same_app() {
    let world = World::new().await;
    world.node.bare_tenant("globex").await;
    world
        .node
        .member("globex@example.com", "Globex", "globex", "owner")
        .await;
    let browser = world.owner().await;
    world.connected(&browser, Provider::Slack, 0).await;
    let other = Browser::new(&world.node);
    let cookie = world.node.sign_in("globex@example.com").await;
    let (name, value) = cookie.split_once('=').expect("a cookie");
    other.keep(name, value);
    for (place, status) in [(0, 409), (1, 303)] {
        let left = other.post("/app/globex/connections/slack", &[]).await;
        let page = left.refresh.parse().expect("an address");
        let account = world.account(Provider::Slack, place);
        let back = other.at_provider(&page, &account, "allow").await;
        let answer = other.get(&back).await;
        // A workspace is one tenant's: webhooks of it can go to one alone.
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.text.contains("identifier_taken"), status == 409);
    }
    assert_eq!(
        world
            .node
            .number("SELECT count(*) FROM cell.oauth_grant")
            .await,
        2
    );
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_declines_changes_nothing() {
    let world = World::new().await;
    let browser = world.owner().await;
    for provider in PROVIDERS {
        let page = browser.leave(provider, &[]).await;
        let account = world.account(provider, 0);
        let back = browser.at_provider(&page, &account, "deny").await;
        let answer = browser.get(&back).await;
        assert_eq!(answer.status, 409, "{provider}");
        assert!(answer.text.contains("connection_denied"), "{}", answer.text);
        assert!(
            answer
                .text
                .contains(&format!("/app/acme/connections/{provider}"))
        );
    }
    assert!(world.connections().await.is_empty());
    assert_eq!(
        world
            .node
            .number("SELECT count(*) FROM cell.credential")
            .await,
        0
    );
    assert_eq!(
        world
            .node
            .number("SELECT count(*) FROM cell.oauth_flow")
            .await,
        0
    );
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_finish_both_and_two_workspaces_are_two_connections() {
    let world = World::new().await;
    let browser = world.owner().await;
    for provider in PROVIDERS {
        let (one, two) = (
            browser.leave(provider, &[]).await,
            browser.leave(provider, &[]).await,
        );
        // The one that was opened first comes back last.
        for (page, place) in [(&two, 1), (&one, 0)] {
            let account = world.account(provider, place);
            let back = browser.at_provider(page, &account, "allow").await;
            assert_eq!(browser.get(&back).await.status, 303, "{provider}");
        }
    }
    let found = world.connections().await;
    assert_eq!(found.len(), 8);
    for provider in PROVIDERS {
        let accounts = world.node.sandbox.oauth().accounts(provider);
        for account in accounts {
            let of = found.iter().filter(|one| one.account_id == account.id);
            assert_eq!(of.count(), 1, "{provider} {}", account.name);
        }
    }
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_account_again_renews_its_connection() {
    let world = World::new().await;
    let browser = world.owner().await;
    for provider in PROVIDERS {
        let first = world.connected(&browser, provider, 0).await;
        let before = proof(&world, provider, first).await;
        // Without saying so, and by the button of the connection.
        let second = world.connected(&browser, provider, 0).await;
        assert_eq!(first, second, "{provider}");
        assert_ne!(proof(&world, provider, first).await, before);
        let id = first.to_string();
        let page = browser.leave(provider, &[("credential", &id)]).await;
        let account = world.account(provider, 0);
        let back = browser.at_provider(&page, &account, "allow").await;
        assert_eq!(
            browser.get(&back).await.location,
            format!("/app/acme/credentials/{id}")
        );
        // Another account is not put into its place.
        let page = browser.leave(provider, &[("credential", &id)]).await;
        let other = world.account(provider, 1);
        let back = browser.at_provider(&page, &other, "allow").await;
        let answer = browser.get(&back).await;
        assert_eq!(answer.status, 409, "{provider}");
        assert!(
            answer.text.contains("connection_invalid"),
            "{}",
            answer.text
        );
    }
    assert_eq!(world.connections().await.len(), 4);
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnecting_takes_back_what_was_granted() {
    let world = World::new().await;
    let browser = world.owner().await;
    for provider in PROVIDERS {
        let id = world.connected(&browser, provider, 0).await;
        let account = world.account(provider, 0);
        let server = world.node.sandbox.oauth();
        assert!(server.is_granted(provider, &account));
        let (status, ended) = api(&world, "DELETE", &format!("/v1/connections/{id}"), None).await;
        assert_eq!(
            (status, &ended["revoked"]),
            (200, &json!(true)),
            "{provider}: {ended}"
        );
        assert!(!server.is_granted(provider, &account), "{provider}");
        let (status, _) = api(&world, "GET", &format!("/v1/credentials/{id}"), None).await;
        assert_eq!(status, 404);
    }
    assert_eq!(
        world
            .node
            .number("SELECT count(*) FROM cell.job_schedule")
            .await,
        0
    );
    assert_eq!(
        world
            .node
            .number("SELECT count(*) FROM control.provider_route")
            .await,
        0
    );
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_is_told_of_and_the_account_goes() {
    let world = World::new().await;
    let browser = world.owner().await;
    let id = world.connected(&browser, Provider::Linear, 0).await;
    let scope = sandbox::Scope::path("oauth/revoke");
    let faults = world.node.sandbox.faults();
    faults.next_in(Provider::Linear, scope, sandbox::Fault::ServerError, 5);
    let (status, ended) = api(&world, "DELETE", &format!("/v1/connections/{id}"), None).await;
    assert_eq!((status, &ended["revoked"]), (200, &json!(false)), "{ended}");
    assert!(
        ended["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("500"))
    );
    assert!(world.connections().await.is_empty());
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_before_are_not_gone_back_to() {
    let world = World::new().await;
    let browser = world.owner().await;
    let id = world.connected(&browser, Provider::Slack, 0).await;
    assert_eq!(world.connected(&browser, Provider::Slack, 0).await, id);
    let path = format!("/v1/credentials/{id}/versions");
    let (status, versions) = api(&world, "GET", &path, None).await;
    assert_eq!(status, 200, "{versions}");
    let back = format!("{path}/1/restore");
    let (status, refused) = api(&world, "POST", &back, Some(json!({ "grace_seconds": 0 }))).await;
    assert_eq!(
        (status, &refused["errors"][0]["field"]),
        (422, &json!("version")),
        "{refused}"
    );
    world.node.stop().await;
}
