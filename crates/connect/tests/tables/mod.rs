//! Tables of docs/providers.md that are what came of a test.

use std::{fs, path::Path};

/// Compares the table of this name with the one that is written. `UPDATE_DOCS=1` writes it.
pub fn compare(name: &str, table: &str) {
    let (begin, end) = (
        format!("<!-- {name}: begin -->\n"),
        format!("<!-- {name}: end -->\n"),
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers.md");
    let text = fs::read_to_string(&path).expect("the documentation is there");
    let (before, rest) = text.split_once(&begin).expect("has the table's beginning");
    let (written, after) = rest.split_once(&end).expect("has the table's end");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{before}{begin}{table}{end}{after}")).expect("is written");
    } else {
        assert_eq!(written, table, "UPDATE_DOCS=1 writes the table");
    }
}
