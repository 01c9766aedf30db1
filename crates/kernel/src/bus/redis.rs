//! Announcements by Redis, for installations whose way to Postgres carries no NOTIFY (a pooler of
//! transactions) or that spare it the listeners. A change of a tenant is published on the channel
//! `t<uuid>:<what>`; the message is the change's version.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::StreamExt;
use redis::{Client, Msg, aio::MultiplexedConnection};
use tokio::{
    sync::{broadcast, mpsc},
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{Announcement, Announcer, BACKLOG, CREDENTIALS, Change, KEYS, seen::Seen};
use crate::secret::Secret;

const PAUSE: Duration = Duration::from_secs(1);
/// How long connecting and publishing may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why Redis can't be used. Says nothing of the URL, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    #[error("the address is none as in redis://user:password@host:6379/0 or rediss://…")]
    Address,
    #[error("it does not answer")]
    Unreachable,
    #[error("it refuses the login")]
    Denied,
}

/// A Redis that carries announcements. Cheap to clone.
#[derive(Clone)]
pub struct Redis {
    client: Client,
    announcer: Announcer,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redis")
    }
}

impl Redis {
    /// Connects in the background, now and whenever the connection is lost.
    ///
    /// # Errors
    /// Where the URL is none.
    pub fn open(url: &Secret) -> Result<Self, RedisError> {
        let client = Client::open(url.expose()).map_err(|_| RedisError::Address)?;
        let (announcer, announcements) = mpsc::channel(BACKLOG);
        tokio::spawn(publish(client.clone(), announcements));
        Ok(Self { client, announcer })
    }

    /// # Errors
    /// Where no PING is answered.
    pub async fn ping(&self) -> Result<(), RedisError> {
        let mut connection = connect(&self.client).await?;
        let ping = redis::cmd("PING");
        match timeout(PATIENCE, ping.query_async::<()>(&mut connection)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(meaning(&error)),
            Err(_) => Err(RedisError::Unreachable),
        }
    }

    pub(crate) fn announcer(&self) -> &Announcer {
        &self.announcer
    }

    /// Tells what is announced until the receivers are gone.
    pub(super) async fn forward(self, sender: broadcast::Sender<Change>, seen: Arc<Seen>) {
        while sender.receiver_count() > 0 {
            if let Ok(Ok(mut listener)) = timeout(PATIENCE, self.client.get_async_pubsub()).await
                && let patterns = [CREDENTIALS, KEYS].map(|what| format!("t*:{what}"))
                && listener.psubscribe(&patterns[..]).await.is_ok()
            {
                // What was announced while nobody listened is unknown.
                let _ = sender.send(Change::Unknown);
                let mut messages = listener.on_message();
                while let Some(message) = messages.next().await {
                    let change = read(&message, &seen);
                    if change.is_some_and(|change| sender.send(change).is_err()) {
                        return;
                    }
                }
            }
            sleep(PAUSE).await;
        }
    }
}

/// What a message says, if it is news. Others may use the same Redis: what has another form is theirs.
fn read(message: &Msg, seen: &Seen) -> Option<Change> {
    let (tenant, what) = message
        .get_channel_name()
        .strip_prefix('t')?
        .split_once(':')?;
    let tenant = tenant.parse::<Uuid>().ok()?.into();
    let version = message.get_payload::<i64>().ok()?;
    seen.is_news(tenant, what, version)
        .then(|| Change::new(tenant, what))
}

/// Publishes until the last sender is gone. What can't be published is found by looking.
async fn publish(client: Client, mut announcements: mpsc::Receiver<Announcement>) {
    let mut connection: Option<MultiplexedConnection> = None;
    while let Some(announcement) = announcements.recv().await {
        let channel = format!("t{}:{}", announcement.tenant.uuid(), announcement.what);
        let mut command = redis::cmd("PUBLISH");
        command.arg(channel).arg(announcement.version);
        // A connection that was kept may have ended unnoticed; a fresh one is tried then.
        for _ in 0..2 {
            if connection.is_none() {
                connection = connect(&client).await.ok();
            }
            let Some(open) = connection.as_mut() else {
                break;
            };
            match timeout(PATIENCE, command.query_async::<()>(open)).await {
                Ok(Ok(())) => break,
                _ => connection = None,
            }
        }
    }
}

async fn connect(client: &Client) -> Result<MultiplexedConnection, RedisError> {
    match timeout(PATIENCE, client.get_multiplexed_async_connection()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(meaning(&error)),
        Err(_) => Err(RedisError::Unreachable),
    }
}

fn meaning(error: &redis::RedisError) -> RedisError {
    match error.kind() {
        redis::ErrorKind::AuthenticationFailed => RedisError::Denied,
        _ => RedisError::Unreachable,
    }
}
