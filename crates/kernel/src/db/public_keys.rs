//! The public halves of the keys that sign tokens. Remembered for seconds, so that a key which is
//! withdrawn is believed no longer than that, on any node.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use super::Db;
use crate::error::Result;

const LIFE: Duration = Duration::from_secs(5);
/// A key that is not known may be a new one; strangers can invent as many as they like.
const PAUSE: Duration = Duration::from_secs(1);

/// A key that tokens may be signed with.
#[derive(Clone, Debug)]
pub struct PublicKey {
    pub kid: String,
    /// An uncompressed point of P-256: 0x04, x, y.
    pub point: Vec<u8>,
}

type Known = (Instant, Arc<[PublicKey]>);

#[derive(Debug, Default)]
pub(crate) struct PublicKeys(RwLock<Option<Known>>);

impl PublicKeys {
    pub async fn find(&self, db: &Db, kid: &str) -> Result<Option<PublicKey>> {
        let among = |keys: &[PublicKey]| keys.iter().find(|key| key.kid == kid).cloned();
        let known = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((at, keys)) = known {
            let found = among(&keys);
            let enough = if found.is_some() { LIFE } else { PAUSE };
            if at.elapsed() < enough {
                return Ok(found);
            }
        }
        let keys: Arc<[PublicKey]> = db.published_keys().await?.into();
        let found = among(&keys);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), keys));
        Ok(found)
    }
}

impl Db {
    /// The keys that tokens may be signed with now or soon, oldest first.
    pub async fn published_keys(&self) -> Result<Vec<PublicKey>> {
        let rows = sqlx::query!(
            "SELECT kid, public_key FROM control.signing_key
             WHERE published_until IS NULL OR published_until > now() ORDER BY generation"
        )
        .fetch_all(&self.0.identity)
        .await?;
        let keys = rows.into_iter().map(|row| PublicKey {
            kid: row.kid,
            point: row.public_key,
        });
        Ok(keys.collect())
    }
}
