//! `freehold migrate`.

use clap::{Args, Subcommand};
use kernel::db;

use crate::{config::Config, program::Database};

#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(subcommand)]
    direction: Option<Direction>,
}

#[derive(Debug, Subcommand)]
enum Direction {
    /// Apply what is pending (the default).
    Up,
    /// Take back every migration above a version; their data is gone.
    Down {
        /// The version to return to, as in 20261121000003; 0 takes everything back.
        #[arg(long)]
        to: i64,
    },
    /// Say how many migrations are pending.
    Status,
}

pub async fn run(config: &Config, args: MigrateArgs) -> anyhow::Result<()> {
    let database = Database::open(config).await?;
    let outcome = match args.direction.unwrap_or(Direction::Up) {
        Direction::Up => up(&database).await,
        Direction::Down { to } => down(&database, to).await,
        Direction::Status => status(&database).await,
    };
    database.close().await?;
    outcome
}

async fn up(database: &Database) -> anyhow::Result<()> {
    let applied = db::migrate(&database.server).await?;
    if !applied.roles_created.is_empty() {
        println!(
            "created the login roles {}",
            applied.roles_created.join(", ")
        );
    }
    match applied.control + applied.cell {
        0 => println!("the database is up to date"),
        _ => println!(
            "applied {} migrations to control and {} to the cell",
            applied.control, applied.cell
        ),
    }
    println!("Next: `freehold serve`");
    Ok(())
}

async fn down(database: &Database, to: i64) -> anyhow::Result<()> {
    db::undo(&database.server, to).await?;
    println!("took back every migration above {to}");
    println!("Next: `freehold migrate` applies them again");
    Ok(())
}

async fn status(database: &Database) -> anyhow::Result<()> {
    match db::pending(&database.server).await? {
        0 => println!("the database is up to date"),
        pending => println!("{pending} migrations are pending; `freehold migrate` applies them"),
    }
    Ok(())
}
