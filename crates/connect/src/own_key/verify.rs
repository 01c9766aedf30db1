//! Asking a tenant's own provider on demand, past everything that is remembered.

use std::sync::Arc;

use kernel::{Access, Error, Result, permission::EncryptionKeyWrite};
use vault::ProviderError;

use super::{
    EncryptionKeyView, KeyFailure, KeyState, Own, change::seen, inner, own::round_trip, row,
};
use crate::{Connect, keys, seal::owner};

impl Connect {
    /// Asks the tenant's own provider now whether the key can be used and still opens every data key,
    /// and keeps what was found. A key that can't be used is an answer, not an error; where it was
    /// withdrawn, no node goes on by what it has in memory.
    ///
    /// # Errors
    /// [`Error::NotFound`] without one.
    pub async fn verify_encryption_key(
        &self,
        access: &Access<EncryptionKeyWrite>,
    ) -> Result<EncryptionKeyView> {
        let tenant = access.tenant().id;
        let row = row::read(access).await?;
        let row = row.ok_or(Error::NotFound(row::NAME))?;
        let own = self.fresh_own(tenant, &row).await?;
        let found = match self.try_out(access, &own).await? {
            Ok(()) => None,
            Err(error) => match KeyFailure::of(&error) {
                Some(failure) => Some(failure),
                None => return Err(Error::internal(error)),
            },
        };
        row::note(access, own.id, found, true).await?;
        match KeyState::of(found) {
            // In the place of one that may still be waiting for its circuit, or hold an older login.
            KeyState::Working => self.owns().put(tenant, Arc::new(own.knowing(found))),
            KeyState::Unavailable => {}
            KeyState::Withdrawn => self.forget_keys(tenant),
        }
        seen(access).await
    }

    async fn try_out(
        &self,
        access: &Access<EncryptionKeyWrite>,
        own: &Own,
    ) -> Result<std::result::Result<(), ProviderError>> {
        let owner = owner(access.tenant().id);
        let stored = keys::stored(access).await?;
        if let Err(error) = round_trip(&own.providers, owner).await {
            return Ok(Err(error));
        }
        for (generation, wrapped) in stored {
            let Some((_, name)) = super::parse(&wrapped.kek).filter(|(id, _)| *id == own.id) else {
                continue;
            };
            let wrapped = inner(name, &wrapped);
            if let Err(error) = own.providers.unwrap(owner, generation, &wrapped).await {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }
}
