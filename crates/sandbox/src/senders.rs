//! Signed senders of real-shaped webhooks: what each provider puts on the wire when something
//! happens on an account. Signing is implemented here on its own, apart from any verifier.

mod outgoing;
mod sign;
pub mod telegram;
pub mod twilio;
pub mod whatsapp;

pub use outgoing::{Outgoing, Retries, Sent};

/// Whether a URL leads to this machine, the only place where the sandbox follows a URL that a
/// request named.
pub(crate) fn is_loopback(target: &str) -> bool {
    let Ok(target) = url::Url::parse(target) else {
        return false;
    };
    match target.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
