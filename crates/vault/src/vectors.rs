//! The committed known answers, checked in both directions: what was sealed once must open for
//! ever, and the same input must still seal to the same bytes.

use serde::Deserialize;

use crate::data_key::{Context, DataKey, generation_of};
use crate::envelope::Salt;
use crate::key_bytes::KeyBytes;
use crate::keyring::{Keyring, wrap_bytes};
use crate::owner::Owner;
use crate::provider::WrappedKey;

#[derive(Deserialize)]
struct Vectors {
    fields: Vec<FieldVector>,
    wraps: Vec<WrapVector>,
}

#[derive(Deserialize)]
struct FieldVector {
    name: String,
    data_key: String,
    owner: String,
    generation: u32,
    salt: String,
    domain: String,
    record: String,
    field: String,
    schema: u16,
    plaintext: String,
    sealed: String,
}

#[derive(Deserialize)]
struct WrapVector {
    name: String,
    kek: String,
    kek_version: u32,
    kek_name: String,
    owner: String,
    generation: u32,
    data_key: String,
    salt: String,
    wrapped: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../tests/vectors.json")).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex).unwrap()
}

fn array<const N: usize>(hex: &str) -> [u8; N] {
    bytes(hex).try_into().unwrap()
}

fn key(hex: &str) -> KeyBytes {
    KeyBytes::copy_of(&bytes(hex)).unwrap()
}

#[test]
fn fields_seal_to_the_known_bytes_and_open_from_them() {
    let vectors = vectors().fields;
    assert_eq!(vectors.len(), 5);
    for vector in vectors {
        let owner = Owner(array(&vector.owner));
        let data_key = DataKey::from_key(owner, vector.generation, key(&vector.data_key));
        let record = bytes(&vector.record);
        let context = Context {
            domain: &vector.domain,
            record: &record,
            field: &vector.field,
            schema: vector.schema,
        };
        let plaintext = bytes(&vector.plaintext);
        let sealed = data_key.seal_with_salt(&context, &plaintext, Salt(array(&vector.salt)));
        let name = &vector.name;
        assert_eq!(hex::encode(&sealed), vector.sealed, "{name}");

        let sealed = bytes(&vector.sealed);
        assert_eq!(generation_of(&sealed), Ok(vector.generation), "{name}");
        let opened = data_key.open(&context, &sealed).unwrap();
        assert_eq!(*opened, plaintext, "{name}");
    }
}

#[test]
fn data_keys_wrap_to_the_known_bytes_and_unwrap_from_them() {
    let vectors = vectors().wraps;
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let owner = Owner(array(&vector.owner));
        let data_key = DataKey::from_key(owner, vector.generation, key(&vector.data_key));
        let kek = key(&vector.kek);
        let salt = Salt(array(&vector.salt));
        let wrapped = wrap_bytes(&kek, vector.kek_version, &data_key, salt);
        let name = &vector.name;
        assert_eq!(hex::encode(&wrapped), vector.wrapped, "{name}");

        let keyring = Keyring::holding(vector.kek_version, kek);
        let wrapped = WrappedKey {
            kek: vector.kek_name.clone(),
            bytes: bytes(&vector.wrapped),
        };
        let unwrapped = keyring.unwrap(owner, vector.generation, &wrapped).unwrap();
        assert_eq!(unwrapped.key().expose(), data_key.key().expose(), "{name}");
    }
}
