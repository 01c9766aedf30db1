//! What was granted is nowhere in clear: not in the database, its jobs and audit entries, and in no
//! answer.

use base64::{Engine, engine::general_purpose::STANDARD};
use kernel::{Access, permission::CredentialsUse};
use sandbox::Provider;

use crate::world::{PROVIDERS, SECRET, World};

/// The secrets of a connection, as its provider would see them.
async fn secrets(world: &World, provider: Provider) -> Vec<String> {
    let access: Access<CredentialsUse> = world.node.enter("acme").await;
    let program = world.node.program();
    let known = program.connect.catalogue().get(&provider.to_string());
    let fields = &known.expect("in the catalogue").credential.fields;
    let opened = program
        .connect
        .resolve(&access, &provider.to_string())
        .await;
    let opened = opened.expect("it is connected");
    fields
        .iter()
        .filter(|field| field.secret)
        .filter_map(|field| opened.secret(&field.name).ok())
        .map(|secret| secret.expose().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_nowhere_in_clear() {
    let world = World::new().await;
    let browser = world.owner().await;
    let mut planted = vec![SECRET.to_owned()];
    for provider in PROVIDERS {
        world.connected(&browser, provider, 0).await;
        let found = secrets(&world, provider).await;
        assert!(!found.is_empty(), "{provider}");
        planted.extend(found);
    }
    let key = world
        .node
        .api_key(
            "acme",
            &["credentials:read", "audit:read", "jobs:read", "traces:read"],
        )
        .await;
    let mut seen = vec![("the database".to_owned(), world.node.db.dump().await)];
    for path in [
        "/v1/credentials",
        "/v1/connections",
        "/v1/integrations",
        "/v1/audit",
        "/v1/jobs",
    ] {
        let (status, answer) = world.node.get(path, &key).await;
        assert_eq!(status, 200, "{path}: {answer}");
        seen.push((path.to_owned(), answer.to_string()));
    }
    for path in ["/app/acme/credentials", "/app/acme/integrations"] {
        seen.push((path.to_owned(), browser.get(path).await.text));
    }
    // The search finds what is there.
    assert!(seen[0].1.contains("cell.credential_secret") && seen[0].1.contains("acme"));
    for secret in &planted {
        assert!(secret.len() >= 12, "too short to be looked for");
        let forms = [
            secret.clone(),
            hex::encode(secret),
            STANDARD.encode(secret).trim_end_matches('=').to_owned(),
        ];
        for (place, text) in &seen {
            assert!(
                forms.iter().all(|form| !text.contains(form)),
                "{place} shows a secret"
            );
        }
    }
    world.node.stop().await;
}
