//! Connections to providers: what Freehold knows of each provider, and what it exchanges with them.
//!
//! The catalogue describes providers as data; `webhook` verifies, splits and signs their webhooks
//! by it; `inbound` is the pipeline from request to acknowledgement. `credentials` keeps tenants'
//! secrets, sealed by `seal`, whose data keys `keys` rotates and destroys; `resolve` opens them for use and `call` spends them on the provider's
//! API. Nothing here knows conversations, agents or plans.

mod account;
mod call;
pub mod catalogue;
mod connect;
pub mod credentials;
pub mod inbound;
pub mod keys;
mod resolve;
mod seal;
pub mod webhook;

pub use call::{Answer, Auth, Call, CallBody};
pub use connect::{Connect, ProviderSettings, Settings};
pub use resolve::OpenCredential;
