//! The whole way: a stored webhook, the queue, and calls that simulated providers check.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use connect::{
    Connect, ProviderSettings, Settings, catalogue::Catalogue, credentials::NewCredential,
};
use kernel::{
    Access,
    events::{MessageReceived, ReplyReady},
    jobs::{Backoff, Registry, Worker, WorkerOptions, replay_all},
    permission::{CredentialsWrite, JobsReplay, MessagesSend},
    secret::Secret,
};
use sandbox::{
    Fault, Provider, Sandbox, TelegramAccount, TwilioAccount, WhatsAppAccount,
    senders::{telegram::Update, twilio::Sms, whatsapp::Delivery, whatsapp::Message},
};

use super::harness::{AGENT, App};
use crate::{channels::Channel, sending::SEND};

const PATIENCE: Duration = Duration::from_secs(30);
const BOT_TOKEN: &str = "123456:AAbbccddeeffgghhiijjkkllmmnnoopp";

/// A tenant with a running worker whose agent answers everything with the same text.
struct World {
    app: App,
    sandbox: Sandbox,
    connect: Connect,
    worker: Worker,
    whatsapp: WhatsAppAccount,
    twilio: TwilioAccount,
    /// Holds the key file of the vault.
    _keys: tempfile::TempDir,
}

impl World {
    async fn new(answer: &'static str) -> Self {
        let test = kernel::testing::database().await;
        let sandbox = Sandbox::start("127.0.0.1:0".parse().expect("an address"))
            .await
            .expect("starts");
        let whatsapp = WhatsAppAccount {
            phone_number_id: "106540352242922".to_owned(),
            waba_id: "102290129340398".to_owned(),
            access_token: Secret::new("EAA-access-token"),
            app_secret: Secret::new("app-secret-0123456789"),
            verify_token: Secret::new("verify-token"),
            display_phone_number: "15550783881".to_owned(),
        };
        let twilio = TwilioAccount {
            account_sid: format!("AC{}", "a".repeat(32)),
            auth_token: Secret::new("auth-token-0123456789"),
            phone_number: "+15550001111".to_owned(),
        };
        sandbox.accounts().whatsapp(whatsapp.clone());
        sandbox.accounts().twilio(twilio.clone());
        sandbox.accounts().telegram(TelegramAccount {
            bot_token: Secret::new(BOT_TOKEN),
            secret_token: Secret::new("secret-token"),
            username: "test_bot".to_owned(),
        });

        let keys = tempfile::tempdir().expect("a folder");
        let keyring = vault::Keyring::open_or_create(keys.path().join("keys")).expect("a keyring");
        let at = |provider| ProviderSettings {
            base_url: Some(sandbox.base_url(provider)),
            ..Default::default()
        };
        let settings = Settings {
            kms_endpoint: None,
            public_url: "http://127.0.0.1:1".to_owned(),
            allow: Default::default(),
            verify_credentials: false,
            return_to: Vec::new(),
            providers: HashMap::from([
                ("whatsapp".to_owned(), at(Provider::WhatsApp)),
                ("twilio".to_owned(), at(Provider::Twilio)),
                ("telegram".to_owned(), at(Provider::Telegram)),
            ]),
        };
        let connect = Connect::new(
            Catalogue::builtin(),
            vault::KeyProvider::Local(keyring),
            settings,
        )
        .expect("connects");

        let mut registry = Registry::new();
        crate::register(&mut registry, &connect);
        registry.subscribe(
            AGENT,
            move |access: Access<MessagesSend>, received: MessageReceived| async move {
                let mut tx = access.begin().await?;
                tx.emit(&ReplyReady {
                    conversation: received.conversation,
                    in_reply_to: received.message,
                    text: answer.to_owned(),
                })
                .await?;
                tx.commit().await
            },
        );
        test.db
            .subscribe(registry.subscriptions())
            .expect("installed once");
        let options = WorkerOptions {
            poll: Duration::from_millis(50),
            backoff: Backoff {
                base: Duration::from_millis(20),
                cap: Duration::from_millis(200),
            },
            ..WorkerOptions::default()
        };
        let worker = Worker::start(&test.db, Arc::new(registry), options);
        let app = App::of(test).await;
        Self {
            app,
            sandbox,
            connect,
            worker,
            whatsapp,
            twilio,
            _keys: keys,
        }
    }

    async fn credential(&self, provider: &str, values: &[(&str, &str)]) {
        let values: BTreeMap<String, Secret> = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
            .collect();
        let access = self.app.access::<CredentialsWrite>().await;
        let new = NewCredential {
            provider: provider.to_owned(),
            name: "test".to_owned(),
            values,
            ..NewCredential::default()
        };
        self.connect
            .create_credential(&access, new)
            .await
            .expect("a credential");
    }

    async fn whatsapp_credential(&self) {
        let account = &self.whatsapp;
        self.credential(
            "whatsapp",
            &[
                ("phone_number_id", &account.phone_number_id),
                ("waba_id", &account.waba_id),
                ("access_token", account.access_token.expose()),
                ("app_secret", account.app_secret.expose()),
                ("verify_token", account.verify_token.expose()),
            ],
        )
        .await;
    }

    /// A WhatsApp text from a contact, stored for the worker.
    async fn whatsapp_text(&self, text: &str) {
        let message = Message::text("4915111111111", text);
        let payload = Delivery::new().message(&self.whatsapp, &message).payload();
        self.app
            .store(Channel::Whatsapp, payload.to_string().into_bytes())
            .await;
    }

    /// Waits until the outbound messages have these statuses and no job is under way.
    async fn settles(&self, statuses: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self
                .app
                .column("SELECT status FROM cell.message WHERE direction = 'outbound' ORDER BY id")
                .await;
            let open = self
                .app
                .column("SELECT kind FROM cell.job WHERE state NOT IN ('done', 'dead')")
                .await;
            if now == statuses && open.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "{now:?}, open: {open:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn end(self) {
        self.worker.drain(PATIENCE).await;
        self.sandbox.stop().await;
    }
}

#[tokio::test]
async fn every_channel_is_answered_on_itself() {
    let world = World::new("We open at nine.").await;
    world.whatsapp_credential().await;
    let twilio = &world.twilio;
    world
        .credential(
            "twilio",
            &[
                ("account_sid", &twilio.account_sid),
                ("auth_token", twilio.auth_token.expose()),
                ("phone_number", &twilio.phone_number),
            ],
        )
        .await;
    world
        .credential(
            "telegram",
            &[("bot_token", BOT_TOKEN), ("secret_token", "secret-token")],
        )
        .await;

    world.whatsapp_text("When do you open? 👋").await;
    let sms =
        Sms::new(twilio, "+15552223333", "Hello").signed("http://x.test/", &twilio.auth_token);
    world.app.store(Channel::Sms, sms.body.to_vec()).await;
    let update = Update::text(777_777, "hi").payload().to_string();
    world
        .app
        .store(Channel::Telegram, update.into_bytes())
        .await;
    world.settles(&["sent", "sent", "sent"]).await;

    for provider in [Provider::WhatsApp, Provider::Twilio, Provider::Telegram] {
        let calls = world.sandbox.received(provider);
        assert_eq!(calls.len(), 1, "{provider:?}");
        let body = calls[0].body.to_string();
        assert!(body.contains("We open at nine."), "{body}");
    }
    let unnamed = world
        .app
        .column("SELECT id::text FROM cell.message WHERE external_id IS NULL")
        .await;
    assert!(unnamed.is_empty());
    world.end().await;
}

#[tokio::test]
async fn a_provider_that_stumbles_is_tried_again_and_gets_parts_in_order() {
    // Longer than one message, with a seam in the later half.
    static TEXT: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| format!("{}\n\n{}", "a".repeat(3000), "b".repeat(3000)));
    let world = World::new(TEXT.as_str()).await;
    world.whatsapp_credential().await;
    let stumble = Fault::Status {
        code: 503,
        retry_after: None,
    };
    world.sandbox.faults().next(Provider::WhatsApp, stumble, 2);
    world.whatsapp_text("Tell me everything").await;
    world.settles(&["sent", "sent"]).await;

    let accepted: Vec<String> = world
        .sandbox
        .received(Provider::WhatsApp)
        .iter()
        .filter(|call| call.status == 200)
        .filter_map(|call| {
            Some(
                call.body["text"]["body"]
                    .as_str()?
                    .chars()
                    .take(1)
                    .collect(),
            )
        })
        .collect();
    assert_eq!(accepted, ["a", "b"]);
    assert_eq!(world.sandbox.received(Provider::WhatsApp).len(), 4);
    world.end().await;
}

#[tokio::test]
async fn a_missing_credential_fails_the_message_until_it_is_added() {
    let world = World::new("Hello!").await;
    world.whatsapp_text("Hi").await;
    world.settles(&["failed"]).await;
    let errors = world
        .app
        .column("SELECT error FROM cell.message WHERE direction = 'outbound'")
        .await;
    assert_eq!(
        errors,
        ["no whatsapp credential is set up; add one under credentials"]
    );
    assert!(world.sandbox.received(Provider::WhatsApp).is_empty());

    world.whatsapp_credential().await;
    let access = world.app.access::<JobsReplay>().await;
    let mut tx = access.begin().await.expect("begins");
    assert_eq!(replay_all(&mut tx, SEND).await.expect("replayed"), 1);
    tx.commit().await.expect("committed");
    world.settles(&["sent"]).await;
    world.end().await;
}
