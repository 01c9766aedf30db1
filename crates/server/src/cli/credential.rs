//! `freehold credential`.

use std::{collections::BTreeMap, io::BufRead, path::PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use connect::{
    catalogue::Provider,
    credentials::{CredentialView, NewCredential, Rotation},
};
use kernel::{
    permission::{CredentialsRead, CredentialsWrite},
    secret::Secret,
};

use crate::{cli::enter, program::Program};

#[derive(Debug, Args)]
pub struct CredentialArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Connect an account, or replace values of one that is connected.
    ///
    /// Values are given as name=value. Secrets that are left out are asked for on standard input,
    /// one line each, so that they need not stand in the shell's history; `--secret name=FILE`
    /// reads one from a file.
    #[command(
        after_help = "Example:\n  freehold credential set acme twilio account_sid=AC… phone_number=+15551234567 --secret auth_token=token.txt"
    )]
    Set {
        tenant: String,
        /// The provider's id in the catalogue; `freehold credential providers` lists them.
        provider: String,
        /// name=value
        values: Vec<String>,
        /// name=FILE: a secret and the file that holds it.
        #[arg(long = "secret", value_name = "NAME=FILE")]
        secrets: Vec<String>,
        /// Tells several accounts at one provider apart.
        #[arg(long, default_value = "default")]
        name: String,
        /// For how long, in seconds, webhooks signed with a replaced secret are still accepted.
        #[arg(long, default_value_t = 86_400)]
        grace: u32,
    },
    /// List a tenant's credentials, masked.
    List { tenant: String },
    /// Disconnect an account.
    Delete {
        tenant: String,
        provider: String,
        #[arg(long, default_value = "default")]
        name: String,
    },
    /// List the providers and the fields that they ask for.
    Providers,
}

pub async fn run(program: &Program, args: CredentialArgs) -> anyhow::Result<()> {
    match args.command {
        Command::Set {
            tenant,
            provider,
            values,
            secrets,
            name,
            grace,
        } => {
            let entry = known(program, &provider)?;
            let existing = find(program, &tenant, &provider, &name).await?;
            let values = collect(entry, &values, &secrets, existing.is_none())?;
            let access =
                enter::<CredentialsWrite>(&program.db, &tenant, "command line: credential set")
                    .await?;
            let view = match existing {
                Some(credential) => {
                    let rotation = Rotation {
                        values,
                        grace_seconds: grace,
                    };
                    program
                        .connect
                        .rotate_credential(&access, credential.id, rotation)
                        .await?
                }
                None => {
                    let new = NewCredential {
                        provider: provider.clone(),
                        name,
                        values,
                        ..NewCredential::default()
                    };
                    program.connect.create_credential(&access, new).await?
                }
            };
            show(&view);
            if entry.webhook.is_some() {
                let slug = &access.tenant().slug;
                println!("Next: enter this URL at {}:", entry.name);
                println!("  {}/hooks/{slug}/{provider}", program.config.public_url);
            }
        }
        Command::List { tenant } => {
            let all = list(program, &tenant).await?;
            if all.is_empty() {
                println!(
                    "no credentials yet; `freehold credential set {tenant} <provider>` connects an account"
                );
            }
            all.iter().for_each(show);
        }
        Command::Delete {
            tenant,
            provider,
            name,
        } => {
            let credential = find(program, &tenant, &provider, &name)
                .await?
                .with_context(|| format!("there is no {provider} credential named `{name}`"))?;
            let access =
                enter::<CredentialsWrite>(&program.db, &tenant, "command line: credential delete")
                    .await?;
            program
                .connect
                .delete_credential(&access, credential.id)
                .await?;
            println!("deleted {}; its secrets are gone", credential.id);
        }
        Command::Providers => program.connect.catalogue().iter().for_each(describe),
    }
    Ok(())
}

fn known<'a>(program: &'a Program, provider: &str) -> anyhow::Result<&'a Provider> {
    program.connect.catalogue().get(provider).with_context(|| {
        format!("there is no provider `{provider}`; `freehold credential providers` lists them")
    })
}

fn show(credential: &CredentialView) {
    println!(
        "{} {} ({}) version {}",
        credential.id, credential.provider, credential.name, credential.version
    );
    for (name, value) in &credential.fields {
        println!("  {name:<20} {value}");
    }
    for secret in &credential.secrets {
        println!(
            "  {:<20} …{} ({})",
            secret.field,
            secret.last4.as_deref().unwrap_or(""),
            secret.slot
        );
    }
}

fn describe(provider: &Provider) {
    println!("{:<20} {}", provider.id, provider.name);
    for field in &provider.credential.fields {
        let marks = match (field.secret, field.required) {
            (true, true) => "secret, required",
            (true, false) => "secret",
            (false, true) => "required",
            (false, false) => "optional",
        };
        println!("  {:<22} {:<18} {}", field.name, marks, field.label);
    }
}

async fn list(program: &Program, tenant: &str) -> anyhow::Result<Vec<CredentialView>> {
    let access =
        enter::<CredentialsRead>(&program.db, tenant, "command line: credential list").await?;
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = connect::credentials::list(&access, &Default::default(), after, 200).await?;
        let Some(last) = page.last() else {
            return Ok(all);
        };
        after = Some(last.id);
        all.extend(page);
    }
}

async fn find(
    program: &Program,
    tenant: &str,
    provider: &str,
    name: &str,
) -> anyhow::Result<Option<CredentialView>> {
    let all = list(program, tenant).await?;
    Ok(all
        .into_iter()
        .find(|credential| credential.provider == provider && credential.name == name))
}

/// The values from arguments, files and, for required secrets that are still missing, standard input.
fn collect(
    provider: &Provider,
    values: &[String],
    files: &[String],
    complete: bool,
) -> anyhow::Result<BTreeMap<String, Secret>> {
    let mut collected = BTreeMap::new();
    for value in values {
        let (name, value) = value
            .split_once('=')
            .with_context(|| format!("`{value}` is not of the form name=value"))?;
        collected.insert(name.to_owned(), Secret::new(value));
    }
    for file in files {
        let (name, path) = file
            .split_once('=')
            .with_context(|| format!("`{file}` is not of the form name=FILE"))?;
        let path = PathBuf::from(path);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("{} can't be read", path.display()))?;
        collected.insert(
            name.to_owned(),
            Secret::new(text.trim_end_matches(['\r', '\n'])),
        );
    }
    let missing = provider
        .credential
        .fields
        .iter()
        .filter(|field| complete && field.required && field.secret);
    for field in missing {
        if collected.contains_key(&field.name) {
            continue;
        }
        eprintln!("{} ({}), then Enter:", field.label, field.name);
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        collected.insert(
            field.name.clone(),
            Secret::new(line.trim_end_matches(['\r', '\n'])),
        );
    }
    Ok(collected)
}
