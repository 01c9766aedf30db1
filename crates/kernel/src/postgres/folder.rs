//! The data folder itself and the place of the socket.

use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::PORT;
use super::error::Error;
use super::owner::Owner;

/// How many bytes the path of a Unix socket may have: `sockaddr_un.sun_path` less its final zero,
/// 108 on Linux and 104 on macOS and the BSDs.
const SOCKET_PATH_LIMIT: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Creates the data folder when it is missing, private to us, and returns its absolute path, free
/// of links. Folders leading to it get the permissions folders usually get.
pub(super) fn prepare(data: &Path) -> Result<PathBuf, Error> {
    let failed = || Error::io("create the data folder", data);
    if let Some(parent) = data.parent() {
        fs::create_dir_all(parent).map_err(failed())?;
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(failed())?;
    data.canonicalize()
        .map_err(Error::io("look at the data folder", data))
}

/// The path of the server's socket in `dir`.
pub(super) fn socket(dir: &Path) -> PathBuf {
    dir.join(format!(".s.PGSQL.{PORT}"))
}

/// The folder for the socket, made ready: `data/run`, or, when that path is too long for a socket,
/// one under the temporary folder.
pub(super) fn socket_dir(data: &Path, owner: &Owner) -> Result<PathBuf, Error> {
    let dir = choose_socket_dir(data, &std::env::temp_dir())?;
    owner.own_folder(&dir)?;
    Ok(dir)
}

/// The socket folder of the server that another process runs on this data folder, if it answers.
pub(super) fn running_socket(data: &Path) -> Option<PathBuf> {
    let data = data.canonicalize().ok()?;
    let dir = choose_socket_dir(&data, &std::env::temp_dir()).ok()?;
    std::os::unix::net::UnixStream::connect(socket(&dir))
        .is_ok()
        .then_some(dir)
}

fn choose_socket_dir(data: &Path, temp: &Path) -> Result<PathBuf, Error> {
    let wanted = data.join("run");
    if fits(&wanted) {
        return Ok(wanted);
    }
    // Derived from the data folder, so that two of them never share a socket and each leaves at
    // most one folder behind. The hash may change with the compiler; nothing relies on an old one.
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    let fallback = temp.join(format!("freehold-{:016x}", hasher.finish()));
    if fits(&fallback) {
        return Ok(fallback);
    }
    Err(Error::SocketPath {
        wanted,
        fallback,
        limit: SOCKET_PATH_LIMIT,
    })
}

fn fits(dir: &Path) -> bool {
    socket(dir).as_os_str().len() <= SOCKET_PATH_LIMIT
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn a_long_data_path_moves_the_socket_to_the_temporary_folder() {
        let temp = Path::new("/tmp");
        let room = SOCKET_PATH_LIMIT - "/run/.s.PGSQL.5432".len();
        let longest = PathBuf::from(format!("/{}", "d".repeat(room - 1)));
        assert_eq!(
            choose_socket_dir(&longest, temp).unwrap(),
            longest.join("run")
        );

        let one = choose_socket_dir(&longest.join("x"), temp).unwrap();
        let other = choose_socket_dir(&longest.join("y"), temp).unwrap();
        assert!(one.starts_with(temp) && other.starts_with(temp));
        assert_ne!(one, other);
        assert_eq!(one, choose_socket_dir(&longest.join("x"), temp).unwrap());

        let error = choose_socket_dir(&longest.join("x"), &longest).unwrap_err();
        assert!(error.to_string().contains("TMPDIR"), "{error}");
    }
}
