//! The audit logs on a real Postgres: how they are chained, what tampering with the tables looks
//! like to who verifies an export, and how the program carries them to places outside.

mod chain;
mod receivers;
mod tampering;
mod upkeep;

use std::time::Duration;

use audit::{
    api,
    key::VerifierKey,
    verify::{Report, verify},
};
use futures_util::TryStreamExt;
use kernel::{
    Access,
    audit::Act,
    db::Tenant,
    permission::{AgentsWrite, AuditRead},
    testing::TestDb,
};
use serde_json::json;
use sqlx::AssertSqlSafe;

/// How long anything that a test waits for may take.
const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks at what a test waits for.
const POLL: Duration = Duration::from_millis(20);

/// Commits an act of its own.
async fn act(access: &Access<AgentsWrite>, target: &str) -> kernel::Result<()> {
    let mut tx = access.begin().await?;
    tx.audit(Act {
        action: "agent.changed",
        target: target.to_owned(),
        detail: json!({ "name": target }),
    })
    .await?;
    tx.commit().await
}

/// A tenant's log as an export. Reading it is an entry as well.
async fn export(test: &TestDb, tenant: &Tenant, after: i64) -> Vec<u8> {
    let access = test.enter::<AuditRead>(tenant).await;
    let lines = api::lines(access, after).await.expect("begins");
    let stretches: Vec<_> = lines.try_collect().await.expect("is read to its end");
    stretches.concat()
}

fn alone(export: &[u8]) -> Report {
    verify(export, None::<(&[u8], &VerifierKey)>).expect("reads")
}

/// Runs a statement as the superuser, whom nothing stops.
async fn forge(test: &TestDb, sql: String) -> u64 {
    let done = sqlx::query(AssertSqlSafe(sql))
        .execute(&mut test.superuser().await)
        .await;
    done.expect("the statement runs").rows_affected()
}

/// Looks until the answer is yes, or the deadline has passed.
async fn wait_until(mut look: impl AsyncFnMut() -> bool) {
    let search = async {
        while !look().await {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(DEADLINE, search)
        .await
        .expect("what is waited for happens in time");
}
