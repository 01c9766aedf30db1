//! The databases: pools, the tenant directory, migrations. The pools are private to this module;
//! the ways to a connection are [`Tx`] (one tenant), [`OperatorTx`] (staff) and the job queue's
//! own.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the pools live here, and what leaves here has a tenant or an operator"
)]

mod bootstrap;
mod directory;
pub mod inspect;
mod live_session;
mod operator_tx;
mod people_tx;
mod public_keys;
mod tx;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::Notify;

pub use bootstrap::{Applied, migrate, pending, undo};
pub use directory::{Directory, Tenant, TenantStatus};
pub(crate) use live_session::{LiveSession, Shown};
pub use operator_tx::OperatorTx;
pub use people_tx::{PeopleTx, Whose};
use public_keys::PublicKeys;
pub(crate) use tx::Route;
pub use tx::Tx;

#[cfg(feature = "redis")]
use crate::bus::Redis;
use crate::{
    access::api_key::Uses,
    bus::Announcer,
    error::{Error, Result},
    events::Subscriptions,
    id::CellId,
    ingest,
    usage::Meters,
};

/// The login roles and how many connections a node may hold as each.
const APP: (&str, u32) = ("freehold_app", 16);
const OPERATOR: (&str, u32) = ("freehold_operator", 4);
const INGEST: (&str, u32) = ("freehold_ingest", 4);
const WORKER: (&str, u32) = ("freehold_worker", 6);
/// Reaches people's accounts, which lie in the control database alone.
const IDENTITY: (&str, u32) = ("freehold_identity", 8);
/// Migrates and owns; serves nothing.
const OWNER: &str = "freehold_owner";

/// Where a database is and how to sign in to it as any of the roles.
#[derive(Clone)]
pub struct Server {
    options: PgConnectOptions,
    /// The password of the administrating login, from which those of the roles are derived.
    /// Absent where the server trusts the socket.
    password: Option<crate::secret::Secret>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("host", &self.options.get_host())
            .field("database", &self.options.get_database())
            .finish()
    }
}

impl Server {
    /// From a `postgres://` URL whose login may create roles and schemas.
    pub fn from_url(url: &str) -> Result<Self> {
        let options: PgConnectOptions = url.parse().map_err(|_| {
            Error::invalid("DATABASE_URL is not a postgres://user:password@host:port/database URL")
        })?;
        let password = url::Url::parse(url)
            .ok()
            .and_then(|url| url.password().map(str::to_owned))
            .map(|text| percent_decode(&text));
        Ok(Self {
            options,
            password: password.map(Into::into),
        })
    }

    /// A server of our own that trusts whoever can reach its socket.
    pub fn from_socket(
        folder: &std::path::Path,
        port: u16,
        superuser: &str,
        database: &str,
    ) -> Self {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(folder)
            .port(port)
            .username(superuser)
            .database(database);
        Self {
            options,
            password: None,
        }
    }

    /// The same server, another database on it.
    pub fn database(&self, name: &str) -> Self {
        Self {
            options: self.options.clone().database(name),
            password: self.password.clone(),
        }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    fn role(&self, role: &str) -> PgConnectOptions {
        let options = self.options.clone().username(role).application_name(role);
        match self.role_password(role) {
            Some(password) => options.password(password.expose()),
            None => options,
        }
    }

    /// Every node derives the same passwords from the one in DATABASE_URL, so that nothing has to
    /// be distributed; a role's password does not reveal the administrator's.
    fn role_password(&self, role: &str) -> Option<crate::secret::Secret> {
        use aws_lc_rs::hmac;
        use base64::Engine;
        let key = hmac::Key::new(
            hmac::HMAC_SHA256,
            self.password.as_ref()?.expose().as_bytes(),
        );
        let tag = hmac::sign(&key, format!("freehold login role {role}").as_bytes());
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(tag.as_ref());
        Some(text.into())
    }
}

fn percent_decode(text: &str) -> String {
    // A form decoder reads percent escapes; `+`, which it would turn into a blank, is escaped first.
    url::form_urlencoded::parse(text.replace('+', "%2B").as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

/// One pool per login role on one database.
#[derive(Clone, Debug)]
pub(crate) struct Pools {
    pub app: PgPool,
    pub operator: PgPool,
    pub ingest: PgPool,
    pub worker: PgPool,
}

fn options(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(std::time::Duration::from_secs(10))
        // A ping before each use would cost a round trip per transaction; a broken connection
        // shows itself at BEGIN, where nothing is lost yet.
        .test_before_acquire(false)
}

fn pool(server: &Server, (role, connections): (&str, u32)) -> PgPool {
    options(connections).connect_lazy_with(server.role(role))
}

/// The one pool whose connections prepare what every signed-in person's request executes.
fn identity_pool(server: &Server) -> PgPool {
    let (role, connections) = IDENTITY;
    options(connections)
        .after_connect(|conn, _| Box::pin(live_session::prepare(conn)))
        .connect_lazy_with(server.role(role))
}

impl Pools {
    fn connect(server: &Server) -> Self {
        Self {
            app: pool(server, APP),
            operator: pool(server, OPERATOR),
            ingest: pool(server, INGEST),
            worker: pool(server, WORKER),
        }
    }

    async fn close(&self) {
        for pool in [&self.app, &self.operator, &self.ingest, &self.worker] {
            pool.close().await;
        }
    }
}

/// One cell: a database with everything that its tenants own.
#[derive(Debug)]
pub(crate) struct Cell {
    pub pools: Pools,
    /// Wakes this node's workers when a transaction of this node enqueued a job.
    pub wake: Notify,
    /// The way to the cell's group-committing writers.
    pub ingest: ingest::Sender,
}

/// The databases of one node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    control: Pools,
    identity: PgPool,
    /// Wakes this node's sender of mail.
    mail: Notify,
    /// What keys were used for since it was last written down.
    key_uses: Uses,
    /// What tenants used since it was last written down.
    meters: Meters,
    public_keys: PublicKeys,
    cells: HashMap<CellId, Arc<Cell>>,
    directory: Directory,
    subscriptions: Arc<OnceLock<Subscriptions>>,
    #[cfg(feature = "redis")]
    redis: OnceLock<Redis>,
}

impl Db {
    /// Opens the control database and the cells that its registry names. A cell's server is the
    /// control's own unless `cells` gives another by the cell's name.
    pub async fn connect(control: &Server, cells: &HashMap<String, Server>) -> Result<Self> {
        let pools = Pools::connect(control);
        let rows = sqlx::query!("SELECT id, name FROM control.cell")
            .fetch_all(&pools.app)
            .await?;
        let mut inboxes = Vec::new();
        let cells = rows
            .into_iter()
            .map(|row| {
                let pools = cells
                    .get(&row.name)
                    .map_or_else(|| pools.clone(), Pools::connect);
                let (ingest, inbox) = ingest::channel();
                let cell = Arc::new(Cell {
                    pools,
                    wake: Notify::new(),
                    ingest,
                });
                inboxes.push((Arc::clone(&cell), inbox));
                (CellId::from(row.id), cell)
            })
            .collect();
        let directory = Directory::new(pools.app.clone());
        let subscriptions = Arc::default();
        let db = Self(Arc::new(Inner {
            control: pools,
            identity: identity_pool(control),
            mail: Notify::new(),
            key_uses: Uses::default(),
            meters: Meters::default(),
            public_keys: PublicKeys::default(),
            cells,
            directory,
            subscriptions,
            #[cfg(feature = "redis")]
            redis: OnceLock::new(),
        }));
        for (cell, inbox) in inboxes {
            ingest::start(&db, &cell, inbox);
        }
        Ok(db)
    }

    pub fn directory(&self) -> &Directory {
        &self.0.directory
    }

    pub(crate) fn key_uses(&self) -> &Uses {
        &self.0.key_uses
    }

    pub(crate) fn meters(&self) -> &Meters {
        &self.0.meters
    }

    pub(crate) fn public_keys(&self) -> &PublicKeys {
        &self.0.public_keys
    }

    pub(crate) fn control(&self) -> &Pools {
        &self.0.control
    }

    pub(crate) fn cell(&self, id: CellId) -> Result<&Arc<Cell>> {
        self.0.cells.get(&id).ok_or(Error::StaleEpoch)
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = (&CellId, &Arc<Cell>)> {
        self.0.cells.iter()
    }

    /// Installs what becomes of events. Until then nothing can be published, so that no event is
    /// ever lost to a program that forgot its subscribers.
    pub fn subscribe(&self, subscriptions: Subscriptions) -> Result<()> {
        self.0
            .subscriptions
            .set(subscriptions)
            .map_err(|_| Error::internal(anyhow::anyhow!("subscriptions were installed twice")))
    }

    pub(crate) fn subscriptions(&self) -> &Arc<OnceLock<Subscriptions>> {
        &self.0.subscriptions
    }

    /// From now on changes are announced by this Redis, and not by Postgres. To be said before anybody
    /// listens.
    #[cfg(feature = "redis")]
    pub fn announce_by(&self, redis: Redis) -> Result<()> {
        self.0
            .redis
            .set(redis)
            .map_err(|_| Error::internal(anyhow::anyhow!("a Redis was named twice")))
    }

    #[cfg(feature = "redis")]
    pub(crate) fn redis(&self) -> Option<&Redis> {
        self.0.redis.get()
    }

    /// Who announces changes in Postgres' place.
    pub(crate) fn announcer(&self) -> Option<&Announcer> {
        #[cfg(feature = "redis")]
        return self.redis().map(Redis::announcer);
        #[cfg(not(feature = "redis"))]
        None
    }

    /// Whether any tenant was ever made here.
    pub async fn has_tenants(&self) -> Result<bool> {
        let any = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM control.tenant) AS "any!""#)
            .fetch_one(&self.0.control.app)
            .await?;
        Ok(any)
    }

    /// Whether the databases answer: what readiness reports.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.0.control.app).await?;
        for cell in self.0.cells.values() {
            sqlx::query("SELECT 1").execute(&cell.pools.app).await?;
        }
        Ok(())
    }

    /// Ends all connections; what is still open is rolled back.
    pub async fn close(&self) {
        self.0.control.close().await;
        self.0.identity.close().await;
        for cell in self.0.cells.values() {
            cell.pools.close().await;
        }
    }
}
