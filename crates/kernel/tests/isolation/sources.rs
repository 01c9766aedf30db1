//! What no source file may say: ways around a tenant's transaction that stand in SQL or in plain
//! calls, where neither the compiler nor clippy sees them.

use std::{
    fs,
    path::{Path, PathBuf},
};

struct Rule {
    name: &'static str,
    /// Any of these breaks the rule, whatever its case.
    needles: &'static [&'static str],
    /// Beginnings of the paths that have a reason to say it. Each must still say it.
    allowed: &'static [&'static str],
}

/// Rules for the program itself: the crates' sources without their tests, and the migrations.
const PROGRAM: &[Rule] = &[
    Rule {
        name: "the tenant is set by SET LOCAL, which distributed Postgres propagates",
        needles: &["set_config("],
        allowed: &[],
    },
    Rule {
        name: "only transactions of the kernel say whose they are",
        needles: &["local freehold.", "set freehold.", "session freehold."],
        allowed: &[
            "crates/kernel/src/db/people_tx.rs",
            "crates/kernel/src/db/tx.rs",
            "crates/kernel/src/ingest.rs",
        ],
    },
    Rule {
        name: "a login role stays what it signed in as",
        needles: &[
            // Not `SET role = …`, which gives a column a value.
            "set role freehold",
            "set role none",
            "set role to",
            "set role '",
            "set role \\\"",
            "set role {",
            "set role $",
            "local role",
            "reset role",
            "session authorization",
        ],
        allowed: &[],
    },
    Rule {
        name: "nothing turns row-level security off",
        needles: &[
            "bypassrls",
            "row_security",
            "disable row level",
            "no force row",
        ],
        // It reports a role that has it.
        allowed: &["crates/kernel/src/db/inspect.rs"],
    },
    Rule {
        name: "transactions begin and end in the kernel",
        needles: &["\"begin", "\"commit", "\"rollback"],
        allowed: &[
            "crates/kernel/src/db/",
            "crates/kernel/src/ingest.rs",
            "crates/kernel/src/jobs.rs",
        ],
    },
    Rule {
        name: "only the command line acts as the machine's own administrator",
        needles: &["operator::local(", ">::local("],
        allowed: &["crates/server/src/cli", "crates/server/src/demo"],
    },
    Rule {
        name: "credentials and settings never come from the environment by the way",
        needles: &["env::var"],
        allowed: &[
            "crates/kernel/src/postgres/",
            "crates/server/src/cli",
            "crates/server/src/config.rs",
            "crates/server/src/demo.rs",
        ],
    },
];

/// Rules for every file. The needles are put together here so that this file does not hold them.
const EVERYWHERE: &[Rule] = &[
    Rule {
        name: "nothing is left for later",
        needles: &[
            concat!("to", "do!("),
            concat!("unimple", "mented!("),
            concat!("TO", "DO:"),
            concat!("TO", "DO("),
            concat!("FIX", "ME"),
        ],
        allowed: &[],
    },
    Rule {
        name: "no machine's own paths",
        needles: &[
            concat!("/wo", "rk/main"),
            concat!("/wo", "rk/shared"),
            concat!("/ro", "ot/"),
        ],
        allowed: &[],
    },
];

const KINDS: &[&str] = &["rs", "sql", "toml", "py", "sh", "md", "js", "css", "yml"];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                files(&path, found);
            }
        } else if KINDS.iter().any(|kind| name.ends_with(&format!(".{kind}"))) {
            found.push(path);
        }
    }
}

/// Every file of the repository that people wrote, as path from its root and text.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    assert!(
        paths.len() > 100,
        "the sources are not where they should be"
    );
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(&root).unwrap();
            (path.to_string_lossy().into_owned(), text)
        })
        .collect()
}

/// The part of a file that is the program; `None` where it is all tests or no source.
fn program<'a>(path: &str, text: &'a str) -> Option<&'a str> {
    let source = path.starts_with("crates/") && path.contains("/src/") && path.ends_with(".rs");
    let test = ["/tests/", "tests.rs", "/testing.rs"]
        .iter()
        .any(|part| path.contains(part));
    if path.starts_with("migrations/") {
        Some(text)
    } else if source && !test {
        // A file's tests are its last module.
        Some(
            text.split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or(text),
        )
    } else {
        None
    }
}

impl Rule {
    fn is_broken_by(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.needles
            .iter()
            .any(|needle| text.contains(&needle.to_lowercase()))
    }

    /// The files that break the rule without a reason to.
    fn breaches<'a>(&self, sources: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
        sources
            .filter(|(path, text)| {
                let allowed = self.allowed.iter().any(|prefix| path.starts_with(prefix));
                !allowed && self.is_broken_by(text)
            })
            .map(|(path, _)| format!("{path} breaks the rule: {}", self.name))
            .collect()
    }

    /// The exceptions that no file needs any more.
    fn unused<'a>(&self, sources: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
        let mut unused = self.allowed.to_vec();
        for (path, text) in sources {
            if unused.iter().any(|prefix| path.starts_with(prefix)) && self.is_broken_by(text) {
                unused.retain(|prefix| !path.starts_with(prefix));
            }
        }
        unused
            .into_iter()
            .map(|prefix| format!("{prefix} needs no exception from the rule: {}", self.name))
            .collect()
    }
}

fn everything(sources: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    sources
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
}

fn programs(sources: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    everything(sources).filter_map(|(path, text)| Some((path, program(path, text)?)))
}

fn breaches(sources: &[(String, String)]) -> Vec<String> {
    let in_programs = PROGRAM
        .iter()
        .flat_map(|rule| rule.breaches(programs(sources)));
    let anywhere = EVERYWHERE
        .iter()
        .flat_map(|rule| rule.breaches(everything(sources)));
    in_programs
        .chain(anywhere)
        .chain(missing_downs(sources))
        .collect()
}

/// Migrations that have no way back.
fn missing_downs(sources: &[(String, String)]) -> Vec<String> {
    let has = |wanted: &str| sources.iter().any(|(path, _)| path == wanted);
    let ups = sources
        .iter()
        .filter_map(|(path, _)| path.strip_suffix(".up.sql"));
    ups.filter(|stem| !has(&format!("{stem}.down.sql")))
        .map(|stem| format!("{stem} has no down migration"))
        .collect()
}

#[test]
fn no_source_goes_around_the_kernel() {
    let sources = sources();
    let found = breaches(&sources);
    assert!(found.is_empty(), "{}", found.join("\n"));
    let unused: Vec<String> = PROGRAM
        .iter()
        .flat_map(|rule| rule.unused(programs(&sources)))
        .collect();
    assert!(unused.is_empty(), "{}", unused.join("\n"));
}

#[test]
fn every_forbidden_word_is_noticed() {
    let found = |path: &str, text: &str| breaches(&[(path.to_owned(), text.to_owned())]).len();
    for needle in PROGRAM.iter().flat_map(|rule| rule.needles) {
        let line = format!("fn planted() {{ {needle} }}");
        assert_eq!(found("crates/connect/src/planted.rs", &line), 1, "{needle}");
        assert_eq!(found("migrations/cell/9.down.sql", &line), 1, "{needle}");
        let tested = format!("fn f() {{}}\n\n#[cfg(test)]\nmod tests {{\n{line}\n}}");
        assert_eq!(found("crates/connect/src/planted.rs", &tested), 0);
        assert_eq!(found("crates/connect/tests/planted.rs", &line), 0);
    }
    for needle in EVERYWHERE.iter().flat_map(|rule| rule.needles) {
        assert_eq!(found("docs/planted.md", needle), 1, "{needle}");
        assert_eq!(found("crates/connect/tests/planted.rs", needle), 1);
    }
    assert_eq!(found("migrations/cell/9_more.up.sql", "SELECT 1"), 1);
}

#[test]
fn an_exception_that_nothing_needs_is_noticed() {
    let rule = Rule {
        name: "an exception is used",
        needles: &["planted"],
        allowed: &["crates/kernel/src/ingest.rs"],
    };
    let file = |text| [("crates/kernel/src/ingest.rs", text)].into_iter();
    assert_eq!(rule.unused(file("//! Nothing.")).len(), 1);
    assert_eq!(rule.unused(file("planted")).len(), 0);
    assert_eq!(rule.breaches(file("planted")).len(), 0);
}
