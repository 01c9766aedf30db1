//! Simulated providers: Meta's Graph API for WhatsApp, Twilio, Telegram, OpenAI and an OpenID Connect
//! provider on one loopback server, as strict as the providers' documentation, with faults on demand and a record of all
//! that was sent; senders of signed, real-shaped webhooks; and a mail server that keeps what it gets.
//!
//! `freehold demo` and tests stand on it. It knows nothing of the rest of Freehold: requests are
//! checked and webhooks are signed here by an implementation of its own, so that it can disagree
//! with the code that it is meant to check. Where a live provider silently ignores a parameter
//! that it does not document, the sandbox refuses it: a misspelt name should fail here first.
//!
//! Of the catalogue's other providers the door is simulated: authentication as they document it, and
//! the calls by which credentials are tested; of those with a library that the proxy is judged by,
//! some of the calls that people make as well (`service`). Slack, Linear, GitHub and Google have
//! authorization servers with pages of consent (`oauth`).
//!
//! Paths: `/whatsapp/v23.0/…`, `/twilio/…`, `/telegram/…`, `/openai/v1/…`, `/slack/…` and so on by the
//! catalogue's names, `/oidc/…`, and `/_sandbox/…` to inject faults and read the record from another process.

mod accounts;
mod call;
mod control;
mod faults;
mod ids;
mod media;
mod oauth;
mod oidc;
mod openai;
mod provider;
mod record;
pub mod senders;
mod server;
mod service;
mod shape;
mod smtp;
mod telegram;
mod twilio;
mod whatsapp;

pub use accounts::{
    Accounts, OidcClient, OpenAiAccount, TelegramAccount, TwilioAccount, WhatsAppAccount,
};
pub use faults::{Fault, Faults, PlannedFault, Scope};
pub use media::{Media, MediaStore};
pub use oauth::{GithubApp, OAuthAccount, OAuthClient, OAuthServer};
pub use oidc::{OidcFault, OidcIssuer, OidcPerson};
pub use provider::{Provider, UnknownProvider};
pub use record::{Received, Record};
pub use server::Sandbox;
pub use service::ServiceAccount;
pub use smtp::{Letter, SmtpSink};

/// Locks a mutex whose data stay sound when a holder panics: every critical section here is a
/// plain insertion, removal or copy.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
