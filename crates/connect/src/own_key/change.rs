//! Setting a tenant's own key, replacing it, and going back to the installation's: all of the
//! tenant's data keys are put under another key-encryption key at once.
//!
//! Providers are asked first, with no transaction open; then one transaction finds everything as it
//! was read, or changes nothing. Whatever breaks off before its commit has changed nothing either.

use std::{collections::BTreeMap, sync::Arc};

use kernel::{
    Access, Error, Result,
    audit::Act,
    error::ConflictCode,
    id::TenantKeyId,
    permission::{EncryptionKeyRead, EncryptionKeyWrite, Permission},
};
use serde_json::json;
use vault::WrappedKey;

use super::{
    EncryptionKeyView, NewEncryptionKey, Own, failure,
    model::Place,
    own::round_trip,
    row::{self, Sealed},
};
use crate::{Connect, data_key::key_error, keys, seal::owner};

/// What is to wrap the tenant's data keys from now on.
struct Replacement {
    own: Own,
    place: Place,
    login: Sealed,
}

/// Which key wraps the tenant's data keys.
pub(super) async fn view(access: &Access<EncryptionKeyRead>) -> Result<EncryptionKeyView> {
    seen(access).await
}

/// As `view`, for whoever has just changed it.
pub(super) async fn seen<P: Permission>(access: &Access<P>) -> Result<EncryptionKeyView> {
    let row = row::read(access).await?;
    Ok(EncryptionKeyView {
        own: row.map(row::Row::view),
    })
}

impl Connect {
    /// Puts the tenant's data keys under a key of its own, in the place of the installation's or of
    /// another own one. It is tried out before anything is changed.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the field where the new key can't be used,
    /// [`Error::AddressRefused`]; [`Error::TenantKeyUnavailable`] and [`Error::TenantKeyWithdrawn`]
    /// where the own key that there is now does not give the data keys out; a conflict where the data
    /// keys changed meanwhile.
    pub async fn set_encryption_key(
        &self,
        access: &Access<EncryptionKeyWrite>,
        new: NewEncryptionKey,
    ) -> Result<EncryptionKeyView> {
        let (place, secret) = new.checked()?;
        let tenant = access.tenant().id;
        let providers = self.build_own(&place, &secret).await?;
        round_trip(&providers, owner(tenant))
            .await
            .map_err(|error| failure::refused(place.holder(), error))?;
        let id = TenantKeyId::new();
        let login = self.seal_login(tenant, id, &secret).await?;
        let replacement = Replacement {
            own: Own::new(id, providers, &place),
            place,
            login,
        };
        self.put_under(access, Some(replacement)).await?;
        seen(access).await
    }

    /// Puts the tenant's data keys back under the installation's key, and forgets the own one.
    ///
    /// # Errors
    /// [`Error::NotFound`] without one, and as `set_encryption_key`.
    pub async fn remove_encryption_key(&self, access: &Access<EncryptionKeyWrite>) -> Result<()> {
        self.put_under(access, None).await
    }

    async fn put_under(
        &self,
        access: &Access<EncryptionKeyWrite>,
        replacement: Option<Replacement>,
    ) -> Result<()> {
        let tenant = access.tenant().id;
        let mut tx = access.read().await?;
        let previous = row::is_whose(&mut tx).await?;
        tx.commit().await?;
        if previous.is_none() && replacement.is_none() {
            return Err(Error::NotFound(row::NAME));
        }
        let before = keys::stored(access).await?;
        let mut after = BTreeMap::new();
        for (generation, wrapped) in &before {
            let fresh = self
                .moved(access, *generation, wrapped, replacement.as_ref())
                .await?;
            after.insert(*generation, fresh);
        }

        let mut tx = access.begin().await?;
        if row::held(&mut tx).await? != (previous, before) {
            return Err(Error::Conflict {
                code: ConflictCode::ChangedMeanwhile,
                detail: "the account's data keys were changed meanwhile; try again".to_owned(),
            });
        }
        row::put_wraps(&mut tx, &after).await?;
        let (action, target, detail) = match &replacement {
            Some(new) => {
                let creator = access.actor().to_string();
                row::put(&mut tx, new.own.id, &new.place, &new.login, &creator).await?;
                let action = match previous {
                    None => "encryption_key.set",
                    Some(_) => "encryption_key.replaced",
                };
                let detail = json!({
                    "provider": new.place.holder(),
                    "key": new.place.describe(),
                    "data_keys": after.len(),
                });
                (action, Some(new.own.id), detail)
            }
            None => {
                row::remove(&mut tx).await?;
                let detail = json!({ "data_keys": after.len() });
                ("encryption_key.removed", previous, detail)
            }
        };
        tx.audit(Act {
            action,
            target: target.map_or_else(|| tenant.to_string(), |id| id.to_string()),
            detail,
        })
        .await?;
        tx.announce_keys().await?;
        tx.commit().await?;
        self.forget_keys(tenant);
        if let Some(new) = replacement {
            self.owns().put(tenant, Arc::new(new.own));
        }
        Ok(())
    }

    /// One data key under the new key. It is asked of the provider that wraps it now, and not taken
    /// from memory: who has withdrawn a key does not see data keys leave it.
    async fn moved(
        &self,
        access: &Access<EncryptionKeyWrite>,
        generation: u32,
        wrapped: &WrappedKey,
        to: Option<&Replacement>,
    ) -> Result<WrappedKey> {
        let key = match self.unwrap_now(access, generation, wrapped).await {
            Ok(key) => key,
            Err(cause) => return Err(self.no_key(access, cause).await),
        };
        match to {
            None => self.keys().wrap(&key).await.map_err(key_error),
            Some(new) => new
                .own
                .wrap(&key)
                .await
                .map_err(|error| failure::refused(new.place.holder(), error)),
        }
    }
}
