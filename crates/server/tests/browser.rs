//! The consoles in a real browser: each script in tests/browser drives a demo of its own, started as
//! it is installed.

mod common;

use std::{collections::BTreeMap, net::TcpListener, path::PathBuf, time::Duration};

use common::binary::{Running, freehold};
use kernel::testing;
use tokio::process::Command;

/// How long a script may take, on a machine that has better to do.
const DEADLINE: Duration = Duration::from_secs(600);
const BROWSERS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// A test for each script.
macro_rules! scripts {
    ($($name:ident)*) => {
        const SCRIPTS: &[&str] = &[$(stringify!($name),)*];
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                drive(stringify!($name)).await;
            }
        )*
    };
}

scripts! { account connections customer identity integrations keyboard keys staff }

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../tests/browser"]
        .iter()
        .collect()
}

#[test]
fn every_script_is_run() {
    let mut found: Vec<String> = std::fs::read_dir(folder())
        .expect("the folder is read")
        .filter_map(|entry| {
            let name = entry.expect("an entry").file_name();
            let name = name.to_string_lossy().strip_suffix(".py")?.to_owned();
            (!matches!(&*name, "common" | "main")).then_some(name)
        })
        .collect();
    found.sort();
    let mut run = SCRIPTS.to_vec();
    run.sort_unstable();
    assert_eq!(found, run);
}

fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|folder| BROWSERS.map(|name| folder.join(name)))
        .find(|program| program.is_file())
}

/// A demo that has shown what it shows and stays up.
struct Demo {
    process: Running,
    url: String,
    sandbox: String,
    /// Addresses and their passwords.
    accounts: BTreeMap<String, String>,
}

impl Demo {
    async fn start(data: &std::path::Path) -> Self {
        // The public address has to be known before the server listens.
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let mut command = freehold(data);
        command
            .arg("demo")
            .env("FREEHOLD_LISTEN", address.to_string());
        let mut process = Running::start(command);
        let sandbox = process.line("✔ simulated providers").await;
        process.line("✔ database").await;
        let url = process.line("✔ server").await;
        process.line("Stop with Ctrl-C").await;
        let said = process.said.text();
        let accounts = said
            .lines()
            .filter_map(|line| {
                let (email, password) = line
                    .strip_prefix("✔ person")?
                    .trim()
                    .split_once(", password ")?;
                Some((email.to_owned(), password.to_owned()))
            })
            .collect();
        Self {
            process,
            url: url.trim().to_owned(),
            sandbox: sandbox.trim().to_owned(),
            accounts,
        }
    }
}

async fn drive(script: &str) {
    let Ok(python) = std::env::var("JUDGES_PYTHON") else {
        testing::skip("JUDGES_PYTHON, a Python with tests/judges/requirements.txt");
        return;
    };
    let Some(chromium) = chromium() else {
        testing::skip("chromium in PATH");
        return;
    };
    let data = tempfile::tempdir().expect("a folder");
    let demo = Demo::start(data.path()).await;
    let accounts = tempfile::NamedTempFile::new().expect("a file");
    let told = serde_json::to_string(&demo.accounts).expect("JSON");
    std::fs::write(accounts.path(), told).expect("written");
    let output = Command::new(python)
        .arg(folder().join("main.py"))
        .arg(script)
        .arg(&demo.url)
        .arg(format!("{}/_sandbox/mail", demo.sandbox))
        .arg(accounts.path())
        .env("CHROMIUM", chromium)
        .env("FREEHOLD", env!("CARGO_BIN_EXE_freehold"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(DEADLINE, output)
        .await
        .expect("the script ends")
        .expect("the script runs");
    let said = demo.process.terminate().await;
    assert!(
        output.status.success(),
        "{}\n{}\nthe server said:\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        said.text()
    );
}
