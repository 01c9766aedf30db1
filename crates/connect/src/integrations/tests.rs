//! What is read, on a real database: findings, webhooks and calls as the other slices leave them.

use std::collections::BTreeMap;

use kernel::{
    Operator,
    db::Tenant,
    id::CredentialId,
    page::PageQuery,
    permission::{CredentialsRead, CredentialsWrite, TenantsRead},
    secret::Secret,
    testing::{self, TestDb},
};
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use vault::{KeyProvider, Keyring};

use super::{
    Health, Next,
    read::{all, one},
    staff::{figures, troubles},
};
use crate::{Connect, Settings, catalogue::Catalogue, credentials::NewCredential};

struct Scene {
    test: TestDb,
    connect: Connect,
    _keys: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let keys = tempfile::tempdir().expect("a folder");
        let keyring = Keyring::open_or_create(keys.path().join("keyring")).expect("a keyring");
        let settings = Settings {
            public_url: "https://hooks.example.com".to_owned(),
            allow: Default::default(),
            verify_credentials: false,
            providers: std::collections::HashMap::new(),
            ..Settings::default()
        };
        let provider = KeyProvider::Local(keyring);
        Self {
            test: testing::database().await,
            connect: Connect::new(Catalogue::builtin(), provider, settings).expect("starts"),
            _keys: keys,
        }
    }

    async fn connect(&self, tenant: &Tenant, provider: &str, name: &str) -> CredentialId {
        let values = match provider {
            "telegram" => vec![
                ("bot_token", "123456789:planted-secret-of-a-telegram-bot"),
                ("secret_token", "planted-secret-token"),
            ],
            _ => vec![("api_key", "sk-planted-secret")],
        };
        let values = values.into_iter();
        let access = self.test.enter::<CredentialsWrite>(tenant).await;
        let new = NewCredential {
            provider: provider.to_owned(),
            name: name.to_owned(),
            values: values
                .map(|(field, value)| (field.to_owned(), Secret::new(value)))
                .collect::<BTreeMap<_, _>>(),
            ..NewCredential::default()
        };
        let made = self.connect.create_credential(&access, new).await;
        made.expect("is stored").id
    }

    async fn execute(&self, statement: String) {
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut self.test.superuser().await)
            .await
            .expect("the statement runs");
    }

    /// A finding of a credential as it is now, made so many hours ago.
    async fn found(&self, id: CredentialId, outcome: &str, reason: Option<&str>, hours: u32) {
        let reason = reason.map_or("NULL".to_owned(), |reason| format!("'{reason}'"));
        self.execute(format!(
            "INSERT INTO cell.credential_verification (tenant_id, id, credential_id, version, outcome,
                 reason, detail, advice, checked_at, correlation_id)
             SELECT tenant_id, gen_random_uuid(), id, version, '{outcome}', {reason}, 'planted-detail',
                 'Do this', now() - interval '{hours} hours', gen_random_uuid()
             FROM cell.credential WHERE id = '{}'",
            id.uuid()
        ))
        .await;
    }

    async fn webhook(&self, tenant: &Tenant, provider: &str) {
        self.execute(format!(
            "INSERT INTO cell.inbound_event (tenant_id, id, provider, dedup_key, event_kind,
                 received_at, url, headers, body, verdict, correlation_id)
             VALUES ('{}', '{}', '{provider}', 'x', 'message', now(), '', '{{}}', '', 'verified',
                 gen_random_uuid())",
            tenant.id.uuid(),
            uuid::Uuid::now_v7()
        ))
        .await;
    }
}

#[tokio::test]
async fn an_end_that_was_entered_counts_and_a_test_is_no_use() {
    let scene = Scene::new().await;
    let acme = scene.test.tenant("acme").await;
    let id = scene.connect(&acme, "openai", "default").await;
    scene.found(id, "good", None, 1).await;
    let used = |purpose: &str, hours: u32| {
        format!(
            "INSERT INTO cell.credential_use (tenant_id, credential_id, actor, purpose, used_at)
             SELECT tenant_id, id, 'system:test', '{purpose}', now() - interval '{hours} hours'
             FROM cell.credential"
        )
    };
    scene.execute(used("credential.verify", 1)).await;
    let access = scene.test.enter::<CredentialsRead>(&acme).await;
    let provider = scene.connect.catalogue().get("openai").expect("there");
    let found = one(&access, provider).await.expect("is read");
    assert_eq!(found.health(), Some(Health::Healthy));
    assert_eq!(found.credentials[0].last_used_at, None);
    scene.execute(used("proxy", 3)).await;
    scene
        .execute("UPDATE cell.credential SET expires_at = now() + interval '3 days'".to_owned())
        .await;
    let found = one(&access, provider).await.expect("is read");
    assert_eq!(found.health(), Some(Health::Ending));
    assert!(found.credentials[0].expires_at.is_some());
    let used = found.credentials[0].last_used_at.expect("by the proxy");
    assert_eq!((time::OffsetDateTime::now_utc() - used).whole_hours(), 3);
}

#[tokio::test]
async fn a_provider_does_as_the_worst_of_its_accounts() {
    let scene = Scene::new().await;
    let acme = scene.test.tenant("acme").await;
    let globex = scene.test.tenant("globex").await;
    let bot = scene.connect(&acme, "telegram", "default").await;
    scene.connect(&acme, "telegram", "second").await;
    for (outcome, reason, hours) in [
        ("refused", Some("invalid_credential"), 9),
        ("good", None, 5),
        ("refused", Some("invalid_credential"), 3),
        ("refused", Some("invalid_credential"), 1),
    ] {
        scene.found(bot, outcome, reason, hours).await;
    }
    let access = scene.test.enter::<CredentialsRead>(&acme).await;
    let catalogue = scene.connect.catalogue();
    let found = all(&access, catalogue).await.expect("is read");
    assert_eq!(found.len(), catalogue.iter().count());
    let telegram = found.iter().find(|i| i.provider.id == "telegram");
    let telegram = telegram.expect("in the catalogue");
    assert_eq!(telegram.total, 2);
    assert_eq!(telegram.health(), Some(Health::Refused));
    assert_eq!(telegram.next(), Next::Mend);
    assert!(telegram.awaits_webhook());
    let worst = telegram.worst().expect("two are connected");
    assert_eq!((worst.id, worst.worked_before), (bot, true));
    // Since the second of the three refusals: the first was mended in between.
    let since = worst.since.expect("it is refused");
    let ago = time::OffsetDateTime::now_utc() - since;
    assert_eq!(ago.whole_hours(), 3, "{ago}");
    let untested = telegram.credentials.iter().find(|c| c.id != bot);
    let untested = untested.expect("the second");
    assert_eq!(untested.health, Health::Untested);
    assert_eq!(untested.since, None);
    for other in found.iter().filter(|i| i.provider.id != "telegram") {
        assert_eq!((other.health(), other.next()), (None, Next::Connect));
    }

    let access = scene.test.enter::<CredentialsRead>(&globex).await;
    let found = all(&access, catalogue).await.expect("is read");
    assert!(found.iter().all(|i| i.credentials.is_empty()));

    // What was changed is untested until it is tested again.
    let id = bot.uuid();
    let change = format!("UPDATE cell.credential SET version = version + 1 WHERE id = '{id}'");
    scene.execute(change).await;
    let access = scene.test.enter::<CredentialsRead>(&acme).await;
    let telegram = catalogue.get("telegram").expect("in the catalogue");
    let telegram = one(&access, telegram).await.expect("is read");
    assert_eq!(telegram.health(), Some(Health::Untested));
}

#[tokio::test]
async fn a_webhook_is_waited_for_until_one_comes() {
    let scene = Scene::new().await;
    let acme = scene.test.tenant("acme").await;
    let provider = scene.connect.catalogue().get("telegram");
    let provider = provider.expect("in the catalogue");
    let access = scene.test.enter::<CredentialsRead>(&acme).await;
    let before = one(&access, provider).await.expect("is read");
    assert!(!before.awaits_webhook(), "nothing is connected");
    let bot = scene.connect(&acme, "telegram", "default").await;
    scene.found(bot, "good", None, 0).await;
    let waiting = one(&access, provider).await.expect("is read");
    assert_eq!(waiting.next(), Next::Webhook);
    scene.webhook(&acme, "telegram").await;
    let there = one(&access, provider).await.expect("is read");
    assert_eq!(there.next(), Next::Nothing);
    assert!(there.inbound.last_received_at.is_some());
    // One that was connected since has had none.
    scene.connect(&acme, "telegram", "second").await;
    let again = one(&access, provider).await.expect("is read");
    assert!(again.awaits_webhook());
    let write = scene.test.enter::<CredentialsWrite>(&acme).await;
    let closed = scene.connect.set_endpoint(&write, "telegram", false).await;
    closed.expect("is closed");
    let closed = one(&access, provider).await.expect("is read");
    assert!(!closed.awaits_webhook());
}

#[tokio::test]
async fn staff_see_how_tenants_do_and_nothing_of_what_they_hold() {
    let scene = Scene::new().await;
    let acme = scene.test.tenant("acme").await;
    let globex = scene.test.tenant("globex").await;
    let initech = scene.test.tenant("initech").await;
    let good = scene.connect(&acme, "openai", "planted-name").await;
    scene.found(good, "good", None, 1).await;
    // One tenant counts once, by the account that does worst.
    let first = scene.connect(&globex, "openai", "planted-name").await;
    scene.found(first, "good", None, 1).await;
    let refused = scene.connect(&globex, "openai", "planted-second").await;
    scene
        .found(refused, "refused", Some("invalid_credential"), 2)
        .await;
    let unknown = scene.connect(&initech, "openai", "planted-name").await;
    scene
        .found(unknown, "unknown", Some("provider_unavailable"), 1)
        .await;
    scene.connect(&initech, "telegram", "planted-name").await;

    let operator = Operator::<TenantsRead>::local(&scene.test.db, "test");
    let found = figures(&operator, scene.connect.catalogue()).await;
    let found: Vec<_> = found
        .expect("is read")
        .into_iter()
        .map(|f| {
            (
                f.provider,
                f.tenants,
                f.healthy,
                f.refused,
                f.unreachable,
                f.untested,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("openai".to_owned(), 3, 1, 1, 1, 0),
            ("telegram".to_owned(), 1, 0, 0, 0, 1)
        ]
    );

    let mut page = PageQuery {
        cursor: None,
        limit: Some(1),
    };
    let mut seen = Vec::new();
    loop {
        let part = troubles(&operator, None, &page).await.expect("is read");
        let told = serde_json::to_string(&part).expect("JSON");
        assert!(!told.contains("planted"), "{told}");
        seen.extend(part.data.into_iter().map(|t| (t.credential, t.tenant_slug)));
        page.cursor = part.next_cursor;
        if page.cursor.is_none() {
            break;
        }
    }
    let expected = [
        (unknown, "initech".to_owned()),
        (refused, "globex".to_owned()),
    ];
    assert_eq!(seen, expected);
    let telegram = troubles(&operator, Some("telegram"), &PageQuery::default()).await;
    assert!(telegram.expect("is read").data.is_empty());

    let viewed: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM control.operator_audit WHERE action = 'integrations.viewed'",
    )
    .fetch_one(&mut scene.test.superuser().await)
    .await
    .expect("is counted");
    assert!(viewed >= 4, "{viewed}");
}
