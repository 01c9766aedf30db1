//! Text that must never be printed: credentials, tokens, keys.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A secret string. `Debug`, `Display` of a containing error and serde all show `…`; the memory is
/// wiped on drop. Reading it takes an explicit `expose`.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The last four characters, for recognising a secret without showing it; nothing at all of
    /// secrets so short that four characters would give away too much.
    pub fn last4(&self) -> Option<String> {
        let count = self.0.chars().count();
        (count >= 12).then(|| self.0.chars().skip(count - 4).collect())
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("…")
    }
}

/// For `#[serde(serialize_with)]` on the one answer in which somebody gets to see a secret that was
/// made for them.
///
/// # Errors
/// The serializer's.
pub fn shown_once<S: serde::Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// Compares two byte strings without revealing by its timing where they differ.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_never_printed_or_serialised() {
        let secret = Secret::new("sk-very-secret-value-1234");
        assert_eq!(format!("{secret:?}"), "…");
        assert_eq!(serde_json::to_string(&secret).expect("serialises"), "\"…\"");
        assert_eq!(secret.last4().as_deref(), Some("1234"));
        assert_eq!(Secret::new("short").last4(), None);
    }
}
