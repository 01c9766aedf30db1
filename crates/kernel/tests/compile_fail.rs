//! What must not compile, and what clippy must refuse.
//!
//! Each file of `compile_fail/` goes around the capabilities in ways that the compiler has to stop,
//! each of `lints/` in ways that clippy.toml does; the errors are committed snapshots. They are
//! compiled against the kernel that this test was built with, which takes a second; a project of
//! their own would build every dependency once more.
//!
//! `allowed.rs` holds the same calls done right. It compiles, and clippy has nothing to say to it, so
//! that a case which fails does so for its own fault.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// The folder of compiled crates, where this very program is.
fn built() -> PathBuf {
    env::current_exe().unwrap().parent().unwrap().to_owned()
}

/// Compiled forms of a crate, newest first. Feature sets and earlier builds each left their own.
fn candidates(name: &str) -> Vec<PathBuf> {
    let prefix = format!("lib{name}-");
    let mut found: Vec<PathBuf> = fs::read_dir(built())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let file = path.file_name().unwrap().to_string_lossy();
            file.starts_with(&prefix) && file.ends_with(".rlib")
        })
        .collect();
    found.sort_by_key(|path| {
        let modified = fs::metadata(path).and_then(|data| data.modified());
        std::cmp::Reverse(modified.unwrap())
    });
    found
}

/// The crates that cases may name.
struct Externs {
    kernel: PathBuf,
    sqlx: PathBuf,
}

/// The newest pair that belongs together, which is the one that `allowed.rs` compiles against.
fn externs() -> &'static Externs {
    static FOUND: OnceLock<Externs> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut complaint = String::new();
        for kernel in candidates("kernel") {
            for sqlx in candidates("sqlx") {
                let kernel = kernel.clone();
                let externs = Externs { kernel, sqlx };
                let output = compile("rustc", &externs, "compile_fail", "allowed");
                if output.status.success() {
                    return externs;
                }
                complaint = errors(&output);
            }
        }
        panic!("allowed.rs does not compile: {complaint}");
    })
}

fn compile(compiler: &str, externs: &Externs, folder: &str, case: &str) -> Output {
    let out = tempfile::tempdir().unwrap();
    let named = |name: &str, path: &Path| {
        let mut named = OsString::from(format!("{name}="));
        named.push(path);
        named
    };
    Command::new(compiler)
        .current_dir(cases().join(folder))
        // Where clippy finds its rules.
        .env("CLIPPY_CONF_DIR", cases().join("../../.."))
        .args(["--edition", "2024", "--crate-type", "lib"])
        .args(["--emit", "metadata", "--error-format", "short"])
        .args(["-D", "warnings", "--out-dir"])
        .arg(out.path())
        .arg("--extern")
        .arg(named("kernel", &externs.kernel))
        .arg("--extern")
        .arg(named("sqlx", &externs.sqlx))
        .arg("-L")
        .arg(named("dependency", &built()))
        .arg(format!("{case}.rs"))
        .output()
        .unwrap_or_else(|error| panic!("{compiler} does not start: {error}"))
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The errors that a case meets.
fn refusal(compiler: &str, folder: &str, case: &str) -> String {
    let output = compile(compiler, externs(), folder, case);
    assert!(!output.status.success(), "{folder}/{case}.rs compiles");
    errors(&output)
}

fn names(folder: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(cases().join(folder))
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".rs").map(str::to_owned)
        })
        .filter(|name| name != "allowed")
        .collect();
    names.sort();
    assert!(!names.is_empty());
    names
}

#[test]
fn capabilities_cannot_be_forged_kept_or_confused() {
    for case in names("compile_fail") {
        insta::assert_snapshot!(case.clone(), refusal("rustc", "compile_fail", &case));
    }
}

#[test]
fn clippy_refuses_the_roads_around_them() {
    if Command::new("clippy-driver")
        .arg("--version")
        .output()
        .is_err()
    {
        kernel::testing::skip("clippy-driver");
        return;
    }
    for case in names("lints") {
        let name = format!("lint_{case}");
        insta::assert_snapshot!(name, refusal("clippy-driver", "lints", &case));
    }
    let output = compile("clippy-driver", externs(), "compile_fail", "allowed");
    assert!(output.status.success(), "{}", errors(&output));
}
