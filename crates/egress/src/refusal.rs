//! Why an address is not called, in words that say what to do.

use std::error::Error as _;

/// Why an address is not called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("only https:// addresses are called")]
    Scheme,
    #[error(
        "`{host}` has to be called by https://; the operator can allow http:// to it by naming it under `[egress] allow`"
    )]
    Plain { host: String },
    #[error("an address may carry neither user nor password; put them into the credential")]
    UserInfo,
    #[error("port {0} is not one that web servers use; use 443 or a port from 1024 on")]
    Port(u16),
    /// `what` is as in "a private address".
    #[error(
        "`{host}` is {what}, inside a network; use a public address, or have the operator name it under `[egress] allow`"
    )]
    Private { host: String, what: &'static str },
    #[error("`{host}` is {what}, which is never called; use a public address")]
    Forbidden { host: String, what: &'static str },
}

impl Refusal {
    /// The refusal by which a request failed: a name's addresses are seen when it is sent.
    pub fn behind(error: &reqwest::Error) -> Option<&Self> {
        let mut source = error.source();
        while let Some(cause) = source {
            if let Some(refusal) = cause.downcast_ref() {
                return Some(refusal);
            }
            source = cause.source();
        }
        None
    }
}

impl From<Refusal> for kernel::Error {
    fn from(refusal: Refusal) -> Self {
        Self::AddressRefused(refusal.to_string())
    }
}
