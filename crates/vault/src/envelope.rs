//! The byte format shared by sealed fields and wrapped data keys, and the key-committing AEAD
//! behind it. Which fields are bound and what the keys mean is decided by `data_key` and
//! `keyring`.
//!
//! ```text
//! offset  0  version      1 byte, 1
//!         1  suite        1 byte, 1 = HKDF-SHA-512 with AES-256-GCM
//!         2  key version  4 bytes, big-endian: data-key generation, or KEK version of a wrap
//!         6  salt        32 bytes, random
//!        38  commitment  32 bytes
//!        70  ciphertext   as long as the plaintext
//!         …  tag         16 bytes
//! ```
//!
//! `message key = HKDF-SHA-512(salt, key, label of the key)` and
//! `commitment = HKDF-SHA-512(salt, key, label of the commitment)`, 32 bytes each. AES-GCM alone
//! lets one ciphertext open under two chosen keys; the commitment, checked first, rules that out.
//!
//! The GCM nonce is twelve zero bytes: the salt gives every message a key of its own, so that no
//! (key, nonce) pair repeats unless a 256-bit salt does.
//!
//! The associated data is each bound value prefixed with its length (8 bytes, big-endian), then
//! the 70 bytes before the ciphertext.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use crate::key_bytes::{KEY_LEN, KeyBytes, fill_random};

const VERSION: u8 = 1;
const SUITE_HKDF_SHA512_AES256_GCM: u8 = 1;

const SALT_LEN: usize = 32;
const COMMITMENT_LEN: usize = 32;
const TAG_LEN: usize = 16;

const SALT_AT: usize = 6;
const COMMITMENT_AT: usize = SALT_AT + SALT_LEN;
const HEADER_LEN: usize = COMMITMENT_AT + COMMITMENT_LEN;

/// Why sealed bytes did not open. No variant carries key material or plaintext.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("{len} bytes are too few to be a sealed value")]
    Truncated { len: usize },
    #[error("sealed in format version {0}, which this build does not know")]
    UnknownVersion(u8),
    #[error("sealed with cipher suite {0}, which this build does not know")]
    UnknownSuite(u8),
    #[error("sealed under key version {sealed}, but opened with key version {key}")]
    WrongGeneration { sealed: u32, key: u32 },
    /// The commitment does not match: another key, or a changed salt or commitment.
    #[error("not sealed under this key")]
    WrongKey,
    /// The tag does not match: the ciphertext was changed, or it was sealed for another place.
    #[error("altered since it was sealed, or sealed for another place")]
    Altered,
}

/// The HKDF `info` strings that keep uses of the format apart from each other.
pub(crate) struct Labels {
    pub(crate) key: &'static [u8],
    pub(crate) commitment: &'static [u8],
}

/// Sealed bytes taken apart. Constructing one proves the version and suite known.
pub(crate) struct Envelope<'a> {
    pub(crate) key_version: u32,
    header: &'a [u8; HEADER_LEN],
    salt: &'a [u8],
    commitment: &'a [u8],
    ciphertext: &'a [u8],
    tag: &'a [u8; TAG_LEN],
}

impl<'a> Envelope<'a> {
    pub(crate) fn parse(sealed: &'a [u8]) -> Result<Self, OpenError> {
        let truncated = OpenError::Truncated { len: sealed.len() };
        // The version is judged before the length, because a later version may be shorter.
        match sealed.first() {
            None => return Err(truncated),
            Some(&VERSION) => {}
            Some(&other) => return Err(OpenError::UnknownVersion(other)),
        }
        match sealed.get(1) {
            None => return Err(truncated),
            Some(&SUITE_HKDF_SHA512_AES256_GCM) => {}
            Some(&other) => return Err(OpenError::UnknownSuite(other)),
        }
        let Some((header, rest)) = sealed.split_first_chunk::<HEADER_LEN>() else {
            return Err(truncated);
        };
        let Some((ciphertext, tag)) = rest.split_last_chunk::<TAG_LEN>() else {
            return Err(truncated);
        };
        let [_, _, a, b, c, d, ..] = *header;
        Ok(Self {
            key_version: u32::from_be_bytes([a, b, c, d]),
            header,
            salt: &header[SALT_AT..COMMITMENT_AT],
            commitment: &header[COMMITMENT_AT..],
            ciphertext,
            tag,
        })
    }

    /// Opens with `key`, which must be of version `key_version`, when `bound` is what was bound.
    pub(crate) fn open(
        &self,
        key: &KeyBytes,
        key_version: u32,
        labels: &Labels,
        bound: &[&[u8]],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        if self.key_version != key_version {
            return Err(OpenError::WrongGeneration {
                sealed: self.key_version,
                key: key_version,
            });
        }
        let message = MessageKey::derive(key, labels, self.salt);
        verify_slices_are_equal(&message.commitment, self.commitment)
            .map_err(|_| OpenError::WrongKey)?;
        let mut plaintext = Zeroizing::new(vec![0; self.ciphertext.len()]);
        message
            .aead
            .open_separate_gather(
                zero_nonce(),
                Aad::from(associated_data(bound, self.header)),
                self.ciphertext,
                self.tag,
                &mut plaintext,
            )
            .map_err(|_| OpenError::Altered)?;
        Ok(plaintext)
    }
}

/// The salt that gives one message its own key. Sealing two messages under the same key and salt
/// reveals both, so that only `random` makes one, and the known-answer vectors.
pub(crate) struct Salt(pub(crate) [u8; SALT_LEN]);

impl Salt {
    pub(crate) fn random() -> Self {
        let mut salt = [0; SALT_LEN];
        fill_random(&mut salt);
        Self(salt)
    }
}

/// # Panics
/// On plaintexts beyond AES-GCM's limit of 64 GiB.
pub(crate) fn seal(
    key: &KeyBytes,
    key_version: u32,
    labels: &Labels,
    bound: &[&[u8]],
    plaintext: &[u8],
    salt: Salt,
) -> Vec<u8> {
    let message = MessageKey::derive(key, labels, &salt.0);
    // The full length is reserved up front: a buffer that grew would leave plaintext behind.
    let mut sealed = Vec::with_capacity(HEADER_LEN + plaintext.len() + TAG_LEN);
    sealed.extend_from_slice(&[VERSION, SUITE_HKDF_SHA512_AES256_GCM]);
    sealed.extend_from_slice(&key_version.to_be_bytes());
    sealed.extend_from_slice(&salt.0);
    sealed.extend_from_slice(&message.commitment);
    let aad = Aad::from(associated_data(bound, &sealed));
    sealed.extend_from_slice(plaintext);
    let tag = message
        .aead
        .seal_in_place_separate_tag(zero_nonce(), aad, &mut sealed[HEADER_LEN..])
        .expect("AES-256-GCM seals whatever is shorter than 64 GiB");
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

struct MessageKey {
    aead: LessSafeKey,
    commitment: [u8; COMMITMENT_LEN],
}

impl MessageKey {
    fn derive(key: &KeyBytes, labels: &Labels, salt: &[u8]) -> Self {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA512, salt).extract(key.expose());
        let mut message_key = Zeroizing::new([0; KEY_LEN]);
        expand(&prk, labels.key, message_key.as_mut_slice());
        let mut commitment = [0; COMMITMENT_LEN];
        expand(&prk, labels.commitment, &mut commitment);
        let aead = UnboundKey::new(&AES_256_GCM, message_key.as_slice())
            .expect("an AES-256 key is 32 bytes");
        Self {
            aead: LessSafeKey::new(aead),
            commitment,
        }
    }
}

struct OutputLen(usize);

impl hkdf::KeyType for OutputLen {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand(prk: &hkdf::Prk, label: &[u8], out: &mut [u8]) {
    prk.expand(&[label], OutputLen(out.len()))
        .and_then(|okm| okm.fill(out))
        .expect("HKDF-SHA-512 expands to up to 16,320 bytes");
}

fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn associated_data(bound: &[&[u8]], header: &[u8]) -> Vec<u8> {
    let mut aad = Vec::new();
    for value in bound {
        aad.extend_from_slice(&(value.len() as u64).to_be_bytes());
        aad.extend_from_slice(value);
    }
    aad.extend_from_slice(header);
    aad
}
