//! Access for a webhook, where no webhook was resolved.

use kernel::{Access, Db, db::Tenant};

pub fn resolved(db: &Db, tenant: Tenant) -> bool {
    Access::for_endpoint(db, tenant, "twilio").is_some()
}
