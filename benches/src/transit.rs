//! A Transit engine beside the benchmark: OpenBao or HashiCorp Vault in development mode, where one is
//! at hand.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::{Value, json};
use vault::{KeyProvider, KeyProviders, Login, Transit, TransitSettings};
use zeroize::Zeroizing;

const ROOT: &str = "root-token-of-the-benchmark";
const START: Duration = Duration::from_secs(60);

/// Ends with its value.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// The program that `TRANSIT_SERVER` names (scripts/transit-server prints one), with a derived
    /// key. `None` where it names none.
    pub async fn start() -> anyhow::Result<Option<Self>> {
        let Some(program) = std::env::var_os("TRANSIT_SERVER") else {
            return Ok(None);
        };
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(program)
            .args(["server", "-dev", "-dev-no-store-token"])
            .arg(format!("-dev-root-token-id={ROOT}"))
            .arg(format!("-dev-listen-address={free}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("TRANSIT_SERVER does not run")?;
        let server = Self {
            child,
            address: format!("http://{free}"),
        };
        let begun = Instant::now();
        while server
            .ask("sys/mounts/transit", json!({ "type": "transit" }))
            .await
            .is_err()
        {
            anyhow::ensure!(begun.elapsed() < START, "TRANSIT_SERVER does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let key = json!({ "type": "aes256-gcm96", "derived": true });
        server.ask("transit/keys/freehold", key).await?;
        Ok(Some(server))
    }

    async fn ask(&self, path: &str, body: Value) -> anyhow::Result<()> {
        reqwest::Client::new()
            .post(format!("{}/v1/{path}", self.address))
            .header("X-Vault-Token", ROOT)
            .json(&body)
            .send()
            .await?
            .error_for_status()?;
        Ok(())
    }

    pub fn providers(&self) -> anyhow::Result<KeyProviders> {
        let settings = TransitSettings {
            address: self.address.parse()?,
            namespace: None,
            mount: "transit".to_owned(),
            key: "freehold".to_owned(),
            login: Login::Token(Zeroizing::new(ROOT.to_owned())),
        };
        let transit = Transit::new(settings, Transit::http(None)?)?;
        Ok(KeyProvider::Transit(Box::new(transit)).into())
    }
}
