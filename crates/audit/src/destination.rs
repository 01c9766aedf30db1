//! Places outside that take entries and checkpoints: a file, a webhook, a syslog server.

mod syslog;
mod webhook;

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use kernel::{audit::Entry, secret::Secret};
use tokio::io::AsyncWriteExt;
use url::{Host, Url};

use syslog::Syslog;
use webhook::Webhook;

/// Where something is delivered to.
#[derive(Debug)]
pub struct Destination(Kind);

#[derive(Debug)]
enum Kind {
    File(PathBuf),
    Webhook(Box<Webhook>),
    Syslog(Syslog),
}

/// What is delivered in one piece.
#[derive(Debug)]
pub enum Message<'a> {
    Entry(&'a Entry),
    /// A signed note, as in [`crate::note`], and whose it is.
    Checkpoint {
        log: &'a str,
        size: i64,
        note: &'a str,
    },
}

impl Message<'_> {
    /// The same whenever the same is delivered, so that a receiver can know it again.
    fn id(&self) -> String {
        match self {
            Self::Entry(entry) => entry.id.clone(),
            Self::Checkpoint { log, size, .. } => format!("checkpoint_{log}_{size}"),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Entry(_) => "audit.entry",
            Self::Checkpoint { .. } => "audit.checkpoint",
        }
    }

    fn data(&self) -> serde_json::Value {
        match self {
            Self::Entry(entry) => serde_json::json!(entry),
            Self::Checkpoint { log, size, note } => {
                serde_json::json!({ "log": log, "size": size, "note": note })
            }
        }
    }
}

/// Why a destination's address can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("`{0}` is not an https:// address, a syslog://host:port, or an absolute path")]
    Form(String),
    #[error("http:// is for this machine alone; `{0}` needs https://")]
    Plain(String),
    #[error("an https:// destination needs a secret, `whsec_` and 24 to 64 bytes in base64")]
    Secret,
    #[error("{0}")]
    Never(String),
}

/// Why a delivery did not succeed. Nothing of what was delivered is in it.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    #[error("the destination can't be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the destination answered with status {0}")]
    Refused(u16),
    #[error("the destination did not take it in time")]
    Slow,
}

impl From<io::Error> for DeliveryError {
    fn from(error: io::Error) -> Self {
        Self::Unreachable(error.into())
    }
}

impl Destination {
    /// Reads an address: `https://…` (or `http://` to this machine), `syslog://host:port`, or the
    /// absolute path of a file.
    pub fn parse(address: &str, secret: &Secret) -> Result<Self, AddressError> {
        if Path::new(address).is_absolute() {
            return Ok(Self(Kind::File(address.into())));
        }
        let form = || AddressError::Form(address.to_owned());
        let url = Url::parse(address).map_err(|_| form())?;
        let kind = match url.scheme() {
            "https" => Kind::Webhook(Webhook::new(url, secret)?.into()),
            "http" if is_loopback(&url) => Kind::Webhook(Webhook::new(url, secret)?.into()),
            "http" => return Err(AddressError::Plain(address.to_owned())),
            "syslog" => match (url.host_str(), url.port(), url.path()) {
                (Some(host), Some(port), "" | "/") => Kind::Syslog(Syslog::new(host, port)),
                _ => return Err(form()),
            },
            _ => return Err(form()),
        };
        Ok(Self(kind))
    }

    pub fn is_file(&self) -> bool {
        matches!(self.0, Kind::File(_))
    }

    /// Delivers messages in their order. How many were taken before the first that was not.
    pub async fn deliver(&self, messages: &[Message<'_>]) -> (usize, Result<(), DeliveryError>) {
        match &self.0 {
            Kind::File(path) => whole(messages, append(path, messages).await.map_err(Into::into)),
            Kind::Syslog(server) => whole(messages, server.send(messages).await),
            Kind::Webhook(webhook) => {
                for (taken, message) in messages.iter().enumerate() {
                    if let Err(error) = webhook.send(message).await {
                        return (taken, Err(error));
                    }
                }
                (messages.len(), Ok(()))
            }
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::File(path) => path.display().fmt(f),
            Kind::Webhook(webhook) => webhook.fmt(f),
            Kind::Syslog(server) => server.fmt(f),
        }
    }
}

/// Destinations that take a batch as one.
fn whole(
    messages: &[Message<'_>],
    outcome: Result<(), DeliveryError>,
) -> (usize, Result<(), DeliveryError>) {
    let taken = if outcome.is_ok() { messages.len() } else { 0 };
    (taken, outcome)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Checkpoints as they are, entries a line each; on the disk when this returns.
async fn append(path: &Path, messages: &[Message<'_>]) -> io::Result<()> {
    let mut text = String::new();
    for message in messages {
        match message {
            Message::Entry(entry) => {
                text += &serde_json::to_string(entry)?;
                text.push('\n');
            }
            Message::Checkpoint { note, .. } => text += note,
        }
    }
    let mut file = tokio::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .await?;
    file.write_all(text.as_bytes()).await?;
    file.flush().await?;
    file.sync_all().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(address: &str) -> Result<Destination, AddressError> {
        let secret = Secret::new("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
        Destination::parse(address, &secret)
    }

    #[test]
    fn addresses_are_read() {
        for good in [
            "/var/log/freehold/checkpoints",
            "https://siem.example.com/in?a=b",
            "http://127.0.0.1:8080/in",
            "http://[::1]:8080/",
            "http://localhost/",
            "syslog://log.example.com:601",
            "syslog://[2001:db8::1]:601",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "relative/path",
            "siem.example.com",
            "ftp://example.com/x",
            "syslog://log.example.com",
            "syslog://log.example.com:601/facility",
        ] {
            assert!(matches!(parse(bad), Err(AddressError::Form(_))), "{bad}");
        }
        let plain = parse("http://siem.example.com/").expect_err("refused");
        assert!(matches!(plain, AddressError::Plain(_)));
        let metadata = parse("https://169.254.169.254/").expect_err("refused");
        assert!(matches!(metadata, AddressError::Never(_)));
        for secret in ["", "whsec_", "whsec_c2hvcnQ=", "x"] {
            let refused = Destination::parse("https://example.com/", &Secret::new(secret));
            assert_eq!(refused.expect_err("refused"), AddressError::Secret);
        }
    }

    #[test]
    fn an_address_shows_neither_query_nor_password() {
        let shown = parse("https://user:hunter2@example.com/in?token=hunter2").expect("parses");
        assert_eq!(shown.to_string(), "https://example.com/in");
        assert!(!format!("{shown:?}").contains("hunter2"), "{shown:?}");
    }

    #[tokio::test]
    async fn a_file_is_appended_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notes");
        let destination = parse(path.to_str().expect("text")).expect("parses");
        for note in ["first\n", "second\n"] {
            let log = "ten_a";
            let message = Message::Checkpoint { log, size: 1, note };
            let (taken, outcome) = destination.deliver(&[message]).await;
            outcome.expect("is written");
            assert_eq!(taken, 1);
        }
        let text = std::fs::read_to_string(&path).expect("reads");
        assert_eq!(text, "first\nsecond\n");
    }
}
