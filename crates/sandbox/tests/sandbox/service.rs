//! The doors of the providers that are simulated by one table: only the documented proof opens
//! them, and what was taken back is refused.

use sandbox::{Provider, ServiceAccount};
use serde_json::json;

use crate::fixture::*;

#[tokio::test]
async fn only_the_documented_proof_opens_a_door() {
    let sandbox = start().await;
    let discord = ServiceAccount::new(Provider::Discord, "bot", "token-1")
        .fact("application_id", "42")
        .fact("public_key", "00");
    sandbox.accounts().service(discord);
    let me = format!("{}/applications/@me", sandbox.base_url(Provider::Discord));
    let with = |value: &str| client().get(&me).header("authorization", value);
    assert_eq!(exchange(client().get(&me)).await.0, 401);
    assert_eq!(exchange(with("Bearer token-1")).await.0, 401);
    assert_eq!(exchange(with("Bot token-2")).await.0, 401);
    let (status, body) = exchange(with("Bot token-1")).await;
    assert_eq!((status, &body["id"]), (200, &json!("42")));
    let unknown = format!("{me}?with_secrets=1");
    let request = client().get(unknown).header("authorization", "Bot token-1");
    assert_eq!(exchange(request).await.0, 400);

    let revoked = format!("{}/_sandbox/accounts/discord/bot/revoked", sandbox.url());
    assert_eq!(exchange(client().put(&revoked)).await.0, 204);
    assert_eq!(exchange(with("Bot token-1")).await.0, 401);
    assert_eq!(exchange(client().delete(&revoked)).await.0, 204);
    assert_eq!(exchange(with("Bot token-1")).await.0, 200);
    let accounts: Vec<_> = sandbox
        .received(Provider::Discord)
        .into_iter()
        .map(|received| received.account)
        .collect();
    assert_eq!(accounts[0], None);
    assert_eq!(accounts.last(), Some(&Some("bot".to_owned())));
    let shown = format!("{:?}", sandbox.received(Provider::Discord));
    assert!(!shown.contains("token-1"), "{shown}");
}

#[tokio::test]
async fn demanded_headers_are_demanded() {
    let sandbox = start().await;
    let account = ServiceAccount::new(Provider::Anthropic, "key", "sk-ant-1");
    sandbox.accounts().service(account);
    let models = format!("{}/v1/models", sandbox.base_url(Provider::Anthropic));
    let request = || client().get(&models).header("x-api-key", "sk-ant-1");
    let (status, body) = exchange(request()).await;
    assert_eq!(status, 400);
    assert_eq!(body["error"]["type"], "invalid_request_error");
    let versioned = request().header("anthropic-version", "2023-06-01");
    assert_eq!(exchange(versioned).await.0, 200);
}

#[tokio::test]
async fn tokens_are_granted_to_clients_and_end_with_them() {
    let sandbox = start().await;
    let genesys = ServiceAccount::new(Provider::Genesys, "client", "secret-1")
        .fact("organization_id", "org-1");
    sandbox.accounts().service(genesys);
    let base = sandbox.base_url(Provider::Genesys);
    let grant = |secret: &str, grant: &str| {
        client()
            .post(format!("{base}/oauth/token"))
            .basic_auth("client", Some(secret))
            .form(&[("grant_type", grant)])
    };
    assert_eq!(
        exchange(grant("secret-2", "client_credentials")).await.0,
        401
    );
    assert_eq!(exchange(grant("secret-1", "password")).await.0, 400);
    let (status, granted) = exchange(grant("secret-1", "client_credentials")).await;
    assert_eq!(status, 200);
    let token = granted["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let me = || client().get(format!("{base}/api/v2/tokens/me"));
    assert_eq!(exchange(me().bearer_auth("secret-1")).await.0, 401);
    let (status, body) = exchange(me().bearer_auth(&token)).await;
    assert_eq!(
        (status, &body["organization"]["id"]),
        (200, &json!("org-1"))
    );
    sandbox
        .accounts()
        .set_revoked(Provider::Genesys, "client", true);
    assert_eq!(exchange(me().bearer_auth(&token)).await.0, 401);
    assert_eq!(
        exchange(grant("secret-1", "client_credentials")).await.0,
        401
    );
}
