//! The wraps of the control database: those of people's authenticators, of tenants' identity
//! providers and of the keys that sign tokens. They are rewrapped and proved here as tenants' data keys are in their cells.
//!
//! The tables with wraps are named in [`WRAPS`]; a test compares them with the database, so that a
//! new table can't be forgotten.

use kernel::{
    Error, Operator, Result,
    db::Whose,
    id::{IdentityProviderId, TenantId, UserId},
    permission::KeysRotate,
};
use serde_json::json;
use vault::{Census, DataKey, Failure, OpenError, Owner, ProviderError, WrappedKey};

use crate::{
    oidc,
    people::{People, factors::authenticator},
    sealed, tokens,
};

/// The tables of the control database that have a column `kek`.
pub const WRAPS: &[&str] = &["identity_provider", "signing_key", "totp"];

/// A stored wrap: whose it is, and where it stands.
struct Wrap {
    place: Place,
    wrapped: WrappedKey,
    /// What is sealed under the wrapped key.
    sealed: Vec<u8>,
}

enum Place {
    SigningKey {
        generation: i32,
        kid: String,
    },
    Totp {
        user: UserId,
    },
    IdentityProvider {
        tenant: TenantId,
        id: IdentityProviderId,
    },
}

impl Place {
    fn owner(&self) -> Result<(Owner, u32)> {
        Ok(match self {
            Self::SigningKey { generation, .. } => (
                tokens::PLATFORM,
                u32::try_from(*generation).map_err(Error::internal)?,
            ),
            Self::Totp { user } => (Owner(*user.uuid().as_bytes()), sealed::GENERATION),
            Self::IdentityProvider { tenant, .. } => {
                (Owner(*tenant.uuid().as_bytes()), sealed::GENERATION)
            }
        })
    }

    fn describe(&self) -> String {
        match self {
            Self::SigningKey { kid, .. } => format!("signing key {kid}"),
            Self::Totp { user } => format!("authenticator of {user}"),
            Self::IdentityProvider { tenant, id } => {
                format!("identity provider {id} of {tenant}")
            }
        }
    }
}

/// What the rows say of themselves; nothing is opened.
pub async fn count(people: &People, operator: &Operator<KeysRotate>) -> Result<Census> {
    let mut census = Census::default();
    for wrap in stored(people, operator, "keys.counted").await? {
        census.wrap(&wrap.wrapped);
    }
    Ok(census)
}

/// Rewraps what is not under `current` yet, which is what `KeyProviders::current_kek` said. How
/// many were.
pub async fn rewrap(
    people: &People,
    operator: &Operator<KeysRotate>,
    current: &str,
) -> Result<u64> {
    let mut rewrapped = 0;
    for wrap in stored(people, operator, "keys.rewrapped").await? {
        if wrap.wrapped.kek == current {
            continue;
        }
        let (owner, generation) = wrap.place.owner()?;
        let new = people
            .keys()
            .rewrap(owner, generation, &wrap.wrapped)
            .await
            .map_err(error)?;
        rewrapped += replace(people, &wrap, &new).await?;
    }
    Ok(rewrapped)
}

/// Opens everything. What does not open is told among the faults.
///
/// # Errors
/// When the database or the key provider can't be asked, which proves nothing either way.
pub async fn prove(people: &People, operator: &Operator<KeysRotate>) -> Result<Census> {
    let mut census = Census::default();
    for wrap in stored(people, operator, "keys.proved").await? {
        census.wrap(&wrap.wrapped);
        let (owner, generation) = wrap.place.owner()?;
        match people.keys().unwrap(owner, generation, &wrap.wrapped).await {
            Ok(key) => {
                if let Err(cause) = opens(&key, &wrap) {
                    census.fault(wrap.place.describe(), cause);
                }
            }
            Err(cause) if cause.failure() == Failure::Passing => return Err(error(cause)),
            Err(cause) => census.fault(wrap.place.describe(), cause),
        }
    }
    Ok(census)
}

fn opens(key: &DataKey, wrap: &Wrap) -> std::result::Result<(), OpenError> {
    let opened = match &wrap.place {
        Place::SigningKey { kid, .. } => key.open(&tokens::context(kid), &wrap.sealed),
        Place::Totp { user } => {
            let record = user.uuid();
            key.open(&authenticator::sealed_for(&record).1, &wrap.sealed)
        }
        Place::IdentityProvider { tenant, id } => {
            let record = id.uuid();
            key.open(
                &oidc::sealed_for(*tenant, record.as_bytes()).1,
                &wrap.sealed,
            )
        }
    };
    opened.map(drop)
}

async fn stored(
    people: &People,
    operator: &Operator<KeysRotate>,
    action: &str,
) -> Result<Vec<Wrap>> {
    let mut tx = operator.people(action, None, json!({})).await?;
    let signing = sqlx::query!(
        "SELECT generation, kid, kek, wrapped, sealed FROM control.signing_key ORDER BY generation"
    )
    .fetch_all(tx.conn())
    .await?;
    let totp =
        sqlx::query!("SELECT user_id, secret, kek, wrapped_key FROM control.totp ORDER BY user_id")
            .fetch_all(tx.conn())
            .await?;
    let tenants = sqlx::query_scalar!("SELECT id FROM control.tenant ORDER BY id")
        .fetch_all(tx.conn())
        .await?;
    tx.commit().await?;
    let mut providers = Vec::new();
    for tenant in tenants {
        providers.append(&mut of_tenant(people, tenant.into()).await?);
    }
    let signing = signing.into_iter().map(|row| Wrap {
        place: Place::SigningKey {
            generation: row.generation,
            kid: row.kid,
        },
        wrapped: WrappedKey {
            kek: row.kek,
            bytes: row.wrapped,
        },
        sealed: row.sealed,
    });
    let totp = totp.into_iter().map(|row| Wrap {
        place: Place::Totp {
            user: row.user_id.into(),
        },
        wrapped: WrappedKey {
            kek: row.kek,
            bytes: row.wrapped_key,
        },
        sealed: row.secret,
    });
    Ok(signing.chain(totp).chain(providers).collect())
}

/// The wraps of one tenant's identity providers, whose rows no other tenant's transaction sees.
async fn of_tenant(people: &People, tenant: TenantId) -> Result<Vec<Wrap>> {
    let mut tx = people.begin(Whose::tenant(tenant)).await?;
    let rows =
        sqlx::query!("SELECT id, kek, wrapped, sealed FROM control.identity_provider ORDER BY id")
            .fetch_all(tx.conn())
            .await?;
    tx.commit().await?;
    let wraps = rows.into_iter().map(|row| Wrap {
        place: Place::IdentityProvider {
            tenant,
            id: row.id.into(),
        },
        wrapped: WrappedKey {
            kek: row.kek,
            bytes: row.wrapped,
        },
        sealed: row.sealed,
    });
    Ok(wraps.collect())
}

/// Puts the new wrap in the place of the old one, if that is still there.
async fn replace(people: &People, wrap: &Wrap, new: &WrappedKey) -> Result<u64> {
    let whose = match &wrap.place {
        Place::IdentityProvider { tenant, .. } => Whose::tenant(*tenant),
        _ => Whose::nobody(),
    };
    let mut tx = people.begin(whose).await?;
    let done = match &wrap.place {
        Place::SigningKey { generation, .. } => {
            sqlx::query!(
                "UPDATE control.signing_key SET kek = $3, wrapped = $4
                 WHERE generation = $1 AND wrapped = $2",
                generation,
                wrap.wrapped.bytes,
                new.kek,
                new.bytes
            )
            .execute(tx.conn())
            .await?
        }
        Place::Totp { user } => {
            sqlx::query!(
                "UPDATE control.totp SET kek = $3, wrapped_key = $4
                 WHERE user_id = $1 AND wrapped_key = $2",
                user.uuid(),
                wrap.wrapped.bytes,
                new.kek,
                new.bytes
            )
            .execute(tx.conn())
            .await?
        }
        Place::IdentityProvider { id, .. } => {
            sqlx::query!(
                "UPDATE control.identity_provider SET kek = $3, wrapped = $4
                 WHERE id = $1 AND wrapped = $2",
                id.uuid(),
                wrap.wrapped.bytes,
                new.kek,
                new.bytes
            )
            .execute(tx.conn())
            .await?
        }
    };
    tx.commit().await?;
    Ok(done.rows_affected())
}

/// What a provider's failure is to whoever signs in.
pub(crate) fn error(error: ProviderError) -> Error {
    match error.failure() {
        // The platform's own KEK: its withdrawal is the platform's trouble, and passes too.
        Failure::Passing | Failure::Withdrawn => Error::KeyProviderUnavailable(error.into()),
        Failure::Fault => Error::internal(error),
    }
}

#[cfg(test)]
mod tests;
