//! The Ed25519 key that signs checkpoints: its file, for its owner's eyes only, and its public
//! half in the text form that verifiers take.
//!
//! Both text forms are those of golang.org/x/mod/sumdb/note, which c2sp.org/signed-note grew out
//! of: `<name>+<key id in hex>+<base64 of type and key>`, the private one after `PRIVATE+KEY+`.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    str::FromStr,
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// The type byte of Ed25519 in c2sp.org/signed-note.
const TYPE: u8 = 1;
const PRIVATE: &str = "PRIVATE+KEY+";
const LENGTH: usize = 32;

/// Why the key can't be used. The reasons are fixed texts, which quote nothing of the file.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot {action} the audit key {path}")]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "the audit key {path} has mode {mode:04o}, which lets others than its owner use it; \
         run: chmod 600 {path}"
    )]
    Exposed { path: PathBuf, mode: u32 },
    #[error("the audit key {path} is malformed: {reason}")]
    Malformed { path: PathBuf, reason: &'static str },
    #[error(
        "`{0}` can't name a key: it has to be without spaces, plus signs and control characters"
    )]
    Name(String),
}

/// The key that signs.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.verifier)
    }
}

impl SigningKey {
    /// Reads the key from its file. Where there is none, one is made and given `name`, which is
    /// part of it from then on.
    pub fn open_or_create(path: &Path, name: &str) -> Result<Self, KeyError> {
        match Self::open(path) {
            Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            outcome => return outcome,
        }
        if !is_name(name) {
            return Err(KeyError::Name(name.to_owned()));
        }
        let io = |source| KeyError::Io {
            action: "create",
            path: path.to_owned(),
            source,
        };
        let mut seed = Zeroizing::new([0; LENGTH]);
        rand::fill(&mut *seed).map_err(|_| io(io::Error::other("no randomness")))?;
        let key =
            Self::new(name.to_owned(), &seed).ok_or_else(|| io(io::Error::other("no key")))?;
        let text = key.render(&seed);
        // Written beside and linked into place, so that the file is whole as soon as it is there,
        // and so that of two processes one makes the key.
        let beside = path.with_extension(format!("{:016x}.new", std::process::id()));
        let written = write_new(&beside, text.as_bytes())
            .and_then(|()| match std::fs::hard_link(&beside, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                outcome => outcome,
            })
            .map_err(io);
        let removed = std::fs::remove_file(&beside).map_err(io);
        written?;
        removed?;
        Self::open(path)
    }

    fn open(path: &Path) -> Result<Self, KeyError> {
        let io = |source| KeyError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(io)?;
        // The open file is examined, not its path: the path may lead elsewhere a moment later.
        let mode = file.metadata().map_err(io)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        let mut text = Zeroizing::new(String::new());
        file.read_to_string(&mut text).map_err(io)?;
        Self::parse(text.trim_end()).map_err(|reason| KeyError::Malformed {
            path: path.to_owned(),
            reason,
        })
    }

    fn new(name: String, seed: &[u8; LENGTH]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        let verifier = VerifierKey { name, public };
        Some(Self { pair, verifier })
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text
            .strip_prefix(PRIVATE)
            .ok_or("it does not begin with PRIVATE+KEY+")?;
        let (name, id, seed) = parts(rest)?;
        let key = Self::new(name, &seed).ok_or("it is no Ed25519 key")?;
        if key.verifier.id() != id {
            return Err("its key id is not that of the key and its name");
        }
        Ok(key)
    }

    fn render(&self, seed: &[u8; LENGTH]) -> Zeroizing<String> {
        let mut data = Zeroizing::new(vec![TYPE]);
        data.extend_from_slice(seed);
        let data = Zeroizing::new(STANDARD.encode(&*data));
        let (name, id) = (&self.verifier.name, self.verifier.id());
        Zeroizing::new(format!(
            "{PRIVATE}{name}+{:08x}+{}\n",
            u32::from_be_bytes(id),
            *data
        ))
    }

    /// What others check signatures with.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    pub(crate) fn sign(&self, text: &[u8]) -> Vec<u8> {
        self.pair.sign(text).as_ref().to_vec()
    }
}

fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// The public half of a signing key, under its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: [u8; LENGTH],
}

impl VerifierKey {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of a hash over name and key, by which signature lines name it.
    pub(crate) fn id(&self) -> [u8; 4] {
        let mut named = self.name.clone().into_bytes();
        named.extend([b'\n', TYPE]);
        named.extend(self.public);
        let hash = digest(&SHA256, &named);
        let mut id = [0; 4];
        id.copy_from_slice(&hash.as_ref()[..4]);
        id
    }

    pub(crate) fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public)
            .verify(text, signature)
            .is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut data = vec![TYPE];
        data.extend(self.public);
        let id = u32::from_be_bytes(self.id());
        write!(f, "{}+{id:08x}+{}", self.name, STANDARD.encode(data))
    }
}

impl FromStr for VerifierKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, id, public) = parts(text)?;
        let key = Self {
            name,
            public: *public,
        };
        if key.id() != id {
            return Err("its key id is not that of the key and its name");
        }
        Ok(key)
    }
}

type Parts = (String, [u8; 4], Zeroizing<[u8; LENGTH]>);

/// Name, key id and key of `<name>+<id>+<data>`. The data may hold plus signs, the name none.
fn parts(text: &str) -> Result<Parts, &'static str> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(data)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("it is not of the form <name>+<key id>+<key>");
    };
    if !is_name(name) {
        return Err("its name has spaces or control characters, or is missing");
    }
    let digits = id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = u32::from_str_radix(id, 16)
        .ok()
        .filter(|_| digits)
        .ok_or("its key id is not eight hexadecimal digits")?;
    let data = STANDARD
        .decode(data)
        .map(Zeroizing::new)
        .map_err(|_| "its key is not base64")?;
    match data.split_first() {
        Some((&TYPE, key)) => {
            let key = key.try_into().map_err(|_| "its key is not 32 bytes long")?;
            Ok((name.to_owned(), id.to_be_bytes(), Zeroizing::new(key)))
        }
        _ => Err("its key is not an Ed25519 key"),
    }
}

fn is_name(name: &str) -> bool {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    !name.is_empty() && !name.contains(forbidden)
}

#[cfg(test)]
pub(crate) fn for_tests(name: &str) -> SigningKey {
    SigningKey::new(name.to_owned(), &[7; LENGTH]).expect("a key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.key");
        let made = SigningKey::open_or_create(&path, "example.com/audit").expect("made");
        let again = SigningKey::open_or_create(&path, "other.example").expect("read");
        assert_eq!(made.verifier(), again.verifier());
        assert_eq!(again.verifier().name(), "example.com/audit");
        let vkey = made.verifier().to_string();
        assert_eq!(vkey.parse().as_ref(), Ok(made.verifier()));
        let files = std::fs::read_dir(folder.path()).expect("lists").count();
        assert_eq!(files, 1, "nothing is left beside the key");
        let mode = std::fs::metadata(&path)
            .expect("is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_and_not_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.key");
        SigningKey::open_or_create(&path, "example.com").expect("made");
        let text = std::fs::read_to_string(&path).expect("reads");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("is set");
        let error = SigningKey::open_or_create(&path, "example.com").expect_err("refused");
        assert!(error.to_string().contains("chmod 600"), "{error}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("is set");
        std::fs::write(&path, text.replace("example.com", "example.org")).expect("is written");
        let error = SigningKey::open_or_create(&path, "example.com").expect_err("refused");
        // PRIVATE+KEY+name+hash+key, and the key's Base64 may itself have a plus.
        let secret = text.trim_end().splitn(5, '+').nth(4).expect("the key");
        assert!(secret.len() > 40, "a whole key is looked for");
        assert!(!format!("{error:?}").contains(secret));
    }

    /// The example key of golang.org/x/mod/sumdb/note's documentation.
    #[test]
    fn agrees_with_gos_note_package() {
        let private =
            "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
        let public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let key = SigningKey::parse(private).expect("parses");
        assert_eq!(key.verifier().to_string(), public);
    }

    #[test]
    fn malformed_keys_are_refused() {
        let good = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        assert!(good.parse::<VerifierKey>().is_ok());
        for bad in [
            "",
            "PeterNeumann",
            "PeterNeumann+c74f20a3",
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+AhpcAAAA",
            "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        ] {
            assert!(bad.parse::<VerifierKey>().is_err(), "{bad}");
        }
    }
}
