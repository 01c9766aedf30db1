//! Random identifiers in the alphabets that providers use.

use rand::random_range;

pub(crate) fn from_alphabet(alphabet: &[u8], length: usize) -> String {
    (0..length)
        .map(|_| char::from(alphabet[random_range(0..alphabet.len())]))
        .collect()
}

pub(crate) fn alphanumeric(length: usize) -> String {
    from_alphabet(
        b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        length,
    )
}

pub(crate) fn hex(length: usize) -> String {
    from_alphabet(b"0123456789abcdef", length)
}

/// Decimal digits, the first of which is not zero.
pub(crate) fn digits(length: usize) -> String {
    let mut id = from_alphabet(b"123456789", 1);
    id.push_str(&from_alphabet(b"0123456789", length.saturating_sub(1)));
    id
}

/// A Twilio SID: two letters and 32 hexadecimal digits.
pub(crate) fn sid(prefix: &str) -> String {
    format!("{prefix}{}", hex(32))
}

/// A WhatsApp message id, which providers' clients must treat as opaque text.
pub(crate) fn wamid() -> String {
    format!("wamid.HBgL{}AA==", alphanumeric(40))
}
