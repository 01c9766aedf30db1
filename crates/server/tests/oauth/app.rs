//! Whose app asks: the tenant's own where it has one, else the operator's, else nobody's.

use sandbox::{OAuthClient, Provider};

use crate::{
    common::{TestNode, tenant},
    world::{SECRET, World, api, token},
};

#[tokio::test(flavor = "multi_thread")]
async fn without_an_app_it_is_said_what_to_do() {
    let node = TestNode::configured(|config| config.providers.clear()).await;
    node.bare_tenant("acme").await;
    let key = node.api_key("acme", &["credentials:write"]).await;
    let path = "/v1/connections/slack/authorize";
    let (status, error) = node.post(path, &key, &serde_json::json!({})).await;
    assert_eq!(
        (status, &error["code"]),
        (409, &serde_json::json!("oauth_app_missing"))
    );
    let detail = error["detail"].as_str().expect("words");
    assert!(
        detail.contains("[providers.slack.oauth]") && detail.contains("slack_app"),
        "{detail}"
    );
    let (status, _) = node
        .post(
            "/v1/connections/twilio/authorize",
            &key,
            &serde_json::json!({}),
        )
        .await;
    assert_eq!(status, 404, "Twilio knows no consent");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_own_app_wins_and_renews_what_it_was_granted() {
    let world = World::new().await;
    let redirect = format!("{}/oauth/callback", world.node.url);
    let own = OAuthClient::new(Provider::Linear, "own-client", SECRET, &redirect);
    world.node.sandbox.oauth().client(own);
    tenant::connect(
        world.node.program(),
        "acme",
        "linear_app",
        &[
            ("client_id", "own-client".into()),
            ("client_secret", SECRET.into()),
        ],
    )
    .await;
    let browser = world.owner().await;
    let page = browser.leave(Provider::Linear, &[]).await;
    assert!(
        page.query()
            .is_some_and(|query| query.contains("client_id=own-client"))
    );
    let account = world.account(Provider::Linear, 0);
    let server = world.node.sandbox.oauth();
    server.life(Provider::Linear, Some(1));
    let back = browser.at_provider(&page, &account, "allow").await;
    assert_eq!(browser.get(&back).await.status, 303);
    server.life(Provider::Linear, None);
    let found = world.connections().await;
    assert!(found[0].own_app);
    let renewed = async || {
        let used = token(world.node.program(), Provider::Linear, found[0].credential).await;
        used.is_ok() && server.refreshes(Provider::Linear, &account) == 1
    };
    assert!(
        crate::common::poll(renewed).await,
        "the token is never renewed"
    );
    let path = format!("/v1/connections/{}", found[0].credential);
    let (_, ended) = api(&world, "DELETE", &path, None).await;
    assert_eq!(ended["revoked"], true, "{ended}");
    world.node.stop().await;
}
