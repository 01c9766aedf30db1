//! Receivers on loopback, which refuse at first and write down what they then take.

use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

/// What was taken, in order; and how often the receiver still refuses.
#[derive(Debug, Default)]
pub struct Taken {
    pub messages: Vec<Value>,
    pub refusals: usize,
}

pub type Shared = Arc<Mutex<Taken>>;

/// A receiver that runs as long as this is there.
#[derive(Debug)]
pub struct Receiver {
    pub address: String,
    taken: Shared,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    pub fn messages(&self) -> Vec<Value> {
        self.taken.lock().expect("taken").messages.clone()
    }

    pub fn refusals_left(&self) -> usize {
        self.taken.lock().expect("taken").refusals
    }

    /// Number and action of the entries that were taken of one log.
    pub fn seqs(&self, log: &str) -> Vec<i64> {
        let messages = self.messages();
        let of_log = messages.iter().filter(|message| message["log"] == log);
        of_log
            .filter_map(|message| message["seq"].as_i64())
            .collect()
    }

    /// Takes Standard Webhooks; verifies them as standardwebhooks.com has it.
    pub async fn webhook(refusals: usize) -> Self {
        let taken = Shared::new(Mutex::new(Taken {
            refusals,
            ..Taken::default()
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}/in", listener.local_addr().expect("an address"));
        let router = Router::new()
            .route("/in", post(take))
            .with_state(Arc::clone(&taken));
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serves");
        });
        Self {
            address,
            taken,
            task,
        }
    }

    /// Takes syslog over TCP with octet counting.
    pub async fn syslog(refusals: usize) -> Self {
        let taken = Shared::new(Mutex::new(Taken {
            refusals,
            ..Taken::default()
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("syslog://{}", listener.local_addr().expect("an address"));
        let shared = Arc::clone(&taken);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("accepts");
                read(stream, &shared).await;
            }
        });
        Self {
            address,
            taken,
            task,
        }
    }
}

pub fn secret() -> kernel::secret::Secret {
    format!("whsec_{}", STANDARD.encode(KEY)).into()
}

async fn take(State(taken): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut taken = taken.lock().expect("taken");
    if taken.refusals > 0 {
        taken.refusals -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let header = |name: &str| headers[name].to_str().expect("text");
    let mut signed =
        format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).into_bytes();
    signed.extend(&body);
    let signature = header("webhook-signature")
        .strip_prefix("v1,")
        .expect("a version");
    let signature = STANDARD.decode(signature).expect("base64");
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY);
    hmac::verify(&key, &signed, &signature).expect("the signature fits");
    let message: Value = serde_json::from_slice(&body).expect("JSON");
    let id = message["data"]["id"].as_str();
    assert!(id.is_none_or(|id| id == header("webhook-id")));
    taken.messages.push(message["data"].clone());
    StatusCode::NO_CONTENT
}

/// Reads to the end of a connection; or resets it, without having read what was sent.
async fn read(mut stream: TcpStream, taken: &Shared) {
    let refuses = {
        let mut taken = taken.lock().expect("taken");
        let refuses = taken.refusals > 0;
        taken.refusals = taken.refusals.saturating_sub(1);
        refuses
    };
    if refuses {
        stream.readable().await.expect("something was sent");
        return;
    }
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await.expect("reads");
    let mut rest = &text[..];
    while !rest.is_empty() {
        let space = rest
            .iter()
            .position(|byte| *byte == b' ')
            .expect("a length");
        let length = std::str::from_utf8(&rest[..space]).expect("digits");
        let end = space + 1 + length.parse::<usize>().expect("a number");
        let frame = std::str::from_utf8(&rest[space + 1..end]).expect("UTF-8");
        // Header fields have no spaces; the message follows the structured data, a hyphen.
        let parts: Vec<&str> = frame.splitn(8, ' ').collect();
        assert_eq!(
            (parts[0], parts[3], parts[6]),
            ("<109>1", "freehold", "-"),
            "{frame}"
        );
        let message = serde_json::from_str(parts[7]).expect("JSON");
        taken.lock().expect("taken").messages.push(message);
        rest = &rest[end..];
    }
}
