//! Brings a server to the state that the program needs: roles, schemas, migrations, first cell.

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, migrate::Migrator,
    postgres::PgConnectOptions,
};

use super::{APP, IDENTITY, INGEST, OPERATOR, OWNER, Server, WORKER};
use crate::{
    error::{Error, Result},
    id::CellId,
};

static CONTROL: Migrator = sqlx::migrate!("../../migrations/control");
static CELL: Migrator = sqlx::migrate!("../../migrations/cell");

/// The cell that a new installation begins with, in the control database itself.
const DEFAULT_CELL: &str = "default";

/// What `migrate` did.
#[derive(Debug, Default)]
pub struct Applied {
    pub roles_created: Vec<&'static str>,
    pub control: usize,
    pub cell: usize,
}

/// Creates what is missing and applies every pending migration. Safe to run again, and by several
/// nodes at once.
pub async fn migrate(server: &Server) -> Result<Applied> {
    let mut admin = server.options.connect().await.map_err(unreachable)?;
    let roles_created = create_roles(&mut admin, server).await?;
    for schema in ["control", "cell"] {
        create_schema(&mut admin, schema).await?;
    }
    admin.close().await?;

    let mut applied = Applied {
        roles_created,
        ..Applied::default()
    };
    applied.control = run(&CONTROL, server, "control").await?;
    applied.cell = run(&CELL, server, "cell").await?;

    let mut owner = server.role(OWNER).connect().await?;
    sqlx::query!(
        "INSERT INTO control.cell (id, name, region) VALUES ($1, $2, 'local')
         ON CONFLICT (name) DO NOTHING",
        CellId::new().uuid(),
        DEFAULT_CELL
    )
    .execute(&mut owner)
    .await?;
    owner.close().await?;
    Ok(applied)
}

/// Takes back migrations of both databases until none is left above `version` (0: all of them).
pub async fn undo(server: &Server, version: i64) -> Result<()> {
    for (migrator, schema) in [(&CELL, "cell"), (&CONTROL, "control")] {
        let mut conn = schema_options(server, schema)?
            .connect()
            .await
            .map_err(unreachable)?;
        migrator
            .undo(&mut conn, version)
            .await
            .map_err(Error::internal)?;
        conn.close().await?;
    }
    Ok(())
}

/// How many migrations the databases lack.
pub async fn pending(server: &Server) -> Result<usize> {
    let mut missing = 0;
    for (migrator, schema) in [(&CONTROL, "control"), (&CELL, "cell")] {
        let mut conn = schema_options(server, schema)?
            .connect()
            .await
            .map_err(unreachable)?;
        missing += up(migrator) - applied_count(&mut conn, schema).await?;
        conn.close().await?;
    }
    Ok(missing)
}

fn up(migrator: &Migrator) -> usize {
    migrator
        .iter()
        .filter(|migration| migration.migration_type.is_up_migration())
        .count()
}

async fn run(migrator: &Migrator, server: &Server, schema: &str) -> Result<usize> {
    let mut conn = schema_options(server, schema)?
        .connect()
        .await
        .map_err(unreachable)?;
    let before = applied_count(&mut conn, schema).await?;
    migrator.run(&mut conn).await.map_err(Error::internal)?;
    let after = applied_count(&mut conn, schema).await?;
    conn.close().await?;
    Ok(after - before)
}

/// The migrations' own table stands in the schema that it describes, found by the search path.
fn schema_options(server: &Server, schema: &str) -> Result<PgConnectOptions> {
    Ok(server.role(OWNER).options([("search_path", schema)]))
}

async fn applied_count(conn: &mut PgConnection, schema: &str) -> Result<usize> {
    let exists: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(format!("{schema}._sqlx_migrations"))
        .fetch_one(&mut *conn)
        .await?;
    if !exists {
        return Ok(0);
    }
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(format!(
        "SELECT count(*) FROM {schema}._sqlx_migrations"
    )))
    .fetch_one(conn)
    .await?;
    usize::try_from(count).map_err(Error::internal)
}

async fn create_roles(admin: &mut PgConnection, server: &Server) -> Result<Vec<&'static str>> {
    let mut created = Vec::new();
    for role in [OWNER, APP.0, OPERATOR.0, INGEST.0, WORKER.0, IDENTITY.0] {
        let exists: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
                .bind(role)
                .fetch_one(&mut *admin)
                .await?;
        if !exists {
            match sqlx::raw_sql(AssertSqlSafe(format!("CREATE ROLE {role} LOGIN")))
                .execute(&mut *admin)
                .await
            {
                Ok(_) => created.push(role),
                // Another node was quicker.
                Err(sqlx::Error::Database(cause)) if cause.code().as_deref() == Some("42710") => {}
                Err(error) => return Err(error.into()),
            }
        }
        // The password is one of our own making (base64url), so the literal cannot break out. It
        // is set each time, because it follows the one in DATABASE_URL.
        if let Some(password) = server.role_password(role) {
            let statement = format!("ALTER ROLE {role} PASSWORD '{}'", password.expose());
            retry_concurrent(admin, statement).await?;
        }
    }
    Ok(created)
}

async fn create_schema(admin: &mut PgConnection, schema: &str) -> Result<()> {
    let exists: bool = sqlx::query_scalar("SELECT to_regnamespace($1) IS NOT NULL")
        .bind(schema)
        .fetch_one(&mut *admin)
        .await?;
    if exists {
        return Ok(());
    }
    // A login that isn't a superuser may hand a schema only to a role that it is a member of.
    retry_concurrent(admin, format!("GRANT {OWNER} TO CURRENT_USER")).await?;
    retry_concurrent(
        admin,
        format!("CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {OWNER}"),
    )
    .await
}

/// Runs a statement on a shared catalogue; nodes that start together may collide there.
async fn retry_concurrent(admin: &mut PgConnection, statement: String) -> Result<()> {
    let mut attempts = 0;
    loop {
        match sqlx::raw_sql(AssertSqlSafe(statement.clone()))
            .execute(&mut *admin)
            .await
        {
            Ok(_) => return Ok(()),
            Err(sqlx::Error::Database(cause))
                if attempts < 5
                    && (cause.message().contains("concurrently updated")
                        || cause.is_unique_violation()) =>
            {
                attempts += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn unreachable(error: sqlx::Error) -> Error {
    Error::Unavailable(error)
}

impl Server {
    /// Creates a database owned by `freehold_owner` on a server of our own, if it is missing.
    pub async fn ensure_database(&self, name: &str) -> Result<()> {
        let maintenance = self.database("postgres");
        let mut admin = maintenance.options.connect().await.map_err(unreachable)?;
        create_roles(&mut admin, self).await?;
        let exists: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
                .bind(name)
                .fetch_one(&mut admin)
                .await?;
        if !exists {
            let name = name.replace('"', "\"\"");
            sqlx::raw_sql(AssertSqlSafe(format!(
                "CREATE DATABASE \"{name}\" OWNER {OWNER}"
            )))
            .execute(&mut admin)
            .await?;
        }
        admin.close().await?;
        Ok(())
    }
}
