//! The cluster on disk: which version it is, and how a new one is made.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::SUPERUSER;
use super::binaries::Binaries;
use super::error::Error;
use super::owner::Owner;

/// The first version with a locale provider of its own, which sorts and classifies the same on
/// every machine.
const BUILTIN_LOCALE_MAJOR: u16 = 17;

/// What a new cluster gets in `postgresql.conf` beyond initdb's choices. It is written once: there
/// and through `ALTER SYSTEM` the operator has the last word. `fsync` and `synchronous_commit` stay
/// at their default, on, because what has been acknowledged must have been committed.
const CONFIGURATION: &str = "
# Written by Freehold when it created this cluster; yours to change.
cluster_name = 'freehold'
shared_buffers = 128MB
max_connections = 100
timezone = 'UTC'
log_timezone = 'UTC'
";

/// The major version of the cluster in `dir`; `None` when there is no cluster yet.
pub(super) fn major(dir: &Path) -> Result<Option<u16>, Error> {
    let empty = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(Error::io("list", dir)(error)),
    };
    if empty {
        return Ok(None);
    }
    let text = fs::read_to_string(dir.join("PG_VERSION")).unwrap_or_default();
    match text.trim().parse() {
        Ok(major) => Ok(Some(major)),
        Err(_) => Err(Error::NotACluster {
            dir: dir.to_owned(),
        }),
    }
}

/// Makes a new cluster in `dir`, which is missing or empty. The work is done beside it and moved
/// into place at the end, so that a crash leaves no half cluster. `alive` is the lock of the
/// server's processes: `initdb` holds it too, so that one whose Freehold process was killed has
/// ended before its unfinished work is cleared away.
pub(super) async fn initialise(
    dir: &Path,
    alive: &File,
    binaries: &Binaries,
    owner: &Owner,
    settings: &[(String, String)],
) -> Result<(), Error> {
    let staging = dir.with_extension("new");
    match fs::remove_dir_all(&staging) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("remove the unfinished", staging)(error));
        }
        Ok(()) | Err(_) => {}
    }
    owner.own_folder(&staging)?;

    let program = binaries.program("initdb");
    let inherited = alive
        .try_clone()
        .map_err(Error::io("hand on the lock of", dir))?;
    let mut command = owner.command(&program);
    command
        // initdb reads nothing here; the descriptor only carries the lock.
        .stdin(inherited)
        .arg("--pgdata")
        .arg(&staging)
        .arg(format!("--username={SUPERUSER}"))
        // Whoever can open the socket is believed to be anybody he says. That is safe only because
        // the socket's folder has mode 0700 and the server listens nowhere else.
        .args(["--auth-local=trust", "--auth-host=reject"])
        .args(["--encoding=UTF8", "--data-checksums", "--no-instructions"])
        .args(locale_arguments(binaries));
    if settings.iter().any(|(k, v)| k == "fsync" && v == "off") {
        command.arg("--no-sync");
    }
    let output = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(Error::io("run", program))?;
    if !output.status.success() {
        return Err(Error::InitDb {
            dir: dir.to_owned(),
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }

    let configuration = staging.join("postgresql.conf");
    append(&configuration, CONFIGURATION).map_err(Error::io("write", configuration))?;
    fs::rename(&staging, dir).map_err(Error::io("move the new database to", dir))?;
    if let Some(parent) = dir.parent() {
        File::open(parent)
            .and_then(|folder| folder.sync_all())
            .map_err(Error::io("sync", parent))?;
    }
    tracing::info!(version = %binaries.version(), dir = %dir.display(), "created a database cluster");
    Ok(())
}

/// Text sorts by code point and is classified as Unicode, everywhere the same and whatever happens
/// to the machine's locales: an index never has to be rebuilt after a system upgrade.
fn locale_arguments(binaries: &Binaries) -> Vec<&'static str> {
    if binaries.version().major >= BUILTIN_LOCALE_MAJOR {
        return vec![
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ];
    }
    // Before that, classification is the system's. Every Linux knows C.UTF-8; elsewhere only the
    // letters of ASCII have upper and lower case.
    if cfg!(target_os = "linux") {
        vec!["--locale=C", "--lc-ctype=C.UTF-8"]
    } else {
        vec!["--locale=C"]
    }
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_told_from_an_empty_folder_and_from_something_else() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("postgres");
        assert_eq!(major(&dir).unwrap(), None);
        fs::create_dir(&dir).unwrap();
        assert_eq!(major(&dir).unwrap(), None);
        fs::write(dir.join("letter.txt"), "not a database").unwrap();
        let message = major(&dir).unwrap_err().to_string();
        assert!(message.contains("Move it away"), "{message}");
        fs::write(dir.join("PG_VERSION"), "17\n").unwrap();
        assert_eq!(major(&dir).unwrap(), Some(17));
    }
}
