//! The two locks on a data folder.
//!
//! `postgres.lock` is held by the Freehold process that uses the folder. `postgres.alive` is
//! inherited by the server's processes and by nobody else, so it is free exactly when the last of
//! them has gone. Unlike the process number in `postmaster.pid`, neither can be stale or mean a
//! stranger who was given the same number: the system drops them with their holders.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::binaries::Binaries;
use super::error::Error;
use super::owner::Owner;

/// A process that is just ending, or a child of ours that has not yet come to run its program,
/// may still hold our lock for a moment.
const OWN_PATIENCE: Duration = Duration::from_secs(2);

/// How long the server of a killed Freehold process is given to shut down by itself, and how long
/// each request to stop may take.
const SERVER_PATIENCE: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(20);

/// Claims the data folder for this process, for as long as the returned file stays open.
pub(super) async fn take(data: &Path) -> Result<File, Error> {
    let path = data.join("postgres.lock");
    let file = open(&path)?;
    if try_lock_until(&file, &path, OWN_PATIENCE).await? {
        return Ok(file);
    }
    Err(Error::InUse {
        data: data.to_owned(),
    })
}

/// Whether a Freehold process uses the data folder now.
pub(super) fn is_taken(data: &Path) -> bool {
    let file = OpenOptions::new()
        .append(true)
        .open(data.join("postgres.lock"));
    file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Waits until no server of an earlier run is left on the cluster, stopping it when it lingers.
/// The returned file is to be inherited by the next server.
pub(super) async fn wait_for_previous_server(
    data: &Path,
    cluster_dir: &Path,
    binaries: &Binaries,
    owner: &Owner,
) -> Result<File, Error> {
    let path = data.join("postgres.alive");
    let file = open(&path)?;
    if try_lock_until(&file, &path, Duration::ZERO).await? {
        return Ok(file);
    }
    tracing::info!("waiting for the database server of an earlier run to shut down");
    if try_lock_until(&file, &path, SERVER_PATIENCE).await? {
        return Ok(file);
    }
    for mode in ["fast", "immediate"] {
        tracing::warn!(mode, "stopping the database server of an earlier run");
        pg_ctl_stop(cluster_dir, binaries, owner, mode).await?;
        if try_lock_until(&file, &path, OWN_PATIENCE).await? {
            return Ok(file);
        }
    }
    Err(Error::Lingering {
        dir: cluster_dir.to_owned(),
    })
}

/// Asks the server that `postmaster.pid` names to stop and waits for it. Whether it did is for the
/// caller to see: a server that has just gone is reported by `pg_ctl` as a failure.
pub(super) async fn pg_ctl_stop(
    cluster_dir: &Path,
    binaries: &Binaries,
    owner: &Owner,
    mode: &str,
) -> Result<(), Error> {
    let program = binaries.program("pg_ctl");
    let mut command = owner.command(&program);
    command
        .args(["stop", "--silent", "--mode", mode, "--timeout"])
        .arg(SERVER_PATIENCE.as_secs().to_string())
        .arg("--pgdata")
        .arg(cluster_dir);
    tokio::process::Command::from(command)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(Error::io("run", program))?;
    Ok(())
}

fn open(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .create(true)
        .append(true)
        // Whoever can open a lock file can hold it against us.
        .mode(0o600)
        .open(path)
        .map_err(Error::io("open", path))
}

/// Tries to lock at once and then until `patience` runs out; says whether it succeeded.
async fn try_lock_until(file: &File, path: &Path, patience: Duration) -> Result<bool, Error> {
    let deadline = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return Ok(false),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(POLL).await,
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
        }
    }
}
