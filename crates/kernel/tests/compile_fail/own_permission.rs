//! The permissions are a closed list.

use kernel::permission::Permission;

pub enum Everything {}

impl Permission for Everything {
    const NAME: &'static str = "everything";
}
