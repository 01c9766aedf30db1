//! A transaction of staff: on the control database, or reading one cell across its tenants.

use std::fmt;

use sqlx::{PgConnection, Postgres, pool::PoolConnection};

use super::tx::roll_back;
use crate::{audit::Pending, error::Result};

/// An open transaction as `freehold_operator`. Dropping it rolls back.
pub struct OperatorTx {
    conn: Option<PoolConnection<Postgres>>,
    /// The act of it, whose entry is written by commit.
    act: Option<Pending>,
}

impl fmt::Debug for OperatorTx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorTx")
    }
}

impl OperatorTx {
    pub(crate) async fn begin(pool: &sqlx::PgPool) -> Result<Self> {
        let mut tx = Self {
            conn: Some(pool.acquire().await?),
            act: None,
        };
        sqlx::raw_sql("BEGIN").execute(tx.conn()).await?;
        Ok(tx)
    }

    pub fn conn(&mut self) -> &mut PgConnection {
        self.conn
            .as_mut()
            .expect("the connection is taken only by commit and drop, which consume it")
    }

    pub(crate) fn act(&mut self) -> &mut Option<Pending> {
        &mut self.act
    }

    /// Makes the work durable, with the audit entry of its act.
    pub async fn commit(mut self) -> Result<()> {
        self.write_audit().await?;
        // Postgres answers COMMIT after a failed statement with a silent ROLLBACK; the statement in
        // front of it raises there.
        sqlx::raw_sql("SELECT; COMMIT").execute(self.conn()).await?;
        self.conn.take();
        Ok(())
    }
}

impl Drop for OperatorTx {
    fn drop(&mut self) {
        roll_back(self.conn.take());
    }
}
