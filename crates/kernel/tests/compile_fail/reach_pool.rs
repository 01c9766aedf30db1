//! The pools are the kernel's own: no value that a slice holds leads to one.

use kernel::{Access, Db, Tx, permission::CredentialsRead};

pub fn control(db: &Db) {
    let _ = db.control();
    let _ = &db.0;
}

pub fn by_access(access: &Access<CredentialsRead>) {
    let _ = access.db();
    let _ = &access.db;
}

pub fn by_tx(tx: &Tx) {
    let _ = tx.db();
    let _ = &tx.cell;
    let _ = &tx.conn;
}

pub fn open(tx: kernel::db::Route) {
    let _ = tx;
}
