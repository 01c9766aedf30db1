//! The yardstick: Postgres' own load generator, inserting single rows of about the size of a stored
//! webhook into a plain table of the same cluster, each in a transaction of its own.

use std::path::Path;

use anyhow::Context;
use kernel::postgres::Embedded;
use sqlx::PgPool;
use tokio::process::Command;

use crate::installation::DATABASE;

const SCRIPT: &str = "INSERT INTO public.plain (received_at, headers, body) \
                      VALUES (now(), :headers, :body);\n";

/// Rows as large as these two texts make them.
#[derive(Debug)]
pub struct Pgbench {
    headers: String,
    body: String,
}

impl Pgbench {
    /// Takes the row's content from a request of the traffic: its head as headers, its body as
    /// body, written in characters that need no quoting on a command line.
    pub fn like(request: &[u8]) -> anyhow::Result<Self> {
        let end = request
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .context("a request has a head")?;
        let plain = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|byte| char::from(byte.to_ascii_lowercase()))
                .map(|letter| {
                    if letter.is_ascii_alphanumeric() {
                        letter
                    } else {
                        '_'
                    }
                })
                .collect()
        };
        Ok(Self {
            headers: plain(&request[..end]),
            body: plain(&request[end + 4..]),
        })
    }

    pub async fn prepare(&self, pool: &PgPool) -> anyhow::Result<()> {
        sqlx::raw_sql(
            "DROP TABLE IF EXISTS public.plain;
             CREATE TABLE public.plain (
                 id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                 received_at timestamptz NOT NULL,
                 headers text NOT NULL,
                 body text NOT NULL
             );
             CHECKPOINT",
        )
        .execute(pool)
        .await?;
        Ok(())
    }

    /// Transactions per second with so many clients, each waiting for its commit.
    pub async fn run(
        &self,
        cluster: &Embedded,
        clients: usize,
        seconds: u64,
    ) -> anyhow::Result<f64> {
        let folder = tempfile::tempdir()?;
        let script = folder.path().join("insert.sql");
        std::fs::write(&script, SCRIPT)?;
        let output = self
            .command(cluster, &script, clients, seconds)
            .arg(DATABASE)
            .output()
            .await?;
        let text = String::from_utf8_lossy(&output.stdout);
        anyhow::ensure!(
            output.status.success(),
            "pgbench: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        text.lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
            .context("pgbench tells its rate")
    }

    fn command(&self, cluster: &Embedded, script: &Path, clients: usize, seconds: u64) -> Command {
        let mut command = Command::new(cluster.bin_dir().join("pgbench"));
        command
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=1"])
            .arg(format!("--client={clients}"))
            .arg(format!("--time={seconds}"))
            .arg(format!("--define=headers={}", self.headers))
            .arg(format!("--define=body={}", self.body))
            .arg(format!("--host={}", cluster.socket_dir().display()))
            .arg(format!("--port={}", cluster.port()))
            .arg(format!("--username={}", cluster.superuser()))
            .arg("--file")
            .arg(script);
        command
    }
}
