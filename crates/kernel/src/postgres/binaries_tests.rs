//! Tests of the version choice and of the search, with made-up programs.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::os::unix::fs::PermissionsExt;

use super::*;

fn binaries(dir: &str, major: u16, minor: u16) -> Binaries {
    Binaries {
        dir: dir.into(),
        version: Version { major, minor },
    }
}

/// A folder with programs of which `postgres --version` prints `version`.
fn install(dir: &Path, version: &str) {
    fs::create_dir_all(dir).unwrap();
    for program in PROGRAMS {
        let file = dir.join(program);
        fs::write(&file, format!("#!/bin/sh\necho '{version}'\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn versions_are_read_from_what_postgres_prints() {
    let parse = |text| Version::parse(text).map(|v| v.to_string());
    let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";
    assert_eq!(parse(debian).as_deref(), Some("15.18"));
    assert_eq!(parse("postgres (PostgreSQL) 17.0").as_deref(), Some("17.0"));
    assert_eq!(
        parse("postgres (PostgreSQL) 19beta1\n").as_deref(),
        Some("19.0")
    );
    assert_eq!(parse("postgres (PostgreSQL) devel"), None);
    assert_eq!(parse("sh: 1: not found"), None);
}

#[test]
fn the_newest_wins_and_the_first_of_equals() {
    let found = vec![
        binaries("/a", 15, 18),
        binaries("/b", 17, 2),
        binaries("/c", 17, 10),
        binaries("/d", 17, 10),
        binaries("/e", 9, 6),
    ];
    assert_eq!(choose(found, None).unwrap(), binaries("/c", 17, 10));
}

#[test]
fn a_cluster_is_opened_by_its_own_major_version_only() {
    let found = vec![binaries("/a", 15, 18), binaries("/b", 17, 2)];
    assert_eq!(
        choose(found.clone(), Some(15)).unwrap(),
        binaries("/a", 15, 18)
    );
    let message = choose(found, Some(16)).unwrap_err().to_string();
    assert!(message.contains("made by PostgreSQL 16"), "{message}");
    assert!(message.contains("15.18 in /a, 17.2 in /b"), "{message}");
    assert!(
        message.contains("apt-get install postgresql-16"),
        "{message}"
    );
    assert!(message.contains("FREEHOLD_PG_BIN"), "{message}");
}

#[test]
fn versions_before_the_oldest_supported_are_refused() {
    let error = choose(vec![binaries("/old", 14, 30)], None).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, Error::TooOld { .. }), "{message}");
    assert!(message.contains("14.30 in /old"), "{message}");
    assert!(message.contains("version 15 or later"), "{message}");
}

#[test]
fn without_binaries_the_error_says_what_to_install() {
    let empty = tempfile::tempdir().unwrap();
    let found = inspect_all(empty.path().as_os_str(), &[&empty.path().join("*/bin")]);
    let message = choose(found, None).unwrap_err().to_string();
    for remedy in [
        "apt-get install postgresql`",
        "dnf install postgresql-server",
        "brew install postgresql",
        "FREEHOLD_PG_BIN",
        "DATABASE_URL",
    ] {
        assert!(message.contains(remedy), "{remedy} is not in: {message}");
    }
}

#[test]
fn links_are_followed_patterns_expanded_and_repetitions_and_halves_left_out() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().canonicalize().unwrap();
    install(&root.join("pgsql-16/bin"), "postgres (PostgreSQL) 16.4");
    install(&root.join("pgsql-17/bin"), "postgres (PostgreSQL) 17.1");
    install(&root.join("other-18/bin"), "postgres (PostgreSQL) 18.0");
    install(&root.join("half"), "postgres (PostgreSQL) 18.0");
    fs::remove_file(root.join("half/pg_ctl")).unwrap();
    let links = root.join("links");
    fs::create_dir(&links).unwrap();
    std::os::unix::fs::symlink(root.join("pgsql-16/bin/postgres"), links.join("postgres")).unwrap();

    let path = std::env::join_paths([root.join("missing"), links, root.join("half")]).unwrap();
    let found = inspect_all(
        &path,
        &[&root.join("pgsql-*/bin"), &root.join("none-*/bin")],
    );
    let dirs: Vec<_> = found.iter().map(|b| b.dir().to_owned()).collect();
    assert_eq!(dirs, [root.join("pgsql-16/bin"), root.join("pgsql-17/bin")]);
}

#[test]
fn a_named_folder_is_used_or_its_fault_is_told() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().canonicalize().unwrap();
    let good = root.join("good");
    install(&good, "postgres (PostgreSQL) 16.4");
    let found = find(Search::Only(&good), None).unwrap();
    assert_eq!((found.dir(), found.version().major), (good.as_path(), 16));

    fs::remove_file(good.join("initdb")).unwrap();
    let message = find(Search::Only(&good), None).unwrap_err().to_string();
    assert!(message.contains("no working `initdb`"), "{message}");

    let missing = root.join("missing");
    let message = find(Search::Only(&missing), None).unwrap_err().to_string();
    assert!(message.contains("missing"), "{message}");
    assert!(message.contains("unset it"), "{message}");
}
