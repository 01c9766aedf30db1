//! What tests stand on: a real Postgres of their own process, a migrated template, and a clone of
//! it per test. Built only for tests (feature `testing`).
//!
//! A test process starts one cluster, which ends with the process, however that ends; its folder is
//! removed by the next one that starts.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests look at what no role of the program may see"
)]

use std::{
    collections::HashMap,
    fs::File,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::sync::{Mutex, OnceCell};

use crate::{
    access::{
        Access, Operator,
        api_key::{Mode, NewKey},
    },
    db::{self, Db, Server, Tenant},
    id::{ApiKeyId, TenantId},
    permission::{ApiKeysWrite, Permission, TenantsEnter, TenantsWrite},
    postgres::{Embedded, Options},
    secret::Secret,
};

const TEMPLATE: &str = "template_freehold";
/// How the folders of test clusters are called; what follows is the number of their process.
const FOLDER: &str = "freehold-test-";

struct Cluster {
    server: Server,
    /// Keeps the cluster up: it ends when this is dropped, at the latest with the process.
    embedded: Embedded,
}

static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
static NUMBER: AtomicU32 = AtomicU32::new(0);
/// Postgres copies a template for one database at a time.
static CLONING: Mutex<()> = Mutex::const_new(());

async fn cluster() -> &'static Cluster {
    CLUSTER.get_or_init(start).await
}

async fn start() -> Cluster {
    let temporary = std::env::temp_dir();
    let options = Options {
        data: temporary.join(format!("{FOLDER}{}", std::process::id())),
        bin: std::env::var_os("FREEHOLD_PG_BIN").map(Into::into),
        settings: [
            // A test database need not survive a power cut.
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("max_connections", "400"),
            ("shared_buffers", "64MB"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec(),
    };
    // Until this program has locked its folder, it looks like one that was left behind.
    let one_at_a_time = tokio::task::spawn_blocking(move || {
        let guard = guard(&temporary);
        remove_abandoned(&temporary);
        guard
    });
    let one_at_a_time = one_at_a_time.await.expect("old folders are removed");
    let embedded = Embedded::start(&options).await;
    drop(one_at_a_time);
    let embedded = embedded.unwrap_or_else(|error| panic!("the tests need a Postgres: {error}"));
    let server = Server::from_socket(
        embedded.socket_dir(),
        embedded.port(),
        embedded.superuser(),
        "postgres",
    );
    server
        .ensure_database(TEMPLATE)
        .await
        .expect("the template is created");
    db::migrate(&server.database(TEMPLATE))
        .await
        .expect("the template is migrated");
    Cluster { server, embedded }
}

/// Held by one test program of a user's at a time.
fn guard(temporary: &Path) -> File {
    let user = std::env::var("USER").unwrap_or_default();
    let path = temporary.join(format!("{FOLDER}{user}.lock"));
    let file = File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.lock().expect("one program at a time starts");
    file
}

/// Removes the folders of test programs that have ended, and whose servers have. One run of all tests
/// would otherwise leave many gigabytes.
fn remove_abandoned(temporary: &Path) {
    let entries = std::fs::read_dir(temporary).expect("the temporary folder is read");
    for folder in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = folder.file_name().and_then(|name| name.to_str());
        let is_ours = name.is_some_and(|name| name.starts_with(FOLDER)) && folder.is_dir();
        let is_held = |lock: &str| {
            let file = File::open(folder.join(lock));
            file.is_ok_and(|file| file.try_lock().is_err())
        };
        if is_ours && !is_held("postgres.lock") && !is_held("postgres.alive") {
            // It may be another user's, who removes it at times.
            let _ = std::fs::remove_dir_all(&folder);
        }
    }
}

async fn admin(server: &Server) -> PgConnection {
    server
        .options()
        .connect()
        .await
        .expect("the test cluster answers")
}

/// A database of one test's own.
#[derive(Debug)]
pub struct TestDb {
    pub db: Db,
    pub server: Server,
}

/// A fresh clone of the migrated template.
pub async fn database() -> TestDb {
    let server = empty_clone().await;
    let db = Db::connect(&server, &HashMap::new())
        .await
        .expect("the clone opens");
    TestDb { db, server }
}

async fn empty_clone() -> Server {
    let cluster = cluster().await;
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let one_at_a_time = CLONING.lock().await;
    let mut admin = admin(&cluster.server).await;
    sqlx::raw_sql(AssertSqlSafe(format!(
        "CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER freehold_owner"
    )))
    .execute(&mut admin)
    .await
    .expect("the template is cloned");
    admin.close().await.expect("the connection closes");
    drop(one_at_a_time);
    cluster.server.database(&name)
}

/// Says that a test can't run where it stands, and what it needs; the test then returns. Where
/// `TESTS_REQUIRE_ALL` is set, as `./check` does in CI, that fails the test instead.
#[expect(clippy::print_stderr, reason = "a test says when it is skipped")]
pub fn skip(needs: &str) {
    assert!(
        std::env::var_os("TESTS_REQUIRE_ALL").is_none(),
        "needs {needs}, and TESTS_REQUIRE_ALL lets no test be skipped"
    );
    eprintln!("skipped: needs {needs}");
}

/// Where the test cluster's programs are, for tests that need `psql` or `pg_dump`.
pub async fn bin_dir() -> &'static std::path::Path {
    cluster().await.embedded.bin_dir()
}

impl TestDb {
    /// A connection as the superuser, for looking at what no role of the program may see.
    pub async fn superuser(&self) -> PgConnection {
        admin(&self.server).await
    }

    /// A connection as one of the login roles.
    pub async fn login(&self, role: &str) -> PgConnection {
        self.server
            .options()
            .clone()
            .username(role)
            .connect()
            .await
            .expect("the role signs in")
    }

    /// All rows of both schemas, as `pg_dump` writes them.
    pub async fn dump(&self) -> String {
        let embedded = &cluster().await.embedded;
        let output = tokio::process::Command::new(embedded.bin_dir().join("pg_dump"))
            .args(["--data-only", "--schema=control", "--schema=cell"])
            .args(["--username", embedded.superuser()])
            .args(["--port", &embedded.port().to_string(), "--host"])
            .arg(embedded.socket_dir())
            .arg(self.server.options().get_database().expect("it has a name"))
            .stdin(std::process::Stdio::null())
            .output()
            .await
            .expect("pg_dump runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "pg_dump: {}", output.status);
        text
    }

    /// Puts an active tenant into the default cell.
    pub async fn tenant(&self, slug: &str) -> Tenant {
        let id = TenantId::new();
        let operator = Operator::<TenantsWrite>::local(&self.db, "test");
        let mut tx = operator
            .begin("test", None, serde_json::json!({}))
            .await
            .expect("control opens");
        let cell = sqlx::query_scalar!(
            "INSERT INTO control.tenant (id, slug, name, plan, region, status, cell_id)
             SELECT $1, $2, $2, 'standard', region, 'active', id FROM control.cell
             RETURNING cell_id",
            id.uuid(),
            slug
        )
        .fetch_one(tx.conn())
        .await
        .expect("the tenant is inserted");
        tx.commit().await.expect("control commits");
        let mut tx = operator
            .begin_in_cell(cell.into(), "test", None)
            .await
            .expect("the cell opens");
        sqlx::query!(
            "INSERT INTO cell.tenancy (tenant_id, epoch) VALUES ($1, 1)",
            id.uuid()
        )
        .execute(tx.conn())
        .await
        .expect("the cell admits the tenant");
        sqlx::query!(
            "INSERT INTO cell.job_lane (tenant_id) VALUES ($1)",
            id.uuid()
        )
        .execute(tx.conn())
        .await
        .expect("the tenant has a lane");
        tx.commit().await.expect("the cell commits");
        let tenant = self
            .db
            .directory()
            .by_id(id)
            .await
            .expect("the directory answers");
        tenant.expect("the directory knows the tenant")
    }

    /// Access inside a tenant, entered as staff.
    pub async fn enter<P: Permission>(&self, tenant: &Tenant) -> Access<P> {
        Operator::<TenantsEnter>::local(&self.db, "test")
            .enter(tenant.clone(), "test")
            .await
            .expect("staff may enter")
    }

    /// The text of a new API key of the tenant's.
    pub async fn key(&self, tenant: &Tenant, permissions: &[&str]) -> Secret {
        let key = NewKey::generate("fh", Mode::Test, tenant.id);
        let permissions: Vec<String> = permissions.iter().copied().map(str::to_owned).collect();
        let access = self.enter::<ApiKeysWrite>(tenant).await;
        let mut tx = access.begin().await.expect("the tenant opens");
        sqlx::query!(
            "INSERT INTO cell.api_key (id, public_id, secret_sha256, name, mode, display,
                 permissions, created_by)
             VALUES ($1, $2, $3, 'test', 'test', $4, $5, 'test')",
            ApiKeyId::new().uuid(),
            key.public_id,
            key.secret_sha256,
            key.display,
            &permissions
        )
        .execute(tx.conn())
        .await
        .expect("the key is stored");
        tx.commit().await.expect("the tenant commits");
        key.text
    }
}
