//! `freehold vault`.

use clap::{Args, Subcommand};
use kernel::Operator;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use vault::{Census, Keyring};

use crate::{
    cli::{find, user},
    config::Config,
    key_rotation::{Rotation, SETTLED},
    program::{Program, keys::keyring_path},
};

#[derive(Debug, Args)]
pub struct VaultArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the file of the local keyring, for an installation whose keys another provider has
    /// wrapped so far.
    CreateKeyring,
    /// Show which key-encryption keys wrap how many data keys, and how many secrets each generation
    /// of data keys seals. Nothing is opened.
    Status,
    /// Make a new version of the key-encryption key. It wraps from now on; `rewrap` moves what the
    /// old ones have wrapped.
    Rotate,
    /// Move every data key under the key-encryption key that wraps now. Repeating it goes on where
    /// it broke off.
    Rewrap,
    /// Give tenants new data keys and seal everything anew under them, while they work.
    Renew {
        /// This tenant alone.
        #[arg(long)]
        tenant: Option<String>,
        /// Finish a renewal that broke off: tenants that got a key since this moment get no other.
        /// It is printed when a renewal begins.
        #[arg(long, value_parser = moment)]
        begun: Option<OffsetDateTime>,
    },
    /// Open everything there is, and say what does not open and which keys nothing needs any more.
    Verify,
    /// Destroy the keys that nothing needs any more. Everything is opened first, and nothing is
    /// destroyed unless it all opens.
    Retire,
}

fn moment(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "a time as in 2026-11-21T09:30:00Z".to_owned())
}

impl VaultArgs {
    /// Whether the command is what an installation needs that does not start without it.
    pub fn is_before_any_start(&self) -> bool {
        matches!(self.command, Command::CreateKeyring)
    }
}

pub fn create_keyring(config: &Config) -> anyhow::Result<()> {
    let path = keyring_path(&config.data);
    anyhow::ensure!(
        !path.exists(),
        "{} is there already and is left as it is",
        path.display()
    );
    Keyring::open_or_create(&path)?;
    println!("made {}, readable by its owner alone", path.display());
    println!(
        "Next: back it up apart from the database, set keys.provider to \"local\", restart, then `freehold vault rewrap`"
    );
    Ok(())
}

pub async fn run(program: &Program, args: VaultArgs) -> anyhow::Result<()> {
    let (db, user) = (&program.db, user());
    let rotation = Rotation::new(
        db,
        &program.connect,
        &program.people,
        Operator::local(db, &user),
        Operator::local(db, &user),
    );
    let mut report = |line: String| println!("  {line}");
    match args.command {
        Command::CreateKeyring => create_keyring(&program.config)?,
        Command::Status => {
            for provider in program.connect.keys().iter() {
                println!("{}", provider.describe());
            }
            let (current, census) = rotation.count().await?;
            show(&current, &census);
        }
        Command::Rotate => {
            println!("{} wraps from now on", rotation.rotate().await?);
            println!("Next: back the keyring up, then `freehold vault rewrap`");
        }
        Command::Rewrap => {
            let moved = rotation.rewrap(&mut report).await?;
            println!("{moved} data keys were rewrapped");
            println!("Next: `freehold vault verify`");
        }
        Command::Renew { tenant, begun } => {
            let only = match tenant {
                Some(slug) => Some(find(&program.db, &slug).await?.id),
                None => None,
            };
            let begun = begun.unwrap_or_else(OffsetDateTime::now_utc);
            println!(
                "if this breaks off, go on by --begun {}",
                begun.format(&Rfc3339)?
            );
            let sealed = rotation.renew(begun, only, &mut report).await?;
            println!("{sealed} secrets were sealed anew");
            println!("Next: `freehold vault verify`");
        }
        Command::Verify => {
            let census = rotation.prove(&mut report).await?;
            let (current, _) = rotation.count().await?;
            show(&current, &census);
            unneeded(program, &census)?;
            for (tenant, why) in &census.withheld {
                println!("{tenant} withholds its keys: {why}");
            }
            for fault in &census.faults {
                println!("✘ {fault}");
            }
            anyhow::ensure!(
                census.faults.is_empty(),
                "{} do not open",
                census.faults.len()
            );
            match census.withheld.len() {
                0 => println!("everything opens"),
                count => println!("everything else opens; {count} tenants withhold theirs"),
            }
        }
        Command::Retire => {
            let retired = rotation.retire(SETTLED, &mut report).await?;
            println!(
                "destroyed: {} data keys, {} versions of the local keyring {:?}",
                retired.data_keys,
                retired.versions.len(),
                retired.versions
            );
            for tenant in retired.withheld {
                println!("{tenant} withholds its keys and keeps them all");
            }
            for kek in retired.elsewhere {
                println!("nothing needs {kek} any more; destroy it at its provider");
            }
        }
    }
    Ok(())
}

fn show(current: &str, census: &Census) {
    println!("{:<60} {:>10}", "key-encryption key", "data keys");
    for (kek, count) in &census.wraps {
        let mark = if kek == current { "  wraps now" } else { "" };
        println!("{kek:<60} {count:>10}{mark}");
    }
    if !census.wraps.contains_key(current) {
        println!("{current:<60} {:>10}  wraps now", 0);
    }
    println!("{:<60} {:>10}", "generation of data keys", "secrets");
    for (generation, count) in &census.secrets {
        println!("{generation:<60} {count:>10}");
    }
}

fn unneeded(program: &Program, census: &Census) -> anyhow::Result<()> {
    let Some(keyring) = program.connect.keys().keyring() else {
        return Ok(());
    };
    let (versions, current) = keyring.versions()?;
    for version in versions {
        let kek = format!("local:v{version}");
        if version != current && !census.wraps.contains_key(&kek) {
            println!("nothing needs {kek} any more; `freehold vault retire` destroys it");
        }
    }
    Ok(())
}
