//! Holds every file of the repository to what reviews would otherwise have to notice: its size, and
//! that a module says what it is.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Past this a file is split into well-named modules.
const LONGEST: usize = 600;
const KINDS: [&str; 5] = ["rs", "sql", "py", "toml", "sh"];
/// What builds leave behind; hidden folders are tools' own as well.
const BUILDS: &str = "target";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() {
            if name != BUILDS && !name.starts_with('.') {
                files(&path, found);
            }
        } else if path
            .extension()
            .is_some_and(|kind| KINDS.iter().any(|known| kind == *known))
        {
            found.push(path);
        }
    }
}

/// The files that `is_wrong` says something about, with what it says.
fn offenders(is_wrong: impl Fn(&Path, &str) -> Option<String>) -> Vec<String> {
    let root = root();
    let mut found = Vec::new();
    files(&root, &mut found);
    assert!(found.len() > 100, "the repository has files: {found:?}");
    found.sort();
    found
        .iter()
        .filter_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let shown = path.strip_prefix(&root).unwrap().display();
            is_wrong(path, &text).map(|what| format!("{shown}: {what}"))
        })
        .collect()
}

#[test]
fn no_file_is_too_long() {
    let offenders = offenders(|_, text| {
        let lines = text.lines().count();
        (lines > LONGEST).then(|| format!("{lines} lines, more than {LONGEST}"))
    });
    assert_eq!(offenders, Vec::<String>::new());
}

#[test]
fn every_module_says_what_it_is() {
    let offenders = offenders(|path, text| {
        let is_module = path.extension().is_some_and(|kind| kind == "rs");
        (is_module && !text.starts_with("//!")).then(|| "begins without `//!`".to_owned())
    });
    assert_eq!(offenders, Vec::<String>::new());
}
