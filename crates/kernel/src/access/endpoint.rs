//! Access for a webhook whose tenant has been established, by the slug in its URL or by the
//! provider's own id in its payload. It lets the inbound pipeline read the endpoint's secrets and
//! store what they verify, and nothing else.

use super::{Access, Actor};
use crate::{
    db::{Db, Tenant},
    permission::InboundReceive,
    suspension::Effect,
    telemetry,
};

impl Access<InboundReceive> {
    /// `None` for tenants whose standing refuses webhooks, which the outside can't tell from there
    /// being no such endpoint. Where webhooks are held they are stored like any other, and the jobs
    /// that they make wait. Only connect's inbound pipeline calls this: a
    /// lint refuses it elsewhere.
    pub fn for_endpoint(db: &Db, tenant: Tenant, provider: &str) -> Option<Self> {
        match tenant.effects().inbound {
            Effect::Allow | Effect::Hold => {
                let actor = Actor::new("webhook", provider);
                Some(Self::mint(db, tenant, actor, telemetry::correlation()))
            }
            Effect::Refuse => None,
        }
    }
}
