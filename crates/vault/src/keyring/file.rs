//! The keyring file: strict reading, atomic replacement, the lock between processes. It never
//! decides what the keys are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::Keys;
use crate::key_bytes::KeyBytes;

/// Why the keyring file could not be used. The reasons are fixed texts: a parser's own message
/// may quote the line it stumbled over, and with it a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error("cannot {action} the keyring {path}")]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// `mode` is the file's permission bits.
    #[error(
        "the keyring {path} has mode {mode:04o}, which lets others than its owner use it; \
         run: chmod 600 {path}"
    )]
    Exposed { path: PathBuf, mode: u32 },
    #[error("the keyring {path} is malformed: {reason}")]
    Malformed { path: PathBuf, reason: &'static str },
}

impl KeyringError {
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    current: u32,
    keys: BTreeMap<String, Encoded>,
}

#[derive(Deserialize)]
#[serde(from = "String")]
struct Encoded(Zeroizing<String>);

impl From<String> for Encoded {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

/// Tells one state of the file from another. A replacement has an inode of its own; the rest tells
/// edits in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: SystemTime,
}

pub(super) fn stamp(path: &Path) -> Result<Stamp, KeyringError> {
    let io = io_error("read", path);
    let metadata = fs::metadata(path).map_err(&io)?;
    Ok(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        length: metadata.len(),
        modified: metadata.modified().map_err(&io)?,
    })
}

pub(super) fn read(path: &Path) -> Result<Keys, KeyringError> {
    let io = io_error("read", path);
    let mut file = File::open(path).map_err(&io)?;
    // The open file is examined, not its path: the path may lead elsewhere a moment later.
    let metadata = file.metadata().map_err(&io)?;
    if !metadata.is_file() {
        return Err(KeyringError::Malformed {
            path: path.to_owned(),
            reason: "it is not a regular file",
        });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyringError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(&io)?;
    parse(&text).map_err(|reason| KeyringError::Malformed {
        path: path.to_owned(),
        reason,
    })
}

/// Creates the file from `first`, unless another process has done so meanwhile; returns what the
/// file then holds.
pub(super) fn create(path: &Path, first: fn() -> Keys) -> Result<Keys, KeyringError> {
    let io = io_error("create", path);
    let directory = parent(path);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(&io)?;
    let lock = lock(directory).map_err(&io)?;
    match read(path) {
        Err(error) if error.is_not_found() => {
            let keys = first();
            replace(path, &lock, &keys).map_err(&io)?;
            Ok(keys)
        }
        outcome => outcome,
    }
}

/// Reads the file, changes what it holds and replaces it, with other processes locked out. An
/// error of `change` leaves the file as it was.
pub(super) fn update(
    path: &Path,
    change: impl FnOnce(&mut Keys) -> Result<(), &'static str>,
) -> Result<Keys, KeyringError> {
    let io = io_error("replace", path);
    // Through a symbolic link, the file it leads to is replaced and the link stays.
    let target = fs::canonicalize(path).map_err(&io)?;
    let lock = lock(parent(&target)).map_err(&io)?;
    let mut keys = read(&target)?;
    change(&mut keys).map_err(|reason| KeyringError::Malformed {
        path: path.to_owned(),
        reason,
    })?;
    replace(&target, &lock, &keys).map_err(&io)?;
    Ok(keys)
}

fn io_error(action: &'static str, path: &Path) -> impl Fn(io::Error) -> KeyringError {
    move |source| KeyringError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// The directory itself carries the lock: the file's own would vanish with its replacement, and
/// a lock file would stay behind. Closing the handle releases it.
fn lock(directory: &Path) -> io::Result<File> {
    let directory = File::open(directory)?;
    directory.lock()?;
    Ok(directory)
}

/// Puts a complete new file in place of the old one: a crash leaves the one or the other, on the
/// disk as well.
fn replace(path: &Path, directory: &File, keys: &Keys) -> io::Result<()> {
    let text = render(keys);
    // `tempfile` creates with mode 0600, and removes the file if it is not persisted.
    let mut temporary = tempfile::Builder::new()
        .prefix(".keyring-")
        .tempfile_in(parent(path))?;
    temporary.write_all(text.as_bytes())?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    directory.sync_all()
}

fn render(keys: &Keys) -> Zeroizing<String> {
    // Enough for the header and for every key, so that the text never moves.
    let mut text = Zeroizing::new(String::with_capacity(512 + 64 * keys.versions.len()));
    text.push_str(
        "# Freehold's local keyring. Whoever reads this file can open everything sealed under it,\n\
         # and without it nothing opens. Keep it at mode 0600 and back it up apart from the data.\n",
    );
    write!(text, "current = {}\n\n[keys]\n", keys.current)
        .expect("writing to a string cannot fail");
    for (version, key) in &keys.versions {
        let encoded = Zeroizing::new(STANDARD.encode(key.expose()));
        writeln!(text, "{version} = \"{}\"", *encoded).expect("writing to a string cannot fail");
    }
    text
}

fn parse(text: &str) -> Result<Keys, &'static str> {
    let contents: Contents = toml::from_str(text).map_err(|_| {
        "it is not TOML with a number `current` and a table `keys` of strings, and nothing else"
    })?;
    let mut versions = BTreeMap::new();
    for (name, encoded) in &contents.keys {
        // Only the canonical spelling counts, or `1` and `01` would be one version twice.
        let version = name
            .parse::<u32>()
            .ok()
            .filter(|version| *version > 0 && version.to_string() == *name)
            .ok_or("a key's name is not a version number from 1 up")?;
        let bytes = STANDARD
            .decode(encoded.0.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| "a key is not base64")?;
        let key = KeyBytes::copy_of(&bytes).ok_or("a key is not 32 bytes long")?;
        versions.insert(version, key);
    }
    if !versions.contains_key(&contents.current) {
        return Err("`current` names a version that is not among the keys");
    }
    Ok(Keys {
        current: contents.current,
        versions,
    })
}
