//! Connections to providers: what Freehold knows of each provider, and what it exchanges with them.
//!
//! The catalogue describes providers as data; `webhook` verifies, splits and signs their webhooks
//! by it; `inbound` is the pipeline from request to acknowledgement. `credentials` keeps tenants'
//! secrets, sealed by `seal` under what `data_key` unwraps; `keys` rotates and destroys data keys,
//! `own_key` puts them under a key of the tenant's own; `resolve` opens them for use, `oauth` connects
//! accounts by consent and renews their tokens, `authorize` makes of them what a request must carry,
//! and `call` spends them on the provider's
//! API; `verify` tests them there, and `proxy` spends them for whoever calls it; `integrations` shows
//! how all of it does, and what to do at each provider. Nothing here knows conversations, agents or
//! plans.

mod account;
mod authorize;
mod call;
pub mod catalogue;
mod connect;
pub mod credentials;
mod data_key;
mod github_app;
pub mod inbound;
pub mod integrations;
pub mod keys;
pub mod oauth;
pub mod own_key;
pub mod proxy;
mod resolve;
mod seal;
mod tokens;
mod uses;
pub mod verify;
pub mod webhook;

pub use authorize::Authorization;
pub use call::{Answer, Call, CallBody};
pub use connect::{Connect, ProviderSettings, Settings};
pub use resolve::OpenCredential;
