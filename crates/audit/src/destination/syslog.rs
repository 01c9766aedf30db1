//! Delivery to a syslog server: RFC 5424 messages over TCP, each preceded by its length (octet
//! counting, RFC 6587 section 3.4.1).
//!
//! The protocol knows no acknowledgement. A batch gets a connection of its own, whose sending half
//! is closed behind it; the server closing its half in turn says that it has read to the end. A
//! reset, silence, or a server that closes first, as a load balancer does that has nobody behind
//! it, means that the batch is sent again. What a server loses after it has read, no sender learns.

use std::{
    fmt, io,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{DeliveryError, Message};

const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server is watched for closing first, besides the time that its answer travels.
const WATCH: Duration = Duration::from_millis(200);
/// Facility 13 (log audit), severity 5 (notice): RFC 5424 section 6.2.1.
const PRIORITY: u8 = 13 * 8 + 5;

#[derive(Debug)]
pub(super) struct Syslog {
    /// An IPv6 address in brackets, or a name.
    host: String,
    port: u16,
}

impl Syslog {
    pub fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
        }
    }

    pub async fn send(&self, messages: &[Message<'_>]) -> Result<(), DeliveryError> {
        let mut batch = String::new();
        for message in messages {
            let text = render(message);
            batch += &format!("{} {text}", text.len());
        }
        timeout(TIMEOUT, self.exchange(batch.as_bytes()))
            .await
            .map_err(|_| DeliveryError::Slow)?
    }

    async fn exchange(&self, batch: &[u8]) -> Result<(), DeliveryError> {
        let address = format!("{}:{}", self.host, self.port);
        let begun = Instant::now();
        let mut stream = TcpStream::connect(address).await?;
        let travels = begun.elapsed() * 2;
        stream.write_all(batch).await?;
        let mut ignored = [0; 256];
        // After our end of the sending half, a server that has read everything and one that never
        // read anything close alike.
        let early = timeout(WATCH + travels, async {
            while stream.read(&mut ignored).await? > 0 {}
            io::Result::Ok(())
        });
        match early.await {
            Err(_) => {}
            Ok(Err(error)) => return Err(error.into()),
            Ok(Ok(())) => return Err(io::Error::from(io::ErrorKind::ConnectionAborted).into()),
        }
        stream.shutdown().await?;
        while stream.read(&mut ignored).await? > 0 {}
        Ok(())
    }
}

impl fmt::Display for Syslog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "syslog://{}:{}", self.host, self.port)
    }
}

/// Without a hostname, a process id and structured data, each told by a hyphen: the entry itself
/// says whose it is.
fn render(message: &Message<'_>) -> String {
    let at = match message {
        Message::Entry(entry) => entry.at.as_str(),
        Message::Checkpoint { .. } => "-",
    };
    format!(
        "<{PRIORITY}>1 {at} - freehold - {} - {}",
        message.kind(),
        message.data()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_parts_that_the_rfc_wants() {
        let (log, note) = ("ten_a", "o\n1\nh\n");
        let message = Message::Checkpoint { log, size: 1, note };
        assert_eq!(
            render(&message),
            r#"<109>1 - - freehold - audit.checkpoint - {"log":"ten_a","note":"o\n1\nh\n","size":1}"#
        );
    }
}
