//! As whom the server runs. An ordinary user runs it as himself; root, whom PostgreSQL refuses,
//! hands it to an unprivileged user.
//!
//! Everything that depends on that user is here: commands started as him, folders given to him,
//! and whether he can reach a path. What the commands and folders are for is decided elsewhere.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::Error;

/// Whom root hands the server to, in order of preference: the account PostgreSQL's own packages
/// create, macOS's name for the same, and the one every system has.
const UNPRIVILEGED: [&str; 3] = ["postgres", "_postgres", "nobody"];

/// What the server's programs keep of our environment: how to find programs and libraries. The
/// rest may hold our secrets, which SQL could read back through `COPY … FROM PROGRAM`.
const KEPT_VARIABLES: [&str; 4] = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR"];

/// The user who owns the cluster and runs the server.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    /// This process's own user id.
    us: u32,
    /// Whom to become, when this process is root.
    become_user: Option<Account>,
}

#[derive(Debug, Clone)]
struct Account {
    name: String,
    uid: u32,
    gid: u32,
}

impl Owner {
    /// Decides who runs the server for the cluster in `cluster_dir`, which need not exist.
    pub(super) fn choose(cluster_dir: &Path) -> Result<Owner, Error> {
        let us = id(&["-u"])?.ok_or(Error::NoUnprivilegedUser)?;
        let existing = existing_folder(cluster_dir)?;
        if us != 0 {
            if let Some(found) = existing
                && found.uid() != us
            {
                return Err(foreign(cluster_dir, found.uid(), us));
            }
            return Ok(Owner {
                us,
                become_user: None,
            });
        }
        // A cluster keeps its owner whatever accounts the machine has gained since, or however
        // their numbers differ on the machine its disk has moved to.
        if let Some(found) = &existing
            && found.uid() != 0
        {
            let account = Account {
                name: format!("#{}", found.uid()),
                uid: found.uid(),
                gid: found.gid(),
            };
            return Ok(Owner {
                us,
                become_user: Some(account),
            });
        }
        let account = unprivileged_account()?;
        if existing.is_some() {
            // A backup restored by root.
            give_tree(cluster_dir, &account)?;
        }
        Ok(Owner {
            us,
            become_user: Some(account),
        })
    }

    /// The user id the server runs under.
    fn uid(&self) -> u32 {
        self.become_user.as_ref().map_or(self.us, |a| a.uid)
    }

    /// A command that runs as this user, in `/`, with nothing on its standard input and little in
    /// its environment.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C");
        for name in KEPT_VARIABLES {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.current_dir("/").stdin(Stdio::null());
        if let Some(account) = &self.become_user {
            // Becoming another user also drops root's supplementary groups.
            command.uid(account.uid).gid(account.gid);
        }
        command
    }

    /// Makes `dir` a folder that belongs to this user and that nobody else may enter. A folder
    /// that belongs to a stranger, or a link, is refused: in a shared temporary folder it would be
    /// a trap.
    pub(super) fn own_folder(&self, dir: &Path) -> Result<(), Error> {
        match DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("create the folder", dir)(error));
            }
            Ok(()) | Err(_) => {}
        }
        let found = existing_folder(dir)?.ok_or_else(|| Error::NotAFolder { path: dir.into() })?;
        if found.uid() != self.uid() {
            match &self.become_user {
                Some(account) if found.uid() == self.us => {
                    chown(dir, Some(account.uid), Some(account.gid))
                        .map_err(Error::io("change the owner of", dir))?;
                }
                _ => return Err(foreign(dir, found.uid(), self.us)),
            }
        }
        if found.mode() & 0o7777 != 0o700 {
            fs::set_permissions(dir, Permissions::from_mode(0o700))
                .map_err(Error::io("change the permissions of", dir))?;
        }
        Ok(())
    }

    /// Lets this user pass through the data folder when it is ours alone. The folder changes to
    /// his group with the right to traverse and nothing more; nobody else gains anything. A folder
    /// whose permissions somebody has chosen is left as it is, for [`Owner::check_reach`] to judge.
    pub(super) fn admit(&self, data: &Path) -> Result<(), Error> {
        let Some(account) = &self.become_user else {
            return Ok(());
        };
        let found = fs::metadata(data).map_err(Error::io("look at", data))?;
        if found.uid() == self.us && found.mode() & 0o077 == 0 {
            chown(data, None, Some(account.gid)).map_err(Error::io("change the group of", data))?;
            fs::set_permissions(data, Permissions::from_mode(0o710))
                .map_err(Error::io("change the permissions of", data))?;
        }
        Ok(())
    }

    /// Checks that this user may enter each of the (absolute) `folders` and all that lead to it.
    pub(super) fn check_reach(&self, folders: &[&Path]) -> Result<(), Error> {
        const FIRST_CLOSED: &str =
            r#"for dir do [ -x "$dir" ] || { printf %s "$dir"; exit 1; }; done"#;
        let Some(account) = &self.become_user else {
            return Ok(());
        };
        let mut leading: Vec<&Path> = folders.iter().flat_map(|f| f.ancestors()).collect();
        leading.sort();
        leading.dedup();
        // The system is asked rather than the mode bits, because access lists and mount options
        // have a say as well.
        let output = self
            .command("/bin/sh")
            .args(["-c", FIRST_CLOSED, "sh"])
            .args(leading)
            .output()
            .map_err(Error::io("run, as an unprivileged user,", "/bin/sh"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Unreachable {
            user: account.name.clone(),
            dir: PathBuf::from(std::ffi::OsString::from_vec(output.stdout)),
        })
    }
}

fn foreign(dir: &Path, owner: u32, us: u32) -> Error {
    Error::ForeignFolder {
        dir: dir.to_owned(),
        owner,
        us,
    }
}

/// The metadata of a folder, `None` when nothing is there; a link or a file is an error.
fn existing_folder(dir: &Path) -> Result<Option<Metadata>, Error> {
    match fs::symlink_metadata(dir) {
        Ok(found) if found.is_dir() => Ok(Some(found)),
        Ok(_) => Err(Error::NotAFolder { path: dir.into() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("look at", dir)(error)),
    }
}

/// Gives a whole tree to `account`, its root last: a walk that was interrupted leaves the root
/// with its old owner and is done again at the next start.
fn give_tree(dir: &Path, account: &Account) -> Result<(), Error> {
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let entry = entry.map_err(Error::io("list", dir))?;
        let kind = entry
            .file_type()
            .map_err(Error::io("look at", entry.path()))?;
        if kind.is_dir() {
            give_tree(&entry.path(), account)?;
        } else {
            lchown(entry.path(), Some(account.uid), Some(account.gid))
                .map_err(Error::io("change the owner of", entry.path()))?;
        }
    }
    lchown(dir, Some(account.uid), Some(account.gid)).map_err(Error::io("change the owner of", dir))
}

fn unprivileged_account() -> Result<Account, Error> {
    for name in UNPRIVILEGED {
        if let (Some(uid), Some(gid)) = (id(&["-u", name])?, id(&["-g", name])?)
            && uid != 0
        {
            return Ok(Account {
                name: name.to_owned(),
                uid,
                gid,
            });
        }
    }
    Err(Error::NoUnprivilegedUser)
}

/// A number from `id`, which knows users wherever the system keeps them; `None` for an unknown
/// user. The standard library offers no safe way to ask for it.
fn id(arguments: &[&str]) -> Result<Option<u32>, Error> {
    let output = Command::new("id")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io("run", "id"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.trim().parse().ok().filter(|_| output.status.success()))
}
