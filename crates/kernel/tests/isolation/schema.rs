//! The tables of the cell as the catalogue has them, parents before children, and the statements
//! that fill them.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use crate::rows::{self, Of, TIME};

#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    /// The primary key without `tenant_id`; empty where a tenant has one row.
    pub key: Vec<String>,
    /// Columns that Postgres would fill with the time of the statement.
    timed: Vec<String>,
}

impl Table {
    /// Columns and values of a row, `tenant_id` left out. Panics where [`rows`] has no row for the
    /// table.
    pub fn row(&self, own: Of, parent: Of) -> Vec<(String, String)> {
        let row = rows::row(&self.name, own, parent).unwrap_or_else(|| {
            panic!(
                "cell.{} has no row in tests/isolation/rows.rs, so nothing shows that it is \
                 isolated; add one",
                self.name
            )
        });
        let mut row: Vec<(String, String)> = row
            .into_iter()
            .map(|(column, value)| (column.to_owned(), value))
            .collect();
        for column in &self.timed {
            if row.iter().all(|(named, _)| named != column) {
                row.push((column.clone(), TIME.to_owned()));
            }
        }
        row
    }

    /// `INSERT` of a row. Without a tenant, the column's default supplies it.
    pub fn insert(&self, tenant: Option<&str>, own: Of, parent: Of) -> String {
        let mut row = self.row(own, parent);
        if let Some(tenant) = tenant {
            row.insert(0, ("tenant_id".into(), format!("'{tenant}'")));
        }
        let (columns, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
        format!(
            "INSERT INTO cell.{} ({}) VALUES ({})",
            self.name,
            columns.join(", "),
            values.join(", ")
        )
    }

    /// The primary key's columns, as in `tenant_id, id`.
    pub fn full_key(&self) -> String {
        let mut columns = vec!["tenant_id"];
        columns.extend(self.key.iter().map(String::as_str));
        columns.join(", ")
    }

    /// How many rows one tenant can have here for these tests.
    pub fn capacity(&self, wanted: u32) -> u32 {
        if self.key.is_empty() { 1 } else { wanted }
    }
}

#[derive(Debug, sqlx::FromRow)]
struct Described {
    name: String,
    key: Vec<String>,
    timed: Vec<String>,
    parents: Vec<String>,
}

/// Every table of the cell, those that others refer to first.
pub async fn tables(superuser: &mut PgConnection) -> Vec<Table> {
    let mut waiting: Vec<Described> = sqlx::query_as(
        "SELECT c.relname::text AS name,
             ARRAY(SELECT a.attname::text FROM pg_index i
                 JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
                 WHERE i.indrelid = c.oid AND i.indisprimary AND a.attname <> 'tenant_id'
                 ORDER BY a.attnum) AS key,
             ARRAY(SELECT a.attname::text FROM pg_attribute a
                 JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                 WHERE a.attrelid = c.oid AND pg_get_expr(d.adbin, d.adrelid) = 'now()'
                 ORDER BY a.attnum) AS timed,
             ARRAY(SELECT DISTINCT p.relname::text FROM pg_constraint k
                 JOIN pg_class p ON p.oid = k.confrelid
                 WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid <> c.oid) AS parents
         FROM pg_class c
         WHERE c.relnamespace = 'cell'::regnamespace AND c.relkind IN ('r', 'p')
             AND c.relname <> '_sqlx_migrations'
         ORDER BY 1",
    )
    .fetch_all(superuser)
    .await
    .unwrap();
    let mut tables: Vec<Table> = Vec::new();
    while !waiting.is_empty() {
        let placed: BTreeSet<String> = tables.iter().map(|table| table.name.clone()).collect();
        let (ready, rest): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|table| table.parents.iter().all(|parent| placed.contains(parent)));
        assert!(!ready.is_empty(), "foreign keys in a circle: {rest:?}");
        tables.extend(ready.into_iter().map(|table| Table {
            name: table.name,
            key: table.key,
            timed: table.timed,
        }));
        waiting = rest;
    }
    tables
}
