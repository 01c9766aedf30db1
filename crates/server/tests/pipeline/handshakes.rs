//! Handshakes by which providers find out whose endpoint it is, and bodies that are too large.

use http::{Method, header};
use kernel::secret::Secret;
use sandbox::{
    Provider,
    senders::{Outgoing, whatsapp::handshake},
};

use crate::common::{TestNode, TestTenant, sign, tenant::connect};

const CHALLENGE: &str = "1158201444";

async fn ask(node: &TestNode, url: &str, token: &Secret) -> sandbox::senders::Sent {
    let asked = handshake(url, token.expose(), CHALLENGE).expect("a URL");
    node.send(&asked).await
}

fn is_plain_challenge(answer: &sandbox::senders::Sent, challenge: &str) {
    assert_eq!((answer.status, answer.text().as_str()), (200, challenge));
    assert_eq!(
        answer.headers[header::CONTENT_TYPE],
        "text/plain; charset=utf-8"
    );
    assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
}

#[tokio::test(flavor = "multi_thread")]
async fn meta_gets_its_challenge_for_the_tenants_verify_token_alone() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    let globex = node.tenant("globex").await;
    let url = acme.hook(&node.url, Provider::WhatsApp);
    is_plain_challenge(
        &ask(&node, &url, &acme.whatsapp.verify_token).await,
        CHALLENGE,
    );
    let unknown = TestTenant::new("nobody").hook(&node.url, Provider::WhatsApp);
    for (url, token) in [
        (&url, Secret::new("guessed")),
        (&url, globex.whatsapp.verify_token.clone()),
        (&unknown, acme.whatsapp.verify_token.clone()),
    ] {
        let answer = ask(&node, url, &token).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert!(!answer.text().contains(CHALLENGE));
    }
    assert_eq!(
        node.number("SELECT count(*) FROM cell.inbound_event").await,
        0
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shared_url_has_a_token_of_its_own() {
    let token = Secret::new("platform-handshake-token");
    let node = TestNode::configured(|config| {
        let whatsapp = config.providers.get_mut("whatsapp").expect("is set up");
        whatsapp.handshake_token = Some(token.clone());
    })
    .await;
    let acme = node.tenant("acme").await;
    let url = format!("{}/hooks/whatsapp", node.url);
    is_plain_challenge(&ask(&node, &url, &token).await, CHALLENGE);
    assert_eq!(
        ask(&node, &url, &acme.whatsapp.verify_token).await.status,
        401
    );
    // Nor does the platform's token open a tenant's own URL.
    let own = acme.hook(&node.url, Provider::WhatsApp);
    assert_eq!(ask(&node, &own, &token).await.status, 401);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slacks_url_verification_is_answered_once_its_signature_holds() {
    let node = TestNode::start().await;
    node.bare_tenant("acme").await;
    let secret = "8f742231b10e8888abcd99yyyzzz85a5";
    let values = [
        ("bot_token", "xoxb-test-token".to_owned()),
        ("signing_secret", secret.to_owned()),
        ("team_id", "T0TEST01".to_owned()),
    ];
    connect(node.program(), "acme", "slack", &values).await;
    let url = format!("{}/hooks/acme/slack", node.url);
    let body = r#"{"token":"legacy","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd","type":"url_verification"}"#;
    let answer = node.send(&sign::slack(&url, secret, body)).await;
    is_plain_challenge(&answer, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd");
    for forged in [
        sign::slack(&url, "guessed", body),
        sign::json(&url, body, &[]),
    ] {
        let answer = node.send(&forged).await;
        assert_eq!(answer.status, 401);
        assert!(!answer.text().contains("3eZbrw1"));
    }
    assert_eq!(
        node.number("SELECT count(*) FROM cell.inbound_event").await,
        0
    );

    // An event of the same workspace is stored; nobody subscribes to Slack's events.
    let event = r#"{"type":"event_callback","team_id":"T0TEST01","event_id":"Ev01","event":{"type":"message","channel":"C1"}}"#;
    let answer = node.send(&sign::slack(&url, secret, event)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        node.number("SELECT count(*) FROM cell.inbound_event").await,
        1
    );
    // Of another workspace of the same app, it is quarantined.
    let foreign = event
        .replace("T0TEST01", "T0OTHER1")
        .replace("Ev01", "Ev02");
    assert_eq!(
        node.send(&sign::slack(&url, secret, &foreign)).await.status,
        200
    );
    assert_eq!(
        node.number("SELECT count(*) FROM cell.inbound_event").await,
        1
    );
    assert_eq!(
        node.number("SELECT count(*) FROM control.quarantined_event")
            .await,
        1
    );
    node.stop().await;
}

/// How large a body may be is public, so it is told before anybody is looked up.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_providers_limit_is_refused_as_too_large() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    let limit = 1024 * 1024;
    let of_length = |tenant: &TestTenant, length: usize| Outgoing {
        method: Method::POST,
        url: tenant.hook(&node.url, Provider::Telegram),
        headers: http::HeaderMap::new(),
        body: vec![b'x'; length].into(),
    };
    for tenant in [&acme, &TestTenant::new("nobody")] {
        let answer = node.send(&of_length(tenant, limit + 1)).await;
        assert_eq!(answer.status, 413);
        assert_eq!(
            answer.headers[header::CONTENT_TYPE],
            "application/problem+json"
        );
        assert!(answer.text().contains("body_too_large"));
        assert_eq!(node.send(&of_length(tenant, limit)).await.status, 401);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_does_not_exist_is_not_found() {
    let node = TestNode::start().await;
    node.tenant("acme").await;
    // `openai` exists and sends no webhooks.
    for path in [
        "/hooks/acme/nobody",
        "/hooks/nobody/nobody",
        "/hooks/nobody",
        "/hooks/acme/openai",
    ] {
        let webhook = sign::json(&format!("{}{path}", node.url), "{}", &[]);
        let answer = node.send(&webhook).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(
            answer.headers[header::CONTENT_TYPE],
            "application/problem+json"
        );
    }
    node.stop().await;
}
