//! The program as it is installed: started as a child process, watched, ended or killed.

use std::{
    path::Path,
    process::{Output, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
};

use sandbox::Sandbox;

use super::DEADLINE;

/// The public URL of servers started here. Their ports change from start to start, but what
/// Twilio signs does not.
pub const PUBLIC_URL: &str = "http://hooks.localhost";
const LISTENS: &str = "Freehold listens on ";

/// A command of the program on a data folder, with nothing of this process's environment among its
/// settings but where Postgres is.
pub fn freehold(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_freehold"));
    let foreign = std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy();
        name == "DATABASE_URL" || (name.starts_with("FREEHOLD_") && name != "FREEHOLD_PG_BIN")
    });
    for name in foreign {
        command.env_remove(name);
    }
    command
        .env("FREEHOLD_DATA", data)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs a command to its end, with a text on its standard input.
pub async fn run(mut command: Command, input: &str) -> Output {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("is piped");
    // A command that reads nothing may end before it is written to.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    tokio::time::timeout(DEADLINE, child.wait_with_output())
        .await
        .expect("the command ends in time")
        .expect("the command can be waited for")
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Everything that a process has written so far.
#[derive(Clone, Debug, Default)]
pub struct Said(Arc<Mutex<String>>);

impl Said {
    pub fn text(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn line(&self, line: &str) {
        let text = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(line);
        text.push('\n');
    }
}

/// A process that stays up and writes lines. Killed when dropped.
#[derive(Debug)]
pub struct Running {
    pub said: Said,
    child: Child,
    changed: watch::Receiver<()>,
    readers: [JoinHandle<()>; 2],
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let said = Said::default();
        let (change, changed) = watch::channel(());
        let change = Arc::new(change);
        let stdout = child.stdout.take().expect("is piped");
        let stderr = child.stderr.take().expect("is piped");
        let readers = [
            tokio::spawn(read(stdout, said.clone(), Arc::clone(&change))),
            tokio::spawn(read(stderr, said.clone(), change)),
        ];
        Self {
            said,
            child,
            changed,
            readers,
        }
    }

    /// The rest of the first line that begins with a text, waiting for it.
    pub async fn line(&mut self, beginning: &str) -> String {
        let search = async {
            loop {
                let text = self.said.text();
                if let Some(rest) = text.lines().find_map(|line| line.strip_prefix(beginning)) {
                    return rest.to_owned();
                }
                // Both readers end with the process.
                if self.changed.changed().await.is_err() {
                    panic!("the process ended without saying `{beginning}`:\n{text}");
                }
            }
        };
        let found = tokio::time::timeout(DEADLINE, search).await;
        found.unwrap_or_else(|_| panic!("`{beginning}` does not come:\n{}", self.said.text()))
    }

    pub fn id(&self) -> u32 {
        self.child.id().expect("the process was not waited for")
    }

    /// Kills the process where it stands, as a power cut would end it.
    pub async fn kill(mut self) -> Said {
        self.child.kill().await.expect("the process is killed");
        self.finish().await
    }

    /// Asks the process to end and waits until it has.
    pub async fn terminate(mut self) -> Said {
        let pid = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        let pid = pid.expect("a process has a positive id");
        kill_process(pid, Signal::TERM).expect("the process runs");
        let ended = tokio::time::timeout(DEADLINE, self.child.wait()).await;
        let status = ended.expect("the process ends in time").expect("waits");
        assert!(status.success(), "{status}:\n{}", self.said.text());
        self.finish().await
    }

    /// What was said, to the last line.
    async fn finish(self) -> Said {
        for reader in self.readers {
            // A grandchild that holds the pipe must not hold the test.
            let _ = tokio::time::timeout(DEADLINE, reader).await;
        }
        self.said
    }
}

async fn read(stream: impl AsyncRead + Unpin, said: Said, change: Arc<watch::Sender<()>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        said.line(&line);
        change.send_replace(());
    }
}

/// The settings of `freehold serve` by which it finds the simulated providers.
pub fn providers(sandbox: &Sandbox) -> Vec<(String, String)> {
    let setting = |provider: sandbox::Provider| {
        let name = format!("FREEHOLD_PROVIDERS__{provider}__BASE_URL");
        (name.to_uppercase(), sandbox.base_url(provider))
    };
    let mut settings = sandbox::Provider::ALL.map(setting).to_vec();
    // Tests count what the simulated providers get, and plan which call meets a fault.
    settings.push((
        "FREEHOLD_CREDENTIALS__VERIFY".to_owned(),
        "false".to_owned(),
    ));
    settings
}

/// `freehold serve` on a free port.
#[derive(Debug)]
pub struct Serving {
    /// As in `http://127.0.0.1:12345`; not the public URL.
    pub url: String,
    pub process: Running,
}

impl Serving {
    pub async fn start(data: &Path, settings: &[(String, String)]) -> Self {
        let mut command = freehold(data);
        command
            .arg("serve")
            .env("FREEHOLD_LISTEN", "127.0.0.1:0")
            .env("FREEHOLD_PUBLIC_URL", PUBLIC_URL)
            .envs(settings.iter().map(|(name, value)| (name, value)));
        let mut process = Running::start(command);
        let url = process.line(LISTENS).await;
        Self { url, process }
    }
}
