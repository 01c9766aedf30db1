//! Work that one node at a time does, by a lease in a row of the control database. A node that
//! loses its lease while it works may overlap with the next one for a moment, so what is leased
//! has to bear being done twice.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a lease belongs to the installation, not to a tenant"
)]

use std::time::Duration;

use uuid::Uuid;

use crate::{db::Db, error::Result};

/// A name that at most one holder has at a time.
#[derive(Debug)]
pub struct Lease {
    db: Db,
    name: String,
    holder: Uuid,
    life: Duration,
}

impl Lease {
    /// `life` is how long others wait after the holder was last heard of.
    pub fn new(db: &Db, name: impl Into<String>, life: Duration) -> Self {
        Self {
            db: db.clone(),
            name: name.into(),
            holder: Uuid::now_v7(),
            life,
        }
    }

    /// Takes the lease or prolongs it. Whether it is this holder's now.
    pub async fn hold(&self) -> Result<bool> {
        let held = sqlx::query!(
            "INSERT INTO control.lease AS l (name, holder, until)
             VALUES ($1, $2, now() + make_interval(secs => $3))
             ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder, until = EXCLUDED.until
             WHERE l.holder = EXCLUDED.holder OR l.until < now()",
            self.name,
            self.holder,
            self.life.as_secs_f64()
        )
        .execute(&self.db.control().operator)
        .await?;
        Ok(held.rows_affected() == 1)
    }

    /// Lets the next node have it at once.
    pub async fn release(&self) -> Result<()> {
        sqlx::query!(
            "UPDATE control.lease SET until = now() WHERE name = $1 AND holder = $2",
            self.name,
            self.holder
        )
        .execute(&self.db.control().operator)
        .await?;
        Ok(())
    }
}
