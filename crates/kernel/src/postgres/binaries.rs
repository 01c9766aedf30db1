//! Finding the server's programs on this machine and choosing among several versions.
//!
//! Nothing here starts a server or knows about the data folder; the only program it runs is
//! `postgres --version`.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::Error;

/// The oldest major version the schema and the settings are written for.
pub(super) const OLDEST_MAJOR: u16 = 15;

/// What a folder must hold to be used.
const PROGRAMS: [&str; 3] = ["initdb", "postgres", "pg_ctl"];

/// Where packages put the programs, `*` standing for any rest of one path component.
const USUAL_FOLDERS: [&str; 13] = [
    "/usr/lib/postgresql/*/bin", // Debian, Ubuntu
    "/usr/pgsql-*/bin",          // packages of yum.postgresql.org
    "/usr/lib/postgresql*/bin",  // SUSE
    "/usr/libexec/postgresql*",  // Alpine
    "/usr/local/pgsql/bin",      // built from source
    "/usr/local/bin",            // BSDs
    "/usr/bin",                  // Fedora, Arch
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin", // Homebrew on Intel
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/opt/local/lib/postgresql*/bin", // MacPorts
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/Library/PostgreSQL/*/bin", // the EDB installer
];

/// A PostgreSQL version, for example 15.18. Development versions count as minor 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Clusters of one major version cannot be opened by another.
    pub major: u16,
    /// The patch release within the major version.
    pub minor: u16,
}

impl Version {
    /// Reads what `postgres --version` prints, `postgres (PostgreSQL) 15.18 (Debian …)`.
    fn parse(output: &str) -> Option<Version> {
        let (_, number) = output.split_once("(PostgreSQL) ")?;
        let digits = |text: &str| {
            let end = text.find(|c: char| !c.is_ascii_digit());
            text[..end.unwrap_or(text.len())].parse().ok()
        };
        let major = digits(number)?;
        let minor = number
            .split_whitespace()
            .next()
            .and_then(|word| word.split_once('.'))
            .and_then(|(_, rest)| digits(rest))
            .unwrap_or(0);
        Some(Version { major, minor })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A folder with the programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    dir: PathBuf,
    version: Version,
}

impl Binaries {
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Where to look.
#[derive(Debug, Clone, Copy)]
pub(super) enum Search<'a> {
    /// In the folder the operator named and nowhere else.
    Only(&'a Path),
    /// In PATH, the usual folders, and the versions under `fetched`.
    Machine { fetched: &'a Path },
}

/// The newest usable binaries; those of major version `cluster` when a cluster exists.
pub(super) fn find(search: Search<'_>, cluster: Option<u16>) -> Result<Binaries, Error> {
    let found = match search {
        Search::Only(dir) => vec![inspect_named(dir)?],
        Search::Machine { fetched } => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let fetched = fetched.join("*/bin");
            let mut patterns: Vec<&Path> = USUAL_FOLDERS.iter().map(Path::new).collect();
            patterns.push(&fetched);
            inspect_all(&path, &patterns)
        }
    };
    choose(found, cluster)
}

/// The choice, free of the file system: a cluster's own major version or nothing; without a
/// cluster the newest, unless even that is too old. Of equals, the one found first.
fn choose(found: Vec<Binaries>, cluster: Option<u16>) -> Result<Binaries, Error> {
    let described = || {
        let describe = |b: &Binaries| format!("{} in {}", b.version, b.dir.display());
        found.iter().map(describe).collect()
    };
    if let Some(cluster) = cluster
        && !found.iter().any(|b| b.version.major == cluster)
    {
        return Err(Error::ClusterVersion {
            cluster,
            found: described(),
        });
    }
    let best = found
        .into_iter()
        .filter(|b| cluster.is_none_or(|major| b.version.major == major))
        // `max_by_key` takes the last of equals, so the order of discovery is turned around.
        .rev()
        .max_by_key(|b| b.version)
        .ok_or(Error::NoBinaries)?;
    if best.version.major < OLDEST_MAJOR {
        return Err(Error::TooOld {
            found: best.version,
            dir: best.dir,
        });
    }
    Ok(best)
}

/// Every usable folder named by the PATH value or matching a pattern, in that order.
fn inspect_all(path: &OsStr, patterns: &[&Path]) -> Vec<Binaries> {
    let folders = std::env::split_paths(path).chain(patterns.iter().flat_map(|p| expand(p)));
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for folder in folders {
        // Links in PATH usually point from a common folder into the version's own, where the
        // programs stand beside each other and find their shared files.
        let Ok(postgres) = folder.join("postgres").canonicalize() else {
            continue;
        };
        let Some(dir) = postgres.parent().map(Path::to_owned) else {
            continue;
        };
        if seen.contains(&dir) {
            continue;
        }
        seen.push(dir.clone());
        match inspect(&dir) {
            Ok(binaries) => found.push(binaries),
            Err((program, detail)) => tracing::debug!(
                dir = %dir.display(), program, detail, "not a usable PostgreSQL folder"
            ),
        }
    }
    found
}

/// A folder the operator named: anything wrong with it is an error rather than a reason to look
/// elsewhere.
fn inspect_named(dir: &Path) -> Result<Binaries, Error> {
    let bad = |program, detail| Error::BadBinaries {
        dir: dir.to_owned(),
        program,
        detail,
    };
    let absolute = dir
        .canonicalize()
        .map_err(|e| bad("postgres", format!(" ({e})")))?;
    inspect(&absolute).map_err(|(program, detail)| bad(program, detail))
}

/// The binaries in `dir`, or the program that is missing or broken and why.
fn inspect(dir: &Path) -> Result<Binaries, (&'static str, String)> {
    for program in PROGRAMS {
        if !dir.join(program).is_file() {
            return Err((program, String::new()));
        }
    }
    let output = Command::new(dir.join("postgres"))
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| ("postgres", format!(" ({e})")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = Version::parse(&text).ok_or_else(|| {
        let detail = format!(" (`postgres --version` said {:?})", text.trim());
        ("postgres", detail)
    })?;
    Ok(Binaries {
        dir: dir.to_owned(),
        version,
    })
}

/// The existing paths a pattern stands for. At most one component may hold a `*`, which stands for
/// any text at that place; a pattern without one stands for itself.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut components = pattern.components();
    let mut parent = PathBuf::new();
    for component in components.by_ref() {
        let name = component.as_os_str().to_string_lossy();
        let Some((prefix, suffix)) = name.split_once('*') else {
            parent.push(component);
            continue;
        };
        let rest = components.as_path();
        let mut matches: Vec<PathBuf> = fs::read_dir(&parent)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.len() >= prefix.len() + suffix.len()
                    && name.starts_with(prefix)
                    && name.ends_with(suffix)
            })
            .map(|entry| entry.path().join(rest))
            .collect();
        matches.sort();
        return matches;
    }
    vec![parent]
}

#[cfg(test)]
#[path = "binaries_tests.rs"]
mod tests;
