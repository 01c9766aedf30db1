//! GitHub Apps: installed by somebody, and never taken over by the number in the address.

use sandbox::Provider;

use crate::world::{APP_ID, Browser, World, api, token};

const GITHUB: Provider = Provider::GitHub;

/// Installs the app, and says where GitHub sends the browser.
async fn installed(world: &World, browser: &Browser<'_>, place: usize) -> String {
    let page = browser.leave(GITHUB, &[("way", "installation")]).await;
    assert!(page.path().ends_with("/installations/new"), "{page}");
    let account = world.account(GITHUB, place);
    browser.at_provider(&page, &account, "allow").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_becomes_a_connection_whose_tokens_are_minted() {
    let world = World::new().await;
    let browser = world.owner().await;
    let back = installed(&world, &browser, 0).await;
    let answer = browser.get(&back).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let found = world.connections().await;
    let [one] = found.as_slice() else {
        panic!("one connection: {found:?}");
    };
    assert_eq!(one.account_name, "brightsmile");
    assert!(one.scopes.contains(&"issues:write".to_owned()));
    let proof = token(world.node.program(), GITHUB, one.credential).await;
    assert!(proof.expect("a token").starts_with("Bearer ghs_"));
    // The app's key is kept with the app alone.
    let kept = "SELECT count(*) FROM cell.credential_secret WHERE field = 'private_key'";
    assert_eq!(world.node.number(kept).await, 0);
    let path = format!("/v1/connections/{}", one.credential);
    let (status, ended) = api(&world, "DELETE", &path, None).await;
    assert_eq!(
        (status, &ended["revoked"]),
        (200, &serde_json::json!(true)),
        "{ended}"
    );
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_installation_is_refused() {
    let world = World::new().await;
    let browser = world.owner().await;
    let foreign = world.node.sandbox.oauth().install_elsewhere(APP_ID);
    let back = installed(&world, &browser, 0).await;
    let mut forged: reqwest::Url = back.parse().expect("an address");
    let pairs: Vec<(String, String)> = forged.query_pairs().into_owned().collect();
    forged
        .query_pairs_mut()
        .clear()
        .extend_pairs(pairs.into_iter().map(|(name, value)| {
            let value = if name == "installation_id" {
                foreign.to_string()
            } else {
                value
            };
            (name, value)
        }));
    let answer = browser.get(forged.as_str()).await;
    assert_eq!(answer.status, 409);
    assert!(answer.text.contains("none of yours"), "{}", answer.text);
    assert!(world.connections().await.is_empty());
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_that_waits_for_an_owner_says_so() {
    let world = World::new().await;
    let browser = world.owner().await;
    let page = browser.leave(GITHUB, &[("way", "installation")]).await;
    let (_, state) = page
        .query_pairs()
        .find(|(name, _)| name == "state")
        .expect("a state");
    let answer = browser
        .get(&format!(
            "/oauth/callback?setup_action=request&state={state}"
        ))
        .await;
    assert_eq!(answer.status, 409);
    assert!(
        answer.text.contains("has to approve the app first"),
        "{}",
        answer.text
    );
    world.node.stop().await;
}
