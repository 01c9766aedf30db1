//! `freehold tenant`.

use clap::{Args, Subcommand};
use identity::tenants::{self, NewTenant, TenantQuery, TenantView};
use kernel::{
    Operator,
    permission::{DataKeysWrite, TenantsRead, TenantsWrite},
    suspension::SuspensionKind,
};

use crate::{
    cli::{enter, find, user},
    program::Program,
};

#[derive(Debug, Args)]
pub struct TenantArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a tenant. Repeating it finishes a creation that broke off.
    Create {
        /// Stands in the tenant's URLs: lower-case letters, digits and hyphens.
        slug: String,
        /// The name for people; the slug when left out.
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        plan: Option<String>,
        /// The tenant's share of the job queue against the others'.
        #[arg(long)]
        weight: Option<i32>,
    },
    /// List the tenants.
    List,
    /// Suspend a tenant. What still works depends on the kind: see catalogue/suspension.toml.
    Suspend {
        tenant: String,
        /// `unpaid`, `abuse`, `requested` or `investigation`.
        #[arg(long, value_parser = kind)]
        kind: SuspensionKind,
        /// For other staff; the tenant never sees it.
        #[arg(long)]
        note: String,
    },
    /// Take a suspended tenant back into service.
    Activate { tenant: String },
    /// Close a tenant for good.
    Close { tenant: String },
    /// Destroy a tenant's data keys: every secret it has stored is unreadable from then on,
    /// everywhere. There is no way back.
    EraseKeys {
        tenant: String,
        /// The tenant's slug once more.
        #[arg(long)]
        confirm: String,
        /// Why, for the audit logs.
        #[arg(long)]
        reason: String,
    },
}

pub async fn run(program: &Program, args: TenantArgs) -> anyhow::Result<()> {
    let operator = Operator::<TenantsWrite>::local(&program.db, &user());
    match args.command {
        Command::Create {
            slug,
            name,
            plan,
            weight,
        } => {
            let name = name.unwrap_or_else(|| slug.clone());
            let new = NewTenant {
                slug,
                name,
                plan,
                region: None,
                weight,
            };
            let tenant = tenants::create(&operator, new).await?;
            show("created", &tenant);
            println!("Next:");
            println!(
                "  freehold credential set {} whatsapp phone_number_id=… waba_id=…",
                tenant.slug
            );
            println!("  freehold keys create {} --role owner", tenant.slug);
        }
        Command::List => list(program).await?,
        Command::Suspend { tenant, kind, note } => {
            show(
                "suspended",
                &tenants::suspend(&operator, &tenant, kind, &note).await?,
            );
            println!("Its jobs wait; `freehold tenant activate {tenant}` takes it back.");
        }
        Command::Activate { tenant } => {
            show("active", &tenants::activate(&operator, &tenant).await?)
        }
        Command::Close { tenant } => show("closed", &tenants::close(&operator, &tenant).await?),
        Command::EraseKeys {
            tenant,
            confirm,
            reason,
        } => erase_keys(program, &tenant, &confirm, &reason).await?,
    }
    Ok(())
}

async fn erase_keys(
    program: &Program,
    tenant: &str,
    confirm: &str,
    reason: &str,
) -> anyhow::Result<()> {
    let slug = find(&program.db, tenant).await?.slug;
    anyhow::ensure!(
        slug == confirm,
        "nothing was destroyed: --confirm has to be `{slug}`, the tenant's slug"
    );
    let reason = format!("command line: tenant erase-keys: {reason}");
    let access = enter::<DataKeysWrite>(&program.db, &slug, &reason).await?;
    let erased = program.connect.erase_keys(&access, &reason).await?;
    println!(
        "destroyed {} data keys of {slug}; {} secrets are unreadable from now on",
        erased.generations.len(),
        erased.secrets
    );
    println!("Copies in back-ups of the database stay readable until those are destroyed too.");
    Ok(())
}

fn kind(text: &str) -> Result<SuspensionKind, String> {
    SuspensionKind::parse(text)
        .map_err(|_| "one of unpaid, abuse, requested, investigation".to_owned())
}

fn show(what: &str, tenant: &TenantView) {
    println!("{what}: {} ({})", tenant.slug, tenant.id);
}

async fn list(program: &Program) -> anyhow::Result<()> {
    let operator = Operator::<TenantsRead>::local(&program.db, &user());
    let mut query = TenantQuery {
        limit: Some(200),
        ..TenantQuery::default()
    };
    loop {
        let page = tenants::list(&operator, &query).await?;
        if page.data.is_empty() && query.cursor.is_none() {
            println!("no tenants yet; `freehold tenant create <slug>` makes one");
        }
        for tenant in page.data {
            println!(
                "{:<32} {:<12} {:<30} {}",
                tenant.slug,
                tenant.status.as_str(),
                tenant.id,
                tenant.name
            );
        }
        match page.next_cursor {
            Some(cursor) => query.cursor = Some(cursor),
            None => return Ok(()),
        }
    }
}
