//! Data keys: sealing and opening the fields of one owner. Where keys come from and how they are
//! kept is `provider` and `cache`.

use zeroize::Zeroizing;

use crate::envelope::{self, Envelope, Labels, OpenError, Salt};
use crate::key_bytes::KeyBytes;
use crate::owner::Owner;

const LABELS: Labels = Labels {
    key: b"freehold/1/field/key",
    commitment: b"freehold/1/field/commitment",
};

/// The place a value is sealed for. A sealed value opens only with the context it was sealed
/// with, so that it cannot be moved to another row, column or table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'a> {
    /// What kind of thing is sealed, for example the table's name.
    pub domain: &'a str,
    /// Which record: the bytes of its primary key.
    pub record: &'a [u8],
    /// Which field of the record.
    pub field: &'a str,
    /// The version of the plaintext's own encoding.
    pub schema: u16,
}

/// A 256-bit key for the fields of one owner. Owners replace theirs by a key of the next
/// generation; every sealed value names the generation it needs.
///
/// The key is wiped on drop and shown by nothing: `Debug` prints `…` in its place.
#[derive(Debug)]
pub struct DataKey {
    owner: Owner,
    generation: u32,
    key: KeyBytes,
}

impl DataKey {
    /// A new random key.
    pub fn generate(owner: Owner, generation: u32) -> Self {
        Self::from_key(owner, generation, KeyBytes::random())
    }

    pub(crate) fn from_key(owner: Owner, generation: u32, key: KeyBytes) -> Self {
        Self {
            owner,
            generation,
            key,
        }
    }

    pub fn owner(&self) -> Owner {
        self.owner
    }

    pub fn generation(&self) -> u32 {
        self.generation
    }

    pub(crate) fn key(&self) -> &KeyBytes {
        &self.key
    }

    /// Seals `plaintext` for `context`. The result is 86 bytes longer than the plaintext and
    /// differs at every call.
    ///
    /// # Panics
    /// On plaintexts beyond AES-GCM's limit of 64 GiB.
    pub fn seal(&self, context: &Context<'_>, plaintext: &[u8]) -> Vec<u8> {
        self.seal_with_salt(context, plaintext, Salt::random())
    }

    pub(crate) fn seal_with_salt(
        &self,
        context: &Context<'_>,
        plaintext: &[u8],
        salt: Salt,
    ) -> Vec<u8> {
        let schema = context.schema.to_be_bytes();
        let bound = self.bound(context, &schema);
        envelope::seal(&self.key, self.generation, &LABELS, &bound, plaintext, salt)
    }

    /// Opens what `seal` returned for the same context. The plaintext is wiped when dropped.
    pub fn open(
        &self,
        context: &Context<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let schema = context.schema.to_be_bytes();
        let bound = self.bound(context, &schema);
        Envelope::parse(sealed)?.open(&self.key, self.generation, &LABELS, &bound)
    }

    /// What a sealed field is bound to, in the order of the format.
    fn bound<'a>(&'a self, context: &Context<'a>, schema: &'a [u8; 2]) -> [&'a [u8]; 5] {
        [
            context.domain.as_bytes(),
            &self.owner.0,
            context.record,
            context.field.as_bytes(),
            schema,
        ]
    }
}

/// Which generation of its owner's data key opens `sealed`. The answer is unauthenticated until
/// that key has opened it: good for picking a key, and for nothing else.
pub fn generation_of(sealed: &[u8]) -> Result<u32, OpenError> {
    Ok(Envelope::parse(sealed)?.key_version)
}

#[cfg(test)]
mod tests;
