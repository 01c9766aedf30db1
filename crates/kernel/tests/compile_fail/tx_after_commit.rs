//! A transaction ends once, and its connection does not outlive it.

use kernel::{Result, Tx};

pub async fn again(mut tx: Tx) -> Result<()> {
    tx.commit().await?;
    let _ = tx.conn();
    Ok(())
}

pub async fn kept(mut tx: Tx) -> Result<()> {
    let conn = tx.conn();
    tx.commit().await?;
    drop(conn);
    Ok(())
}
