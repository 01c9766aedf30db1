//! Everything that can keep the embedded Postgres from starting or stopping, each with its remedy.

use std::io;
use std::path::PathBuf;

use super::binaries::{OLDEST_MAJOR, Version};

/// Why the embedded Postgres did not start or stop. The messages are for the person who installs
/// the product: each says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(
        "PostgreSQL is not installed on this machine: no folder with initdb, postgres and pg_ctl \
         was found in PATH or in the usual places. Install it: \
         `apt-get install postgresql` on Debian or Ubuntu, \
         `dnf install postgresql-server` on Fedora, \
         `brew install postgresql` on macOS; \
         or set FREEHOLD_PG_BIN to the folder that holds these programs; \
         or set DATABASE_URL to use a PostgreSQL server you run yourself"
    )]
    NoBinaries,

    #[error(
        "PostgreSQL {found} in {} is too old: version {OLDEST_MAJOR} or later is needed. Install a \
         newer one beside it (it will be found), set FREEHOLD_PG_BIN to its folder, or set \
         DATABASE_URL to use a PostgreSQL server you run yourself",
        dir.display()
    )]
    TooOld { found: Version, dir: PathBuf },

    #[error(
        "FREEHOLD_PG_BIN names {}, but there is no working `{program}` in that folder{detail}. Set \
         it to the folder that holds initdb, postgres and pg_ctl, on Debian for example \
         /usr/lib/postgresql/15/bin, or unset it to have the usual places searched",
        dir.display()
    )]
    BadBinaries {
        dir: PathBuf,
        program: &'static str,
        detail: String,
    },

    #[error(
        "the database in the data folder was made by PostgreSQL {cluster}, and only version {cluster} can \
         open it, but this machine has {}. Install PostgreSQL {cluster} (on Debian or Ubuntu \
         `apt-get install postgresql-{cluster}`), or set FREEHOLD_PG_BIN to its folder, or move \
         the data with pg_dump or pg_upgrade",
        if found.is_empty() { "none".to_owned() } else { found.join(", ") }
    )]
    ClusterVersion { cluster: u16, found: Vec<String> },

    #[error(
        "{} holds files but is not a PostgreSQL cluster (it has no readable PG_VERSION). Move it \
         away, or restore the cluster from a backup, and start again",
        dir.display()
    )]
    NotACluster { dir: PathBuf },

    #[error(
        "{} belongs to user id {owner}, but this process runs as user id {us}. Start Freehold as \
         that user, or give the folder over with `chown -R {us} {}`",
        dir.display(), dir.display()
    )]
    ForeignFolder { dir: PathBuf, owner: u32, us: u32 },

    #[error(
        "{} should be a folder of Freehold's own, but it is something else. Remove it and start \
         again",
        path.display()
    )]
    NotAFolder { path: PathBuf },

    #[error(
        "Freehold was started by root, PostgreSQL refuses to run as root, and this machine has no \
         user `postgres` or `nobody` to run it as. Create one with `useradd --system postgres`, or \
         start Freehold as an ordinary user"
    )]
    NoUnprivilegedUser,

    #[error(
        "Freehold was started by root and so runs PostgreSQL as the unprivileged user `{user}`, \
         who may not enter {}. Allow that with `chmod o+x {}`, or use a folder that user can \
         reach, for example /var/lib/freehold, or start Freehold as an ordinary user",
        dir.display(), dir.display()
    )]
    Unreachable { user: String, dir: PathBuf },

    #[error(
        "another Freehold process is using the data folder {}. Stop that one, or give this one a \
         data folder of its own",
        data.display()
    )]
    InUse { data: PathBuf },

    #[error(
        "the PostgreSQL server of an earlier run still uses {} and could not be stopped. Stop it \
         with `pg_ctl stop -m immediate -D {}` and start again",
        dir.display(), dir.display()
    )]
    Lingering { dir: PathBuf },

    #[error(
        "no path short enough for a Unix socket (at most {limit} bytes): neither {} nor the \
         temporary folder {} leaves room. Use a data folder with a shorter path, or set TMPDIR to \
         a shorter one",
        wanted.display(), fallback.display()
    )]
    SocketPath {
        wanted: PathBuf,
        fallback: PathBuf,
        limit: usize,
    },

    #[error(
        "initdb could not create the database in {}; it said:\n{output}\nMend what it complains \
         about (usually a full disk, missing permissions, or a user id without an entry in \
         /etc/passwd) and start again",
        dir.display()
    )]
    InitDb { dir: PathBuf, output: String },

    #[error(
        "the PostgreSQL server ended while it was starting ({status}); the end of its log {}:\n\
         {tail}\nMend what it complains about and start again",
        log.display()
    )]
    Exited {
        status: String,
        log: PathBuf,
        tail: String,
    },

    #[error(
        "the PostgreSQL server accepted no connections within {seconds} seconds; the end of its \
         log {}:\n{tail}\nIf it was recovering or the disk was slow, start again; otherwise mend \
         what it complains about",
        log.display()
    )]
    NotReady {
        seconds: u64,
        log: PathBuf,
        tail: String,
    },

    #[error(
        "the PostgreSQL server in {} did not stop. Stop it with \
         `pg_ctl stop -m immediate -D {}`; no committed data is lost",
        dir.display(), dir.display()
    )]
    NotStopped { dir: PathBuf },

    #[error(
        "PostgreSQL is not installed, and fetching it failed ({cause}). Allow this machine to \
         reach Maven Central, or install PostgreSQL (`apt-get install postgresql` on Debian or \
         Ubuntu, `dnf install postgresql-server` on Fedora, `brew install postgresql` on macOS), \
         or set DATABASE_URL to use a server you run yourself"
    )]
    Fetch { cause: String },

    #[error(
        "could not {action} {}: {source}. Make sure that the user who runs Freehold may do so and \
         that the disk is not full",
        path.display()
    )]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl Error {
    /// An [`Error::Io`] for `map_err`.
    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io {
            action,
            path,
            source,
        }
    }
}
