//! Whose data a key protects. This crate gives the sixteen bytes no meaning of its own; callers
//! pass the tenant's UUID.

use std::fmt;

/// The tenant a data key belongs to, as the sixteen bytes of its UUID in network order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner(pub [u8; 16]);

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({})", hex::encode(self.0))
    }
}
