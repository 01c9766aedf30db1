//! Access is for one request: it is neither copied nor read from outside.

use kernel::{Access, Operator, page::Cursor, permission::*};

pub fn cloned(access: &Access<CredentialsRead>) -> Access<CredentialsRead> {
    access.clone()
}

pub fn read(text: &str) -> kernel::Result<Access<CredentialsRead>> {
    Cursor::decode(text)
}

pub fn staff(operator: &Operator<TenantsWrite>) -> Operator<TenantsWrite> {
    operator.clone()
}
