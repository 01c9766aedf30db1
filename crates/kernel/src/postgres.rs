//! The embedded Postgres: a private cluster under the data folder, for installations that name no
//! `DATABASE_URL`, and for tests.
//!
//! It finds the binaries, initialises the cluster, starts the server on a Unix socket and sees to
//! it that the server never outlives this process. It knows nothing about roles, migrations or
//! pools: whoever starts a cluster connects to [`Embedded::socket_dir`] as
//! [`Embedded::superuser`] and goes on from there.
//!
//! Under the data folder it keeps
//!
//! | path             | what                                                                   |
//! |------------------|------------------------------------------------------------------------|
//! | `postgres/`      | the cluster (`PGDATA`), private to the server's user                    |
//! | `run/`           | the socket, in a folder only the server's user may enter                |
//! | `postgres.log`   | what the server says, started afresh once it has passed 10 MB           |
//! | `postgres.lock`  | held by the Freehold process that uses the folder                       |
//! | `postgres.alive` | held by the server's own processes for as long as one of them lives     |
//! | `postgres-bin/`  | binaries that were fetched, when the feature `fetch-postgres` is on     |

mod binaries;
mod cluster;
mod error;
#[cfg(feature = "fetch-postgres")]
mod fetch;
mod folder;
mod lock;
mod owner;
mod probe;
mod supervisor;

use std::fs::File;
use std::path::{Path, PathBuf};

pub use binaries::Version;
pub use error::Error;

use binaries::Binaries;
use owner::Owner;
use supervisor::{Launch, Supervised};

/// The port names the socket file, `.s.PGSQL.5432`; nothing listens on TCP.
pub const PORT: u16 = 5432;

/// Both the superuser `initdb` creates and the database that always exists.
pub const SUPERUSER: &str = "postgres";

/// What a cluster is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data folder; created when missing. The cluster lives in `data/postgres`.
    pub data: PathBuf,
    /// The folder that holds `initdb`, `postgres` and `pg_ctl` (`FREEHOLD_PG_BIN`); when it is
    /// given, no other is looked at.
    pub bin: Option<PathBuf>,
    /// Server settings by their `postgresql.conf` names, for this run only. They win over
    /// `postgresql.conf`, but not over where the server listens, which is decided here. With
    /// `fsync` set to `off` the cluster is initialised without syncing either.
    pub settings: Vec<(String, String)>,
}

/// A running cluster. [`Embedded::stop`] stops it and waits; dropping it, or the end of this
/// process however it comes, stops it too, without anybody waiting.
#[derive(Debug)]
pub struct Embedded {
    // Fields drop in this order: the server is told to stop before another Freehold process may
    // have the folder.
    server: Supervised,
    binaries: Binaries,
    socket_dir: PathBuf,
    _in_use: File,
}

impl Embedded {
    /// Starts the cluster under `options.data`, initialising it first when there is none, and
    /// returns when it accepts connections.
    ///
    /// # Errors
    /// Every variant of [`Error`] but [`Error::NotStopped`]; each says how to mend it.
    pub async fn start(options: &Options) -> Result<Embedded, Error> {
        let data = folder::prepare(&options.data)?;
        let cluster_dir = data.join("postgres");
        let owner = Owner::choose(&cluster_dir)?;
        let in_use = lock::take(&data).await?;

        let major = cluster::major(&cluster_dir)?;
        let binaries = find_binaries(options, &data, major).await?;
        owner.admit(&data)?;
        owner.check_reach(&[&data, binaries.dir()])?;

        let alive = lock::wait_for_previous_server(&data, &cluster_dir, &binaries, &owner).await?;
        if major.is_none() {
            cluster::initialise(&cluster_dir, &alive, &binaries, &owner, &options.settings).await?;
        }

        let socket_dir = folder::socket_dir(&data, &owner)?;
        let launch = Launch {
            cluster_dir: &cluster_dir,
            socket_dir: &socket_dir,
            log: &data.join("postgres.log"),
            settings: &options.settings,
            binaries: &binaries,
            owner: &owner,
        };
        let server = supervisor::launch(&launch, alive).await?;
        tracing::info!(
            version = %binaries.version(),
            socket = %socket_dir.display(),
            "embedded postgres is ready"
        );
        Ok(Embedded {
            server,
            binaries,
            socket_dir,
            _in_use: in_use,
        })
    }

    /// Shuts the server down: open connections end, transactions in flight roll back, everything
    /// committed is on disk. Returns when the server's processes are gone.
    ///
    /// # Errors
    /// [`Error::NotStopped`] when it did not end in a minute and could not be forced to.
    pub async fn stop(self) -> Result<(), Error> {
        self.server.stop(&self.binaries).await
    }

    /// The socket folder of the cluster that another process of this program runs on a data
    /// folder, if there is one that answers. The server of a process that was killed still answers
    /// while it shuts down; whoever joined it would fall with it.
    pub fn attach(data: &Path) -> Option<PathBuf> {
        if !lock::is_taken(data) {
            return None;
        }
        folder::running_socket(data)
    }

    /// The folder of the server's Unix socket: the `host` of a connection.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// The port of a connection. It only names the socket file.
    pub fn port(&self) -> u16 {
        PORT
    }

    /// The name of the superuser, and of a database that exists. No password is asked for.
    pub fn superuser(&self) -> &str {
        SUPERUSER
    }

    /// The version of the running server.
    pub fn version(&self) -> Version {
        self.binaries.version()
    }

    /// The folder of the binaries in use.
    pub fn bin_dir(&self) -> &Path {
        self.binaries.dir()
    }
}

/// The binaries on this machine, or, built with `fetch-postgres`, fetched ones when it has none
/// that fit.
async fn find_binaries(
    options: &Options,
    data: &Path,
    cluster: Option<u16>,
) -> Result<Binaries, Error> {
    let fetched = data.join("postgres-bin");
    let search = match &options.bin {
        Some(dir) => binaries::Search::Only(dir),
        None => binaries::Search::Machine { fetched: &fetched },
    };
    let found = binaries::find(search, cluster);
    #[cfg(feature = "fetch-postgres")]
    if let Err(Error::NoBinaries | Error::TooOld { .. } | Error::ClusterVersion { .. }) = &found
        && options.bin.is_none()
    {
        fetch::install(&fetched, cluster).await?;
        return binaries::find(search, cluster);
    }
    found
}
