//! Asking a server whether it accepts connections, in the few bytes of the wire protocol that
//! takes. A socket that can be connected to is not enough: a server that recovers after a crash
//! answers there as well, only to say that it is not ready. `pg_isready` would know, but is not
//! among the programs every distribution of the server carries.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::SUPERUSER;

/// Longer than any healthy server takes to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Protocol 3.0, as the startup message writes it.
const PROTOCOL: u32 = 3 << 16;

/// SQLSTATE 57P03, `cannot_connect_now`: starting up, recovering or shutting down.
const CANNOT_CONNECT_NOW: &[u8] = b"C57P03\0";

/// Whether the server behind `socket` takes connections. Any answer but "not now" counts: a server
/// that refuses this one connection for another reason is nevertheless up.
pub(super) async fn accepts_connections(socket: &Path) -> bool {
    matches!(
        tokio::time::timeout(PATIENCE, ask(socket)).await,
        Ok(Ok(true))
    )
}

async fn ask(socket: &Path) -> io::Result<bool> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(&startup_message()).await?;
    // The answer is a kind, a length that counts itself, and a body.
    let kind = stream.read_u8().await?;
    let length = stream.read_u32().await?.saturating_sub(4).min(8192);
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body).await?;
    if kind == b'E' {
        return Ok(!body
            .windows(CANNOT_CONNECT_NOW.len())
            .any(|part| part == CANNOT_CONNECT_NOW));
    }
    // Taking leave (Terminate) spares the server's log a line about a lost client.
    stream.write_all(&[b'X', 0, 0, 0, 4]).await?;
    Ok(true)
}

fn startup_message() -> Vec<u8> {
    let parameters = format!("user\0{SUPERUSER}\0database\0{SUPERUSER}\0\0");
    let length = 8 + parameters.len() as u32;
    let mut message = Vec::new();
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(&PROTOCOL.to_be_bytes());
    message.extend_from_slice(parameters.as_bytes());
    message
}
