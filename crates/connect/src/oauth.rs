//! Accounts that are connected by consent (RFC 6749, section 4.1) instead of by pasting a secret: a
//! browser leaves for the provider and comes back (`flow`), its code becomes tokens (`exchange`), the
//! tokens a credential (`grant`), named after the account there (`account`). Whose app asks is in
//! `app`, GitHub Apps' installations in `installation`.
//!
//! Tokens that end are renewed by one node at a time (`refresh`), when they are used and by the clock
//! (`schedule`), and taken back when the account is disconnected (`revoke`). Links by which somebody
//! connects an account without one here are in `session`.

mod account;
mod api;
mod app;
mod exchange;
mod flow;
mod grant;
mod installation;
pub mod pages;
mod refresh;
mod revoke;
mod schedule;
mod session;

pub use api::routes;
pub use app::OAuthApp;
pub use flow::CALLBACK;
pub use grant::{Connection, connections};
pub use revoke::Disconnected;
pub use schedule::register;
pub use session::{ConnectLink, NewConnectSession};

pub(crate) use grant::{GrantState, is_connected};
pub(crate) use refresh::Refreshes;
pub(crate) use schedule::end;

use kernel::{Error, error::ConflictCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How an account is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ConnectionWay)]
pub enum Way {
    /// By a code, which becomes tokens.
    Code,
    /// As an installation of a GitHub App.
    Installation,
}

impl Way {
    fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Installation => "installation",
        }
    }

    fn parse(text: &str) -> kernel::Result<Self> {
        match text {
            "code" => Ok(Self::Code),
            "installation" => Ok(Self::Installation),
            other => Err(Error::internal(anyhow::anyhow!("unknown way {other:?}"))),
        }
    }
}

fn conflict(code: ConflictCode, detail: impl Into<String>) -> Error {
    Error::Conflict {
        code,
        detail: detail.into(),
    }
}
