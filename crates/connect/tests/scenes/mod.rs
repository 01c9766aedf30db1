//! What the tests of verification stand on: a database, a worker, the sandbox in the place of every
//! provider, and an account at each.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use connect::{
    Connect, ProviderSettings, Settings,
    catalogue::Catalogue,
    credentials,
    verify::{self, Verification},
};
use http::Method;
use kernel::{
    Access, Error,
    db::Tenant,
    events::CredentialRefused,
    id::CredentialId,
    jobs::{Registry, Worker, WorkerOptions},
    permission::{CredentialsRead, MessagesSend},
    secret::Secret,
    testing::{self, TestDb},
};
use sandbox::{
    OpenAiAccount, Provider, Sandbox, ServiceAccount, TelegramAccount, TwilioAccount,
    WhatsAppAccount,
};
use tokio::sync::mpsc;
use vault::{KeyProvider, Keyring};

const PATIENCE: Duration = Duration::from_secs(30);

pub struct Scene {
    pub db: TestDb,
    pub connect: Connect,
    pub sandbox: Sandbox,
    pub tenant: Tenant,
    refused: mpsc::UnboundedReceiver<CredentialRefused>,
    _worker: Worker,
    _keys: tempfile::TempDir,
}

impl Scene {
    /// Credentials are tested on demand alone.
    pub async fn new() -> Self {
        Self::with(false).await
    }

    /// Credentials are tested when they are saved as well.
    pub async fn automatic() -> Self {
        Self::with(true).await
    }

    async fn with(verify_credentials: bool) -> Self {
        let db = testing::database().await;
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let sandbox = Sandbox::start(loopback).await.expect("a sandbox");
        let providers: HashMap<String, ProviderSettings> = Provider::ALL
            .into_iter()
            .map(|provider| (provider.to_string(), sandbox.base_url(provider)))
            .chain([
                (
                    "openai_compatible".to_owned(),
                    sandbox.base_url(Provider::OpenAi),
                ),
                ("smtp".to_owned(), sandbox.mail().url()),
            ])
            .map(|(provider, url)| {
                let settings = ProviderSettings {
                    base_url: Some(url),
                    ..ProviderSettings::default()
                };
                (provider, settings)
            })
            .collect();
        let keys = tempfile::tempdir().expect("a folder");
        let keyring = Keyring::open_or_create(keys.path().join("keyring")).expect("a keyring");
        let settings = Settings {
            kms_endpoint: None,
            allow: Default::default(),
            public_url: "http://localhost".to_owned(),
            providers,
            verify_credentials,
            return_to: Vec::new(),
        };
        let connect = Connect::new(Catalogue::builtin(), KeyProvider::Local(keyring), settings)
            .expect("connects");
        let (told, refused) = mpsc::unbounded_channel();
        let mut registry = Registry::new();
        verify::register(&mut registry, &connect);
        registry.subscribe(
            "test.refused",
            move |_: Access<MessagesSend>, event: CredentialRefused| {
                let sent = told.send(event);
                async move { sent.map_err(|_| Error::invalid("the test is over")) }
            },
        );
        db.db
            .subscribe(registry.subscriptions())
            .expect("installed");
        let options = WorkerOptions {
            poll: Duration::from_millis(20),
            ..WorkerOptions::default()
        };
        let scene = Self {
            tenant: db.tenant("acme").await,
            _worker: Worker::start(&db.db, Arc::new(registry), options),
            db,
            connect,
            sandbox,
            refused,
            _keys: keys,
        };
        for case in cases() {
            case.open_account(&scene);
        }
        scene
    }

    pub fn catalogue(&self) -> &Catalogue {
        self.connect.catalogue()
    }

    /// The next announcement of a credential that is refused.
    pub async fn refused(&mut self) -> CredentialRefused {
        let next = tokio::time::timeout(PATIENCE, self.refused.recv()).await;
        next.expect("comes in time").expect("the worker runs")
    }

    /// What the audit log says was done to a credential, oldest first.
    pub async fn acts(&self, id: CredentialId) -> Vec<String> {
        sqlx::query_scalar("SELECT action FROM cell.audit_entry WHERE target = $1 ORDER BY seq")
            .bind(id.to_string())
            .fetch_all(&mut self.db.superuser().await)
            .await
            .expect("the log is read")
    }

    /// How many findings are kept of a credential.
    pub async fn kept(&self, id: CredentialId) -> i64 {
        let count = "SELECT count(*) FROM cell.credential_verification WHERE credential_id = $1";
        sqlx::query_scalar(count)
            .bind(id.uuid())
            .fetch_one(&mut self.db.superuser().await)
            .await
            .expect("they are counted")
    }

    /// Makes everything that was found an hour older.
    pub async fn age(&self) {
        let age =
            "UPDATE cell.credential_verification SET checked_at = checked_at - interval '1 hour'";
        sqlx::query(age)
            .execute(&mut self.db.superuser().await)
            .await
            .expect("they are older");
    }

    pub async fn schedules(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT name FROM cell.job_schedule ORDER BY name")
            .fetch_all(&mut self.db.superuser().await)
            .await
            .expect("they are read")
    }

    /// What the test found that nobody asked for, waiting for it.
    pub async fn tested(&self, id: CredentialId) -> Verification {
        let search = async {
            loop {
                let access = self.db.enter::<CredentialsRead>(&self.tenant).await;
                let found = credentials::list(&access, &Default::default(), None, 10).await;
                let found = found.expect("they are listed").into_iter();
                let mut found = found.filter(|credential| credential.id == id);
                if let Some(found) = found.next().and_then(|credential| credential.verification) {
                    return found;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, search)
            .await
            .expect("is tested in time")
    }
}

/// A tenant's account at one provider, and the credential for it.
pub struct Case {
    pub provider: &'static str,
    pub name: &'static str,
    /// As the sandbox's record shows it.
    pub account: &'static str,
    pub values: Vec<(&'static str, &'static str)>,
    /// The field that proves the account.
    pub secret: &'static str,
    /// Of the right form, but nobody's.
    pub wrong: &'static str,
    /// `None` for what is no HTTP API.
    pub simulated: Option<Provider>,
    /// A call that a slice could make.
    pub call: Option<(Method, &'static str)>,
}

const PUBLIC_KEY: &str = "0011223344556677889900112233445566778899001122334455667788990011";
const ORGANISATION: &str = "0f9a7a2e-1d8a-4d6c-9f0e-3a1b2c3d4e5f";

impl Case {
    fn value(&self, name: &str) -> &'static str {
        let found = self.values.iter().find(|(field, _)| *field == name);
        found.map_or("", |(_, value)| *value)
    }

    pub fn right(&self) -> &'static str {
        self.value(self.secret)
    }

    /// The secret values, which nothing may show.
    pub fn secrets(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        let secret = |name: &str| {
            ["secret", "token", "key", "password"]
                .iter()
                .any(|part| name.contains(part))
                && !matches!(name, "public_key" | "verification_key")
        };
        let values = self.values.iter().copied();
        values.filter(move |(name, _)| secret(name))
    }

    /// Takes the account's proof back at the provider, or gives it again.
    pub fn revoke(&self, scene: &Scene, revoked: bool) {
        let accounts = scene.sandbox.accounts();
        match self.simulated {
            None if revoked => scene.sandbox.mail().user(self.account, None),
            None => self.open_account(scene),
            Some(
                provider @ (Provider::WhatsApp
                | Provider::Twilio
                | Provider::Telegram
                | Provider::OpenAi),
            ) => match revoked {
                true => accounts.remove(provider, self.account),
                false => self.open_account(scene),
            },
            Some(provider) => accounts.set_revoked(provider, self.account, revoked),
        }
    }

    fn open_account(&self, scene: &Scene) {
        let accounts = scene.sandbox.accounts();
        let secret = || Secret::new(self.right());
        match self.simulated {
            None => scene.sandbox.mail().user(self.account, Some(self.right())),
            Some(Provider::WhatsApp) => accounts.whatsapp(WhatsAppAccount {
                phone_number_id: self.value("phone_number_id").to_owned(),
                waba_id: self.value("waba_id").to_owned(),
                access_token: secret(),
                app_secret: Secret::new(self.value("app_secret")),
                verify_token: Secret::new(self.value("verify_token")),
                display_phone_number: "4915112345678".to_owned(),
            }),
            Some(Provider::Twilio) => accounts.twilio(TwilioAccount {
                account_sid: self.value("account_sid").to_owned(),
                auth_token: secret(),
                phone_number: "+15551234567".to_owned(),
            }),
            Some(Provider::Telegram) => accounts.telegram(TelegramAccount {
                bot_token: secret(),
                secret_token: Secret::new(self.value("secret_token")),
                username: "test_bot".to_owned(),
            }),
            Some(Provider::OpenAi) => accounts.openai(OpenAiAccount {
                api_key: secret(),
                models: vec!["gpt-4o-mini".to_owned()],
            }),
            Some(provider) => {
                // Google's client is proven by one secret, and its user's grant by another.
                let proof = match provider {
                    Provider::GoogleCalendar => self.value("client_secret"),
                    _ => self.right(),
                };
                let account = ServiceAccount::new(provider, self.account, proof);
                let facts = self.values.iter();
                accounts.service(
                    facts
                        .filter(|(_, value)| *value != proof)
                        .fold(account, |account, (name, value)| account.fact(name, value)),
                );
            }
        }
    }
}

/// An account at every provider of the catalogue that can be tested, in the order of their ids.
pub fn cases() -> Vec<Case> {
    let get = |path| Some((Method::GET, path));
    let post = |path| Some((Method::POST, path));
    let case = |provider, simulated, account, secret, wrong, call, values: &[_]| Case {
        provider,
        name: "main",
        account,
        values: values.to_vec(),
        secret,
        wrong,
        simulated: Some(simulated),
        call,
    };
    vec![
        case(
            "anthropic",
            Provider::Anthropic,
            "anthropic-1",
            "api_key",
            "sk-ant-nobody-0000000000000000",
            get("/v1/models"),
            &[("api_key", "sk-ant-planted-1111111111111111")],
        ),
        case(
            "discord",
            Provider::Discord,
            "discord-1",
            "bot_token",
            "MTk.nobody.0000000000000000000",
            get("/applications/@me"),
            &[
                ("bot_token", "MTk.planted.1111111111111111111"),
                ("application_id", "112233445566778899"),
                ("public_key", PUBLIC_KEY),
            ],
        ),
        case(
            "elevenlabs",
            Provider::ElevenLabs,
            "elevenlabs-1",
            "api_key",
            "sk_nobody_00000000000000000000",
            get("/v1/user"),
            &[
                ("api_key", "sk_planted_1111111111111111111"),
                ("webhook_secret", "wsec_planted_11111111"),
            ],
        ),
        case(
            "genesys",
            Provider::Genesys,
            "client-1",
            "client_secret",
            "nobody-000000000000000000000000",
            get("/api/v2/tokens/me"),
            &[
                ("host", "mypurecloud.de"),
                ("client_id", "client-1"),
                ("client_secret", "planted-11111111111111111111111"),
                ("webhook_secret", "wsec_planted_11111111"),
                ("organization_id", ORGANISATION),
            ],
        ),
        case(
            "github",
            Provider::GitHub,
            "github-1",
            "access_token",
            "ghp_nobody00000000000000000000000000",
            get("/rate_limit"),
            &[
                ("access_token", "ghp_planted1111111111111111111111111"),
                ("webhook_secret", "wsec_planted_11111111"),
            ],
        ),
        case(
            "google_calendar",
            Provider::GoogleCalendar,
            "google-1",
            "refresh_token",
            "1//nobody-0000000000000000",
            get("/calendars/primary/events"),
            &[
                ("client_id", "google-1"),
                ("client_secret", "GOCSPX-planted-111111111111"),
                ("refresh_token", "1//planted-1111111111111111"),
                ("channel_token", "ctok_planted_1111111111"),
            ],
        ),
        case(
            "linear",
            Provider::Linear,
            "linear-1",
            "api_key",
            "lin_api_nobody0000000000000000",
            post("/graphql"),
            &[
                ("api_key", "lin_api_planted111111111111111"),
                ("webhook_secret", "wsec_planted_11111111"),
                ("organization_id", ORGANISATION),
            ],
        ),
        case(
            "magicline",
            Provider::Magicline,
            "magicline-1",
            "api_key",
            "nobody-0000000000000000",
            get("/v1/studios/information"),
            &[
                ("tenant_name", "acme-fitness"),
                ("api_key", "planted-1111111111111111"),
            ],
        ),
        case(
            "mailgun",
            Provider::Mailgun,
            "mailgun-1",
            "api_key",
            "key-nobody00000000000000000000",
            get("/v4/domains/mg.example.com"),
            &[
                ("api_key", "key-planted111111111111111111111"),
                ("domain", "mg.example.com"),
                ("webhook_signing_key", "wsec_planted_11111111"),
            ],
        ),
        case(
            "n8n",
            Provider::N8n,
            "n8n-1",
            "api_key",
            "n8n_nobody_0000000000000000",
            get("/workflows"),
            &[
                ("base_url", "https://n8n.example.com"),
                ("api_key", "n8n_planted_1111111111111111"),
            ],
        ),
        case(
            "openai",
            Provider::OpenAi,
            "1111",
            "api_key",
            "sk-proj-nobody000000000000000000",
            get("/models"),
            &[("api_key", "sk-proj-planted11111111111111111")],
        ),
        case(
            "openai_compatible",
            Provider::OpenAi,
            "2222",
            "api_key",
            "sk-proj-nobody000000000000000000",
            get("/models"),
            &[
                ("base_url", "https://llm.example.com/v1"),
                ("api_key", "own-planted-222222222222222222"),
            ],
        ),
        case(
            "postmark",
            Provider::Postmark,
            "postmark-1",
            "server_token",
            "00000000-0000-0000-0000-000000000000",
            get("/server"),
            &[
                ("server_token", "11111111-1111-1111-1111-111111111111"),
                ("webhook_basic_auth", "hooks:planted_1111111111"),
            ],
        ),
        case(
            "resend",
            Provider::Resend,
            "resend-1",
            "api_key",
            "re_nobody_00000000000000000000",
            get("/domains"),
            &[
                ("api_key", "re_planted_1111111111111111111"),
                ("webhook_secret", "whsec_cGxhbnRlZC0xMTExMTExMQ=="),
            ],
        ),
        case(
            "sendgrid",
            Provider::SendGrid,
            "sendgrid-1",
            "api_key",
            "SG.nobody.00000000000000000000",
            get("/v3/scopes"),
            &[
                ("api_key", "SG.planted.1111111111111111111"),
                (
                    "verification_key",
                    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==",
                ),
            ],
        ),
        case(
            "slack",
            Provider::Slack,
            "slack-1",
            "bot_token",
            "xoxb-nobody-0000000000000000",
            post("/auth.test"),
            &[
                ("bot_token", "xoxb-planted-1111111111111111"),
                ("signing_secret", "wsec_planted_11111111"),
                ("team_id", "T0123456789"),
            ],
        ),
        Case {
            provider: "smtp",
            name: "main",
            account: "mailer@example.com",
            values: vec![
                ("host", "smtp.example.com"),
                ("user", "mailer@example.com"),
                ("password", "planted-1111111111111111"),
            ],
            secret: "password",
            wrong: "nobody-0000000000000000",
            simulated: None,
            call: None,
        },
        case(
            "stripe",
            Provider::Stripe,
            "stripe-1",
            "secret_key",
            "sk_test_nobody0000000000000000",
            get("/v1/account"),
            &[
                ("secret_key", "sk_test_planted1111111111111111"),
                ("webhook_secret", "whsec_planted_11111111"),
            ],
        ),
        case(
            "telegram",
            Provider::Telegram,
            "123456",
            "bot_token",
            "123456:nobody-00000000000000000000",
            get("/getMe"),
            &[
                ("bot_token", "123456:planted-1111111111111111111"),
                ("secret_token", "stok_planted_1111"),
                ("bot_id", "123456"),
            ],
        ),
        case(
            "twilio",
            Provider::Twilio,
            "AC00000000000000000000000000000001",
            "auth_token",
            "00000000000000000000000000000000",
            get("/2010-04-01/Accounts/AC00000000000000000000000000000001.json"),
            &[
                ("account_sid", "AC00000000000000000000000000000001"),
                ("auth_token", "11111111111111111111111111111111"),
            ],
        ),
        case(
            "vapi",
            Provider::Vapi,
            "vapi-1",
            "api_key",
            "nobody-0000-0000-000000000000",
            get("/assistant"),
            &[
                ("api_key", "planted-1111-1111-111111111111"),
                ("webhook_secret", "wsec_planted_11111111"),
            ],
        ),
        case(
            "whatsapp",
            Provider::WhatsApp,
            "106540352242922",
            "access_token",
            "EAAnobody000000000000000000000",
            get("/106540352242922"),
            &[
                ("phone_number_id", "106540352242922"),
                ("waba_id", "102290129340398"),
                ("access_token", "EAAplanted1111111111111111111"),
                ("app_secret", "wsec_planted_11111111"),
                ("verify_token", "vtok_planted_1111"),
            ],
        ),
    ]
}
