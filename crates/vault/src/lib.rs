//! Envelope encryption: data keys that seal fields, key providers that wrap data keys, and the
//! cache of unwrapped ones. Every type that holds key material lives here.
//!
//! Nothing here knows about databases, nor which rows exist; HTTP is spoken with key providers alone: callers name what they seal
//! with a [`Context`], store the bytes and keep the [`WrappedKey`] next to its owner.
//!
//! Two layers share one byte format (described for other implementations in
//! `docs/ciphertext.md`, with vectors in `tests/vectors.json`):
//!
//! - a field is sealed under the [`DataKey`] of its owner and generation;
//! - a data key is wrapped under a key-encryption key (KEK) by a [`KeyProvider`].
//!
//! Destroying every wrap of an owner's data keys destroys all that was sealed for that owner.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")
)]

#[cfg(feature = "aws-kms")]
mod aws_kms;
mod cache;
mod census;
mod circuit;
mod data_key;
mod envelope;
mod key_bytes;
mod keyring;
mod owner;
mod provider;
mod providers;
mod remote;
mod transit;
mod unwraps;

#[cfg(test)]
mod vectors;

#[cfg(feature = "aws-kms")]
pub use aws_kms::{AwsKms, AwsKmsSettings};
pub use cache::{CacheCounts, DataKeyCache};
pub use census::Census;
pub use data_key::{Context, DataKey, generation_of};
pub use envelope::OpenError;
pub use keyring::{Keyring, KeyringError};
pub use owner::Owner;
pub use provider::{Failure, KeyProvider, ProviderError, WrappedKey};
pub use providers::KeyProviders;
pub use transit::{Login, Transit, TransitSettings};
pub use unwraps::DataKeys;
