//! The memory of every 256-bit key in this crate, and the source of randomness. What a key is for
//! is not known here.

use std::fmt;

use zeroize::Zeroize;

pub(crate) const KEY_LEN: usize = 32;

/// A 256-bit key, wiped on drop. It is boxed so that moving its holder copies a pointer, and no
/// stale copy of the key stays behind on the stack. It is not `Clone`, for the same reason.
pub(crate) struct KeyBytes(Box<[u8; KEY_LEN]>);

impl KeyBytes {
    pub(crate) fn random() -> Self {
        let mut key = Self(Box::new([0; KEY_LEN]));
        fill_random(key.0.as_mut_slice());
        key
    }

    /// `None` unless the slice is exactly 32 bytes.
    pub(crate) fn copy_of(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != KEY_LEN {
            return None;
        }
        let mut key = Self(Box::new([0; KEY_LEN]));
        key.0.copy_from_slice(bytes);
        Some(key)
    }

    pub(crate) fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    fn wipe(&mut self) {
        self.0.zeroize();
    }
}

impl Drop for KeyBytes {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Fills the buffer from the operating system's generator.
pub(crate) fn fill_random(bytes: &mut [u8]) {
    aws_lc_rs::rand::fill(bytes)
        .expect("AWS-LC aborts the process instead of reporting an entropy failure");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What dropping does, looked at while the memory is still ours: safe Rust can't look later.
    #[test]
    fn a_wiped_key_is_zero_in_its_place() {
        let mut key = KeyBytes::random();
        let place: *const u8 = key.expose().as_ptr();
        assert_ne!(key.expose(), &[0; KEY_LEN]);
        key.wipe();
        assert_eq!(key.expose(), &[0; KEY_LEN]);
        assert_eq!(key.expose().as_ptr(), place, "no copy is left elsewhere");
    }
}
