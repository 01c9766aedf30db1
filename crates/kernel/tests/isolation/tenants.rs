//! Two tenants in one cell: no statement of one tells of the other's rows or changes them.

use proptest::{
    collection::vec,
    test_runner::{Config, TestCaseError, TestRunner},
};

use crate::{
    schema::Table,
    statement::{self, Kind, Statement},
    worlds::{MINE, World, Worlds, empty, execute, shared},
};

/// The codes by which Postgres refuses: unknown setting, a setting that is no uuid, privilege or
/// policy, unsupported under row-level security.
const REFUSALS: &[&str] = &["42704", "22P02", "42501", "0A000"];

fn place(tables: &[Table], table: &str) -> usize {
    let place = tables.iter().position(|known| known.name == table);
    place.unwrap_or_else(|| panic!("there is no table cell.{table}"))
}

#[tokio::test]
async fn no_kind_of_statement_on_any_table_tells_of_another_tenant() {
    let mut worlds = Worlds::new().await;
    for table in 0..worlds.tables.len() {
        let other = (table + 1) % worlds.tables.len();
        let statements = statement::all_on(table, other);
        let found = worlds.differences(&statements, true).await;
        assert!(found.is_empty(), "{}", found.join("\n\n"));
    }
}

#[test]
fn no_sequence_of_statements_tells_of_another_tenant() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let worlds = tokio::sync::Mutex::new(runtime.block_on(Worlds::new()));
    let tables = worlds.try_lock().unwrap().tables.len();
    let mut runner = TestRunner::new(Config {
        cases: 400,
        failure_persistence: None,
        ..Config::default()
    });
    let tried = runner.run(&vec(statement::any(tables), 1..6), |statements| {
        let found =
            runtime.block_on(async { worlds.lock().await.differences(&statements, false).await });
        if found.is_empty() {
            Ok(())
        } else {
            Err(TestCaseError::fail(found.join("\n\n")))
        }
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}

/// What could go wrong with one table, each on a table of its own so that none hides another.
const LEAKS: &[(&str, &str)] = &[
    ("contact", "ALTER TABLE cell.contact DISABLE ROW LEVEL SECURITY"),
    ("credential", "ALTER POLICY tenant ON cell.credential USING (true)"),
    ("agent", "ALTER POLICY tenant ON cell.agent WITH CHECK (true)"),
    (
        "api_key",
        "CREATE POLICY lenient ON cell.api_key FOR SELECT TO freehold_app USING (mode = 'test')",
    ),
    (
        "webhook_endpoint",
        "CREATE UNIQUE INDEX ON cell.webhook_endpoint (provider)",
    ),
    (
        "identifier",
        "CREATE UNIQUE INDEX ON cell.credential (id);
         ALTER TABLE cell.identifier DROP CONSTRAINT identifier_tenant_id_credential_id_fkey;
         ALTER TABLE cell.identifier ADD FOREIGN KEY (credential_id) REFERENCES cell.credential (id)",
    ),
    (
        "provider_call",
        "GRANT TRUNCATE ON cell.provider_call TO freehold_app",
    ),
    (
        "data_key",
        "ALTER TABLE cell.data_key OWNER TO freehold_app",
    ),
];

#[tokio::test]
async fn every_leak_is_noticed() {
    let mut worlds = Worlds::new().await;
    for (table, leak) in LEAKS {
        let table = place(&worlds.tables, table);
        let statements = statement::all_on(table, table);
        let before = worlds.differences(&statements, true).await;
        assert!(before.is_empty(), "{}", before.join("\n\n"));
        worlds.shared.break_by(leak).await;
        worlds.alone.break_by(leak).await;
        let found = worlds.differences(&statements, true).await;
        assert!(!found.is_empty(), "nothing noticed: {leak}");
    }
}

/// Those of all statements on all tables that were answered instead of refused, each in a
/// transaction begun in this way.
async fn answered(
    world: &mut World,
    begin: &str,
    tables: &[Table],
    statements: &[Statement],
) -> Vec<String> {
    let mut found = Vec::new();
    for statement in statements {
        let command = statement.command(tables);
        execute(&mut world.app, begin).await;
        let outcome = world.outcome(begin, &command).await;
        execute(&mut world.app, "ROLLBACK").await;
        let refused = REFUSALS
            .iter()
            .any(|code| outcome.starts_with(&format!("error {code}")));
        if !refused {
            found.push(format!("{command:?}: {outcome}"));
        }
    }
    found
}

#[tokio::test]
async fn without_a_tenant_every_statement_raises() {
    let (mut world, tables) = shared().await;
    let statements: Vec<Statement> = (0..tables.len())
        .flat_map(|table| statement::all_on(table, table))
        .filter(|statement| statement.kind.asks_for_rows())
        .collect();
    let found = answered(&mut world, "BEGIN", &tables, &statements).await;
    assert!(found.is_empty(), "{}", found.join("\n"));

    // A setting that a transaction made stays known to its connection, without a value.
    let used = format!("BEGIN; SET LOCAL freehold.tenant_id = '{MINE}'; COMMIT; BEGIN");
    let found = answered(&mut world, &used, &tables, &statements).await;
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn a_policy_that_puts_up_with_no_tenant_is_noticed() {
    let (mut world, tables) = shared().await;
    world
        .break_by(
            "ALTER POLICY tenant ON cell.contact
                 USING (tenant_id = current_setting('freehold.tenant_id', true)::uuid)",
        )
        .await;
    let contact = place(&tables, "contact");
    let statements = statement::all_on(contact, contact);
    let found = answered(&mut world, "BEGIN", &tables, &statements).await;
    assert!(!found.is_empty());
}

#[tokio::test]
async fn an_empty_table_raises_too() {
    let (mut world, tables) = empty().await;
    let statements: Vec<Statement> = (0..tables.len())
        .flat_map(|table| statement::all_on(table, table))
        .filter(|statement| statement.kind == Kind::Select)
        .collect();
    let found = answered(&mut world, "BEGIN", &tables, &statements).await;
    assert!(found.is_empty(), "{}", found.join("\n"));
}
