//! The keyring file and its wraps.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;
use crate::envelope::OpenError;
use crate::provider::KeyProvider;

const OWNER: Owner = Owner([7; 16]);

impl Keyring {
    /// A keyring with one key and no file.
    pub(crate) fn holding(version: u32, kek: KeyBytes) -> Self {
        let keys = Keys {
            current: version,
            versions: BTreeMap::from([(version, kek)]),
        };
        let held = Held { keys, stamp: None };
        Self::with(PathBuf::from("/nonexistent/keyring.toml"), held)
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn in_new_directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyring.toml");
    (directory, path)
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// The error and all its causes, in `Display` and `Debug`.
fn everything_shown(error: &dyn std::error::Error) -> String {
    let mut shown = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        shown.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    shown
}

#[test]
fn is_created_private_and_opens_again() {
    let (directory, _) = in_new_directory();
    let path = directory.path().join("a/b/keyring.toml");
    let created = Keyring::open_or_create(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&directory.path().join("a")), 0o700);
    assert_eq!(created.current_kek().unwrap(), "local:v1");
    let names: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(names.len(), 1, "no temporary or lock file stays behind");

    let key = DataKey::generate(OWNER, 1);
    let wrapped = created.wrap(&key).unwrap();
    for opened in [Keyring::open(&path), Keyring::open_or_create(&path)] {
        let unwrapped = opened.unwrap().unwrap(OWNER, 1, &wrapped).unwrap();
        assert_eq!(unwrapped.key().expose(), key.key().expose());
    }
}

#[test]
fn open_creates_nothing() {
    let (_directory, path) = in_new_directory();
    let error = Keyring::open(&path).unwrap_err();
    assert!(error.is_not_found());
    assert!(!path.exists());
}

#[test]
fn a_file_that_others_may_use_is_refused_with_the_remedy() {
    let (_directory, path) = in_new_directory();
    Keyring::open_or_create(&path).unwrap();
    for exposed in [0o640, 0o604, 0o620, 0o644, 0o610] {
        fs::set_permissions(&path, Permissions::from_mode(exposed)).unwrap();
        for outcome in [Keyring::open(&path), Keyring::open_or_create(&path)] {
            let error = outcome.unwrap_err();
            assert!(matches!(error, KeyringError::Exposed { mode, .. } if mode == exposed));
            let remedy = format!("chmod 600 {}", path.display());
            assert!(error.to_string().ends_with(&remedy), "{error}");
        }
    }
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    Keyring::open(&path).unwrap();
}

#[test]
fn rotation_changes_the_current_key_and_keeps_the_old_ones() {
    let (_directory, path) = in_new_directory();
    let keyring = Keyring::open_or_create(&path).unwrap();
    let key = DataKey::generate(OWNER, 1);
    let old = keyring.wrap(&key).unwrap();
    assert_eq!(keyring.rotate().unwrap(), 2);
    assert_eq!(mode(&path), 0o600);
    let new = keyring.wrap(&key).unwrap();
    assert_eq!(
        (old.kek.as_str(), new.kek.as_str()),
        ("local:v1", "local:v2")
    );
    for keyring in [keyring, Keyring::open(&path).unwrap()] {
        assert_eq!(keyring.current_kek().unwrap(), "local:v2");
        for wrapped in [&old, &new] {
            let unwrapped = keyring.unwrap(OWNER, 1, wrapped).unwrap();
            assert_eq!(unwrapped.key().expose(), key.key().expose());
        }
    }
}

#[test]
fn whoever_wraps_follows_a_rotation_elsewhere() {
    let (_directory, path) = in_new_directory();
    let here = Keyring::open_or_create(&path).unwrap();
    let key = DataKey::generate(OWNER, 1);
    let old = here.wrap(&key).unwrap();
    Keyring::open(&path).unwrap().rotate().unwrap();
    assert_eq!(here.wrap(&key).unwrap().kek, "local:v2");

    let elsewhere = Keyring::open(&path).unwrap();
    assert_eq!(elsewhere.versions().unwrap(), (vec![1, 2], 2));
    assert!(elsewhere.retire(&[1, 2]).is_err(), "one of them wraps");
    elsewhere.retire(&[1]).unwrap();
    assert_eq!(here.versions().unwrap(), (vec![2], 2));
    let error = here.unwrap(OWNER, 1, &old).unwrap_err();
    assert!(matches!(error, ProviderError::UnknownKek { .. }), "{error}");

    fs::remove_file(&path).unwrap();
    here.wrap(&key)
        .expect_err("nothing is wrapped by a key that is nowhere kept");
}

#[test]
fn rotations_elsewhere_are_kept_and_noticed() {
    let (_directory, path) = in_new_directory();
    let here = Keyring::open_or_create(&path).unwrap();
    let elsewhere = Keyring::open(&path).unwrap();
    elsewhere.rotate().unwrap();
    let wrapped = elsewhere.wrap(&DataKey::generate(OWNER, 1)).unwrap();

    here.unwrap(OWNER, 1, &wrapped).unwrap();
    assert_eq!(here.current_kek().unwrap(), "local:v2");
    elsewhere.rotate().unwrap();
    assert_eq!(here.rotate().unwrap(), 4);
    elsewhere.reload().unwrap();
    assert_eq!(elsewhere.current_kek().unwrap(), "local:v4");
}

#[test]
fn concurrent_creation_and_rotation_lose_no_version() {
    let (_directory, path) = in_new_directory();
    let wraps: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let keyring = Keyring::open_or_create(&path).unwrap();
                    let first = keyring.wrap(&DataKey::generate(OWNER, 1)).unwrap();
                    keyring.rotate().unwrap();
                    [first, keyring.wrap(&DataKey::generate(OWNER, 1)).unwrap()]
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|t| t.join().unwrap())
            .collect()
    });
    let keyring = Keyring::open(&path).unwrap();
    assert_eq!(keyring.current_kek().unwrap(), "local:v9");
    for wrapped in &wraps {
        keyring.unwrap(OWNER, 1, wrapped).unwrap();
    }
}

#[test]
fn rotation_through_a_symbolic_link_replaces_the_file_it_leads_to() {
    let (directory, path) = in_new_directory();
    Keyring::open_or_create(&path).unwrap();
    let link = directory.path().join("link.toml");
    symlink(&path, &link).unwrap();
    Keyring::open(&link).unwrap().rotate().unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(
        Keyring::open(&path).unwrap().current_kek().unwrap(),
        "local:v2"
    );
}

#[test]
fn malformed_files_are_refused_left_alone_and_not_quoted() {
    let (directory, path) = in_new_directory();
    let good = "UExBTlRFRC1QTEFOVEVELVBMQU5URUQtUExBTlRFRCE=";
    let cases = [
        String::new(),
        format!("current = 1\n[keys]\n1 = \"{good}\"\n1 = \"{good}\""),
        format!("current = 1\n[keys]\n1 = {good}"),
        format!("current = \"{good}\"\n[keys]\n1 = \"{good}\""),
        format!("current = 1\n{good} = 1\n[keys]\n1 = \"{good}\""),
        format!("current = 2\n[keys]\n1 = \"{good}\""),
        format!("current = 1\n[keys]\n1 = \"{good}\"\n01 = \"{good}\""),
        format!("current = 0\n[keys]\n0 = \"{good}\""),
        format!("current = 1\n[keys]\n1 = \"{good}\"\n\"{good}\" = \"{good}\""),
        format!("current = 1\n[keys]\n1 = \"{good}!\""),
        format!("current = 1\n[keys]\n1 = \"{good}\"").replace("RCE=", ""),
        format!("current = 1\n[keys]\n1 = \"AAAA{good}\""),
        "current = 1\n[keys]\n".to_owned(),
    ];
    for text in cases {
        write(&path, &text);
        let error = Keyring::open_or_create(&path).expect_err(&text);
        assert!(matches!(error, KeyringError::Malformed { .. }), "{text}");
        let shown = everything_shown(&error);
        assert!(
            !shown.contains("UExB") && !shown.contains("PLANTED"),
            "{shown}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    write(&path, &format!("current = 1\n[keys]\n1 = \"{good}\""));
    let keyring = Keyring::open(&path).unwrap();
    let shown = format!("{keyring:?}");
    assert!(shown.contains("versions: {1: …}"), "{shown}");

    fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
    let error = Keyring::open(directory.path()).unwrap_err();
    assert!(matches!(error, KeyringError::Malformed { .. }), "{error:?}");
}

#[test]
fn rotation_ends_with_the_version_numbers_and_changes_nothing() {
    let (_directory, path) = in_new_directory();
    let good = "UExBTlRFRC1QTEFOVEVELVBMQU5URUQtUExBTlRFRCE=";
    let text = format!("current = 4294967295\n[keys]\n4294967295 = \"{good}\"\n");
    write(&path, &text);
    let keyring = Keyring::open(&path).unwrap();
    assert!(matches!(
        keyring.rotate(),
        Err(KeyringError::Malformed { .. })
    ));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_failed_reload_keeps_the_keys_in_use() {
    let (_directory, path) = in_new_directory();
    let keyring = Keyring::open_or_create(&path).unwrap();
    let wrapped = keyring.wrap(&DataKey::generate(OWNER, 1)).unwrap();
    write(&path, "garbage");
    assert!(keyring.reload().is_err());
    assert!(keyring.rotate().is_err());
    keyring.unwrap(OWNER, 1, &wrapped).unwrap();
}

#[test]
fn wraps_are_bound_to_owner_generation_and_kek() {
    let (_directory, path) = in_new_directory();
    let keyring = Keyring::open_or_create(&path).unwrap();
    keyring.rotate().unwrap();
    let wrapped = keyring.wrap(&DataKey::generate(OWNER, 5)).unwrap();
    let refusal = |owner, generation, wrapped: &WrappedKey| match keyring
        .unwrap(owner, generation, wrapped)
        .unwrap_err()
    {
        ProviderError::Refused { cause, .. } => cause,
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal(Owner([8; 16]), 5, &wrapped), OpenError::Altered);
    assert_eq!(refusal(OWNER, 6, &wrapped), OpenError::Altered);
    let relabelled = WrappedKey {
        kek: "local:v1".to_owned(),
        bytes: wrapped.bytes.clone(),
    };
    let wrong = OpenError::WrongGeneration { sealed: 2, key: 1 };
    assert_eq!(refusal(OWNER, 5, &relabelled), wrong);
    for at in 0..wrapped.bytes.len() {
        let mut altered = wrapped.clone();
        altered.bytes[at] ^= 1;
        refusal(OWNER, 5, &altered);
    }
    for length in 0..wrapped.bytes.len() {
        let mut cut = wrapped.clone();
        cut.bytes.truncate(length);
        refusal(OWNER, 5, &cut);
    }

    let (_other_directory, other_path) = in_new_directory();
    let other = Keyring::open_or_create(&other_path).unwrap();
    other.rotate().unwrap();
    let error = other.unwrap(OWNER, 5, &wrapped).unwrap_err();
    assert!(matches!(
        error,
        ProviderError::Refused {
            cause: OpenError::WrongKey,
            ..
        }
    ));
}

#[test]
fn a_sealed_field_is_no_wrap_even_under_the_same_key() {
    // A field whose context spells out a wrap's bound values, sealed by the KEK's own bytes.
    let key = KeyBytes::random();
    let kek = KeyBytes::copy_of(key.expose()).unwrap();
    let field = DataKey::from_key(OWNER, 1, key).seal(
        &crate::Context {
            domain: "data-key",
            record: &1_u32.to_be_bytes(),
            field: "\0\0\0\u{1}",
            schema: 0,
        },
        &[9; 32],
    );
    let wrapped = WrappedKey {
        kek: "local:v1".to_owned(),
        bytes: field,
    };
    let error = Keyring::holding(1, kek)
        .unwrap(OWNER, 1, &wrapped)
        .unwrap_err();
    assert!(matches!(
        error,
        ProviderError::Refused {
            cause: OpenError::WrongKey,
            ..
        }
    ));
}

#[test]
fn foreign_and_unknown_keks_are_told_apart() {
    let (_directory, path) = in_new_directory();
    let keyring = Keyring::open_or_create(&path).unwrap();
    let bytes = keyring.wrap(&DataKey::generate(OWNER, 1)).unwrap().bytes;
    let unwrap = |kek: &str| {
        let wrapped = WrappedKey {
            kek: kek.to_owned(),
            bytes: bytes.clone(),
        };
        keyring.unwrap(OWNER, 1, &wrapped).unwrap_err()
    };
    for foreign in [
        "",
        "local:",
        "local:v",
        "local:v01",
        "local:v+1",
        "local:1",
        "aws:v1",
        "local:v-1",
    ] {
        assert!(
            matches!(unwrap(foreign), ProviderError::ForeignKek { .. }),
            "{foreign}"
        );
    }
    assert!(matches!(
        unwrap("local:v9"),
        ProviderError::UnknownKek { .. }
    ));
}

#[test]
fn what_unwraps_must_be_a_key() {
    let kek = KeyBytes::random();
    let bytes = envelope::seal(
        &kek,
        1,
        &LABELS,
        &bound(&OWNER, &1_u32.to_be_bytes(), &1_u32.to_be_bytes()),
        b"short",
        Salt::random(),
    );
    let wrapped = WrappedKey {
        kek: "local:v1".to_owned(),
        bytes,
    };
    let error = Keyring::holding(1, kek)
        .unwrap(OWNER, 1, &wrapped)
        .unwrap_err();
    assert!(matches!(error, ProviderError::NotAKey { .. }));
}

#[tokio::test]
async fn the_provider_wraps_and_unwraps_from_any_task() {
    let (_directory, path) = in_new_directory();
    let provider = KeyProvider::Local(Keyring::open_or_create(&path).unwrap());
    // A spawned task proves the futures `Send`, which every server handler needs.
    tokio::spawn(async move {
        let key = DataKey::generate(OWNER, 3);
        let sealed = key.seal(
            &crate::Context {
                domain: "d",
                record: b"r",
                field: "f",
                schema: 1,
            },
            b"plaintext",
        );
        let wrapped = provider.wrap(&key).await.unwrap();
        assert_eq!(wrapped.kek, provider.current_kek().await.unwrap());
        assert_eq!(format!("{wrapped:?}"), "WrappedKey(local:v1, 118 bytes)");
        let unwrapped = provider.unwrap(OWNER, 3, &wrapped).await.unwrap();
        let context = crate::Context {
            domain: "d",
            record: b"r",
            field: "f",
            schema: 1,
        };
        assert_eq!(*unwrapped.open(&context, &sealed).unwrap(), b"plaintext");
    })
    .await
    .unwrap();
}
