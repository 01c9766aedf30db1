//! `freehold keys`.

use clap::{Args, Subcommand, ValueEnum};
use identity::api_keys::{self, NewApiKey, Rotation};
use kernel::{
    access::api_key::Mode,
    page::PageQuery,
    permission::{ApiKeysRead, ApiKeysWrite},
};

use crate::{cli::enter, program::Program};

#[derive(Debug, Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an API key. It is printed once and can't be read again.
    Create {
        tenant: String,
        /// What it is for.
        #[arg(long, default_value = "made on the command line")]
        name: String,
        /// A role whose permissions the key carries: owner, admin, developer, agent or viewer.
        #[arg(
            long,
            conflicts_with = "permissions",
            required_unless_present = "permissions"
        )]
        role: Option<String>,
        /// Single permissions instead of a role, as in conversations:read,messages:send.
        #[arg(long, value_delimiter = ',')]
        permissions: Option<Vec<String>>,
        #[arg(long, value_enum, default_value = "live")]
        mode: ModeArg,
    },
    /// List a tenant's keys, masked.
    List { tenant: String },
    /// Give a key another secret. It is printed once and can't be read again.
    Rotate {
        tenant: String,
        /// The key's id, as in key_01h455vb4pex5vsknk084sn02q.
        key: String,
        /// How long the old secret is still taken, in seconds.
        #[arg(long, default_value_t = 0)]
        grace_seconds: u32,
    },
    /// Revoke a key. It is refused from now on.
    Revoke {
        tenant: String,
        /// The key's id, as in key_01h455vb4pex5vsknk084sn02q.
        key: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeArg {
    Live,
    Test,
}

pub async fn run(program: &Program, args: KeysArgs) -> anyhow::Result<()> {
    match args.command {
        Command::Create {
            tenant,
            name,
            role,
            permissions,
            mode,
        } => {
            let access =
                enter::<ApiKeysWrite>(&program.db, &tenant, "command line: keys create").await?;
            let mode = match mode {
                ModeArg::Live => Mode::Live,
                ModeArg::Test => Mode::Test,
            };
            let new = NewApiKey {
                name,
                mode,
                permissions,
                role,
                expires_at: None,
            };
            let issued = api_keys::create(&access, new).await?;
            println!(
                "created {}; this is the only time that the key is shown:",
                issued.api_key.id
            );
            println!("{}", issued.key.expose());
            println!(
                "Next: curl -H 'Authorization: Bearer …' {}/v1/conversations",
                program.config.public_url
            );
        }
        Command::List { tenant } => {
            let access =
                enter::<ApiKeysRead>(&program.db, &tenant, "command line: keys list").await?;
            let mut query = PageQuery {
                cursor: None,
                limit: Some(200),
            };
            loop {
                let page = api_keys::list(&access, &query).await?;
                for key in page.data {
                    let state = if key.revoked_at.is_some() {
                        "revoked"
                    } else {
                        "valid"
                    };
                    println!("{} {:<8} {:<16} {}", key.id, state, key.display, key.name);
                }
                match page.next_cursor {
                    Some(cursor) => query.cursor = Some(cursor),
                    None => break,
                }
            }
        }
        Command::Rotate {
            tenant,
            key,
            grace_seconds,
        } => {
            let access =
                enter::<ApiKeysWrite>(&program.db, &tenant, "command line: keys rotate").await?;
            let rotation = Rotation { grace_seconds };
            let issued = api_keys::rotate(&access, key.parse()?, &rotation).await?;
            println!("{key} has another secret; this is the only time that it is shown:");
            println!("{}", issued.key.expose());
        }
        Command::Revoke { tenant, key } => {
            let access =
                enter::<ApiKeysWrite>(&program.db, &tenant, "command line: keys revoke").await?;
            api_keys::revoke(&access, key.parse()?).await?;
            println!("revoked {key}; requests with it are refused from now on");
        }
    }
    Ok(())
}
