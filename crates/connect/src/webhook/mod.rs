//! Inbound webhooks as pure functions over a provider's catalogue entry: handshake, verification,
//! split, acknowledgement, and signing as the counterpart.
//!
//! Nothing here waits, stores or logs, and no provider is named: facts come from the catalogue.
//! The order in which the parts are called, and what happens to a refused request, is the
//! pipeline's business.

mod assertion;
mod body;
pub mod cli;
mod handshake;
mod key;
mod reason;
mod selector;
mod sign;
mod signature;
mod split;
mod template;
mod twilio;
mod verify;
mod window;

use http::{HeaderMap, Method};
use kernel::secret::Secret;
use time::OffsetDateTime;

pub use crate::catalogue::{FixedResponse, Webhook};
pub use assertion::{Assertion, assert_tenant};
pub use handshake::Handshake;
pub use key::{SigningPair, generate};
pub use reason::Reason;
pub use selector::{Path, Selector};
pub use sign::{SignError, SignableRequest, sign};
pub use split::{Child, Malformed};
pub use template::Template;

/// A received request, exactly as it came.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a Method,
    /// The configured public URL with the request's query. Never made from `Host` or
    /// `X-Forwarded-*`, which the sender chooses: Twilio's signature covers the URL.
    pub url: &'a str,
    pub headers: &'a HeaderMap,
    /// The bytes before any parsing or re-encoding.
    pub body: &'a [u8],
    pub received_at: OffsetDateTime,
}

/// The secrets that verify: the current one and, for a while after a rotation, the previous one.
/// For asymmetric schemes these are public keys. An empty secret verifies nothing.
#[derive(Debug, Clone, Copy)]
pub struct Secrets<'a> {
    pub current: &'a Secret,
    pub previous: Option<&'a Secret>,
}

/// Which secret a request was verified with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    Current,
    Previous,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Verified { slot: Slot },
    Refused(Reason),
}

impl Verdict {
    pub fn is_verified(self) -> bool {
        matches!(self, Self::Verified { .. })
    }
}

impl Webhook {
    /// The answer to every accepted event. It never depends on the request, because some
    /// providers act on what they are answered.
    pub fn ack(&self) -> FixedResponse {
        self.ack.clone()
    }
}
