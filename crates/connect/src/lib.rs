//! Connections to providers: what Freehold knows of each provider, and what it exchanges with them.
//!
//! The catalogue describes providers as data; `webhook` verifies, splits and signs their webhooks
//! by it. Nothing here knows conversations, agents or plans.

pub mod catalogue;
pub mod webhook;
