//! `freehold doctor`: checks a set-up and says how to mend it.

use std::{
    os::unix::fs::MetadataExt,
    path::Path,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use clap::Args;
use kernel::db::{self, Server, inspect};
use vault::Keyring;

use crate::{
    config::{Config, DEFAULTS, KeyProviderName},
    program::{self, Database},
};

/// A difference between our clock and the database's that spoils webhook time windows.
const CLOCK: Duration = Duration::from_secs(5);
const REACH: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print every setting with its default and meaning, and stop.
    #[arg(long)]
    defaults: bool,
    /// Do not try to reach the providers.
    #[arg(long)]
    offline: bool,
}

/// What was found, line by line.
#[derive(Default)]
struct Report {
    faults: u32,
}

impl Report {
    fn good(&self, what: &str, detail: impl std::fmt::Display) {
        println!("✔ {what:<14} {detail}");
    }

    fn hint(&self, what: &str, detail: impl std::fmt::Display) {
        println!("· {what:<14} {detail}");
    }

    fn fault(&mut self, what: &str, detail: impl std::fmt::Display, remedy: &str) {
        self.faults += 1;
        println!("✘ {what:<14} {detail}");
        println!("  {:<14} mend it: {remedy}", "");
    }
}

pub async fn run(
    load: impl FnOnce() -> anyhow::Result<Config>,
    args: DoctorArgs,
) -> anyhow::Result<ExitCode> {
    if args.defaults {
        print!("{DEFAULTS}");
        return Ok(ExitCode::SUCCESS);
    }
    let mut report = Report::default();
    let config = match load() {
        Ok(config) => config,
        Err(error) => {
            report.fault("settings", format!("{error:#}"), "correct the named key");
            return Ok(ExitCode::FAILURE);
        }
    };
    report.good(
        "settings",
        format!(
            "listen on {}, public URL {}",
            config.listen, config.public_url
        ),
    );
    public_url(&mut report, &config);
    data_folder(&mut report, &config.data);
    // Where another provider wraps, one that is there is opened all the same, for what it has wrapped.
    let is_there = program::keys::keyring_path(&config.data).exists();
    if is_there || config.keys.provider == KeyProviderName::Local {
        keyring(&mut report, &config.data);
    }
    if config.mail().is_none() {
        report.hint(
            "mail",
            "is not sent: invitations and links wait until mail.smtp_url is set",
        );
    }
    match Database::open(&config).await {
        Err(error) => {
            report.fault(
                "database",
                format!("{error:#}"),
                "follow what the message says, then run this again",
            );
        }
        Ok(database) => {
            report.good("database", database.describe());
            check_database(&mut report, &database.server).await;
            database.close().await?;
        }
    }
    if !args.offline {
        #[cfg(feature = "redis")]
        redis(&mut report, &config.bus.redis_url).await;
        key_providers(&mut report, &config).await;
        providers(&mut report, &config).await;
    }
    if report.faults == 0 {
        println!("\nNothing is wrong. Next: `freehold serve`");
        return Ok(ExitCode::SUCCESS);
    }
    println!("\n{} to mend.", report.faults);
    Ok(ExitCode::FAILURE)
}

fn public_url(report: &mut Report, config: &Config) {
    if config.public_url.starts_with("https://") {
        return;
    }
    report.hint(
        "public URL",
        "providers deliver to https:// only; set FREEHOLD_PUBLIC_URL before you connect real ones",
    );
}

fn data_folder(report: &mut Report, data: &Path) {
    match std::fs::metadata(data) {
        Err(_) => report.hint(
            "data folder",
            format!(
                "{} does not exist yet; the first start makes it",
                data.display()
            ),
        ),
        Ok(found) if found.mode() & 0o007 != 0 => report.fault(
            "data folder",
            format!(
                "{} is open to everybody (mode {:o})",
                data.display(),
                found.mode() & 0o777
            ),
            &format!("chmod 700 {}", data.display()),
        ),
        Ok(_) => report.good("data folder", data.display()),
    }
}

fn keyring(report: &mut Report, data: &Path) {
    let path = program::keys::keyring_path(data);
    if !path.exists() {
        report.hint(
            "keyring",
            "is made by the first start; back it up apart from the database",
        );
        return;
    }
    match Keyring::open(&path) {
        Ok(_) => report.good(
            "keyring",
            format!("{}, readable by its owner alone", path.display()),
        ),
        Err(error) => report.fault(
            "keyring",
            error,
            "do what the message says, or put the file back from a back-up",
        ),
    }
}

/// Whether the configured Redis answers.
#[cfg(feature = "redis")]
async fn redis(report: &mut Report, url: &kernel::secret::Secret) {
    if url.expose().is_empty() {
        return;
    }
    let answer = match kernel::bus::Redis::open(url) {
        Ok(redis) => redis.ping().await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(()) => report.good("redis", "answers"),
        Err(error) => report.fault("redis", error, "correct bus.redis_url, or start the Redis"),
    }
}

/// Whether the key providers elsewhere let us in and have a key that is of use.
async fn key_providers(report: &mut Report, config: &Config) {
    let all = match program::keys::remote(config).await {
        Ok(all) => all,
        Err(error) => {
            report.fault(
                "key provider",
                format!("{error:#}"),
                "correct the named key",
            );
            return;
        }
    };
    for (_, provider) in all {
        match provider.current_kek().await {
            Ok(kek) => report.good("key provider", format!("{kek} can be used")),
            Err(error) => report.fault(
                "key provider",
                error,
                "see that the address is right, the login may use the key, and the key is enabled; docs/keys.md",
            ),
        }
    }
}

async fn check_database(report: &mut Report, server: &Server) {
    match db::pending(server).await {
        Ok(0) => report.good("migrations", "none is pending"),
        Ok(pending) => report.fault(
            "migrations",
            format!("{pending} pending"),
            "freehold migrate",
        ),
        Err(error) => {
            report.fault(
                "migrations",
                format!("can't be read: {error}"),
                "freehold migrate",
            );
            return;
        }
    }
    match inspect::roles(server).await {
        Ok(faults) if faults.is_empty() => report.good(
            "roles",
            "six login roles, none of them above row-level security",
        ),
        Ok(faults) => report.fault(
            "roles",
            faults.join("; "),
            "freehold migrate creates them; take the named rights away",
        ),
        Err(error) => report.fault(
            "roles",
            error,
            "see that DATABASE_URL's login may read pg_roles",
        ),
    }
    match inspect::row_level_security(server).await {
        Ok(faults) if faults.is_empty() => report.good(
            "isolation",
            "row-level security is forced on every tenant table",
        ),
        Ok(faults) => report.fault(
            "isolation",
            faults.join("; "),
            "ALTER TABLE … ENABLE ROW LEVEL SECURITY; ALTER TABLE … FORCE ROW LEVEL SECURITY",
        ),
        Err(error) => report.fault("isolation", error, "see that the login may read pg_class"),
    }
    match inspect::clock(server).await {
        Ok(theirs) => {
            let ours = SystemTime::now();
            let apart = ours
                .duration_since(theirs)
                .or_else(|_| theirs.duration_since(ours))
                .unwrap_or_default();
            if apart > CLOCK {
                report.fault(
                    "clock",
                    format!("{} s from the database's", apart.as_secs()),
                    "set both machines' clocks by NTP",
                );
            } else {
                report.good("clock", "agrees with the database's");
            }
        }
        Err(error) => report.fault("clock", error, "see that the database answers"),
    }
}

/// Whether providers' hosts can be reached at all. Nothing is sent but a connection attempt.
async fn providers(report: &mut Report, config: &Config) {
    let catalogue = match program::catalogue(config) {
        Ok(catalogue) => catalogue,
        Err(error) => {
            report.fault("catalogue", format!("{error:#}"), "correct the named file");
            return;
        }
    };
    let mut unreachable = Vec::new();
    let mut reached = 0;
    for provider in catalogue.iter() {
        let configured = config
            .providers
            .get(&provider.id)
            .and_then(|settings| settings.base_url.clone());
        let Some(base) = configured.or_else(|| provider.usual_base_url()) else {
            continue;
        };
        let Some(host) = url::Url::parse(&base).ok().and_then(|url| {
            Some(format!(
                "{}:{}",
                url.host_str()?,
                url.port_or_known_default()?
            ))
        }) else {
            continue;
        };
        match tokio::time::timeout(REACH, tokio::net::TcpStream::connect(&host)).await {
            Ok(Ok(_)) => reached += 1,
            _ => unreachable.push(provider.id.clone()),
        }
    }
    match unreachable.is_empty() {
        true => report.good(
            "reachability",
            format!("{reached} providers can be reached"),
        ),
        false => report.hint(
            "reachability",
            format!(
                "{reached} providers can be reached, these can't: {}",
                unreachable.join(", ")
            ),
        ),
    }
}
