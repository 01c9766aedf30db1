//! Codes that depend on the time: RFC 6238 with its default parameters, which are all that common
//! authenticators know (HMAC-SHA-1, 30 seconds, six digits), and the address by which an
//! authenticator learns a secret.

use aws_lc_rs::hmac;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rand::RngExt;
use zeroize::Zeroizing;

/// The length that RFC 4226 §4 recommends, in bytes.
pub(crate) const SECRET: usize = 20;
const STEP_SECONDS: i64 = 30;
const DIGITS: usize = 6;
/// Steps before and after the present one whose codes are taken as well: clocks differ, and people
/// type (RFC 6238 §5.2).
const DRIFT: i64 = 1;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// What stands in a label as it is, RFC 3986's unreserved characters.
const LABEL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

pub(crate) fn new_secret() -> Zeroizing<Vec<u8>> {
    let mut secret = Zeroizing::new(vec![0; SECRET]);
    rand::rng().fill(secret.as_mut_slice());
    secret
}

/// The time step of a moment, in seconds since 1970.
pub(crate) fn step_at(unix_seconds: i64) -> i64 {
    unix_seconds.div_euclid(STEP_SECONDS)
}

/// The step around `now` whose code this is.
pub(crate) fn matching_step(secret: &[u8], code: &str, now: i64) -> Option<i64> {
    let present = step_at(now);
    (present - DRIFT..=present + DRIFT).find(|step| {
        kernel::secret::constant_time_eq(code_at(secret, *step).as_bytes(), code.as_bytes())
    })
}

pub(super) fn code_at(secret: &[u8], step: i64) -> String {
    let number = truncated(secret, step) % 10_u32.pow(DIGITS as u32);
    format!("{number:0DIGITS$}")
}

/// The 31 bits of RFC 4226 §5.3.
fn truncated(secret: &[u8], step: i64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let mac = hmac::sign(&key, &step.to_be_bytes());
    let mac = mac.as_ref();
    let at = usize::from(mac[mac.len() - 1] & 0xf);
    u32::from_be_bytes([mac[at], mac[at + 1], mac[at + 2], mac[at + 3]]) & 0x7fff_ffff
}

/// As people type it into an authenticator that can't see: RFC 4648 base32 without padding.
pub(crate) fn base32(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(5) * 8));
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = (held << 8 | u32::from(*byte)) & 0xfff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(BASE32[(held >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(BASE32[(held << (5 - bits) & 31) as usize]));
    }
    text
}

/// What the QR code says
/// (<https://github.com/google/google-authenticator/wiki/Key-Uri-Format>).
pub(crate) fn address(issuer: &str, account: &str, secret: &[u8]) -> Zeroizing<String> {
    let issuer = utf8_percent_encode(issuer, LABEL);
    let account = utf8_percent_encode(account, LABEL);
    let secret = base32(secret);
    Zeroizing::new(format!(
        "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}",
        secret.as_str()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"12345678901234567890";

    /// RFC 6238, appendix B, the lines of SHA-1, which have eight digits.
    #[test]
    fn agrees_with_rfc_6238() {
        for (seconds, code) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            assert_eq!(truncated(KEY, step_at(seconds)) % 100_000_000, code);
            let six = format!("{:06}", code % 1_000_000);
            assert_eq!(code_at(KEY, step_at(seconds)), six);
        }
    }

    /// RFC 4226, appendix D.
    #[test]
    fn agrees_with_rfc_4226() {
        let codes = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583",
            "399871", "520489",
        ];
        for (count, code) in (0..).zip(codes) {
            assert_eq!(code_at(KEY, count), code);
        }
    }

    #[test]
    fn neighbouring_steps_are_taken_and_no_others() {
        let now = 1_234_567_890;
        let step = step_at(now);
        for drift in -3..=3 {
            let found = matching_step(KEY, &code_at(KEY, step + drift), now);
            assert_eq!(found, (-1..=1).contains(&drift).then_some(step + drift));
        }
        for refused in ["", "12345", "1234567", "abcdef", "００００００"] {
            assert_eq!(matching_step(KEY, refused, now), None, "{refused}");
        }
    }

    /// RFC 4648 §10, without the padding.
    #[test]
    fn agrees_with_rfc_4648() {
        for (text, encoded) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(text.as_bytes()).as_str(), encoded);
        }
    }

    #[test]
    fn names_cannot_add_parameters() {
        let address = address("Free & hold", "a?secret=x@example.com", KEY);
        assert_eq!(
            address.as_str(),
            "otpauth://totp/Free%20%26%20hold:a%3Fsecret%3Dx%40example.com\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Free%20%26%20hold"
        );
    }
}
