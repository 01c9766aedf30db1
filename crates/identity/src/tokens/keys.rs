//! The keys that sign tokens: made, sealed, rotated.
//!
//! A key is published before it signs and stays published until its last token has run out, so that
//! whoever remembers the set of keys for a while never meets a token without its key.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    EncodingKey,
    jwk::{
        AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters,
        EllipticCurveKeyType, Jwk, KeyAlgorithm, PublicKeyUse, ThumbprintHash,
    },
};
use kernel::{
    Error, Operator, Result,
    access::token::LIFE,
    db::{PeopleTx, Whose},
    permission::SigningKeysWrite,
};
use serde_json::json;
use time::OffsetDateTime;
use vault::{Context, DataKey, Owner, WrappedKey};

use super::Tokens;
use crate::keys;

/// How long others may remember the published set; its `Cache-Control` says so.
pub(super) const REMEMBERED_SECONDS: i64 = 300;
/// From publishing to signing.
const LEAD_SECONDS: f64 = 2.0 * REMEMBERED_SECONDS as f64;
/// A key that signed for this long is due to be replaced.
const AGE_DAYS: i32 = 30;
/// Keys belong to the installation, which is no tenant.
pub(crate) const PLATFORM: Owner = Owner([0; 16]);

/// How soon a new key is to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Once everybody can know it; the old one's tokens run out by themselves.
    Orderly,
    /// The old ones are in wrong hands: they and what they signed end now.
    AtOnce,
}

/// A signing key, as staff see it.
#[derive(Clone, Debug)]
pub struct SigningKey {
    pub kid: String,
    pub created_at: OffsetDateTime,
    pub signs_from: OffsetDateTime,
    pub published_until: Option<OffsetDateTime>,
}

/// The key that signs now.
pub(super) struct Signer {
    pub kid: String,
    pub key: EncodingKey,
}

pub(crate) fn context(kid: &str) -> Context<'_> {
    Context {
        domain: "signing_key",
        record: kid.as_bytes(),
        field: "private_key",
        schema: 1,
    }
}

/// A key that is not stored yet.
struct Fresh {
    kid: String,
    public: Vec<u8>,
    wrapped: WrappedKey,
    sealed: Vec<u8>,
}

/// A published key (RFC 7517), from an uncompressed point of P-256.
pub(super) fn jwk(point: &[u8], kid: Option<&str>) -> Option<Jwk> {
    let (x, y) = point.strip_prefix(&[4])?.split_at_checked(32)?;
    Some(Jwk {
        common: CommonParameters {
            public_key_use: Some(PublicKeyUse::Signature),
            key_algorithm: Some(KeyAlgorithm::ES256),
            key_id: kid.map(str::to_owned),
            ..CommonParameters::default()
        },
        algorithm: AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
            key_type: EllipticCurveKeyType::EC,
            curve: EllipticCurve::P256,
            x: URL_SAFE_NO_PAD.encode(x),
            y: URL_SAFE_NO_PAD.encode(y),
        }),
    })
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unusable(&'static str);

impl Tokens {
    /// The key that signs now; the first one is made here.
    pub(super) async fn signer(&self) -> Result<Signer> {
        if let Some(signer) = self.stored_signer().await? {
            return Ok(signer);
        }
        self.add_first().await?;
        self.stored_signer()
            .await?
            .ok_or_else(|| Error::internal(Unusable("the signing key just stored is missing")))
    }

    async fn stored_signer(&self) -> Result<Option<Signer>> {
        let mut tx = self.people.begin(Whose::nobody()).await?;
        let row = sqlx::query!(
            "SELECT generation, kid, kek, wrapped, sealed FROM control.signing_key
             WHERE signs_from <= now() AND (published_until IS NULL OR published_until > now())
             ORDER BY generation DESC LIMIT 1"
        )
        .fetch_optional(tx.conn())
        .await?;
        tx.commit().await?;
        let Some(row) = row else { return Ok(None) };
        let generation = u32::try_from(row.generation).map_err(Error::internal)?;
        let wrapped = WrappedKey {
            kek: row.kek,
            bytes: row.wrapped,
        };
        let key = self
            .people
            .keys()
            .unwrap(PLATFORM, generation, &wrapped)
            .await
            .map_err(keys::error)?;
        let private = key
            .open(&context(&row.kid), &row.sealed)
            .map_err(Error::internal)?;
        Ok(Some(Signer {
            kid: row.kid,
            key: EncodingKey::from_ec_der(&private),
        }))
    }

    async fn fresh(&self, generation: i32) -> Result<Fresh> {
        let unusable = |_| Error::internal(Unusable("no key pair could be made"));
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .map_err(unusable)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref())
            .map_err(|_| Error::internal(Unusable("the key pair just made is refused")))?;
        let public = pair.public_key().as_ref().to_vec();
        // The thumbprint of RFC 7638 names a key by what it is.
        let kid = jwk(&public, None)
            .and_then(|jwk| jwk.thumbprint(ThumbprintHash::SHA256).ok())
            .ok_or_else(|| Error::internal(Unusable("a public key has another form")))?;
        let generation = u32::try_from(generation).map_err(Error::internal)?;
        let data_key = DataKey::generate(PLATFORM, generation);
        let wrapped = self
            .people
            .keys()
            .wrap(&data_key)
            .await
            .map_err(keys::error)?;
        let sealed = data_key.seal(&context(&kid), document.as_ref());
        Ok(Fresh {
            kid,
            public,
            wrapped,
            sealed,
        })
    }

    /// The first key signs from the beginning: there is nobody yet who knows another. Once there
    /// is one, the newest or one before it always signs.
    async fn add_first(&self) -> Result<()> {
        let fresh = self.fresh(1).await?;
        let mut tx = self.people.begin(Whose::nobody()).await?;
        store(&mut tx, 1, &fresh, 0.0).await?;
        tx.commit().await
    }

    async fn newest(&self) -> Result<i32> {
        let mut tx = self.people.begin(Whose::nobody()).await?;
        let newest = sqlx::query_scalar!(
            r#"SELECT COALESCE(max(generation), 0) AS "newest!" FROM control.signing_key"#
        )
        .fetch_one(tx.conn())
        .await?;
        tx.commit().await?;
        Ok(newest)
    }

    /// Puts another key in the place of those there are. Of nodes that do so at once, one does.
    pub async fn rotate(
        &self,
        operator: &Operator<SigningKeysWrite>,
        urgency: Urgency,
    ) -> Result<Option<String>> {
        let newest = self.newest().await?;
        let fresh = self.fresh(newest + 1).await?;
        let detail = json!({ "kid": fresh.kid, "at_once": urgency == Urgency::AtOnce });
        let tx = operator.people("signing_key.rotated", None, detail).await?;
        replace(tx, newest, fresh, urgency).await
    }

    /// Rotates when the newest key is due. `false` when it is not, or another node was quicker.
    pub(super) async fn rotate_if_due(&self) -> Result<bool> {
        self.signer().await?;
        let mut tx = self.people.begin(Whose::nobody()).await?;
        let due = sqlx::query_scalar!(
            "SELECT generation FROM control.signing_key
             WHERE generation = (SELECT max(generation) FROM control.signing_key)
                 AND signs_from < now() - make_interval(days => $1)",
            AGE_DAYS
        )
        .fetch_optional(tx.conn())
        .await?;
        tx.commit().await?;
        let Some(newest) = due else { return Ok(false) };
        let fresh = self.fresh(newest + 1).await?;
        let tx = self.people.begin(Whose::nobody()).await?;
        Ok(replace(tx, newest, fresh, Urgency::Orderly)
            .await?
            .is_some())
    }

    /// All keys that were ever made, newest first.
    pub async fn keys(&self) -> Result<Vec<SigningKey>> {
        let mut tx = self.people.begin(Whose::nobody()).await?;
        let keys = sqlx::query_as!(
            SigningKey,
            "SELECT kid, created_at, signs_from, published_until FROM control.signing_key
             ORDER BY generation DESC"
        )
        .fetch_all(tx.conn())
        .await?;
        tx.commit().await?;
        Ok(keys)
    }
}

/// Stores a key that comes after `newest`; `None` where another node has stored one.
async fn replace(
    mut tx: PeopleTx,
    newest: i32,
    fresh: Fresh,
    urgency: Urgency,
) -> Result<Option<String>> {
    let (lead, rest) = match urgency {
        // A minute more than a token lives, for clocks that differ.
        Urgency::Orderly => (LEAD_SECONDS, LEAD_SECONDS + LIFE.as_secs_f64() + 60.0),
        Urgency::AtOnce => (0.0, 0.0),
    };
    if !store(&mut tx, newest + 1, &fresh, lead).await? {
        return Ok(None);
    }
    sqlx::query!(
        "UPDATE control.signing_key SET
             published_until = least(published_until, now() + make_interval(secs => $2))
         WHERE generation <= $1",
        newest,
        rest
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(Some(fresh.kid))
}

async fn store(tx: &mut PeopleTx, generation: i32, fresh: &Fresh, lead: f64) -> Result<bool> {
    let stored = sqlx::query!(
        "INSERT INTO control.signing_key (generation, kid, public_key, kek, wrapped, sealed, signs_from)
         VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
         ON CONFLICT (generation) DO NOTHING",
        generation,
        fresh.kid,
        fresh.public,
        fresh.wrapped.kek,
        fresh.wrapped.bytes,
        fresh.sealed,
        lead
    )
    .execute(tx.conn())
    .await?;
    Ok(stored.rows_affected() == 1)
}
