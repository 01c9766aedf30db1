//! `freehold demo`: the main job on one command. Simulated providers, demo tenants with accounts
//! there, one message on each channel through the whole path, each step shown; then it stays up.

mod accounts;
mod people;
mod set_up;
mod show;

pub use accounts::{DemoAccounts, DemoTenant};
pub use show::{Channel, webhook};

use std::{net::SocketAddr, time::Duration};

use clap::Args;
use kernel::secret::Secret;
use sandbox::{GithubApp, OAuthClient, OidcClient, Sandbox, TelegramAccount};

use crate::{
    cli::invocation,
    config::{Config, IdentityProvider, OAuth, Provider},
    logging,
    program::Program,
    serve::Node,
};

/// How long a message may take through the whole path before the demo says that it is stuck.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Stop once the messages have gone through, instead of staying up.
    #[arg(long)]
    once: bool,
    /// Where the simulated providers listen; a free port of this machine's when left out.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    sandbox: SocketAddr,
}

pub async fn run(mut config: Config, args: DemoArgs) -> anyhow::Result<()> {
    // What a newcomer is to read are the steps; warnings still show.
    if std::env::var_os("FREEHOLD_LOG__FILTER").is_none() {
        config.log.filter = "warn".to_owned();
    }
    logging::init(&config.log)?;
    println!("Freehold demo\n");

    let sandbox = Sandbox::start(args.sandbox).await?;
    println!("✔ simulated providers     {}", sandbox.url());
    for provider in [
        sandbox::Provider::WhatsApp,
        sandbox::Provider::Twilio,
        sandbox::Provider::Telegram,
        sandbox::Provider::OpenAi,
    ] {
        let settings = Provider {
            base_url: Some(sandbox.base_url(provider)),
            ..Provider::default()
        };
        config.providers.insert(provider.to_string(), settings);
    }
    authorization_servers(&mut config, &sandbox);

    if config.mail.smtp_url.expose().is_empty() {
        config.mail.smtp_url = sandbox.mail().url().into();
        config.mail.from = "Freehold <no-reply@freehold.example>".to_owned();
    }

    identity_provider(&mut config, &sandbox);
    sandbox.accounts().telegram(TelegramAccount {
        bot_token: Secret::new(SPARE_BOT),
        // What the tenant makes up; the simulated Telegram sends this bot nothing by itself.
        secret_token: Secret::new(uuid::Uuid::new_v4().simple().to_string()),
        username: "spare_bot".to_owned(),
    });

    println!("  starting the database (the first time takes a few seconds) …");
    let program = Program::open(config).await?;
    println!(
        "✔ database                {}",
        program.database().describe()
    );
    let accounts = DemoAccounts::open(&program.config.data)?;
    let accounts = set_up::tenants(&program, &sandbox, accounts).await?;
    let accounts = people::ensure(&program, accounts).await?;
    println!("✔ server                  {}\n", program.config.public_url);
    let node = Node::start(program).await?;

    let outcome = show::every_channel(&node, &sandbox, &accounts).await;
    if args.once || outcome.is_err() {
        node.stop().await?;
        sandbox.stop().await;
        return outcome;
    }
    what_next(&node, &sandbox, &accounts);
    node.run().await?;
    sandbox.stop().await;
    Ok(())
}

/// Lets accounts at Slack, Linear, GitHub and Google be connected by consent: at the simulated ones,
/// where whoever looks at the page chooses an account.
fn authorization_servers(config: &mut Config, sandbox: &Sandbox) {
    let redirect_uri = format!("{}{}", config.public_url, connect::oauth::CALLBACK);
    for provider in [
        sandbox::Provider::Slack,
        sandbox::Provider::Linear,
        sandbox::Provider::GitHub,
        sandbox::Provider::GoogleCalendar,
    ] {
        let secret = uuid::Uuid::new_v4().simple().to_string();
        let mut client = OAuthClient::new(provider, "freehold-demo", &secret, &redirect_uri);
        let is_github = provider == sandbox::Provider::GitHub;
        client.github = is_github.then(|| GithubApp::new(1, "freehold-demo"));
        let github = client.github.as_ref();
        let app = OAuth {
            client_id: client.client_id.clone(),
            client_secret: client.client_secret.clone(),
            webhook_secret: Some(Secret::new(uuid::Uuid::new_v4().simple().to_string())),
            app_id: github.map(|app| app.app_id.to_string()),
            app_slug: github.map(|app| app.slug.clone()),
            private_key: github.map(GithubApp::private_key),
        };
        let settings = Provider {
            base_url: Some(sandbox.base_url(provider)),
            oauth: Some(app),
            ..Provider::default()
        };
        config.providers.insert(provider.to_string(), settings);
        sandbox.oauth().client(client);
    }
}

/// What a tenant's people enter to have an identity provider of their own: an id and its secret,
/// known to the simulated one alone.
const TENANTS_CLIENT: (&str, &str) = ("brightsmile", "simulated-client-secret");

/// A bot that nobody has connected yet, for trying the guided set-up. Known to the simulated Telegram
/// alone.
const SPARE_BOT: &str = "4200000042:simulated-bot-for-the-guided-set-up";

/// Lets people sign in by the simulated identity provider, which believes any address: so it makes
/// accounts, and opens none that exists.
fn identity_provider(config: &mut Config, sandbox: &Sandbox) {
    let client_secret = Secret::new(uuid::Uuid::new_v4().simple().to_string());
    let client = OidcClient {
        client_id: "freehold-demo".to_owned(),
        client_secret: client_secret.clone(),
        redirect_uris: vec![format!("{}{}", config.public_url, identity::oidc::CALLBACK)],
    };
    let provider = IdentityProvider {
        name: "Simulated identity provider".to_owned(),
        issuer: sandbox.base_url(sandbox::Provider::Oidc),
        client_id: client.client_id.clone(),
        client_secret,
        sign_up: true,
        link: false,
        second_factor: Vec::new(),
    };
    sandbox.accounts().oidc(OidcClient {
        client_id: TENANTS_CLIENT.0.to_owned(),
        client_secret: Secret::new(TENANTS_CLIENT.1),
        ..client.clone()
    });
    sandbox.accounts().oidc(client);
    let providers = &mut config.sign_in.providers;
    providers.insert("simulated".to_owned(), provider);
}

fn what_next(node: &Node, sandbox: &Sandbox, accounts: &DemoAccounts) {
    let config = &node.program().config;
    let tenant = &accounts.tenants[0];
    let url = &config.public_url;
    println!("It stays up. Try next, in another terminal:\n");
    println!("  send another message as a contact would");
    println!(
        "    {} sandbox send whatsapp --text 'Do you have time on Friday?'",
        invocation(config)
    );
    println!("  read the conversations over the API");
    println!(
        "    curl -H 'Authorization: Bearer {}' {url}/v1/conversations",
        tenant.api_key.as_deref().unwrap_or_default()
    );
    println!("  explore the API");
    println!("    {url}/docs/api");
    println!("  sign in as one of its people");
    println!(
        "    curl {url}/v1/auth/sign-in -H 'content-type: application/json' \\\n         -d '{{\"email\":\"{}\",\"password\":\"{}\"}}'",
        people::OWNER,
        accounts.password.as_deref().unwrap_or_default()
    );
    println!("  sign in by an identity provider, in a browser");
    println!("    {url}/sign-in/oidc/simulated");
    println!("  give a tenant an identity provider of its own, as its owner");
    println!(
        "    {url}/app/{}/sign-in/new\n    issuer {}, client ID {}, client secret {}",
        tenant.slug,
        sandbox.base_url(sandbox::Provider::Oidc),
        TENANTS_CLIENT.0,
        TENANTS_CLIENT.1
    );
    println!("  connect an account by consent, as its owner");
    println!("    {url}/app/{}/connections/slack", tenant.slug);
    println!("  connect another bot by the guided set-up, as its owner");
    println!(
        "    {url}/app/{}/integrations/telegram?new=1\n    bot token {SPARE_BOT}",
        tenant.slug
    );
    println!("  read the mail that was sent to them");
    println!("    {}/_sandbox/mail", sandbox.url());
    println!("  see what the simulated providers were sent");
    println!("    {}/_sandbox/requests", sandbox.url());
    println!("  make a provider fail, and watch the retry");
    println!(
        "    curl -X POST {}/_sandbox/faults -H 'content-type: application/json' \\\n         -d '{{\"provider\":\"openai\",\"fault\":{{\"kind\":\"server_error\"}},\"times\":2}}'",
        sandbox.url()
    );
    println!("  read the metrics");
    println!("    {url}/metrics");
    println!(
        "\nKeys, accounts and database are in {}; the operator token is in operator.token there.",
        config.data.display()
    );
    println!("Stop with Ctrl-C; the next start goes on with the same data.");
}
