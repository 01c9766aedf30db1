//! The release binary, serving in a process of its own.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

const STARTING: Duration = Duration::from_secs(60);
const LISTENS: &str = "Freehold listens on http://";

/// The public URL that the senders sign for.
pub const PUBLIC_URL: &str = "https://hooks.example.com";

/// `freehold serve`. Dropping it kills the process.
#[derive(Debug)]
pub struct Node {
    pub address: SocketAddr,
    pub pid: u32,
    child: Child,
}

impl Node {
    /// Serves a data folder with so many jobs at a time. The binary is the one beside this one, so
    /// that both are of the same build.
    pub async fn start(data: &Path, concurrency: usize) -> anyhow::Result<Self> {
        let mut child = Command::new(binary()?)
            .arg("serve")
            .arg("--data")
            .arg(data)
            .env("FREEHOLD_LISTEN", "127.0.0.1:0")
            .env("FREEHOLD_PUBLIC_URL", PUBLIC_URL)
            .env("FREEHOLD_WORKER__CONCURRENCY", concurrency.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().context("the process has just been started")?;
        let stdout = child.stdout.take().context("its output is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(address) = line.strip_prefix(LISTENS) {
                    return Ok(address.trim().parse()?);
                }
            }
            anyhow::bail!("freehold ended before it listened")
        };
        let address = tokio::time::timeout(STARTING, listening)
            .await
            .context("freehold did not listen in time")??;
        // The pipe is read to its end, so that the process never waits for somebody to read.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self {
            address,
            pid,
            child,
        })
    }

    /// Asks the process to end and waits until it has.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let process = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let process = process.context("a process id out of range")?;
        kill_process(process, Signal::TERM).context("freehold was gone already")?;
        let status = self.child.wait().await?;
        anyhow::ensure!(status.success(), "freehold ended with {status}");
        Ok(())
    }

    /// The processor time that the process has used so far.
    pub fn processor_time(&self) -> anyhow::Result<Duration> {
        processor_time(self.pid)
    }
}

pub fn binary() -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("freehold");
    anyhow::ensure!(
        path.exists(),
        "{} is missing; ./bench builds it",
        path.display()
    );
    Ok(path)
}

/// User and system time of a process, from /proc. Linux counts in hundredths of a second there.
pub fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may contain blanks; the numbers follow it.
    let (_, fields) = stat.rsplit_once(") ").context("a stat line has a name")?;
    let mut fields = fields.split(' ').skip(11);
    let mut ticks = 0;
    for _ in 0..2 {
        ticks += fields
            .next()
            .context("a stat line has times")?
            .parse::<u64>()?;
    }
    Ok(Duration::from_millis(ticks * 10))
}

/// A process's parent, from /proc.
pub fn parent(pid: u32) -> anyhow::Result<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("a stat line has a name")?;
    let parent = fields.split(' ').nth(1);
    Ok(parent.context("a stat line has a parent")?.parse()?)
}

/// The private server's first process, from the file that Postgres keeps in its folder.
pub fn postmaster(data: &Path) -> anyhow::Result<u32> {
    let text = std::fs::read_to_string(data.join("postgres/postmaster.pid"))?;
    let first = text
        .lines()
        .next()
        .context("the file begins with the pid")?;
    Ok(first.trim().parse()?)
}

/// A process and its children.
pub fn family(pid: u32) -> anyhow::Result<Vec<u32>> {
    let mut family = vec![pid];
    for entry in std::fs::read_dir("/proc")? {
        let Ok(child) = entry?.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        // A process may end while it is looked at.
        if parent(child).is_ok_and(|parent| parent == pid) {
            family.push(child);
        }
    }
    Ok(family)
}

/// Waits until `ready` says so.
pub async fn wait_until(
    what: &str,
    within: Duration,
    mut ready: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !ready().await? {
        anyhow::ensure!(begun.elapsed() < within, "{what} took too long");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
