//! Access is minted by the kernel, not by whoever wants it.

use kernel::{Access, Db, Operator, access::Actor, db::Tenant, id::CorrelationId, permission::*};

pub fn minted(db: &Db, tenant: Tenant, actor: Actor, correlation: CorrelationId) -> Access<CredentialsWrite> {
    Access::mint(db, tenant, actor, correlation)
}

pub fn staff(db: &Db, actor: Actor) -> Operator<TenantsWrite> {
    Operator::mint(db, actor)
}

pub fn somebody() -> Actor {
    Actor::new("staff", "nobody")
}
