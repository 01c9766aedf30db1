//! Links by which somebody connects an account without one here.

use sandbox::Provider;
use serde_json::{Value, json};

use crate::world::{Browser, World, api};

async fn link(world: &World, body: Value) -> (String, String) {
    let (status, made) = api(world, "POST", "/v1/connect-sessions", Some(body)).await;
    assert_eq!(status, 201, "{made}");
    let text = |name: &str| made[name].as_str().expect("text").to_owned();
    let path = text("url")
        .strip_prefix(&world.node.url)
        .expect("the node's")
        .to_owned();
    (path, text("id"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_connects_by_a_link_and_is_sent_on() {
    let world = World::new().await;
    let body = json!({ "providers": ["linear", "slack", "openai"], "return_to": "https://app.example.com/done?x=1" });
    let (path, id) = link(&world, body).await;
    let customer = Browser::new(&world.node);
    let page = customer.get(&path).await;
    assert_eq!(page.status, 200, "{}", page.text);
    for name in ["Linear", "Slack", "OpenAI"] {
        assert!(
            page.text.contains(&format!("Connect {name}")),
            "{}",
            page.text
        );
    }
    let left = customer.post(&format!("{path}/linear"), &[]).await;
    assert_eq!(left.status, 200, "{}", left.text);
    let there = left.refresh.parse().expect("an address");
    let account = world.account(Provider::Linear, 0);
    let back = customer.at_provider(&there, &account, "allow").await;
    let answer = customer.get(&back).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert!(
        answer
            .location
            .starts_with("https://app.example.com/done?x=1&connection=cred_")
    );
    let found = world.connections().await;
    assert_eq!(found[0].connected_by, format!("connect_session:{id}"));
    // Whoever declines is sent on as well.
    let left = customer.post(&format!("{path}/slack"), &[]).await;
    let there = left.refresh.parse().expect("an address");
    let back = customer.at_provider(&there, "T0SANDBOX1", "deny").await;
    let answer = customer.get(&back).await;
    assert_eq!(
        answer.location,
        "https://app.example.com/done?x=1&error=connection_denied"
    );
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_can_be_entered_by_a_link() {
    let world = World::new().await;
    let (path, _) = link(&world, json!({ "providers": ["openai"], "name": "theirs" })).await;
    let customer = Browser::new(&world.node);
    let form = customer.get(&format!("{path}/openai")).await;
    assert!(form.text.contains("values.api_key"), "{}", form.text);
    let wrong = customer.post(&format!("{path}/openai"), &[]).await;
    assert_eq!(wrong.status, 422);
    let key = "sk-proj-customer00000000000000000000000000000000000";
    let done = customer
        .post(&format!("{path}/openai"), &[("values.api_key", key)])
        .await;
    assert_eq!(
        (done.status, done.location.as_str()),
        (303, "/oauth/connected"),
        "{}",
        done.text
    );
    let named =
        "SELECT count(*) FROM cell.credential WHERE name = 'theirs' AND provider = 'openai'";
    assert_eq!(world.node.number(named).await, 1);
    assert_eq!(customer.get("/oauth/connected").await.status, 200);

    // Whoever gave the link may have them sent on, as after consent.
    let body = json!({ "providers": ["openai"], "return_to": "https://app.example.com/done?x=1" });
    let (path, _) = link(&world, body).await;
    let sent = [(
        "values.api_key",
        "sk-proj-customer11111111111111111111111111111111111",
    )];
    let done = customer.post(&format!("{path}/openai"), &sent).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let to = "https://app.example.com/done?x=1&connection=cred_";
    assert!(done.refresh.starts_with(to), "{}", done.refresh);
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_what_it_names_and_for_its_time() {
    let world = World::new().await;
    let (path, id) = link(&world, json!({ "providers": ["slack"] })).await;
    let customer = Browser::new(&world.node);
    assert_eq!(
        customer.post(&format!("{path}/linear"), &[]).await.status,
        404
    );
    assert_eq!(
        customer.post(&format!("{path}/openai"), &[]).await.status,
        404
    );
    // Neither a key of the API nor a session.
    let token = path.rsplit('/').next().expect("a token");
    let request = world
        .node
        .client
        .get(format!("{}/v1/credentials", world.node.url));
    let (status, _) = crate::common::exchange(request.bearer_auth(token)).await;
    assert_eq!(status, 401);
    // The database has no token.
    let known = format!(
        "SELECT count(*) FROM cell.connect_session WHERE encode(token_sha256, 'escape') LIKE '%{token}%'"
    );
    assert_eq!(world.node.number(&known).await, 0);
    // Revoked while a browser is away, it connects nothing.
    let left = customer.post(&format!("{path}/slack"), &[]).await;
    let there = left.refresh.parse().expect("an address");
    let back = customer.at_provider(&there, "T0SANDBOX1", "allow").await;
    let (status, _) = api(
        &world,
        "DELETE",
        &format!("/v1/connect-sessions/{id}"),
        None,
    )
    .await;
    assert_eq!(status, 204);
    assert_eq!(customer.get(&back).await.status, 409);
    assert_eq!(customer.get(&path).await.status, 404);
    let (path, _) = link(&world, json!({ "providers": ["slack"] })).await;
    world
        .node
        .execute("UPDATE cell.connect_session SET expires_at = now()")
        .await;
    assert_eq!(customer.get(&path).await.status, 404);
    for forged in ["x", &"A".repeat(64)] {
        assert_eq!(
            customer.get(&format!("/connect/{forged}")).await.status,
            404
        );
    }
    assert!(world.connections().await.is_empty());
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_link_may_not_be_is_refused() {
    let world = World::new().await;
    for (body, field) in [
        (json!({ "providers": [] }), "providers"),
        (json!({ "providers": ["nonsense"] }), "providers"),
        (
            json!({ "providers": ["slack"], "return_to": "https://evil.example/" }),
            "return_to",
        ),
        (
            json!({ "providers": ["slack"], "return_to": "https://app.example.com@evil.example/" }),
            "return_to",
        ),
        (
            json!({ "providers": ["slack"], "return_to": "javascript:alert(1)" }),
            "return_to",
        ),
        (
            json!({ "providers": ["openai"], "credential": "cred_01h455vb4pex5vsknk084sn02q" }),
            "credential",
        ),
        (
            json!({ "providers": ["slack"], "expires_in": 1_000_000 }),
            "expires_in",
        ),
        (
            json!({ "providers": ["slack"], "scopes": ["a b,c"] }),
            "scopes",
        ),
        (
            json!({ "providers": ["slack", "linear"], "scopes": ["read"] }),
            "providers",
        ),
    ] {
        let (status, error) = api(&world, "POST", "/v1/connect-sessions", Some(body.clone())).await;
        assert_eq!(status, 422, "{body}: {error}");
        assert_eq!(error["errors"][0]["field"], field, "{body}");
    }
    world.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_gives_an_address_to_consent_at() {
    let world = World::new().await;
    let body = json!({ "name": "Team chat", "scopes": ["chat:write"] });
    let (status, made) = api(
        &world,
        "POST",
        "/v1/connections/slack/authorize",
        Some(body),
    )
    .await;
    assert_eq!(status, 201, "{made}");
    let path = made["url"]
        .as_str()
        .and_then(|url| url.strip_prefix(&world.node.url));
    let customer = Browser::new(&world.node);
    let left = customer
        .post(&format!("{}/slack", path.expect("the node's")), &[])
        .await;
    let there: reqwest::Url = left.refresh.parse().expect("an address");
    assert!(
        there
            .query()
            .is_some_and(|query| query.contains("scope=chat%3Awrite&"))
    );
    let back = customer.at_provider(&there, "T0SANDBOX1", "allow").await;
    assert_eq!(customer.get(&back).await.location, "/oauth/connected");
    let found = world.connections().await;
    assert_eq!(
        (found[0].name.as_str(), found[0].scopes.as_slice()),
        ("Team chat", &["chat:write".to_owned()][..])
    );
    world.node.stop().await;
}
