//! `freehold user`: accounts without the mailbox's part, such as the first administrator's.

use std::io::Read;

use clap::{Args, Subcommand, ValueEnum};
use identity::{
    members,
    people::Email,
    users::{self, NewUser, PlatformRole, UserChanges, UserFilter, UserStatus},
};
use kernel::{
    Operator,
    page::PageQuery,
    permission::{UsersRead, UsersWrite},
    secret::Secret,
};

use crate::{
    cli::{find, user},
    program::Program,
};

#[derive(Debug, Args)]
pub struct UserArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an account, or give an existing one another password and role. The password is read
    /// from standard input.
    Put {
        email: String,
        /// The name for people; the address when left out.
        #[arg(long)]
        name: Option<String>,
        /// Makes the person a member of staff.
        #[arg(long, value_enum)]
        platform_role: Option<RoleArg>,
    },
    /// List all accounts.
    List,
    /// Keep somebody out, and end their sessions.
    Disable {
        /// The account's id, as in usr_01h455vb4pex5vsknk084sn02q.
        user: String,
    },
    /// Let somebody in again.
    Enable { user: String },
    /// Make somebody a member of a tenant, in a role of the catalogue.
    Join {
        user: String,
        tenant: String,
        #[arg(long)]
        role: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleArg {
    Administrator,
    Support,
}

pub async fn run(program: &Program, args: UserArgs) -> anyhow::Result<()> {
    let operator = Operator::<UsersWrite>::local(&program.db, &user());
    match args.command {
        Command::Put {
            email,
            name,
            platform_role,
        } => {
            let new = NewUser {
                name: name.unwrap_or_else(|| email.clone()),
                email: Email::parse(&email)?,
                password: password()?,
                platform_role: platform_role.map(|role| match role {
                    RoleArg::Administrator => PlatformRole::Administrator,
                    RoleArg::Support => PlatformRole::Support,
                }),
            };
            let user = users::put(&program.people, &operator, new).await?;
            println!("{} can sign in ({})", user.email, user.id);
            println!("Next: freehold user join {} <tenant> --role owner", user.id);
        }
        Command::List => list(program).await?,
        Command::Disable { user } => set(&operator, &user, UserStatus::Disabled).await?,
        Command::Enable { user } => set(&operator, &user, UserStatus::Active).await?,
        Command::Join { user, tenant, role } => {
            let entry = find(&program.db, &tenant).await?;
            members::put(&operator, &entry, user.parse()?, &role).await?;
            println!("{user} belongs to {tenant}");
        }
    }
    Ok(())
}

/// The first line of standard input, so that no password stands in a list of processes.
fn password() -> anyhow::Result<Secret> {
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text)?;
    let line = text.lines().next().unwrap_or_default();
    anyhow::ensure!(
        !line.is_empty(),
        "the password is read from standard input, which is empty"
    );
    Ok(Secret::new(line))
}

async fn set(
    operator: &Operator<UsersWrite>,
    user: &str,
    status: UserStatus,
) -> anyhow::Result<()> {
    let changes = UserChanges {
        status: Some(status),
        ..UserChanges::default()
    };
    let view = users::update(operator, user.parse()?, &changes).await?;
    println!("{}: {:?}", view.email, view.status);
    Ok(())
}

async fn list(program: &Program) -> anyhow::Result<()> {
    let operator = Operator::<UsersRead>::local(&program.db, &user());
    let mut query = PageQuery {
        cursor: None,
        limit: Some(200),
    };
    loop {
        let page = users::list(&operator, &UserFilter::default(), &query).await?;
        for user in page.data {
            println!("{} {:<10?} {}", user.id, user.status, user.email);
        }
        match page.next_cursor {
            Some(cursor) => query.cursor = Some(cursor),
            None => return Ok(()),
        }
    }
}
