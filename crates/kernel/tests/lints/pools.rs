//! A pool or a connection of one's own.

use sqlx::{Connection, PgConnection, PgPool, Postgres, postgres::{PgListener, PgPoolOptions}};

pub async fn alias(pool: &PgPool) -> sqlx::Result<()> {
    pool.begin().await?.commit().await
}

pub async fn generic(pool: &sqlx::Pool<Postgres>) -> sqlx::Result<()> {
    let _ = pool.acquire().await?;
    Ok(())
}

pub async fn opened() -> sqlx::Result<()> {
    let _ = PgPoolOptions::new();
    let _ = PgListener::connect("postgres://").await?;
    let _ = PgConnection::connect("postgres://").await?;
    Ok(())
}
