//! Access for a webhook whose tenant has been established, by the slug in its URL or by the
//! provider's own id in its payload. It lets the inbound pipeline read the endpoint's secrets and
//! store what they verify, and nothing else.

use super::{Access, Actor};
use crate::{
    db::{Db, Tenant, TenantStatus},
    permission::InboundReceive,
    telemetry,
};

impl Access<InboundReceive> {
    /// `None` for tenants that receive nothing: those not yet active and those closed. A suspended
    /// tenant's webhooks are kept; its jobs wait. Only connect's inbound pipeline calls this: a
    /// lint refuses it elsewhere.
    pub fn for_endpoint(db: &Db, tenant: Tenant, provider: &str) -> Option<Self> {
        match tenant.status {
            TenantStatus::Active | TenantStatus::Suspended => {
                let actor = Actor::new("webhook", provider);
                Some(Self::mint(db, tenant, actor, telemetry::correlation()))
            }
            TenantStatus::Provisioning | TenantStatus::Closed => None,
        }
    }
}
