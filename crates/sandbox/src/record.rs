//! The record of what was sent to the simulated providers, without the secrets that came along.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use http::HeaderMap;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::{accounts::Accounts, faults::Fault, lock, provider::Provider};

/// How many requests are kept; older ones are dropped.
const CAPACITY: usize = 10_000;

/// Headers whose values are kept. Any other may carry a credential, so its value is not.
const HARMLESS: &[&str] = &[
    "accept",
    "accept-encoding",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "traceparent",
    "user-agent",
    "x-correlation-id",
    "x-request-id",
];

/// One request as a provider received it, and how it was answered.
#[derive(Clone, Debug, Serialize)]
pub struct Received {
    /// Counts up from 1 over all providers.
    pub sequence: u64,
    pub provider: Provider,
    /// The account that the call names: WhatsApp phone number id, Twilio account SID, Telegram bot
    /// id, the last four characters of an OpenAI key.
    pub account: Option<String>,
    pub method: String,
    /// The path below the provider's prefix, as in `v23.0/106540352242922/messages`; a Telegram
    /// token in it shows as `bot<id>:…`.
    pub path: String,
    pub query: Vec<(String, String)>,
    /// In the order received; the value of every header not known to be harmless is `…`.
    pub headers: Vec<(String, String)>,
    /// JSON as sent; a form as an object, a repeated field as a list; other text as a string.
    pub body: Value,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The fault that was injected, if any.
    pub fault: Option<Fault>,
}

/// The most recent requests, oldest first.
#[derive(Debug)]
pub struct Record {
    ring: Mutex<Ring>,
    /// The sequence of the latest request, for those who wait.
    latest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Ring {
    requests: VecDeque<Received>,
    sequence: u64,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            ring: Mutex::default(),
            latest: watch::Sender::new(0),
        }
    }
}

impl Record {
    /// Keeps a request and gives it its sequence number.
    pub(crate) fn keep(&self, mut received: Received) {
        let sequence = {
            let ring = &mut *lock(&self.ring);
            ring.sequence += 1;
            received.sequence = ring.sequence;
            if ring.requests.len() == CAPACITY {
                ring.requests.pop_front();
            }
            ring.requests.push_back(received);
            ring.sequence
        };
        self.latest.send_replace(sequence);
    }

    pub fn all(&self) -> Vec<Received> {
        lock(&self.ring).requests.iter().cloned().collect()
    }

    pub fn of(&self, provider: Provider) -> Vec<Received> {
        let ring = lock(&self.ring);
        let requests = ring.requests.iter();
        requests
            .filter(|received| received.provider == provider)
            .cloned()
            .collect()
    }

    pub fn clear(&self) {
        lock(&self.ring).requests.clear();
    }

    /// The first recorded request that satisfies the predicate, waiting for it to arrive; `None`
    /// when none has within the time given.
    pub async fn wait_for(
        &self,
        predicate: impl Fn(&Received) -> bool,
        within: Duration,
    ) -> Option<Received> {
        let mut latest = self.latest.subscribe();
        let search = async {
            loop {
                latest.borrow_and_update();
                let found = lock(&self.ring)
                    .requests
                    .iter()
                    .find(|received| predicate(received))
                    .cloned();
                if found.is_some() || latest.changed().await.is_err() {
                    return found;
                }
            }
        };
        tokio::time::timeout(within, search).await.ok().flatten()
    }
}

/// Headers for the record. An authorization keeps its scheme, which is worth knowing and not
/// secret.
pub(crate) fn harmless(headers: &HeaderMap, accounts: &Accounts) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = value.to_str().unwrap_or("…");
            let shown = if HARMLESS.contains(&name.as_str()) {
                accounts.scrub(value)
            } else if name == http::header::AUTHORIZATION {
                match value.split_once(' ') {
                    Some((scheme, _)) => format!("{scheme} …"),
                    None => "…".to_owned(),
                }
            } else {
                "…".to_owned()
            };
            (name.as_str().to_owned(), shown)
        })
        .collect()
}
