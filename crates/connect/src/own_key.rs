//! A tenant's own key-encryption key: in a Transit engine or an AWS KMS of the tenant's, it wraps the
//! tenant's data keys in the place of the installation's key providers. Setting it, replacing it and
//! going back are one act (`change`); `own` is the provider at work and what is known of how it does,
//! `verify` asks it on demand, `failure` puts its trouble into words.
//!
//! A data key under such a key names it as `own:<id>:<the provider's name of it>`, where the id is that
//! of the tenant's row. The installation's providers never see these wraps. What is slow or dead in a
//! tenant's provider is met by that tenant alone: each has its own client state, circuit and login.

mod api;
mod change;
mod failure;
mod model;
mod own;
pub mod pages;
mod row;
mod schema;
mod verify;

use kernel::id::TenantKeyId;
use uuid::Uuid;
use vault::WrappedKey;

pub use api::routes;
pub use failure::KeyFailure;
pub use model::{
    AwsView, EncryptionKeyView, Holder, KeyState, LoginKind, NewAwsKey, NewEncryptionKey,
    NewTransitKey, OwnKeyView, TransitView,
};
pub(crate) use own::{Own, Owns, login_owner, opens};
pub(crate) use row::{Row, is_whose, lock, read};

const PREFIX: &str = "own:";

/// Whose key wrapped it, and how that key's provider calls itself; nothing where it was one of the
/// installation's.
pub(crate) fn parse(kek: &str) -> Option<(TenantKeyId, &str)> {
    let (id, inner) = kek.strip_prefix(PREFIX)?.split_once(':')?;
    let id = Uuid::try_parse(id).ok()?;
    Some((TenantKeyId::from(id), inner))
}

/// What `parse` takes apart.
pub(crate) fn kek_name(id: TenantKeyId, inner: &str) -> String {
    format!("{PREFIX}{}:{inner}", id.uuid().hyphenated())
}

/// A wrap of the tenant's own key as it is stored.
pub(crate) fn named(id: TenantKeyId, wrapped: WrappedKey) -> WrappedKey {
    WrappedKey {
        kek: kek_name(id, &wrapped.kek),
        bytes: wrapped.bytes,
    }
}

/// A wrap as the tenant's own provider knows it.
pub(crate) fn inner(name: &str, wrapped: &WrappedKey) -> WrappedKey {
    WrappedKey {
        kek: name.to_owned(),
        bytes: wrapped.bytes.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_keks_say_whose_they_are() {
        let id = TenantKeyId::new();
        let name = kek_name(id, "transit:transit/key:v1");
        assert_eq!(parse(&name), Some((id, "transit:transit/key:v1")));
        for foreign in ["local:v1", "transit:own:x/key:v1", "own:", "own:key:v1"] {
            assert_eq!(parse(foreign), None, "{foreign}");
        }
    }
}
