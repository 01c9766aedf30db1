//! From a credential field's text to keys and back: decoding, and fresh secrets per scheme.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_PAD_INDIFFERENT};
use kernel::secret::Secret;
use zeroize::Zeroizing;

use super::{Reason, SignError};
use crate::catalogue::{Algorithm, KeyFormat, Verifier};

pub(super) const ED25519_SEED_BYTES: usize = 32;
const WHSEC: &str = "whsec_";

impl KeyFormat {
    /// The key's bytes, never empty.
    pub(super) fn decode(self, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, Reason> {
        let text = secret.expose();
        let bytes = match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Hex => hex::decode(text).map_err(|_| Reason::UnusableSecret)?,
            Self::Base64 | Self::Base64Whsec => {
                let text = match self {
                    Self::Base64Whsec => text.strip_prefix(WHSEC).unwrap_or(text),
                    _ => text,
                };
                STANDARD_PAD_INDIFFERENT
                    .decode(text)
                    .map_err(|_| Reason::UnusableSecret)?
            }
        };
        if bytes.is_empty() {
            return Err(Reason::EmptySecret);
        }
        Ok(Zeroizing::new(bytes))
    }

    fn encode(self, bytes: &[u8]) -> Secret {
        Secret::new(match self {
            Self::Utf8 | Self::Hex => hex::encode(bytes),
            Self::Base64 => STANDARD.encode(bytes),
            Self::Base64Whsec => format!("{WHSEC}{}", STANDARD.encode(bytes)),
        })
    }
}

/// A secret to sign with and what verifies it; one and the same for symmetric schemes.
#[derive(Debug, Clone)]
pub struct SigningPair {
    /// For `sign`: the shared secret, an Ed25519 seed, or an ECDSA key in PKCS#8, written in the
    /// scheme's key format.
    pub signing: Secret,
    /// For the credential field: the shared secret or the public key.
    pub verifying: Secret,
}

/// Fresh random keys for one way of authenticating.
pub fn generate(verifier: &Verifier) -> Result<SigningPair, SignError> {
    let mut random = Zeroizing::new([0u8; ED25519_SEED_BYTES]);
    aws_lc_rs::rand::fill(random.as_mut_slice()).map_err(|_| SignError::Randomness)?;
    let shared = |secret: Secret| SigningPair {
        signing: secret.clone(),
        verifying: secret,
    };
    let Verifier::Signature(scheme) = verifier else {
        let token = hex::encode(random.as_slice());
        return Ok(shared(Secret::new(match verifier {
            Verifier::Basic(_) => format!("freehold:{token}"),
            _ => token,
        })));
    };
    match scheme.algorithm {
        Algorithm::HmacSha1 | Algorithm::HmacSha256 | Algorithm::HmacSha512 => {
            Ok(shared(scheme.key.encode(random.as_slice())))
        }
        Algorithm::Ed25519 => {
            let pair = Ed25519KeyPair::from_seed_unchecked(random.as_slice())
                .map_err(|_| SignError::UnusableSecret)?;
            Ok(SigningPair {
                signing: scheme.key.encode(random.as_slice()),
                verifying: scheme.key.encode(pair.public_key().as_ref()),
            })
        }
        Algorithm::EcdsaP256Sha256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
                .map_err(|_| SignError::Randomness)?;
            let private = pair.to_pkcs8v1().map_err(|_| SignError::UnusableSecret)?;
            let public = pair
                .public_key()
                .as_der()
                .map_err(|_| SignError::UnusableSecret)?;
            Ok(SigningPair {
                signing: scheme.key.encode(private.as_ref()),
                verifying: scheme.key.encode(public.as_ref()),
            })
        }
    }
}
