//! Sends one message on each channel as its provider would, waits for the reply to reach the
//! simulated provider, and prints the trace of everything in between.

use std::time::{Duration, Instant};

use anyhow::Context;
use clap::ValueEnum;
use converse::traces::{self, Trace};
use kernel::{id::CorrelationId, permission::TracesRead};
use rand::RngExt;
use sandbox::{
    Sandbox,
    senders::{Outgoing, telegram::Update, twilio::Sms, whatsapp},
};

use super::{
    PATIENCE,
    accounts::{DemoAccounts, DemoTenant},
};
use crate::{cli::enter, serve::Node};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Channel {
    Whatsapp,
    Twilio,
    Telegram,
}

impl Channel {
    fn provider(self) -> sandbox::Provider {
        match self {
            Self::Whatsapp => sandbox::Provider::WhatsApp,
            Self::Twilio => sandbox::Provider::Twilio,
            Self::Telegram => sandbox::Provider::Telegram,
        }
    }
}

/// A contact's message as the channel's provider sends it to a tenant's URL, signed with that
/// tenant's secret.
pub fn webhook(
    public_url: &str,
    tenant: &DemoTenant,
    channel: Channel,
    from: Option<&str>,
    text: &str,
) -> Outgoing {
    let url = format!("{public_url}/hooks/{}/{}", tenant.slug, channel.provider());
    match channel {
        Channel::Whatsapp => {
            let account = tenant.whatsapp();
            let message =
                whatsapp::Message::text(from.unwrap_or("351912345678"), text).name("Ana Sousa");
            whatsapp::Delivery::new()
                .message(&account, &message)
                .signed(&url, &account.app_secret)
        }
        Channel::Twilio => {
            let account = tenant.twilio();
            Sms::new(&account, from.unwrap_or("+14155550123"), text)
                .signed(&url, &account.auth_token)
        }
        Channel::Telegram => {
            let account = tenant.telegram();
            let user = from.and_then(|from| from.parse().ok()).unwrap_or(7_700_123);
            Update::text(user, text)
                .id(rand::rng().random_range(1..2_000_000_000))
                .first_name("Kofi")
                .signed(&url, &account.secret_token)
        }
    }
}

pub async fn every_channel(
    node: &Node,
    sandbox: &Sandbox,
    accounts: &DemoAccounts,
) -> anyhow::Result<()> {
    let first = accounts
        .tenants
        .first()
        .context("the demo has no tenants")?;
    let second = accounts.tenants.get(1).unwrap_or(first);
    one(
        node,
        sandbox,
        first,
        Channel::Whatsapp,
        "Hello! Can I come in for a check-up on Friday?",
    )
    .await?;
    one(
        node,
        sandbox,
        second,
        Channel::Twilio,
        "What are your opening hours?",
    )
    .await?;
    one(
        node,
        sandbox,
        first,
        Channel::Telegram,
        "Do you treat children too?",
    )
    .await
}

async fn one(
    node: &Node,
    sandbox: &Sandbox,
    tenant: &DemoTenant,
    channel: Channel,
    text: &str,
) -> anyhow::Result<()> {
    let provider = channel.provider();
    println!("── {provider} → {}: “{text}”", tenant.name);
    let before = sandbox
        .received(provider)
        .last()
        .map_or(0, |received| received.sequence);
    let outgoing = webhook(
        &node.program().config.public_url,
        tenant,
        channel,
        None,
        text,
    );
    let started = Instant::now();
    let answer = outgoing.send(&reqwest::Client::new()).await?;
    let acknowledged = started.elapsed();
    anyhow::ensure!(
        answer.is_success(),
        "the webhook was answered {}: {}",
        answer.status,
        answer.text()
    );
    let correlation: CorrelationId = answer
        .headers
        .get("x-correlation-id")
        .and_then(|value| value.to_str().ok())
        .context("the answer has no correlation id")?
        .parse()?;
    println!(
        "   signed, verified, committed and acknowledged in {:.1} ms",
        millis(acknowledged)
    );

    let sent = sandbox
        .wait_for(
            |received| {
                received.provider == provider && received.sequence > before && is_reply(received)
            },
            PATIENCE,
        )
        .await;
    let sent = sent.with_context(|| format!("no reply left within {} s", PATIENCE.as_secs()))?;
    println!(
        "   the reply reached the provider after {:.1} ms: “{}”",
        millis(started.elapsed()),
        reply_text(&sent.body)
    );
    println!(
        "   trace {}",
        settled(node, tenant, correlation)
            .await?
            .to_string()
            .trim_end()
            .replace('\n', "\n   ")
    );
    println!();
    Ok(())
}

/// The trace once every job in it has come to its end: the send's own record follows the provider's
/// answer by a moment.
async fn settled(
    node: &Node,
    tenant: &DemoTenant,
    correlation: CorrelationId,
) -> anyhow::Result<Trace> {
    let access = enter::<TracesRead>(&node.program().db, &tenant.slug, "demo").await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut tx = access.read().await?;
        let trace = traces::trace(&mut tx, correlation).await?;
        tx.commit().await?;
        if trace.is_settled() || Instant::now() > deadline {
            return Ok(trace);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn is_reply(received: &sandbox::Received) -> bool {
    received.method == "POST" && matches!(received.status, 200 | 201)
}

fn reply_text(body: &serde_json::Value) -> String {
    let text = [&body["text"]["body"], &body["text"], &body["Body"]]
        .into_iter()
        .find_map(serde_json::Value::as_str);
    text.unwrap_or_default().chars().take(120).collect()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
