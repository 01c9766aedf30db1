//! What the other cases go wrong at, done right. It compiles, so that theirs is the only fault.

use kernel::{Access, Db, Result, access::Actor, db::Tenant, permission::*};

pub async fn rotate(access: &Access<CredentialsWrite>) -> Result<Tenant> {
    let mut tx = access.begin().await?;
    let _ = tx.conn();
    tx.commit().await?;
    Ok(access.tenant().clone())
}

pub async fn handler(access: Access<CredentialsWrite>) -> Result<(Tenant, Actor)> {
    let tenant = rotate(&access).await?;
    Ok((tenant, access.actor().clone()))
}

pub async fn ready(db: &Db) -> Result<()> {
    db.ping().await
}

pub async fn one(conn: &mut sqlx::PgConnection) -> sqlx::Result<i32> {
    sqlx::query_scalar("SELECT 1").fetch_one(conn).await
}
