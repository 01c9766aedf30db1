//! The statements that one tenant runs: kinds × tables × conditions, each written so that it would
//! reach another tenant's rows if anything let it.

use proptest::{prelude::*, sample::select};

use crate::{
    rows::Of,
    schema::Table,
    worlds::{MINE, THEIRS},
};

/// One statement: what it does, to which table, with which rows in mind. Tables by their place in
/// the schema's list.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    pub kind: Kind,
    pub table: usize,
    pub other: usize,
    pub filter: Filter,
}

/// How a statement reaches the server.
#[derive(Debug)]
pub enum Command {
    Query(String),
    CopyOut(String),
    CopyIn { statement: String, data: String },
}

/// Which rows a statement asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Filter {
    Everything,
    Theirs,
    NotMine,
    Either,
    TheirFirst,
    /// Raises on any row of theirs that it is shown.
    Trap,
    /// Asks about theirs by way of another table.
    Correlated,
}

pub const FILTERS: &[Filter] = &[
    Filter::Everything,
    Filter::Theirs,
    Filter::NotMine,
    Filter::Either,
    Filter::TheirFirst,
    Filter::Trap,
    Filter::Correlated,
];

macro_rules! kinds {
    ($($kind:ident,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Kind { $($kind),* }

        pub const KINDS: &[Kind] = &[$(Kind::$kind),*];
    };
}

kinds! {
    Select, ForUpdate, ForShare, SkipLocked, Count, Group, Join, OuterJoin, Lateral,
    InSubquery, ScalarSubquery, Union, Except, Materialized, Cursor, TemporaryView,
    TemporaryCopy, RowSecurityOff, Statistics, InsertForThem, InsertTheirValues,
    InsertTheirValuesUnderMine, InsertFromSelect, InsertForThemFromSelect, UpsertTheirs,
    UpsertTheirsUpdating, UpsertMineMoving, UpsertTheirValues, Update, UpdateReturning,
    GiveAway, UpdateFrom, WritingWith, Delete, DeleteReturning, DeleteUsing, Merge,
    MergeInsert, Truncate, CopyOut, CopyQueryOut, CopyIn, DisableRowSecurity, AddPolicy,
    DropPolicy, BecomeOwner, BecomeOperator, BecomeWorker,
}

impl Kind {
    /// Whether the statement touches rows of the table only by their policies, and so must raise
    /// where no tenant was named. The others ask for no row of it.
    pub fn asks_for_rows(self) -> bool {
        self != Self::Statistics
    }

    fn uses_filter(self) -> bool {
        !matches!(
            self,
            Self::RowSecurityOff
                | Self::Statistics
                | Self::InsertForThem
                | Self::InsertTheirValues
                | Self::InsertTheirValuesUnderMine
                | Self::UpsertTheirs
                | Self::UpsertTheirsUpdating
                | Self::UpsertMineMoving
                | Self::UpsertTheirValues
                | Self::MergeInsert
                | Self::Truncate
                | Self::CopyOut
                | Self::CopyIn
                | Self::DisableRowSecurity
                | Self::AddPolicy
                | Self::DropPolicy
        )
    }
}

/// Every kind with every filter that makes a difference to it, on one table.
pub fn all_on(table: usize, other: usize) -> Vec<Statement> {
    let statement = move |kind, filter| Statement {
        kind,
        table,
        other,
        filter,
    };
    KINDS
        .iter()
        .flat_map(|&kind| {
            let filters = if kind.uses_filter() {
                FILTERS
            } else {
                &FILTERS[..1]
            };
            filters.iter().map(move |&filter| statement(kind, filter))
        })
        .collect()
}

/// Any statement on any of so many tables.
pub fn any(tables: usize) -> impl Strategy<Value = Statement> {
    (select(KINDS), 0..tables, 0..tables, select(FILTERS)).prop_map(
        |(kind, table, other, filter)| Statement {
            kind,
            table,
            other,
            filter,
        },
    )
}

const OF_THEIRS: Of = Of {
    letter: 'b',
    number: 1,
};
const OF_MINE: Of = Of {
    letter: 'a',
    number: 1,
};
/// Values that no row has yet.
const NEW: Of = Of {
    letter: 'b',
    number: 9,
};

impl Statement {
    pub fn command(&self, tables: &[Table]) -> Command {
        let table = &tables[self.table];
        let (t, o) = (&table.name, &tables[self.other].name);
        let key = table.full_key();
        let f = self.condition(tables);
        let sql = match self.kind {
            Kind::Select => format!("SELECT to_jsonb(t)::text FROM cell.{t} t WHERE {f}"),
            Kind::ForUpdate => {
                format!("SELECT to_jsonb(t)::text FROM cell.{t} t WHERE {f} FOR UPDATE")
            }
            Kind::ForShare => {
                format!("SELECT to_jsonb(t)::text FROM cell.{t} t WHERE {f} FOR KEY SHARE")
            }
            Kind::SkipLocked => {
                format!("SELECT to_jsonb(t)::text FROM cell.{t} t WHERE {f} FOR UPDATE SKIP LOCKED")
            }
            Kind::Count => format!(
                "SELECT count(*) || ' ' || COALESCE(max(t.tenant_id::text), '') FROM cell.{t} t WHERE {f}"
            ),
            Kind::Group => format!(
                "SELECT t.tenant_id || ' ' || count(*) FROM cell.{t} t WHERE {f} GROUP BY t.tenant_id"
            ),
            Kind::Join => format!(
                "SELECT to_jsonb(t)::text || to_jsonb(o)::text FROM cell.{t} t
                 JOIN cell.{o} o ON o.tenant_id = '{THEIRS}' OR o.tenant_id = t.tenant_id WHERE {f}"
            ),
            Kind::OuterJoin => format!(
                "SELECT to_jsonb(t)::text || COALESCE(to_jsonb(o)::text, '') FROM cell.{t} t
                 FULL JOIN cell.{o} o ON o.tenant_id = t.tenant_id WHERE {f} OR t.tenant_id IS NULL"
            ),
            Kind::Lateral => format!(
                "SELECT to_jsonb(t)::text || x.count FROM cell.{t} t, LATERAL
                 (SELECT count(*) FROM cell.{o} o WHERE o.tenant_id <> t.tenant_id) x WHERE {f}"
            ),
            Kind::InSubquery => format!(
                "SELECT to_jsonb(o)::text FROM cell.{o} o
                 WHERE o.tenant_id IN (SELECT t.tenant_id FROM cell.{t} t WHERE {f})"
            ),
            Kind::ScalarSubquery => format!(
                "SELECT (SELECT count(*) FROM cell.{t} t WHERE {f})::text || EXISTS
                 (SELECT FROM cell.{o} o WHERE o.tenant_id = '{THEIRS}')"
            ),
            Kind::Union => format!(
                "SELECT to_jsonb(t)::text FROM cell.{t} t WHERE {f}
                 UNION ALL SELECT to_jsonb(o)::text FROM cell.{o} o"
            ),
            Kind::Except => {
                format!("SELECT t.tenant_id::text FROM cell.{t} t WHERE {f} EXCEPT SELECT '{MINE}'")
            }
            Kind::Materialized => format!(
                "WITH x AS MATERIALIZED (SELECT * FROM cell.{t} t) SELECT to_jsonb(t)::text FROM x t WHERE {f}"
            ),
            Kind::Cursor => format!(
                "DECLARE every CURSOR FOR SELECT to_jsonb(t)::text FROM cell.{t} t WHERE {f};
                 FETCH ALL FROM every; CLOSE every"
            ),
            Kind::TemporaryView => format!(
                "CREATE TEMPORARY VIEW seen AS SELECT * FROM cell.{t};
                 SELECT to_jsonb(t)::text FROM seen t WHERE {f}; DROP VIEW seen"
            ),
            Kind::TemporaryCopy => format!(
                "CREATE TEMPORARY TABLE taken AS SELECT * FROM cell.{t} t WHERE {f};
                 SELECT to_jsonb(t)::text FROM taken t; DROP TABLE taken"
            ),
            Kind::RowSecurityOff => {
                format!("SET LOCAL row_security = off; SELECT to_jsonb(t)::text FROM cell.{t} t")
            }
            // Samples of the table's values, which Postgres must withhold.
            Kind::Statistics => format!(
                "SELECT attname || most_common_vals::text || histogram_bounds::text FROM pg_stats
                 WHERE schemaname = 'cell' AND tablename = '{t}'"
            ),
            Kind::InsertForThem => table.insert(Some(THEIRS), NEW, OF_THEIRS),
            Kind::InsertTheirValues => table.insert(None, OF_THEIRS, OF_THEIRS),
            Kind::InsertTheirValuesUnderMine => table.insert(None, OF_THEIRS, OF_MINE),
            Kind::InsertFromSelect => {
                format!("INSERT INTO cell.{t} SELECT * FROM cell.{t} t WHERE {f}")
            }
            Kind::InsertForThemFromSelect => {
                let (columns, _): (Vec<_>, Vec<_>) = table.row(NEW, NEW).into_iter().unzip();
                let columns = columns.join(", ");
                format!(
                    "INSERT INTO cell.{t} (tenant_id, {columns})
                     SELECT '{THEIRS}', {columns} FROM cell.{t} t WHERE {f}"
                )
            }
            Kind::UpsertTheirs => format!(
                "{} ON CONFLICT DO NOTHING",
                table.insert(Some(THEIRS), OF_THEIRS, OF_THEIRS)
            ),
            Kind::UpsertTheirsUpdating => format!(
                "{} ON CONFLICT ({key}) DO UPDATE SET tenant_id = EXCLUDED.tenant_id",
                table.insert(Some(THEIRS), OF_THEIRS, OF_THEIRS)
            ),
            Kind::UpsertMineMoving => format!(
                "{} ON CONFLICT ({key}) DO UPDATE SET tenant_id = '{THEIRS}'",
                table.insert(None, OF_MINE, OF_MINE)
            ),
            Kind::UpsertTheirValues => format!(
                "{} ON CONFLICT DO NOTHING",
                table.insert(None, OF_THEIRS, OF_MINE)
            ),
            Kind::Update => format!("UPDATE cell.{t} t SET tenant_id = t.tenant_id WHERE {f}"),
            Kind::UpdateReturning => format!(
                "UPDATE cell.{t} t SET tenant_id = '{MINE}' WHERE {f} RETURNING to_jsonb(t)::text"
            ),
            Kind::GiveAway => format!("UPDATE cell.{t} t SET tenant_id = '{THEIRS}' WHERE {f}"),
            Kind::UpdateFrom => format!(
                "UPDATE cell.{t} t SET tenant_id = o.tenant_id FROM cell.{o} o
                 WHERE o.tenant_id = '{THEIRS}' AND {f}"
            ),
            Kind::WritingWith => format!(
                "WITH gone AS (DELETE FROM cell.{t} t WHERE {f} RETURNING t.tenant_id)
                 SELECT tenant_id::text FROM gone"
            ),
            Kind::Delete => format!("DELETE FROM cell.{t} t WHERE {f}"),
            Kind::DeleteReturning => {
                format!("DELETE FROM cell.{t} t WHERE {f} RETURNING to_jsonb(t)::text")
            }
            Kind::DeleteUsing => format!(
                "DELETE FROM cell.{t} t USING cell.{o} o WHERE o.tenant_id <> t.tenant_id AND {f}"
            ),
            Kind::Merge => format!(
                "MERGE INTO cell.{t} t USING (SELECT '{THEIRS}'::uuid AS them) s
                 ON (t.tenant_id = s.them OR {f}) WHEN MATCHED THEN DELETE"
            ),
            Kind::MergeInsert => {
                let (columns, values): (Vec<_>, Vec<_>) =
                    table.row(OF_THEIRS, OF_THEIRS).into_iter().unzip();
                format!(
                    "MERGE INTO cell.{t} t USING (SELECT '{THEIRS}'::uuid AS them) s
                     ON t.tenant_id = s.them WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN
                     INSERT (tenant_id, {}) VALUES (s.them, {})",
                    columns.join(", "),
                    values.join(", ")
                )
            }
            Kind::Truncate => format!("TRUNCATE cell.{t} CASCADE"),
            Kind::CopyOut => return Command::CopyOut(format!("COPY cell.{t} TO STDOUT")),
            Kind::CopyQueryOut => {
                return Command::CopyOut(format!(
                    "COPY (SELECT * FROM cell.{t} t WHERE {f}) TO STDOUT"
                ));
            }
            Kind::CopyIn => {
                return Command::CopyIn {
                    statement: format!("COPY cell.{t} (tenant_id) FROM STDIN"),
                    data: format!("{THEIRS}\n"),
                };
            }
            Kind::DisableRowSecurity => format!(
                "ALTER TABLE cell.{t} DISABLE ROW LEVEL SECURITY; SELECT to_jsonb(t)::text FROM cell.{t} t"
            ),
            Kind::AddPolicy => format!(
                "CREATE POLICY mine ON cell.{t} USING (true); SELECT to_jsonb(t)::text FROM cell.{t} t"
            ),
            Kind::DropPolicy => {
                format!("DROP POLICY tenant ON cell.{t}; SELECT to_jsonb(t)::text FROM cell.{t} t")
            }
            Kind::BecomeOwner => as_role("freehold_owner", t, &f),
            Kind::BecomeOperator => as_role("freehold_operator", t, &f),
            Kind::BecomeWorker => as_role("freehold_worker", t, &f),
        };
        Command::Query(sql)
    }

    fn condition(&self, tables: &[Table]) -> String {
        let table = &tables[self.table];
        match self.filter {
            Filter::Everything => "true".into(),
            Filter::Theirs => format!("t.tenant_id = '{THEIRS}'"),
            Filter::NotMine => format!("t.tenant_id <> '{MINE}'"),
            Filter::Either => format!("(t.tenant_id IN ('{MINE}', '{THEIRS}') OR true)"),
            Filter::TheirFirst => {
                let row = table.row(OF_THEIRS, OF_THEIRS);
                let same = row
                    .iter()
                    .filter(|(column, _)| table.key.contains(column))
                    .map(|(column, value)| format!("t.{column} = {value}"));
                let same: Vec<String> = same.collect();
                if same.is_empty() {
                    format!("t.tenant_id = '{THEIRS}'")
                } else {
                    same.join(" AND ")
                }
            }
            Filter::Trap => {
                format!("1 / (CASE WHEN t.tenant_id = '{THEIRS}' THEN 0 ELSE 1 END) = 1")
            }
            Filter::Correlated => format!(
                "NOT EXISTS (SELECT FROM cell.{} x WHERE x.tenant_id <> t.tenant_id)",
                tables[self.other].name
            ),
        }
    }
}

fn as_role(role: &str, table: &str, condition: &str) -> String {
    format!("SET LOCAL ROLE {role}; SELECT to_jsonb(t)::text FROM cell.{table} t WHERE {condition}")
}
