//! The control API and the server's life.

use sandbox::Provider;
use serde_json::json;

use crate::fixture::*;

#[tokio::test]
async fn faults_and_the_record_are_within_reach_of_another_process() {
    let sandbox = start().await;
    let control = format!("{}/_sandbox", sandbox.url());
    let fault = json!({
        "provider": "telegram",
        "fault": { "kind": "status", "code": 429, "retry_after": 3 },
        "times": 2,
        "scope": { "account": "4839574812" },
    });
    let plan = |fault: &serde_json::Value| client().post(format!("{control}/faults")).json(fault);
    assert_eq!(exchange(plan(&fault)).await.0, 201);
    let (_, pending) = exchange(client().get(format!("{control}/faults"))).await;
    assert_eq!(pending["data"][0]["times"], 2);
    let get_me = || exchange(client().get(bot(&sandbox, "getMe")));
    assert_eq!(get_me().await.0, 429);
    let cleared = exchange(client().delete(format!("{control}/faults"))).await;
    assert_eq!(cleared.0, 204);
    assert_eq!(get_me().await.0, 200);
    let misspelt = json!({ "provider": "telegram", "fault": { "kind": "sloow" } });
    assert_eq!(exchange(plan(&misspelt)).await.0, 422);

    let list = |query: &str| exchange(client().get(format!("{control}/requests{query}")));
    let (_, requests) = list("?provider=telegram").await;
    assert_eq!(requests["data"][0]["status"], 429);
    assert_eq!(requests["data"][0]["fault"]["kind"], "status");
    assert_eq!(requests["data"][1]["status"], 200);
    let (_, later) = list("?after=1").await;
    assert_eq!(later["data"].as_array().map(Vec::len), Some(1));
    let (_, none) = list("?provider=openai").await;
    assert_eq!(none["data"], json!([]));
    exchange(client().delete(format!("{control}/requests"))).await;
    assert!(sandbox.received(Provider::Telegram).is_empty());
}

#[tokio::test]
async fn base_urls_are_those_of_the_providers_clients() {
    let sandbox = start().await;
    let root = sandbox.url();
    let wanted = [
        "/whatsapp/v23.0",
        "/twilio",
        "/telegram",
        "/openai/v1",
        "/oidc",
    ];
    for (provider, path) in Provider::ALL.into_iter().zip(wanted) {
        assert_eq!(sandbox.base_url(provider), format!("{root}{path}"));
        assert_eq!(provider.as_str().parse(), Ok(provider));
    }
    let unknown = exchange(client().get(format!("{root}/nobody/v1/charges"))).await;
    assert_eq!(unknown.0, 404);
}

#[tokio::test]
async fn after_a_stop_nothing_answers() {
    let sandbox = start().await;
    let url = bot(&sandbox, "getMe");
    let client = client();
    assert_eq!(exchange(client.get(&url)).await.0, 200);
    sandbox.stop().await;
    let error = client.get(&url).send().await.expect_err("nobody listens");
    assert!(error.is_connect(), "{error:?}");
}
