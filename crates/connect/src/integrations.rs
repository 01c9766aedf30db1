//! Integrations: the catalogue beside what a tenant has connected of it. How each account does, what
//! to do next, and what to do at the provider, in the API (`/v1/integrations`) and the console; for
//! staff, the same in numbers over all tenants.
//!
//! Nothing here opens a credential or changes one: that is [`crate::credentials`]. What is known of
//! health was found by [`crate::verify`] and the inbound pipeline.

mod api;
mod guide;
mod health;
mod pages;
mod read;
pub mod staff;
#[cfg(test)]
mod tests;

pub use api::routes;
pub use health::{Health, Next};
pub use pages::pages;
pub use read::{Connected, Inbound, Integration};
