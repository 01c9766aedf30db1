//! How a program of ours proves itself to a Transit server: a token, a file that something else
//! keeps a token in, or an AppRole (<https://openbao.org/docs/auth/approle/>).

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// Part of a token's life after which the next one is asked for, so that none runs out in use.
const USED_UP: f64 = 0.66;

/// A way to a token. `Debug` shows none of its secrets.
#[derive(Clone)]
pub enum Login {
    Token(Zeroizing<String>),
    /// Read with each use, because an agent beside us may renew it at any time.
    TokenFile(PathBuf),
    AppRole {
        /// Where the method is mounted, as in `approle`.
        mount: String,
        role_id: String,
        secret_id: Zeroizing<String>,
    },
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token(…)"),
            Self::TokenFile(path) => f.debug_tuple("TokenFile").field(path).finish(),
            Self::AppRole { mount, role_id, .. } => f
                .debug_struct("AppRole")
                .field("mount", mount)
                .field("role_id", role_id)
                .finish_non_exhaustive(),
        }
    }
}

/// The token that an AppRole was given last.
#[derive(Default)]
pub(super) struct Session(pub(super) Mutex<Option<Lent>>);

pub(super) struct Lent {
    pub(super) token: Zeroizing<String>,
    /// When to ask for another; never for one that does not expire.
    renew_at: Option<Instant>,
}

#[derive(Deserialize)]
pub(super) struct Granted {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(deserialize_with = "secret")]
    client_token: Zeroizing<String>,
    lease_duration: u64,
}

fn secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(from).map(Zeroizing::new)
}

impl From<Granted> for Lent {
    fn from(granted: Granted) -> Self {
        let life = Duration::from_secs(granted.auth.lease_duration);
        Self {
            token: granted.auth.client_token,
            renew_at: (!life.is_zero()).then(|| Instant::now() + life.mul_f64(USED_UP)),
        }
    }
}

impl Lent {
    pub(super) fn is_fresh(&self) -> bool {
        self.renew_at.is_none_or(|at| Instant::now() < at)
    }
}
