//! `freehold sandbox`: signed sample webhooks to a running server, from the demo's accounts.

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::{
    cli::invocation,
    config::{self, Config},
    demo::{self, Channel, DemoAccounts},
};

#[derive(Debug, Args)]
pub struct SandboxArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send a contact's message to a demo tenant, signed as its provider signs.
    Send {
        channel: Channel,
        #[arg(long, default_value = "Hello, is anybody there?")]
        text: String,
        /// A demo tenant's slug; the first one when left out.
        #[arg(long)]
        tenant: Option<String>,
        /// Who writes: a phone number, or for Telegram a user id.
        #[arg(long)]
        from: Option<String>,
        /// Spoil the signature, to see the refusal.
        #[arg(long)]
        tampered: bool,
    },
}

pub async fn run(config: &Config, args: SandboxArgs) -> anyhow::Result<()> {
    let Command::Send {
        channel,
        text,
        tenant,
        from,
        tampered,
    } = args.command;
    let folder = config::demo_data(&config.data);
    let accounts = DemoAccounts::read(&config.data)?
        .or(DemoAccounts::read(&folder)?)
        .context("there is no demo in the data folder; start one with `freehold demo`")?;
    let tenant = match &tenant {
        None => accounts.tenants.first(),
        Some(slug) => accounts.tenants.iter().find(|known| known.slug == *slug),
    };
    let tenant = tenant.with_context(|| {
        let known: Vec<&str> = accounts
            .tenants
            .iter()
            .map(|tenant| tenant.slug.as_str())
            .collect();
        format!("the demo has no such tenant; it has {}", known.join(", "))
    })?;
    let mut outgoing = demo::webhook(&config.public_url, tenant, channel, from.as_deref(), &text);
    if tampered {
        let mut body = outgoing.body.to_vec();
        body.push(b' ');
        outgoing.body = body.into();
        outgoing.headers.remove("x-telegram-bot-api-secret-token");
    }
    let answer = outgoing
        .send(&reqwest::Client::new())
        .await
        .with_context(|| {
            format!(
                "{} does not answer; is the demo running?",
                config.public_url
            )
        })?;
    println!("POST {} answered {}", outgoing.url, answer.status);
    if !answer.is_success() {
        println!(
            "It was not taken, and the sender is not told why; the server's log and /metrics are."
        );
        println!(
            "Next: `{} webhook verify --help` checks a signature by hand.",
            invocation(config)
        );
        return Ok(());
    }
    if let Some(correlation) = answer
        .headers
        .get("x-correlation-id")
        .and_then(|value| value.to_str().ok())
    {
        println!("Next, for everything that it caused:");
        println!(
            "  curl -H 'Authorization: Bearer {}' {}/v1/traces/{correlation}",
            tenant.api_key.as_deref().unwrap_or("<api key>"),
            config.public_url
        );
    }
    Ok(())
}
