//! A tenant's data keys over time: rewrapped when the key-encryption key changes, renewed together
//! with all that is sealed under them, proved to open, retired, and destroyed on purpose.
//!
//! A tenant whose own key-encryption key is not to be had is left as it is, which is told and keeps
//! nobody else's from being rotated.
//!
//! Every step can be broken off and begun again. Nothing is changed but by comparison with what
//! was read, so that whatever somebody else writes meanwhile stays.
//!
//! The tables that hold sealed values are named in `reseal` and `census`; a test compares them with
//! the database, so that a new table can't be forgotten.

mod census;
mod erase;
mod reseal;
mod retire;
mod rewrap;
#[cfg(test)]
mod tests;

pub use census::{count, tenants};
pub use erase::Erased;

use std::collections::BTreeMap;

use kernel::{Access, Error, Result, permission::Permission};
use vault::WrappedKey;

/// Whether a KEK of a census is a tenant's own, which no operator retires.
pub fn is_own(kek: &str) -> bool {
    crate::own_key::parse(kek).is_some()
}

/// The generations that were destroyed on purpose.
pub(crate) async fn erased<P: Permission>(access: &Access<P>) -> Result<Vec<u32>> {
    let mut tx = access.read().await?;
    let generations = sqlx::query_scalar!("SELECT generation FROM cell.erased_key")
        .fetch_all(tx.conn())
        .await?;
    tx.commit().await?;
    let generations = generations.into_iter();
    generations
        .map(|generation| u32::try_from(generation).map_err(Error::internal))
        .collect()
}

/// All of the tenant's data keys, as they are stored.
pub(crate) async fn stored<P: Permission>(access: &Access<P>) -> Result<BTreeMap<u32, WrappedKey>> {
    let mut tx = access.read().await?;
    let rows = sqlx::query!("SELECT generation, kek, wrapped FROM cell.data_key")
        .fetch_all(tx.conn())
        .await?;
    tx.commit().await?;
    rows.into_iter()
        .map(|row| {
            let wrapped = WrappedKey {
                kek: row.kek,
                bytes: row.wrapped,
            };
            let generation = u32::try_from(row.generation).map_err(Error::internal)?;
            Ok((generation, wrapped))
        })
        .collect()
}
