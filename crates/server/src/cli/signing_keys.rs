//! `freehold signing-keys`.

use clap::{Args, Subcommand};
use identity::tokens::Urgency;
use kernel::{Operator, permission::SigningKeysWrite};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{cli::user, program::Program};

#[derive(Debug, Args)]
pub struct SigningKeysArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the keys that were made, newest first, and what each does.
    List,
    /// Make another key. It is published at once and signs in ten minutes; the old one stays
    /// published until its last token has run out. Serving nodes do the same every thirty days.
    Rotate {
        /// The old keys are in wrong hands: they, and all tokens out, end within seconds.
        #[arg(long)]
        at_once: bool,
    },
}

pub async fn run(program: &Program, args: SigningKeysArgs) -> anyhow::Result<()> {
    match args.command {
        Command::List => {
            let now = OffsetDateTime::now_utc();
            for key in program.tokens.keys().await? {
                let state = if key.published_until.is_some_and(|until| until <= now) {
                    "withdrawn"
                } else if key.signs_from > now {
                    "published"
                } else {
                    "valid"
                };
                let from = key.signs_from.format(&Rfc3339)?;
                println!("{} {state:<9} signs from {from}", key.kid);
            }
        }
        Command::Rotate { at_once } => {
            let operator = Operator::<SigningKeysWrite>::local(&program.db, &user());
            let urgency = match at_once {
                true => Urgency::AtOnce,
                false => Urgency::Orderly,
            };
            match program.tokens.rotate(&operator, urgency).await? {
                Some(kid) if at_once => {
                    println!("{kid} signs from now on, and nothing else is believed")
                }
                Some(kid) => println!("{kid} is published, and signs in ten minutes"),
                None => anyhow::bail!("another node has just made a key; nothing was changed"),
            }
        }
    }
    Ok(())
}
