//! Looks at a database from outside the program's own paths: what `freehold doctor` reports.

use std::time::SystemTime;

use sqlx::{ConnectOptions, PgConnection};

use super::{APP, IDENTITY, INGEST, OPERATOR, OWNER, Server, WORKER};
use crate::error::Result;

async fn connect(server: &Server) -> Result<PgConnection> {
    Ok(server.role(OWNER).connect().await?)
}

/// What is wrong with the login roles: missing ones, and those that row-level security would not
/// bind.
pub async fn roles(server: &Server) -> Result<Vec<String>> {
    let mut conn = connect(server).await?;
    let mut faults = Vec::new();
    for role in [OWNER, APP.0, OPERATOR.0, INGEST.0, WORKER.0, IDENTITY.0] {
        let row: Option<(bool, bool)> =
            sqlx::query_as("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = $1")
                .bind(role)
                .fetch_optional(&mut conn)
                .await?;
        match row {
            None => faults.push(format!("{role} is missing")),
            Some((true, _)) => faults.push(format!("{role} is a superuser")),
            Some((_, true)) => faults.push(format!("{role} has BYPASSRLS")),
            Some(_) => {}
        }
    }
    Ok(faults)
}

/// The tenant tables on which row-level security is not enabled and forced.
pub async fn row_level_security(server: &Server) -> Result<Vec<String>> {
    let mut conn = connect(server).await?;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT oid::regclass::text FROM pg_class
         WHERE (relnamespace = 'cell'::regnamespace AND relkind IN ('r', 'p')
                 AND relname <> '_sqlx_migrations'
             OR oid IN ('control.membership'::regclass, 'control.tenant_role'::regclass,
                 'control.invitation'::regclass))
             AND NOT (relrowsecurity AND relforcerowsecurity)
         ORDER BY 1",
    )
    .fetch_all(&mut conn)
    .await?;
    Ok(tables
        .into_iter()
        .map(|table| format!("{table} is open"))
        .collect())
}

/// The database's clock.
pub async fn clock(server: &Server) -> Result<SystemTime> {
    let mut conn = connect(server).await?;
    let now: time::OffsetDateTime = sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(&mut conn)
        .await?;
    Ok(now.into())
}
