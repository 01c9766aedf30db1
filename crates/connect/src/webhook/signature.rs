//! Signatures over templates: reading them from a request, checking and making them.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kernel::secret::{Secret, constant_time_eq};

use super::selector::{Scene, Selector};
use super::template::Values;
use super::verify::{header_once, judge};
use super::{Reason, Secrets, SignError, Slot};
use crate::catalogue::{Algorithm, Encoding, SignatureScheme};

/// More signatures in one header than any rotation needs; bounds the work per request.
const MAX_SIGNATURES: usize = 16;
/// Longer than any provider's message id.
const MAX_ID_BYTES: usize = 256;

/// What a request presents for its authentication.
struct Presented {
    signatures: Vec<Vec<u8>>,
    timestamp: String,
    sent: Option<i64>,
    id: String,
}

impl SignatureScheme {
    pub(super) fn verify(&self, scene: &Scene<'_>, secrets: &Secrets<'_>) -> Result<Slot, Reason> {
        let presented = self.read(scene)?;
        let message = self.signed.render(Values {
            body: scene.request.body,
            timestamp: &presented.timestamp,
            id: &presented.id,
            method: scene.request.method.as_str(),
            url: scene.request.url,
        });
        let slot = judge(secrets, Reason::SignatureMismatch, |secret| {
            self.matches(secret, &message, &presented.signatures)
        })?;
        // The window comes last, so that a refusal by time says that the signature was valid.
        if let (Some(rule), Some(sent)) = (&self.timestamp, presented.sent) {
            rule.check(sent, scene.request.received_at)?;
        }
        Ok(slot)
    }

    fn read(&self, scene: &Scene<'_>) -> Result<Presented, Reason> {
        let text = self
            .value(&self.at, scene)?
            .ok_or(Reason::MissingSignature)?;
        let signatures = self.signatures(&text)?;
        let (mut timestamp, mut sent) = (String::new(), None);
        if let Some(rule) = &self.timestamp {
            timestamp = match (&rule.at, &rule.list_item) {
                (Some(at), _) => self.value(at, scene)?,
                (None, Some(name)) => self.list_item(&text, name)?,
                (None, None) => None,
            }
            .ok_or(Reason::MissingTimestamp)?;
            sent = Some(rule.parse(&timestamp)?);
        }
        let mut id = String::new();
        if let Some(at) = &self.id {
            id = self.value(at, scene)?.ok_or(Reason::MissingId)?;
            // A dot in the id would let one signature stand for two splits of the same text.
            let plain = id
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'.');
            if !plain || id.len() > MAX_ID_BYTES {
                return Err(Reason::MalformedId);
            }
        }
        Ok(Presented {
            signatures,
            timestamp,
            sent,
            id,
        })
    }

    fn value(&self, at: &Selector, scene: &Scene<'_>) -> Result<Option<String>, Reason> {
        match at {
            Selector::Header(name) => {
                Ok(header_once(scene.request.headers, name)?.map(str::to_owned))
            }
            other => Ok(other.first(scene)),
        }
    }

    /// The readable signatures of a header value: at least one, unreadable extras left out.
    fn signatures(&self, text: &str) -> Result<Vec<Vec<u8>>, Reason> {
        let written: Vec<&str> = match &self.list {
            None => vec![text],
            Some(list) => text
                .split(list.items)
                .filter_map(|item| item.trim().split_once(list.fields))
                .filter(|(name, _)| *name == list.version)
                .map(|(_, value)| value)
                .collect(),
        };
        if written.len() > MAX_SIGNATURES {
            return Err(Reason::MalformedSignature);
        }
        let decoded: Vec<Vec<u8>> = written
            .into_iter()
            .filter_map(|value| {
                self.encoding
                    .decode(value.strip_prefix(self.prefix.as_str())?)
            })
            .collect();
        if decoded.is_empty() {
            return Err(Reason::MalformedSignature);
        }
        Ok(decoded)
    }

    fn list_item(&self, text: &str, wanted: &str) -> Result<Option<String>, Reason> {
        let Some(list) = &self.list else {
            return Ok(None);
        };
        let mut values = text
            .split(list.items)
            .filter_map(|item| item.trim().split_once(list.fields))
            .filter(|(name, _)| *name == wanted)
            .map(|(_, value)| value.to_owned());
        let first = values.next();
        match values.next() {
            Some(_) => Err(Reason::MalformedTimestamp),
            None => Ok(first),
        }
    }

    /// Whether any of the signatures is this secret's. All are compared, whichever matches.
    fn matches(
        &self,
        secret: &Secret,
        message: &[u8],
        signatures: &[Vec<u8>],
    ) -> Result<bool, Reason> {
        let key = self.key.decode(secret)?;
        let mut matched = false;
        if let Some(algorithm) = self.algorithm.hmac() {
            let tag = hmac::sign(&hmac::Key::new(algorithm, &key), message);
            for signature in signatures {
                matched |= constant_time_eq(tag.as_ref(), signature);
            }
            return Ok(matched);
        }
        let key = match self.algorithm {
            Algorithm::Ed25519 => UnparsedPublicKey::new(&ED25519, key.as_slice()).parse(),
            _ => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.as_slice()).parse(),
        }
        .map_err(|_| Reason::UnusableSecret)?;
        for signature in signatures {
            matched |= key.verify_sig(message, signature).is_ok();
        }
        Ok(matched)
    }

    /// Makes the signature that `matches` accepts; the secret is the private key for asymmetric
    /// algorithms.
    pub(super) fn make(&self, secret: &Secret, message: &[u8]) -> Result<String, SignError> {
        let key = self
            .key
            .decode(secret)
            .map_err(|_| SignError::UnusableSecret)?;
        let unusable = |_| SignError::UnusableSecret;
        let bytes = match self.algorithm {
            Algorithm::Ed25519 => Ed25519KeyPair::from_seed_unchecked(&key)
                .map_err(unusable)?
                .sign(message)
                .as_ref()
                .to_vec(),
            Algorithm::EcdsaP256Sha256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key)
                    .map_err(unusable)?
                    .sign(&SystemRandom::new(), message)
                    .map_err(|_| SignError::Randomness)?
                    .as_ref()
                    .to_vec()
            }
            Algorithm::HmacSha1 => tag(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key, message),
            Algorithm::HmacSha256 => tag(hmac::HMAC_SHA256, &key, message),
            Algorithm::HmacSha512 => tag(hmac::HMAC_SHA512, &key, message),
        };
        Ok(self.encoding.encode(&bytes))
    }
}

fn tag(algorithm: hmac::Algorithm, key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, key), message)
        .as_ref()
        .to_vec()
}

impl Algorithm {
    fn hmac(self) -> Option<hmac::Algorithm> {
        match self {
            Self::HmacSha1 => Some(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            Self::HmacSha256 => Some(hmac::HMAC_SHA256),
            Self::HmacSha512 => Some(hmac::HMAC_SHA512),
            Self::Ed25519 | Self::EcdsaP256Sha256 => None,
        }
    }
}

impl Encoding {
    fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex if text.bytes().any(|byte| byte.is_ascii_uppercase()) => None,
            Self::Hex | Self::HexAnyCase => hex::decode(text).ok(),
            Self::Base64 => STANDARD.decode(text).ok(),
        }
    }

    fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex | Self::HexAnyCase => hex::encode(bytes),
            Self::Base64 => STANDARD.encode(bytes),
        }
    }
}
