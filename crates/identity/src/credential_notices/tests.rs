//! Letters about credentials: to whoever answers for one, else to the owners; one for each event.

use std::time::{Duration, Instant};

use kernel::{
    id::CredentialId,
    jobs::{Worker, WorkerOptions},
    permission::MembersWrite,
    testing::database,
};
use time::macros::datetime;

use super::*;
use crate::testing::App;

const PATIENCE: Duration = Duration::from_secs(20);

async fn letters(app: &App, to: &str, count: usize) -> Vec<(String, String)> {
    let begun = Instant::now();
    loop {
        let found = app.mail_to(to).await;
        if found.len() >= count {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{to} got {found:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_answers_for_a_credential_is_written_to() {
    let app = App::new(database().await);
    app.tenant("acme").await;
    app.member("acme", "owner@example.com", "owner").await;
    app.member("acme", "ada@example.com", "developer").await;
    let ada: uuid::Uuid =
        sqlx::query_scalar("SELECT id FROM control.user WHERE email = 'ada@example.com'")
            .fetch_one(&mut app.superuser().await)
            .await
            .expect("her account");
    let mut registry = Registry::new();
    register(&mut registry);
    let subscribed = app.db.subscribe(registry.subscriptions());
    subscribed.expect("installed");
    let worker = Worker::start(&app.db, registry.into(), WorkerOptions::default());

    let access: Access<MembersWrite> = app.enter("acme").await;
    let mut tx = access.begin().await.expect("begins");
    tx.emit(&CredentialExpiring {
        credential: CredentialId::new(),
        provider: "github".to_owned(),
        name: "bot\r\nBcc: x@example.com".to_owned(),
        environment: "live".to_owned(),
        owner: Some(ada.into()),
        expires_at: datetime!(2030-05-06 07:00 UTC),
        days: 14,
    })
    .await
    .expect("is published");
    tx.emit(&CredentialRefused {
        credential: CredentialId::new(),
        provider: "slack".to_owned(),
        name: "main".to_owned(),
        owner: None,
        reason: "invalid_credential".to_owned(),
        advice: "Make a new token.".to_owned(),
    })
    .await
    .expect("is published");
    tx.commit().await.expect("commits");

    let (subject, text) = letters(&app, "ada@example.com", 1).await.remove(0);
    assert_eq!(subject, "A credential of acme ends within 14 days");
    assert!(
        text.contains("2030-05-06") && text.contains("github"),
        "{text}"
    );
    assert!(!text.contains('\r'), "{text:?}");
    let (subject, text) = letters(&app, "owner@example.com", 1).await.remove(0);
    assert_eq!(subject, "A credential of acme is refused");
    assert!(text.contains("Make a new token."), "{text}");
    worker.drain(PATIENCE).await;
    assert_eq!(app.mail_to("ada@example.com").await.len(), 1);
    assert_eq!(app.mail_to("owner@example.com").await.len(), 1);
}
