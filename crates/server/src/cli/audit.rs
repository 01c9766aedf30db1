//! `freehold audit`: the key that signs checkpoints, exports and checkpoints of the logs, and the
//! verification of an export, which needs neither settings nor a database.

use std::{
    fs::File,
    io::{self, BufReader, Write},
    path::{Path, PathBuf},
    pin::pin,
    time::Instant,
};

use ::audit::{
    api,
    key::VerifierKey,
    verify::{Report, verify},
};
use anyhow::Context;
use clap::{Args, Subcommand};
use futures_util::StreamExt;
use kernel::{
    Operator,
    audit::{GENESIS, PlatformLog},
    page::PageQuery,
    permission::AuditRead,
};

use super::{enter, user};
use crate::{
    config::Config,
    program::{self, Program},
};

/// The export is what was recorded.
const INTACT: u8 = 0;
const TAMPERED: u8 = 1;
const UNUSABLE: u8 = 2;
/// Entries of the operators' log that are in memory at a time.
const STRETCH: i64 = 500;

/// Take audit logs away, and verify what was taken.
#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the public key that checkpoints are verified with.
    Key,
    /// Write a log to standard output, a line of JSON for each entry.
    #[command(after_help = "Example:\n  freehold audit export --tenant acme > acme.jsonl")]
    Export(ExportArgs),
    /// Write a tenant's checkpoints to standard output, newest first.
    Checkpoints {
        /// The tenant's slug or id.
        #[arg(long)]
        tenant: String,
    },
    /// Say whether an export is what was recorded, and if not, where it differs.
    ///
    /// Needs no database and no settings. Exit status: 0 intact, 1 tampered with, 2 unusable input.
    #[command(
        after_help = "Example:\n  freehold audit verify --checkpoints notes --vkey \"$(cat audit.vkey)\" acme.jsonl"
    )]
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The tenant's slug or id.
    #[arg(long, required_unless_present = "platform")]
    tenant: Option<String>,
    /// The operators' own log instead of a tenant's.
    #[arg(long, conflicts_with = "tenant")]
    platform: bool,
    /// The number of the last entry that is already there.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    after: i64,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// What `freehold audit export` or GET /v1/audit/export gave.
    export: PathBuf,
    /// Checkpoints, one after the other, best from a place that nobody could write to who could
    /// write to the database.
    #[arg(long, value_name = "FILE", requires = "vkey")]
    checkpoints: Option<PathBuf>,
    /// The key that signed them, as `freehold audit key` prints it.
    #[arg(long, value_name = "KEY", requires = "checkpoints", value_parser = vkey)]
    vkey: Option<VerifierKey>,
}

fn vkey(text: &str) -> Result<VerifierKey, &'static str> {
    text.trim().parse()
}

/// Prints the public key; makes the key first where there is none yet.
pub fn key(config: &Config) -> anyhow::Result<()> {
    println!("{}", program::audit_key(config)?.verifier());
    Ok(())
}

/// Writes a log to standard output. What a person reads goes to standard error.
pub async fn export(program: &Program, args: ExportArgs) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let Some(tenant) = args.tenant else {
        let operator = Operator::local(&program.db, &user());
        let mut log = PlatformLog::export(&operator, args.after).await?;
        loop {
            let entries = log.next(STRETCH).await?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                serde_json::to_writer(&mut out, &entry)?;
                out.write_all(b"\n")?;
            }
        }
        return Ok(out.flush()?);
    };
    let access = enter::<AuditRead>(&program.db, &tenant, "command line: audit export").await?;
    let mut lines = pin!(api::lines(access, args.after).await?);
    while let Some(text) = lines.next().await {
        out.write_all(&text?)?;
    }
    out.flush()?;
    eprintln!(
        "Next: `freehold audit verify` with the export; with the checkpoints that audit.sink took, \
         or those of `freehold audit checkpoints --tenant {tenant}`, it also sees whether the \
         newest entries are there."
    );
    Ok(())
}

/// Writes a tenant's checkpoints to standard output.
pub async fn checkpoints(program: &Program, tenant: &str) -> anyhow::Result<()> {
    let access = enter::<AuditRead>(&program.db, tenant, "command line: audit checkpoints").await?;
    let mut query = PageQuery {
        cursor: None,
        limit: Some(200),
    };
    let mut out = io::stdout().lock();
    loop {
        let page = api::checkpoints(&access, &query).await?;
        for checkpoint in page.data {
            out.write_all(checkpoint.note.as_bytes())?;
        }
        match page.next_cursor {
            Some(cursor) => query.cursor = Some(cursor),
            None => return Ok(out.flush()?),
        }
    }
}

/// Verifies an export and returns the exit status. Everything that is said goes to `out`.
pub fn check(args: &VerifyArgs, out: &mut dyn Write) -> io::Result<u8> {
    let begun = Instant::now();
    match read(args) {
        Ok(report) => {
            let seconds = begun.elapsed().as_secs_f64();
            tell(&report, args.checkpoints.is_some(), seconds, out)?;
            Ok(match report.is_intact() {
                true if report.entries == 0 => UNUSABLE,
                true => INTACT,
                false => TAMPERED,
            })
        }
        Err(unusable) => {
            writeln!(out, "unusable input: {unusable:#}")?;
            Ok(UNUSABLE)
        }
    }
}

fn read(args: &VerifyArgs) -> anyhow::Result<Report> {
    let open = |path: &Path| {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        anyhow::Ok(BufReader::with_capacity(1 << 16, file))
    };
    let notes = match (&args.checkpoints, &args.vkey) {
        (Some(path), Some(key)) => Some((open(path)?, key)),
        _ => None,
    };
    Ok(verify(open(&args.export)?, notes)?)
}

fn tell(report: &Report, signed: bool, seconds: f64, out: &mut dyn Write) -> io::Result<()> {
    for fault in &report.faults {
        writeln!(out, "✘ {fault}")?;
    }
    if report.more > 0 {
        writeln!(out, "✘ and {} more", report.more)?;
    }
    let Some(log) = &report.log else {
        writeln!(out, "no entries were found")?;
        return Ok(());
    };
    let rate = report.entries as f64 / seconds.max(1e-9);
    writeln!(
        out,
        "{log}: {} entries up to number {}, {rate:.0} entries/s",
        report.entries, report.last
    )?;
    if report.head != GENESIS {
        writeln!(out, "  the last one's hash is {}", report.head)?;
    }
    if signed {
        writeln!(
            out,
            "  {} checkpoints of this log agree, the latest covers {} entries; {} of other logs or \
             keys were passed over",
            report.agreed, report.covered, report.ignored
        )?;
    }
    if !report.is_intact() {
        writeln!(
            out,
            "NOT what was recorded. Next: export again, to rule out a damaged file. If the faults \
             stay, keep the database as it is, compare the places named with a backup and with what \
             audit.stream delivered, and ask who could write to the database."
        )
    } else if report.covered == report.last {
        writeln!(out, "intact: all of it is what was signed")
    } else if report.agreed > 0 {
        writeln!(
            out,
            "intact; entries after number {} are newer than the latest checkpoint. Next: verify \
             again with a later one, to know that the newest are there",
            report.covered
        )
    } else {
        writeln!(
            out,
            "intact in itself. Next: give --checkpoints and --vkey of this log; without them, \
             nobody sees that the newest entries were removed, or all of it written anew"
        )
    }
}
