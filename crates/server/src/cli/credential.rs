//! `freehold credential`.

use std::{
    collections::BTreeMap,
    io::{BufRead, Read},
    path::PathBuf,
};

use anyhow::Context;
use clap::{Args, Subcommand};
use connect::{
    catalogue::Provider,
    credentials::{
        CredentialView, Environment, Filter, NewCredential, Rotation,
        import::{Entry, Format, Import, LONGEST, Report},
    },
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
        #[arg(long, value_parser = environment, default_value = "live")]
        environment: Environment,
        /// For how long, in seconds, webhooks signed with a replaced secret are still accepted.
        #[arg(long, default_value_t = 86_400)]
        grace: u32,
    },
    /// Take credentials from a file: environment variables, a table or JSON.
    ///
    /// Each credential is taken as a whole or refused; what is there already stays as it is, so that
    /// the same file can be imported again.
    #[command(after_help = "Example:\n  freehold credential import acme .env --dry-run")]
    Import {
        tenant: String,
        /// The file; `-` reads standard input.
        file: String,
        /// Say what would become of each value, and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// env, csv or json; by the file's name if absent.
        #[arg(long, value_parser = format)]
        format: Option<Format>,
        /// The name of credentials that the file gives none.
        #[arg(long, default_value = "default")]
        name: String,
        /// The environment of credentials that the file gives none.
        #[arg(long, value_parser = environment, default_value = "live")]
        environment: Environment,
    },
    /// List a tenant's credentials, masked.
    List { tenant: String },
    /// Disconnect an account.
    Delete {
        tenant: String,
        provider: String,
        #[arg(long, default_value = "default")]
        name: String,
        #[arg(long, value_parser = environment, default_value = "live")]
        environment: Environment,
    },
    /// List the providers and the fields that they ask for.
    Providers,
}

fn environment(text: &str) -> Result<Environment, String> {
    match text {
        "live" => Ok(Environment::Live),
        "test" => Ok(Environment::Test),
        _ => Err("must be live or test".to_owned()),
    }
}

fn format(text: &str) -> Result<Format, String> {
    Format::parse(text).ok_or_else(|| "must be env, csv or json".to_owned())
}

pub async fn run(program: &Program, args: CredentialArgs) -> anyhow::Result<()> {
    match args.command {
        Command::Set {
            tenant,
            provider,
            values,
            secrets,
            name,
            environment,
            grace,
        } => {
            let entry = known(program, &provider)?;
            let existing = find(program, &tenant, &provider, environment, &name).await?;
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
                        environment,
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
        Command::Import {
            tenant,
            file,
            dry_run,
            format,
            name,
            environment,
        } => {
            let import = Import {
                format: format
                    .or_else(|| Format::of_file(&file))
                    .context("the file's name doesn't say its format; give --format")?,
                text: read(&file)?,
                name,
                environment,
            };
            let access =
                enter::<CredentialsWrite>(&program.db, &tenant, "command line: credential import")
                    .await?;
            let report = program
                .connect
                .import_credentials(&access, &import, dry_run)
                .await?;
            tell(&report);
        }
        Command::Delete {
            tenant,
            provider,
            name,
            environment,
        } => {
            let credential = find(program, &tenant, &provider, environment, &name)
                .await?
                .with_context(|| format!("there is no {provider} credential named `{name}`"))?;
            let access =
                enter::<CredentialsWrite>(&program.db, &tenant, "command line: credential delete")
                    .await?;
            let ended = program.connect.disconnect(&access, credential.id).await?;
            println!("deleted {}; its secrets are gone", credential.id);
            match ended.detail {
                None => println!("{provider} has taken back what was granted"),
                Some(left) => println!("at {provider} nothing was taken back: {left}"),
            }
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
        "{} {} ({}, {}{}) version {}",
        credential.id,
        credential.provider,
        credential.name,
        credential.environment.as_str(),
        if credential.is_default {
            ", default"
        } else {
            ""
        },
        credential.version
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

/// The text of an import, which may be secret from beginning to end.
fn read(file: &str) -> anyhow::Result<Secret> {
    let mut text = String::new();
    // One byte more than is taken: whatever is longer is refused, and not cut.
    let limit = LONGEST as u64 + 1;
    match file {
        "-" => std::io::stdin()
            .lock()
            .take(limit)
            .read_to_string(&mut text),
        path => {
            std::fs::File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text))
        }
    }
    .with_context(|| format!("{file} can't be read as text"))?;
    Ok(Secret::new(text))
}

fn tell(report: &Report) {
    for entry in &report.entries {
        println!("{}", line(entry));
    }
    for taken in &report.credentials {
        let reason = taken.reason.as_deref().unwrap_or_default();
        println!(
            "{} ({}, {}): {}{}{reason}",
            taken.provider,
            taken.name,
            taken.environment.as_str(),
            word(&taken.outcome),
            if reason.is_empty() { "" } else { ": " },
        );
    }
    if report.dry_run {
        println!("this was a dry run; nothing was changed");
    }
}

fn line(entry: &Entry) -> String {
    let source = entry.source.as_deref().unwrap_or("…");
    let to = match (&entry.provider, &entry.field) {
        (Some(provider), Some(field)) => format!(" → {provider}.{field}"),
        _ => String::new(),
    };
    let last4 = entry.last4.as_deref();
    let last4 = last4.map_or_else(String::new, |last4| format!(" …{last4}"));
    let reason = entry.reason.as_deref();
    let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    format!(
        "{:<12} {source}{to}{last4} {}{reason}",
        entry.place,
        word(&entry.outcome)
    )
}

/// An outcome as the API writes it.
fn word(outcome: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(outcome).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
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
        let page = connect::credentials::list(&access, &Filter::default(), after, 200).await?;
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
    environment: Environment,
    name: &str,
) -> anyhow::Result<Option<CredentialView>> {
    let all = list(program, tenant).await?;
    Ok(all.into_iter().find(|credential| {
        credential.provider == provider
            && credential.environment == environment
            && credential.name == name
    }))
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
