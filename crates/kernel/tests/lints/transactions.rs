//! A transaction inside a tenant's.

use sqlx::Connection;

pub async fn nested(tx: &mut kernel::Tx) -> kernel::Result<()> {
    tx.conn().begin().await?.commit().await?;
    Ok(())
}
