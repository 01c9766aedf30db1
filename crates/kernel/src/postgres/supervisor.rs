//! The server's process: started, awaited, and made to end with this one.
//!
//! A parent that dies by SIGKILL runs no code, and asking the kernel for a signal at the parent's
//! death takes `unsafe`. So the server is started by a small shell that waits on a pipe of ours.
//! However this process ends, the pipe's other end closes, and the shell tells the server to shut
//! down.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use super::binaries::Binaries;
use super::error::Error;
use super::owner::Owner;
use super::{PORT, folder, lock, probe};

/// The shell program; its arguments are the server's command line.
///
/// It ignores the signals that end other programs, for it must outlive us. The watcher's `read`
/// returns only when the pipe closes, since nothing is ever written to it. SIGINT asks the server
/// for a fast shutdown: connections end, commits stay. It is repeated because it is lost on a
/// server that has not yet come to install its handlers. The watcher keeps nothing of the server's
/// open, above all not the lock that says the server is alive.
const SUPERVISOR: &str = r#"
trap '' HUP INT QUIT TERM
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
{
    read -r line <&3
    while kill -INT "$server"; do sleep 1; done
} >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$server"
status=$?
kill -KILL "$watcher" 2>/dev/null
exit "$status"
"#;

/// A server that replays a long log after a crash is alive and well for minutes; one that fails
/// ends, and is noticed at once.
const READY_PATIENCE: Duration = Duration::from_secs(300);

/// A fast shutdown writes out what is in memory, which takes a while on a slow disk.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(10);

/// A log that has grown beyond this many bytes is emptied at the next start.
const LOG_LIMIT: u64 = 10 * 1024 * 1024;

/// What a server is started with.
#[derive(Debug)]
pub(super) struct Launch<'a> {
    pub(super) cluster_dir: &'a Path,
    pub(super) socket_dir: &'a Path,
    pub(super) log: &'a Path,
    pub(super) settings: &'a [(String, String)],
    pub(super) binaries: &'a Binaries,
    pub(super) owner: &'a Owner,
}

/// A running server under its supervisor. Dropping it closes the pipe.
///
/// The child is the standard library's rather than tokio's: it belongs to no runtime, so a cluster
/// that tests share outlives the runtime of the test that started it.
#[derive(Debug)]
pub(super) struct Supervised {
    /// `None` once dropping has handed it to the thread that reaps it.
    child: Option<Child>,
    pipe: Option<ChildStdin>,
    cluster_dir: PathBuf,
    owner: Owner,
}

/// Starts the server and returns when it accepts connections. `alive` is the locked file the
/// server's processes inherit.
pub(super) async fn launch(launch: &Launch<'_>, alive: File) -> Result<Supervised, Error> {
    let log = open_log(launch.log)?;
    let log_start = log
        .metadata()
        .map_err(Error::io("look at", launch.log))?
        .len();
    let mut command = launch.owner.command("/bin/sh");
    command
        .args(["-c", SUPERVISOR, "freehold-postgres"])
        .args(server_command(launch))
        // A group of its own, so that Ctrl-C in our terminal does not reach the supervisor or the
        // server: this process decides when the database goes.
        .process_group(0)
        .stdin(Stdio::piped())
        // The server writes nothing to its standard output; the descriptor carries the lock.
        .stdout(alive)
        .stderr(log);
    let mut child = command.spawn().map_err(Error::io("run", "/bin/sh"))?;
    // The command still holds our copy of the lock.
    drop(command);
    let pipe = child.stdin.take();
    let mut server = Supervised {
        child: Some(child),
        pipe,
        cluster_dir: launch.cluster_dir.to_owned(),
        owner: launch.owner.clone(),
    };

    let socket = folder::socket(launch.socket_dir);
    let deadline = Instant::now() + READY_PATIENCE;
    loop {
        if probe::accepts_connections(&socket).await {
            return Ok(server);
        }
        if let Some(status) = server.exit_status()? {
            return Err(Error::Exited {
                status: status.to_string(),
                log: launch.log.to_owned(),
                tail: log_tail(launch.log, log_start),
            });
        }
        if Instant::now() >= deadline {
            return Err(Error::NotReady {
                seconds: READY_PATIENCE.as_secs(),
                log: launch.log.to_owned(),
                tail: log_tail(launch.log, log_start),
            });
        }
        tokio::time::sleep(POLL).await;
    }
}

impl Supervised {
    /// Shuts the server down and waits until it has gone.
    pub(super) async fn stop(mut self, binaries: &Binaries) -> Result<(), Error> {
        self.pipe = None;
        if self.ended_within(STOP_PATIENCE).await? {
            return Ok(());
        }
        tracing::warn!("the database server does not shut down; ending it at once");
        lock::pg_ctl_stop(&self.cluster_dir, binaries, &self.owner, "immediate").await?;
        if self.ended_within(Duration::from_secs(5)).await? {
            return Ok(());
        }
        Err(Error::NotStopped {
            dir: self.cluster_dir.clone(),
        })
    }

    async fn ended_within(&mut self, patience: Duration) -> Result<bool, Error> {
        let deadline = Instant::now() + patience;
        while self.exit_status()?.is_none() {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(true)
    }

    fn exit_status(&mut self) -> Result<Option<ExitStatus>, Error> {
        match &mut self.child {
            Some(child) => child
                .try_wait()
                .map_err(Error::io("wait for", &self.cluster_dir)),
            None => Ok(None),
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.pipe = None;
        if let Some(mut child) = self.child.take()
            && let Ok(None) = child.try_wait()
        {
            // The server goes by itself; somebody must collect the supervisor's exit status lest
            // it stay as a zombie. That fails only when somebody else has collected it.
            std::thread::spawn(move || drop(child.wait()));
        }
    }
}

/// `postgres` and its arguments. The caller's settings come first: of a setting given twice the
/// server takes the last, so nobody opens a TCP port by mistake.
fn server_command(launch: &Launch<'_>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![
        launch.binaries.program("postgres").into(),
        "-D".into(),
        launch.cluster_dir.into(),
    ];
    let mut set = |name: &str, value: &OsStr| {
        let mut setting = OsString::from(name);
        setting.push("=");
        setting.push(value);
        arguments.extend(["-c".into(), setting]);
    };
    for (name, value) in launch.settings {
        set(name, OsStr::new(value));
    }
    set("listen_addresses", OsStr::new(""));
    set(
        "unix_socket_directories",
        &quoted_list_item(launch.socket_dir),
    );
    set("unix_socket_permissions", OsStr::new("0700"));
    set("port", OsStr::new(&PORT.to_string()));
    // The log goes where this process reads it back when a start fails.
    set("log_destination", OsStr::new("stderr"));
    set("logging_collector", OsStr::new("off"));
    arguments
}

/// A path as one item of a comma-separated setting.
fn quoted_list_item(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut quoted = vec![b'"'];
    for &byte in path.as_os_str().as_bytes() {
        if byte == b'"' {
            quoted.push(byte);
        }
        quoted.push(byte);
    }
    quoted.push(b'"');
    OsString::from_vec(quoted)
}

/// The log, opened for appending and readable by us alone: statements that fail are quoted in it.
fn open_log(path: &Path) -> Result<File, Error> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(Error::io("open", path))?;
    let length = log.metadata().map_err(Error::io("look at", path))?.len();
    if length > LOG_LIMIT {
        log.set_len(0).map_err(Error::io("empty", path))?;
    }
    Ok(log)
}

/// The last lines the server has written since `start`, a position in bytes.
fn log_tail(path: &Path, start: u64) -> String {
    const LINES: usize = 20;
    let read = || {
        let mut log = File::open(path)?;
        log.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        log.read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = match read() {
        Ok(bytes) => bytes,
        Err(error) => return format!("(it cannot be read: {error})"),
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_as_postgres_unquotes_them() {
        let quoted = quoted_list_item(Path::new("/a b,\"c\""));
        assert_eq!(quoted, "\"/a b,\"\"c\"\"\"");
    }

    #[test]
    fn a_log_is_emptied_only_beyond_its_limit_and_its_tail_is_this_runs() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("postgres.log");
        std::fs::write(&path, "an earlier run\n").unwrap();
        let start = open_log(&path).unwrap().metadata().unwrap().len();
        assert_eq!(start, "an earlier run\n".len() as u64);
        let lines: String = (1..=30).map(|n| format!("line {n}\n")).collect();
        std::fs::write(&path, format!("an earlier run\n{lines}")).unwrap();
        let tail = log_tail(&path, start);
        assert!(
            tail.starts_with("line 11\n") && tail.ends_with("line 30"),
            "{tail}"
        );

        File::create(&path).unwrap().set_len(LOG_LIMIT + 1).unwrap();
        assert_eq!(open_log(&path).unwrap().metadata().unwrap().len(), 0);
    }
}
