//! Properties of sealed fields.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const OVERHEAD: usize = 86;

const CONTEXT: Context<'static> = Context {
    domain: "credential",
    record: b"0123456789abcdef",
    field: "secret",
    schema: 1,
};

/// The same secret key under another owner or generation, which no caller can make.
fn same_key_as(key: &DataKey, owner: Owner, generation: u32) -> DataKey {
    let copy = KeyBytes::copy_of(key.key().expose()).unwrap();
    DataKey::from_key(owner, generation, copy)
}

/// A place with owned parts, as proptest makes them.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    domain: String,
    record: Vec<u8>,
    field: String,
    schema: u16,
}

impl Place {
    fn context(&self) -> Context<'_> {
        Context {
            domain: &self.domain,
            record: &self.record,
            field: &self.field,
            schema: self.schema,
        }
    }
}

prop_compose! {
    // Few letters and short texts, so that two places often differ only in where a part ends.
    fn place()(
        domain in "[ab]{0,3}",
        record in vec(b'a'..=b'b', 0..3),
        field in "[ab]{0,3}",
        schema in 0_u16..3,
    ) -> Place {
        Place { domain, record, field, schema }
    }
}

proptest! {
    #[test]
    fn what_was_sealed_opens_again(
        owner: [u8; 16],
        generation: u32,
        place in place(),
        plaintext in vec(any::<u8>(), 0..300),
    ) {
        let key = DataKey::generate(Owner(owner), generation);
        let sealed = key.seal(&place.context(), &plaintext);
        prop_assert_eq!(sealed.len(), plaintext.len() + OVERHEAD);
        prop_assert_eq!(generation_of(&sealed), Ok(generation));
        let opened = key.open(&place.context(), &sealed);
        prop_assert_eq!(opened.as_deref(), Ok(&plaintext));
    }

    #[test]
    fn a_flipped_bit_anywhere_fails(
        plaintext in vec(any::<u8>(), 0..100),
        at: Index,
        bit in 0..8,
    ) {
        let key = DataKey::generate(Owner([7; 16]), 1);
        let mut sealed = key.seal(&CONTEXT, &plaintext);
        let at = at.index(sealed.len());
        sealed[at] ^= 1_u8 << bit;
        let error = key.open(&CONTEXT, &sealed).unwrap_err();
        let expected = match at {
            0 => matches!(error, OpenError::UnknownVersion(_)),
            1 => matches!(error, OpenError::UnknownSuite(_)),
            2..6 => matches!(error, OpenError::WrongGeneration { key: 1, .. }),
            6..70 => error == OpenError::WrongKey,
            _ => error == OpenError::Altered,
        };
        prop_assert!(expected, "{error:?} at {at}");
    }

    #[test]
    fn moved_to_another_place_fails(from in place(), to in place()) {
        prop_assume!(from != to);
        let key = DataKey::generate(Owner([7; 16]), 1);
        let sealed = key.seal(&from.context(), b"secret");
        prop_assert_eq!(key.open(&to.context(), &sealed), Err(OpenError::Altered));
    }

    #[test]
    fn moved_to_another_owner_fails_even_under_the_same_key(from: [u8; 16], to: [u8; 16]) {
        prop_assume!(from != to);
        let key = DataKey::generate(Owner(from), 1);
        let other = same_key_as(&key, Owner(to), 1);
        let sealed = key.seal(&CONTEXT, b"secret");
        prop_assert_eq!(other.open(&CONTEXT, &sealed), Err(OpenError::Altered));
    }

    #[test]
    fn moved_to_another_generation_fails_even_under_the_same_key(from: u32, to: u32) {
        prop_assume!(from != to);
        let key = DataKey::generate(Owner([7; 16]), from);
        let other = same_key_as(&key, Owner([7; 16]), to);
        let mut sealed = key.seal(&CONTEXT, b"secret");
        let wrong = OpenError::WrongGeneration { sealed: from, key: to };
        prop_assert_eq!(other.open(&CONTEXT, &sealed), Err(wrong));
        // Nor does relabelling help: the header is bound as well.
        sealed[2..6].copy_from_slice(&to.to_be_bytes());
        prop_assert_eq!(other.open(&CONTEXT, &sealed), Err(OpenError::Altered));
    }

    #[test]
    fn cut_or_extended_bytes_fail(
        plaintext in vec(any::<u8>(), 0..100),
        length: Index,
        extra in vec(any::<u8>(), 1..20),
    ) {
        let key = DataKey::generate(Owner([7; 16]), 1);
        let sealed = key.seal(&CONTEXT, &plaintext);
        let cut = &sealed[..length.index(sealed.len())];
        let expected = if cut.len() < OVERHEAD {
            OpenError::Truncated { len: cut.len() }
        } else {
            OpenError::Altered
        };
        prop_assert_eq!(key.open(&CONTEXT, cut), Err(expected));
        let extended = [sealed.as_slice(), extra.as_slice()].concat();
        prop_assert_eq!(key.open(&CONTEXT, &extended), Err(OpenError::Altered));
    }

    #[test]
    fn arbitrary_bytes_neither_open_nor_panic(
        version in 0_u8..3,
        suite in 0_u8..3,
        rest in vec(any::<u8>(), 0..200),
    ) {
        let key = DataKey::generate(Owner([7; 16]), 1);
        let bytes = [&[version, suite], rest.as_slice()].concat();
        prop_assert!(key.open(&CONTEXT, &bytes).is_err());
    }
}

#[test]
fn another_data_key_of_the_same_owner_and_generation_is_the_wrong_key() {
    let key = DataKey::generate(Owner([7; 16]), 1);
    let sealed = key.seal(&CONTEXT, b"secret");
    let other = DataKey::generate(Owner([7; 16]), 1);
    assert_eq!(other.open(&CONTEXT, &sealed), Err(OpenError::WrongKey));
}

#[test]
fn the_commitment_is_checked_before_the_tag() {
    let key = DataKey::generate(Owner([7; 16]), 1);
    let mut sealed = key.seal(&CONTEXT, b"secret");
    let last = sealed.len() - 1;
    sealed[last] ^= 1;
    assert_eq!(key.open(&CONTEXT, &sealed), Err(OpenError::Altered));
    sealed[38] ^= 1;
    assert_eq!(key.open(&CONTEXT, &sealed), Err(OpenError::WrongKey));
}

#[test]
fn unknown_versions_and_suites_are_told_apart_at_any_length() {
    let key = DataKey::generate(Owner([7; 16]), 1);
    let open = |bytes: &[u8]| key.open(&CONTEXT, bytes).unwrap_err();
    assert_eq!(open(&[]), OpenError::Truncated { len: 0 });
    assert_eq!(open(&[2]), OpenError::UnknownVersion(2));
    assert_eq!(open(&[1]), OpenError::Truncated { len: 1 });
    assert_eq!(open(&[1, 9]), OpenError::UnknownSuite(9));
    assert_eq!(generation_of(&[0; 200]), Err(OpenError::UnknownVersion(0)));
}

#[test]
fn equal_plaintexts_seal_to_different_bytes() {
    let key = DataKey::generate(Owner([7; 16]), 1);
    let (a, b) = (key.seal(&CONTEXT, b"secret"), key.seal(&CONTEXT, b"secret"));
    assert_ne!(a[6..38], b[6..38], "salts");
    assert_ne!(a[38..70], b[38..70], "commitments");
    assert_ne!(a[70..], b[70..], "ciphertexts");
}

#[test]
fn neither_debug_nor_errors_show_key_or_plaintext() {
    let planted = b"PLANTED-PLANTED-PLANTED-PLANTED!";
    let key = DataKey::from_key(Owner([7; 16]), 5, KeyBytes::copy_of(planted).unwrap());
    assert_eq!(
        format!("{key:?}"),
        "DataKey { owner: Owner(07070707070707070707070707070707), generation: 5, key: … }"
    );
    let mut sealed = key.seal(&CONTEXT, b"CANARY-PLAINTEXT");
    for at in [0, 1, 2, 6, 38, 70, sealed.len() - 1] {
        sealed[at] ^= 1;
        let error = key.open(&CONTEXT, &sealed).unwrap_err();
        sealed[at] ^= 1;
        let shown = format!("{error} {error:?}");
        for secret in ["PLANTED", "CANARY", "80, 76, 65", "504c41"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
