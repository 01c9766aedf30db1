//! A tenant of the tests: its accounts at the simulated providers, and connecting them.

use std::sync::atomic::{AtomicU64, Ordering};

use assist::agents::{self, NewAgent};
use connect::credentials::{CredentialView, Filter, NewCredential, Rotation};
use identity::tenants::{self, NewTenant};
use kernel::{
    Access, Operator,
    id::CredentialId,
    permission::{
        AgentsWrite, CredentialsRead, CredentialsWrite, Permission, TenantsEnter, TenantsWrite,
    },
    secret::Secret,
};
use sandbox::{
    OpenAiAccount, Provider, Sandbox, TelegramAccount, TwilioAccount, WhatsAppAccount,
    senders::{
        Outgoing,
        telegram::Update,
        twilio::Sms,
        whatsapp::{Delivery, Message},
    },
};
use server::program::Program;

pub const PROVIDERS: [Provider; 4] = [
    Provider::WhatsApp,
    Provider::Twilio,
    Provider::Telegram,
    Provider::OpenAi,
];
const MODEL: &str = "gpt-4o-mini";

static NUMBER: AtomicU64 = AtomicU64::new(1);

/// Every value differs from those of other tenants.
#[derive(Clone, Debug)]
pub struct TestTenant {
    pub slug: String,
    pub whatsapp: WhatsAppAccount,
    pub twilio: TwilioAccount,
    pub telegram: TelegramAccount,
    pub openai: OpenAiAccount,
}

impl TestTenant {
    pub fn new(slug: &str) -> Self {
        let n = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            slug: slug.to_owned(),
            whatsapp: WhatsAppAccount {
                phone_number_id: format!("1065{n:011}"),
                waba_id: format!("1022{n:011}"),
                access_token: Secret::new(format!("EAAtest{n:057}")),
                app_secret: Secret::new(format!("a{n:031x}")),
                verify_token: Secret::new(format!("verify{n:026}")),
                display_phone_number: format!("1555{n:07}"),
            },
            twilio: TwilioAccount {
                account_sid: format!("AC{n:032x}"),
                auth_token: Secret::new(format!("b{n:031x}")),
                phone_number: format!("+1556{n:07}"),
            },
            telegram: TelegramAccount {
                bot_token: Secret::new(format!("77{n:08}:AAF{n:032}")),
                secret_token: Secret::new(format!("hook{n:036}")),
                username: format!("test{n}_bot"),
            },
            openai: OpenAiAccount {
                api_key: Secret::new(format!("sk-proj-test{n:044}")),
                models: vec![MODEL.to_owned()],
            },
        }
    }

    /// The URL that a provider was given.
    pub fn hook(&self, node: &str, provider: Provider) -> String {
        format!("{node}/hooks/{}/{provider}", self.slug)
    }

    /// A contact's text as WhatsApp sends it to this tenant's URL.
    pub fn whatsapp_text(&self, node: &str, from: &str, text: &str) -> Outgoing {
        self.whatsapp_message(node, &Message::text(from, text))
    }

    pub fn whatsapp_message(&self, node: &str, message: &Message) -> Outgoing {
        Delivery::new().message(&self.whatsapp, message).signed(
            &self.hook(node, Provider::WhatsApp),
            &self.whatsapp.app_secret,
        )
    }

    pub fn sms(&self, node: &str, from: &str, text: &str) -> Outgoing {
        let url = self.hook(node, Provider::Twilio);
        Sms::new(&self.twilio, from, text).signed(&url, &self.twilio.auth_token)
    }

    pub fn telegram_text(&self, node: &str, user: i64, text: &str) -> Outgoing {
        let url = self.hook(node, Provider::Telegram);
        Update::text(user, text).signed(&url, &self.telegram.secret_token)
    }

    /// Tells the simulated providers of the accounts.
    pub fn register(&self, sandbox: &Sandbox) {
        let accounts = sandbox.accounts();
        accounts.whatsapp(self.whatsapp.clone());
        accounts.twilio(self.twilio.clone());
        accounts.telegram(self.telegram.clone());
        accounts.openai(self.openai.clone());
    }

    /// (provider, values) of every credential that the tenant enters.
    pub fn credentials(&self) -> Vec<(Provider, Vec<(&'static str, String)>)> {
        let text = |secret: &Secret| secret.expose().to_owned();
        vec![
            (
                Provider::WhatsApp,
                vec![
                    ("phone_number_id", self.whatsapp.phone_number_id.clone()),
                    ("waba_id", self.whatsapp.waba_id.clone()),
                    ("access_token", text(&self.whatsapp.access_token)),
                    ("app_secret", text(&self.whatsapp.app_secret)),
                    ("verify_token", text(&self.whatsapp.verify_token)),
                ],
            ),
            (
                Provider::Twilio,
                vec![
                    ("account_sid", self.twilio.account_sid.clone()),
                    ("auth_token", text(&self.twilio.auth_token)),
                    ("phone_number", self.twilio.phone_number.clone()),
                ],
            ),
            (
                Provider::Telegram,
                vec![
                    ("bot_token", text(&self.telegram.bot_token)),
                    ("secret_token", text(&self.telegram.secret_token)),
                    ("bot_id", self.telegram.bot_id().to_owned()),
                ],
            ),
            (
                Provider::OpenAi,
                vec![("api_key", text(&self.openai.api_key))],
            ),
        ]
    }

    /// Stores the accounts' credentials and makes an agent.
    pub async fn connect(&self, program: &Program) {
        for (provider, values) in self.credentials() {
            connect(program, &self.slug, &provider.to_string(), &values).await;
        }
        let access = enter::<AgentsWrite>(program, &self.slug).await;
        let agent = NewAgent {
            instructions: format!("You answer for {}.", self.slug),
            ..NewAgent::new("front desk", MODEL)
        };
        agents::create(&access, agent)
            .await
            .expect("the agent is created");
    }
}

/// A tenant that has connected nothing.
pub async fn create(program: &Program, slug: &str) {
    let operator = Operator::<TenantsWrite>::local(&program.db, "test");
    let new = NewTenant {
        slug: slug.to_owned(),
        name: slug.to_owned(),
        plan: None,
        region: None,
        weight: None,
    };
    tenants::create(&operator, new)
        .await
        .expect("the tenant is created");
}

/// Access inside a tenant, entered as staff by any program of the installation.
pub async fn enter<P: Permission>(program: &Program, slug: &str) -> Access<P> {
    let tenant = program.db.directory().by_slug(slug).await;
    let tenant = tenant
        .expect("the directory answers")
        .expect("the tenant exists");
    Operator::<TenantsEnter>::local(&program.db, "test")
        .enter(tenant, "test")
        .await
        .expect("staff may enter")
}

/// Connects one account of a tenant's.
pub async fn connect(
    program: &Program,
    slug: &str,
    provider: &str,
    values: &[(&str, String)],
) -> CredentialView {
    connect_as(program, slug, provider, "default", values).await
}

/// Connects a further account, under a name of its own.
pub async fn connect_as(
    program: &Program,
    slug: &str,
    provider: &str,
    name: &str,
    values: &[(&str, String)],
) -> CredentialView {
    let access = enter::<CredentialsWrite>(program, slug).await;
    let new = NewCredential {
        provider: provider.to_owned(),
        name: name.to_owned(),
        values: values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::new(value.clone())))
            .collect(),
        ..NewCredential::default()
    };
    let created = program.connect.create_credential(&access, new).await;
    created.expect("the account is connected")
}

/// The tenant's only credential at a provider.
pub async fn credential(program: &Program, slug: &str, provider: Provider) -> CredentialId {
    let access = enter::<CredentialsRead>(program, slug).await;
    let found = connect::credentials::list(
        &access,
        &Filter {
            provider: Some(provider.to_string()),
            ..Filter::default()
        },
        None,
        1,
    )
    .await;
    let found = found.expect("credentials are listed");
    found.first().expect("the account is connected").id
}

/// Replaces one secret, on whichever program of the installation.
pub async fn rotate(
    program: &Program,
    slug: &str,
    provider: Provider,
    field: &str,
    value: &Secret,
) {
    let id = credential(program, slug, provider).await;
    let access = enter::<CredentialsWrite>(program, slug).await;
    let rotation = Rotation {
        values: [(field.to_owned(), value.clone())].into(),
        grace_seconds: 3600,
    };
    program
        .connect
        .rotate_credential(&access, id, rotation)
        .await
        .expect("the secret is rotated");
}
