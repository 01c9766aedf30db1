//! What consent has proved stands above what is typed, and an app's webhook secret, which all who
//! connect by one app share, tells each of its own account alone.

use connect::credentials::{Change, NewCredential};
use kernel::{Access, permission::CredentialsWrite, secret::Secret};
use sandbox::Provider;

use crate::{
    common::sign,
    world::{World, api, token},
};

const WEBHOOK_SECRET: &str = "app-webhook-secret-0123456789";

fn values(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, Secret> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
        .collect()
}

/// How many events of Slack's the tenant has.
async fn events(world: &World, workspace: &str) -> i64 {
    let found = format!(
        "SELECT count(*) FROM cell.inbound_event
         WHERE provider = 'slack' AND convert_from(body, 'UTF8') LIKE '%{workspace}%'"
    );
    world.node.number(&found).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_granted_is_not_typed_over() {
    let world = World::new().await;
    let browser = world.owner().await;
    for (provider, field, value) in [
        (Provider::GitHub, "installation_id", "424243"),
        (Provider::GitHub, "access_token", "ghp_0000"),
        (Provider::Slack, "team_id", "T0STRANGER"),
        (Provider::Linear, "refresh_token", "lin_0000"),
    ] {
        let id = world.connected(&browser, provider, 0).await;
        let before = token(world.node.program(), provider, id)
            .await
            .expect("one");
        let access: Access<CredentialsWrite> = world.node.enter("acme").await;
        let change = Change {
            values: values(&[(field, value)]),
            ..Change::default()
        };
        let connect = &world.node.program().connect;
        let changed = connect.change_credential(&access, id, change).await;
        let error = changed.expect_err("it is refused");
        assert_eq!(error.code(), "invalid_request", "{provider} {field}");
        let told = format!("{error:?}");
        assert!(told.contains("granted by consent"), "{told}");
        assert_eq!(
            token(world.node.program(), provider, id)
                .await
                .expect("one"),
            before
        );
    }
    world.node.stop().await;
}

/// Somebody who has connected a workspace of their own holds the app's secret for it. Claiming by
/// hand the id of a workspace that is not theirs gets them none of its events.
#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_that_was_only_claimed_is_not_overheard() {
    let world = World::new().await;
    let browser = world.owner().await;
    world.connected(&browser, Provider::Slack, 0).await;
    let own = world.account(Provider::Slack, 0);
    let foreign = world.account(Provider::Slack, 1);
    let access: Access<CredentialsWrite> = world.node.enter("acme").await;
    let claim = NewCredential {
        provider: "slack".to_owned(),
        name: "claimed".to_owned(),
        values: values(&[
            ("team_id", &foreign),
            ("bot_token", "xoxb-000000000000-claimed"),
            ("signing_secret", "00000000000000000000000000000000"),
        ]),
        ..NewCredential::default()
    };
    let connect = &world.node.program().connect;
    connect
        .create_credential(&access, claim)
        .await
        .expect("nobody else has it");

    let event = |workspace: &str| {
        format!(
            r#"{{"type":"event_callback","team_id":"{workspace}","event_id":"Ev{workspace}","event_time":1,"event":{{"type":"message","channel":"C1","user":"U1","text":"planted words","ts":"1.1"}}}}"#
        )
    };
    for hook in ["/hooks/slack", "/hooks/acme/slack"] {
        let url = format!("{}{hook}", world.node.url);
        world
            .node
            .send(&sign::slack(&url, WEBHOOK_SECRET, &event(&foreign)))
            .await;
        assert_eq!(events(&world, &foreign).await, 0, "{hook}");
    }
    let url = format!("{}/hooks/slack", world.node.url);
    let sent = world
        .node
        .send(&sign::slack(&url, WEBHOOK_SECRET, &event(&own)))
        .await;
    assert_eq!(sent.status, 200, "{sent:?}");
    assert_eq!(events(&world, &own).await, 1, "its own it hears");
    world.node.abandon().await;
}

/// Where an account that was entered is connected by consent, nothing stays of it that consent fills.
#[tokio::test(flavor = "multi_thread")]
async fn consent_leaves_nothing_of_what_was_typed() {
    let world = World::new().await;
    let browser = world.owner().await;
    let access: Access<CredentialsWrite> = world.node.enter("acme").await;
    let typed = NewCredential {
        provider: "github".to_owned(),
        name: "typed".to_owned(),
        expires_at: Some(time::OffsetDateTime::now_utc() + time::Duration::days(90)),
        values: values(&[
            ("access_token", "ghp_000000000000000000000000000000000000"),
            ("installation_id", "515151"),
            ("webhook_secret", "a-secret-of-their-own-0123456789"),
        ]),
        ..NewCredential::default()
    };
    let node = world.node.program();
    let made = node.connect.create_credential(&access, typed).await;
    let id = made.expect("it is stored").id;
    let page = browser
        .leave(Provider::GitHub, &[("credential", &id.to_string())])
        .await;
    let account = world.account(Provider::GitHub, 0);
    let back = browser.at_provider(&page, &account, "allow").await;
    let answer = browser.get(&back).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert!(
        answer.location.ends_with(&id.to_string()),
        "{}",
        answer.location
    );
    let path = format!("/v1/credentials/{id}");
    let (status, shown) = api(&world, "GET", &path, None).await;
    assert_eq!(status, 200, "{shown}");
    assert!(shown["fields"].get("installation_id").is_none(), "{shown}");
    assert!(
        shown["entered_expiry"].is_null(),
        "it was the old token's: {shown}"
    );
    let claims = "SELECT count(*) FROM cell.identifier WHERE external_id = '515151'";
    assert_eq!(world.node.number(claims).await, 0);
    world.node.stop().await;
}

/// An app's installation is renewed where it was installed, whichever way somebody begins.
#[tokio::test(flavor = "multi_thread")]
async fn an_installation_is_renewed_as_one() {
    let world = World::new().await;
    let browser = world.owner().await;
    let page = browser
        .leave(Provider::GitHub, &[("way", "installation")])
        .await;
    let account = world.account(Provider::GitHub, 0);
    let back = browser.at_provider(&page, &account, "allow").await;
    assert_eq!(browser.get(&back).await.status, 303);
    let id = world.connections().await[0].credential.to_string();
    let page = browser
        .leave(Provider::GitHub, &[("credential", &id)])
        .await;
    assert!(page.path().ends_with("/installations/new"), "{page}");
    world.node.stop().await;
}
