//! Two databases that differ in one thing: in `shared` another tenant has rows, in `alone` it has
//! none. Whatever a tenant does must come out the same in both, down to the error, and must leave
//! the other's rows as they were. That is isolation itself, not a list of ways around it.

use futures_util::TryStreamExt;
use kernel::testing::{self, TestDb};
use sqlx::{AssertSqlSafe, Either, PgConnection, Row};

use crate::{
    rows::Of,
    schema::{self, Table},
    statement::{Command, Statement},
};

/// The tenant that acts.
pub const MINE: &str = "aaaaaaaa-aaaa-7aaa-8aaa-aaaaaaaaaaaa";
/// The one that must not notice.
pub const THEIRS: &str = "bbbbbbbb-bbbb-7bbb-8bbb-bbbbbbbbbbbb";
const ROWS: u32 = 3;

/// A database with rows, and a connection that acts in it.
pub struct World {
    test: TestDb,
    pub app: PgConnection,
}

pub struct Worlds {
    pub tables: Vec<Table>,
    pub shared: World,
    pub alone: World,
    /// Reads all rows of theirs, as one text.
    digest: String,
    untouched: String,
}

impl World {
    async fn new(tenants: &[(&str, char)]) -> (Self, Vec<Table>) {
        let test = testing::database().await;
        let mut superuser = test.superuser().await;
        let tables = schema::tables(&mut superuser).await;
        for table in &tables {
            for (tenant, letter) in tenants {
                for number in 1..=table.capacity(ROWS) {
                    let of = Of {
                        letter: *letter,
                        number,
                    };
                    let insert = table.insert(Some(tenant), of, of);
                    sqlx::raw_sql(AssertSqlSafe(insert.clone()))
                        .execute(&mut superuser)
                        .await
                        .unwrap_or_else(|error| panic!("{insert}: {error}"));
                }
            }
        }
        sqlx::raw_sql("ANALYZE")
            .execute(&mut superuser)
            .await
            .unwrap();
        let app = test.login("freehold_app").await;
        (Self { test, app }, tables)
    }

    /// Runs as the superuser.
    pub async fn break_by(&self, sql: &'static str) {
        sqlx::raw_sql(sql)
            .execute(&mut self.test.superuser().await)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub async fn login(&self, role: &str) -> PgConnection {
        self.test.login(role).await
    }

    /// All that a statement tells its caller in the open transaction. `COPY` runs on a connection
    /// of its own, begun likewise: the client library loses its place in the stream when one fails.
    pub async fn outcome(&mut self, begin: &str, command: &Command) -> String {
        let result = match command {
            Command::Query(sql) => query(&mut self.app, sql).await,
            Command::CopyOut(sql) => copy_out(&mut self.another(begin).await, sql).await,
            Command::CopyIn { statement, data } => {
                copy_in(&mut self.another(begin).await, statement, data).await
            }
        };
        describe(command, result)
    }

    async fn another(&self, begin: &str) -> PgConnection {
        let mut conn = self.login("freehold_app").await;
        execute(&mut conn, begin).await;
        conn
    }

    async fn text(&mut self, sql: &str) -> String {
        let row = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .fetch_one(&mut self.app)
            .await
            .unwrap();
        row.get(0)
    }
}

/// A world with rows of both tenants.
pub async fn shared() -> (World, Vec<Table>) {
    World::new(&[(MINE, 'a'), (THEIRS, 'b')]).await
}

/// A world without any.
pub async fn empty() -> (World, Vec<Table>) {
    World::new(&[]).await
}

impl Worlds {
    pub async fn new() -> Self {
        let (mut shared, tables) = shared().await;
        let (alone, _) = World::new(&[(MINE, 'a')]).await;
        let parts: Vec<String> = tables
            .iter()
            .map(|table| {
                format!(
                    "SELECT '{0} ' || to_jsonb(t)::text AS line FROM cell.{0} t WHERE tenant_id = '{THEIRS}'",
                    table.name
                )
            })
            .collect();
        let digest = format!(
            "SELECT COALESCE(string_agg(line, E'\\n' ORDER BY line), '') FROM ({}) AS lines",
            parts.join(" UNION ALL ")
        );
        let untouched = {
            let begin = format!("BEGIN; SET LOCAL freehold.tenant_id = '{THEIRS}'; {digest}");
            shared.text(&begin).await
        };
        execute(&mut shared.app, "ROLLBACK").await;
        let expected: u32 = tables.iter().map(|table| table.capacity(ROWS)).sum();
        assert_eq!(untouched.lines().count() as u32, expected);
        Self {
            tables,
            shared,
            alone,
            digest,
            untouched,
        }
    }

    /// Runs statements in one transaction of mine, in both worlds. Gives back each one that came
    /// out otherwise where they have rows, or that changed those. With `undo`, each statement
    /// starts from the same rows; otherwise it builds on those before it.
    pub async fn differences(&mut self, statements: &[Statement], undo: bool) -> Vec<String> {
        let mut found = Vec::new();
        let begin = format!("BEGIN; SET LOCAL freehold.tenant_id = '{MINE}'");
        for world in [&mut self.shared, &mut self.alone] {
            execute(&mut world.app, &begin).await;
        }
        for statement in statements {
            let command = statement.command(&self.tables);
            for world in [&mut self.shared, &mut self.alone] {
                execute(&mut world.app, "SAVEPOINT before").await;
            }
            let shared = self.shared.outcome(&begin, &command).await;
            let alone = self.alone.outcome(&begin, &command).await;
            if shared != alone {
                found.push(format!(
                    "{statement:?}\n{command:?}\n  with their rows: {shared}\n  without: {alone}"
                ));
            }
            if shared.starts_with("error") {
                execute(&mut self.shared.app, "ROLLBACK TO before").await;
            } else {
                let now = self.theirs_now().await;
                if now != self.untouched {
                    found.push(format!("{statement:?}\n{command:?}\n  changed their rows"));
                }
            }
            if undo {
                execute(&mut self.shared.app, "ROLLBACK TO before").await;
            }
            if undo || alone.starts_with("error") {
                execute(&mut self.alone.app, "ROLLBACK TO before").await;
            }
        }
        for world in [&mut self.shared, &mut self.alone] {
            execute(&mut world.app, "ROLLBACK").await;
        }
        found
    }

    /// What they would see if they looked inside the open transaction.
    async fn theirs_now(&mut self) -> String {
        let look = format!(
            "SET LOCAL row_security = on; SET LOCAL freehold.tenant_id = '{THEIRS}'; {};
             SET LOCAL freehold.tenant_id = '{MINE}'",
            self.digest
        );
        self.shared.text(&look).await
    }
}

pub async fn execute(conn: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(conn)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// All that a query tells its caller: rows in any order, counts, or the error.
pub async fn outcome(conn: &mut PgConnection, sql: &str) -> String {
    describe(sql, query(conn, sql).await)
}

fn describe(statement: impl std::fmt::Debug, result: sqlx::Result<Vec<String>>) -> String {
    match result {
        Ok(mut lines) => {
            lines.sort();
            lines.join("\n")
        }
        Err(sqlx::Error::Database(error)) => {
            let code = error.code().unwrap_or_default();
            format!("error {code}: {}", error.message())
        }
        Err(error) => panic!("{statement:?}: {error}"),
    }
}

async fn query(conn: &mut PgConnection, sql: &str) -> sqlx::Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut results = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_many(conn);
    while let Some(result) = results.try_next().await? {
        lines.push(match result {
            Either::Left(done) => format!("{} rows", done.rows_affected()),
            Either::Right(row) => row.try_get::<Option<String>, _>(0)?.unwrap_or_default(),
        });
    }
    Ok(lines)
}

async fn copy_out(conn: &mut PgConnection, sql: &str) -> sqlx::Result<Vec<String>> {
    let chunks: Vec<_> = conn.copy_out_raw(sql).await?.try_collect().await?;
    let text = String::from_utf8_lossy(&chunks.concat()).into_owned();
    Ok(text.lines().map(str::to_owned).collect())
}

async fn copy_in(conn: &mut PgConnection, sql: &str, data: &str) -> sqlx::Result<Vec<String>> {
    let mut copy = conn.copy_in_raw(sql).await?;
    copy.send(data.as_bytes()).await?;
    Ok(vec![format!("{} rows", copy.finish().await?)])
}
