//! Nor is it written down.

use std::marker::PhantomData;

use kernel::{Access, Db, Operator, access::Actor, db::Tenant, id::CorrelationId, permission::*};

pub fn access(db: Db, tenant: Tenant, actor: Actor, correlation: CorrelationId) -> Access<CredentialsWrite> {
    Access { db, tenant, actor, user: None, authority: unreachable!(), correlation, permission: PhantomData }
}

pub fn staff(db: Db, actor: Actor, correlation: CorrelationId) -> Operator<TenantsWrite> {
    Operator { db, actor, role: None, staff: None, correlation, permission: PhantomData }
}

pub fn moved(access: Access<CredentialsRead>, tenant: Tenant) -> Access<CredentialsRead> {
    Access { tenant, ..access }
}
