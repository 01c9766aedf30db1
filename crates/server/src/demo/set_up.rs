//! Demo tenants with credentials, an agent and an API key. Every step is skipped where an earlier
//! start has done it.

use assist::agents::{self, NewAgent};
use connect::credentials::NewCredential;
use identity::{
    api_keys::{self, NewApiKey},
    tenants::{self, NewTenant},
};
use kernel::{
    Operator,
    access::api_key::Mode,
    page::PageQuery,
    permission::{
        AgentsRead, AgentsWrite, ApiKeysWrite, CredentialsRead, CredentialsWrite, TenantsWrite,
    },
};
use sandbox::Sandbox;

use super::accounts::{DemoAccounts, DemoTenant, MODEL};
use crate::{
    cli::{enter, user},
    program::Program,
};

const REASON: &str = "demo";

pub async fn tenants(
    program: &Program,
    sandbox: &Sandbox,
    mut accounts: DemoAccounts,
) -> anyhow::Result<DemoAccounts> {
    for tenant in &mut accounts.tenants {
        register(program, sandbox, tenant);
        create(program, tenant).await?;
        let connected = connect_accounts(program, tenant).await?;
        give_agent(program, tenant).await?;
        if tenant.api_key.is_none() {
            tenant.api_key = Some(issue_key(program, tenant).await?);
        }
        println!(
            "✔ tenant                  {} ({}), connected: {connected}",
            tenant.name, tenant.slug
        );
    }
    accounts.save()?;
    Ok(accounts)
}

/// The simulated providers keep nothing, so they are told of the accounts at every start.
fn register(program: &Program, sandbox: &Sandbox, tenant: &DemoTenant) {
    let hooks = format!("{}/hooks/{}", program.config.public_url, tenant.slug);
    let whatsapp = tenant.whatsapp();
    let id = whatsapp.phone_number_id.clone();
    sandbox.accounts().whatsapp(whatsapp);
    sandbox
        .accounts()
        .callback(sandbox::Provider::WhatsApp, id, format!("{hooks}/whatsapp"));
    sandbox.accounts().twilio(tenant.twilio());
    sandbox.accounts().telegram(tenant.telegram());
    sandbox.accounts().openai(tenant.openai());
}

async fn create(program: &Program, tenant: &DemoTenant) -> anyhow::Result<()> {
    let known = program.db.directory().by_slug(&tenant.slug).await?;
    if known.is_some_and(|known| known.status == kernel::db::TenantStatus::Active) {
        return Ok(());
    }
    let operator = Operator::<TenantsWrite>::local(&program.db, &user());
    let new = NewTenant {
        slug: tenant.slug.clone(),
        name: tenant.name.clone(),
        plan: None,
        region: None,
        weight: None,
    };
    tenants::create(&operator, new).await?;
    Ok(())
}

async fn connect_accounts(program: &Program, tenant: &DemoTenant) -> anyhow::Result<String> {
    let access = enter::<CredentialsRead>(&program.db, &tenant.slug, REASON).await?;
    let existing = connect::credentials::list(&access, &Default::default(), None, 200).await?;
    let access = enter::<CredentialsWrite>(&program.db, &tenant.slug, REASON).await?;
    let mut names = Vec::new();
    for (provider, values) in tenant.credentials() {
        names.push(provider);
        if existing
            .iter()
            .any(|credential| credential.provider == provider)
        {
            continue;
        }
        let values = values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        let new = NewCredential {
            provider: provider.to_owned(),
            name: "default".to_owned(),
            values,
            ..NewCredential::default()
        };
        program.connect.create_credential(&access, new).await?;
    }
    Ok(names.join(", "))
}

async fn give_agent(program: &Program, tenant: &DemoTenant) -> anyhow::Result<()> {
    let access = enter::<AgentsRead>(&program.db, &tenant.slug, REASON).await?;
    let one = PageQuery {
        cursor: None,
        limit: Some(1),
    };
    if !agents::list(&access, &one).await?.data.is_empty() {
        return Ok(());
    }
    let access = enter::<AgentsWrite>(&program.db, &tenant.slug, REASON).await?;
    let agent = NewAgent {
        instructions: tenant.instructions.clone(),
        ..NewAgent::new("front desk", MODEL)
    };
    agents::create(&access, agent).await?;
    Ok(())
}

async fn issue_key(program: &Program, tenant: &DemoTenant) -> anyhow::Result<String> {
    let access = enter::<ApiKeysWrite>(&program.db, &tenant.slug, REASON).await?;
    let new = NewApiKey {
        name: "demo".to_owned(),
        mode: Mode::Test,
        permissions: None,
        role: Some("owner".to_owned()),
        expires_at: None,
    };
    Ok(api_keys::create(&access, new)
        .await?
        .key
        .expose()
        .to_owned())
}
