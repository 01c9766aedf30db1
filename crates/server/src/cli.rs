//! The command line. Each command prints what it did and what to do next; what goes wrong is told
//! with the way to mend it.

mod audit;
mod credential;
mod doctor;
mod keys;
mod migrate;
mod sandbox;
mod signing_keys;
mod tenant;
mod user;
mod vault;
mod webhook;

use std::{io::Read, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use kernel::{
    Access, Db, Operator,
    db::Tenant,
    permission::{Permission, TenantsEnter},
};

use crate::{
    config::{self, Config},
    demo, logging,
    program::Program,
    serve::Node,
};

/// The backbone of a SaaS product whose customers bring their own accounts.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "New here? `freehold demo` starts everything with simulated providers."
)]
pub struct Cli {
    /// The folder with keys, settings and the private database.
    #[arg(long, global = true, env = "FREEHOLD_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// A settings file to use instead of freehold.toml in the data folder.
    #[arg(long, global = true, env = "FREEHOLD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything with demo tenants and simulated providers, and show a message's whole way.
    Demo(demo::DemoArgs),
    /// Serve the API, receive webhooks and work the jobs.
    Serve,
    /// Bring the database up to date, or take migrations back.
    Migrate(migrate::MigrateArgs),
    /// Create tenants and lead them through their lifecycle.
    Tenant(tenant::TenantArgs),
    /// Make people's accounts, and keep them.
    User(user::UserArgs),
    /// Connect a tenant's accounts at providers.
    Credential(credential::CredentialArgs),
    /// Make and revoke a tenant's API keys.
    Keys(keys::KeysArgs),
    /// Take audit logs away, and verify what was taken.
    Audit(audit::AuditArgs),
    /// List and rotate the keys that sign access tokens.
    SigningKeys(signing_keys::SigningKeysArgs),
    /// Rotate the keys that everything secret is sealed under, and prove that all of it opens.
    Vault(vault::VaultArgs),
    /// Check or make webhook signatures by hand.
    Webhook(webhook::WebhookArgs),
    /// Send signed sample webhooks, as the providers would.
    Sandbox(sandbox::SandboxArgs),
    /// Look for what is wrong with a set-up and say how to mend it.
    Doctor(doctor::DoctorArgs),
}

/// Runs a command to its end.
pub fn run(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    runtime
        .block_on(dispatch(cli))
        .unwrap_or_else(|error| failed(&error))
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    // These need neither settings nor a database.
    if let Command::Webhook(args) = cli.command {
        let mut body = Vec::new();
        std::io::stdin().lock().read_to_end(&mut body)?;
        return Ok(ExitCode::from(webhook::run(
            args,
            body,
            &mut std::io::stdout().lock(),
        )?));
    }
    if let Command::Audit(audit::AuditArgs {
        command: audit::Command::Verify(args),
    }) = &cli.command
    {
        let status = audit::check(args, &mut std::io::stdout().lock())?;
        return Ok(ExitCode::from(status));
    }
    let data = cli.data.unwrap_or_else(|| match &cli.command {
        Command::Demo(_) => config::demo_data(&config::default_data()),
        _ => config::default_data(),
    });
    let load = || Config::load(&data, cli.config.as_deref());
    match cli.command {
        Command::Webhook(_) => {}
        Command::Demo(args) => demo::run(load()?, args).await?,
        Command::Serve => serve(load()?).await?,
        Command::Migrate(args) => migrate::run(&load()?, args).await?,
        Command::Doctor(args) => return doctor::run(load, args).await,
        Command::Sandbox(args) => sandbox::run(&load()?, args).await?,
        Command::Tenant(args) => {
            with_program(load()?, async |program| tenant::run(program, args).await).await?
        }
        Command::User(args) => {
            with_program(load()?, async |program| user::run(program, args).await).await?
        }
        Command::Credential(args) => {
            with_program(load()?, async |program| {
                credential::run(program, args).await
            })
            .await?;
        }
        Command::Audit(args) => match args.command {
            audit::Command::Verify(_) => {}
            audit::Command::Key => audit::key(&load()?)?,
            audit::Command::Export(args) => {
                with_program(load()?, async |program| audit::export(program, args).await).await?;
            }
            audit::Command::Checkpoints { tenant } => {
                with_program(load()?, async |program| {
                    audit::checkpoints(program, &tenant).await
                })
                .await?;
            }
        },
        Command::Keys(args) => {
            with_program(load()?, async |program| keys::run(program, args).await).await?
        }
        Command::Vault(args) if args.is_before_any_start() => vault::create_keyring(&load()?)?,
        Command::Vault(args) => {
            with_program(load()?, async |program| vault::run(program, args).await).await?;
        }
        Command::SigningKeys(args) => {
            with_program(load()?, async |program| {
                signing_keys::run(program, args).await
            })
            .await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config) -> anyhow::Result<()> {
    logging::init(&config.log)?;
    let program = Program::open(config).await?;
    let node = Node::start(program).await?;
    let config = &node.program().config;
    println!("Freehold listens on http://{}", node.address);
    println!("  database    {}", node.program().database().describe());
    println!("  data        {}", config.data.display());
    println!("  public URL  {}", config.public_url);
    println!("  API         {}/docs/api", config.public_url);
    println!(
        "Next: `{} tenant create <slug>`; stop with Ctrl-C.",
        invocation(config)
    );
    node.run().await
}

/// Opens the program for one command and closes it again, whatever the command came to.
async fn with_program(
    config: Config,
    command: impl AsyncFnOnce(&Program) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let program = Program::open(config).await?;
    let outcome = command(&program).await;
    program.close().await?;
    outcome
}

/// Access inside a tenant for whoever sits at the server's own machine. Both audit logs name them.
pub(crate) async fn enter<P: Permission>(
    db: &Db,
    slug: &str,
    reason: &str,
) -> anyhow::Result<Access<P>> {
    let tenant = find(db, slug).await?;
    Ok(Operator::<TenantsEnter>::local(db, &user())
        .enter(tenant, reason)
        .await?)
}

pub(crate) async fn find(db: &Db, slug: &str) -> anyhow::Result<Tenant> {
    let tenant = match slug.parse() {
        Ok(id) => db.directory().by_id(id).await?,
        Err(_) => db.directory().by_slug(slug).await?,
    };
    tenant.ok_or_else(|| {
        anyhow::anyhow!("there is no tenant `{slug}`; `freehold tenant list` shows them")
    })
}

/// How to call this program again on the same data, for the commands that hints name.
pub(crate) fn invocation(config: &Config) -> String {
    let program = std::env::current_exe().ok().and_then(|exe| {
        let folder = exe.parent()?;
        let in_path = std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|entry| entry == folder));
        let here = std::env::current_dir().ok()?;
        let path = exe.strip_prefix(&here).unwrap_or(&exe);
        (!in_path).then(|| path.display().to_string())
    });
    let program = program.unwrap_or_else(|| "freehold".to_owned());
    let usual = config::default_data();
    if config.data == usual || config.data == config::demo_data(&usual) {
        return program;
    }
    format!("{program} --data {}", config.data.display())
}

/// The login name, for audit logs.
pub(crate) fn user() -> String {
    std::env::var("SUDO_USER")
        .or_else(|_| std::env::var("USER"))
        .unwrap_or_else(|_| "unknown".to_owned())
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
    ExitCode::FAILURE
}
