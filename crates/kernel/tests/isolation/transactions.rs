//! How a tenant's transaction begins, ends and leaves its connection: pools share connections
//! between tenants, so that nothing of one may be left for the next.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use kernel::{
    Error, Tx,
    access::Access,
    db::Tenant,
    events::Subscriptions,
    id::InboundEventId,
    ingest::{NewInbound, Stored},
    permission::{ConversationsRead, InboundReceive, MessagesSend},
    testing::{self, TestDb},
};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

async fn backend(tx: &mut Tx) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(tx.conn())
        .await
        .unwrap()
}

async fn add_contact(tx: &mut Tx, address: &str) {
    sqlx::query("INSERT INTO cell.contact (id, channel, address) VALUES ($1, 'sms', $2)")
        .bind(Uuid::now_v7())
        .bind(address)
        .execute(tx.conn())
        .await
        .unwrap();
}

async fn addresses(tx: &mut Tx) -> Vec<String> {
    sqlx::query_scalar("SELECT address FROM cell.contact ORDER BY address")
        .fetch_all(tx.conn())
        .await
        .unwrap()
}

async fn with_contact(test: &TestDb, slug: &str) -> (Tenant, Access<MessagesSend>) {
    let tenant = test.tenant(slug).await;
    let access = test.enter::<MessagesSend>(&tenant).await;
    let mut tx = access.begin().await.unwrap();
    add_contact(&mut tx, slug).await;
    tx.commit().await.unwrap();
    (tenant, access)
}

/// Transactions of a tenant until one runs on this connection again; it is given back open.
async fn again_on(access: &Access<MessagesSend>, wanted: i32) -> Tx {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut tx = access.begin().await.unwrap();
        if backend(&mut tx).await == wanted {
            return tx;
        }
        assert!(
            Instant::now() < deadline,
            "connection {wanted} never came back"
        );
    }
}

async fn refusal(conn: &mut PgConnection, sql: &'static str) -> String {
    match sqlx::raw_sql(sql).fetch_all(conn).await {
        Ok(rows) => panic!("{sql}: answered with {} rows", rows.len()),
        Err(sqlx::Error::Database(error)) => error.code().unwrap_or_default().into_owned(),
        Err(error) => panic!("{sql}: {error}"),
    }
}

#[tokio::test]
async fn the_next_tenant_on_a_connection_sees_its_own_rows() {
    let test = testing::database().await;
    let (_, first) = with_contact(&test, "first").await;
    let (_, second) = with_contact(&test, "second").await;
    let mut tx = first.begin().await.unwrap();
    let connection = backend(&mut tx).await;
    assert_eq!(addresses(&mut tx).await, ["first"]);
    tx.commit().await.unwrap();

    let mut tx = again_on(&second, connection).await;
    assert_eq!(addresses(&mut tx).await, ["second"]);
    // Whoever ends the transaction behind the Tx's back stands there without a tenant.
    sqlx::raw_sql("COMMIT").execute(tx.conn()).await.unwrap();
    assert_eq!(
        refusal(tx.conn(), "SELECT * FROM cell.contact").await,
        "22P02"
    );
    assert_eq!(
        refusal(tx.conn(), "BEGIN; SELECT * FROM cell.contact").await,
        "22P02"
    );
}

#[tokio::test]
async fn a_dropped_transaction_rolls_back_and_its_connection_serves_again() {
    let test = testing::database().await;
    let (_, first) = with_contact(&test, "first").await;
    let (_, second) = with_contact(&test, "second").await;
    let mut tx = first.begin().await.unwrap();
    let connection = backend(&mut tx).await;
    add_contact(&mut tx, "never").await;
    drop(tx);

    let mut tx = again_on(&second, connection).await;
    assert_eq!(addresses(&mut tx).await, ["second"]);
    drop(tx);
    let mut tx = first.begin().await.unwrap();
    assert_eq!(addresses(&mut tx).await, ["first"]);
}

#[tokio::test]
async fn a_transaction_given_up_in_the_middle_of_a_statement_leaves_nothing() {
    let test = testing::database().await;
    let (_, first) = with_contact(&test, "first").await;
    let (_, second) = with_contact(&test, "second").await;
    let mut tx = first.begin().await.unwrap();
    let connection = backend(&mut tx).await;
    let statement = "INSERT INTO cell.contact (id, channel, address)
         SELECT gen_random_uuid(), 'sms', 'never' FROM (SELECT pg_sleep(0.3)) AS pause";
    let given_up = tokio::time::timeout(
        Duration::from_millis(30),
        sqlx::raw_sql(statement).execute(tx.conn()),
    )
    .await;
    assert!(given_up.is_err());
    drop(tx);

    let mut tx = again_on(&second, connection).await;
    assert_eq!(addresses(&mut tx).await, ["second"]);
    drop(tx);
    let mut tx = first.begin().await.unwrap();
    assert_eq!(addresses(&mut tx).await, ["first"]);
}

#[tokio::test]
async fn a_request_that_goes_away_while_its_transaction_begins_leaves_nothing() {
    let test = testing::database().await;
    let (_, first) = with_contact(&test, "first").await;
    let (_, second) = with_contact(&test, "second").await;
    let mut cut_short = 0;
    for round in 0..300u64 {
        let patience = Duration::from_micros(round * 10);
        let begun = tokio::time::timeout(patience, first.begin()).await;
        cut_short += usize::from(begun.is_err());
    }
    assert!(cut_short > 0, "no beginning was cut short");

    // As many at once as the pool has connections, so that each is looked at.
    let mut open = Vec::new();
    let mut connections = HashSet::new();
    for _ in 0..16 {
        let mut tx = second.begin().await.unwrap();
        assert_eq!(addresses(&mut tx).await, ["second"]);
        connections.insert(backend(&mut tx).await);
        open.push(tx);
    }
    assert_eq!(connections.len(), 16);
}

#[tokio::test]
async fn a_prepared_plan_does_not_remember_its_tenant() {
    let test = testing::database().await;
    let (_, first) = with_contact(&test, "first").await;
    let (_, second) = with_contact(&test, "second").await;
    let mut tx = first.begin().await.unwrap();
    let connection = backend(&mut tx).await;
    // After five runs Postgres may keep one plan for all parameters.
    for _ in 0..10 {
        assert_eq!(addresses(&mut tx).await, ["first"]);
    }
    tx.commit().await.unwrap();
    let mut tx = again_on(&second, connection).await;
    for _ in 0..10 {
        assert_eq!(addresses(&mut tx).await, ["second"]);
    }
}

#[tokio::test]
async fn reading_cannot_write() {
    let test = testing::database().await;
    let (_, access) = with_contact(&test, "first").await;
    let mut tx = access.read().await.unwrap();
    assert_eq!(
        refusal(tx.conn(), "DELETE FROM cell.contact").await,
        "25006"
    );
}

async fn set_epoch(test: &TestDb, tenant: &Tenant, epoch: i64) {
    let update = format!(
        "UPDATE cell.tenancy SET epoch = {epoch} WHERE tenant_id = '{}'",
        tenant.id.uuid()
    );
    sqlx::raw_sql(AssertSqlSafe(update))
        .execute(&mut test.superuser().await)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_cell_refuses_an_epoch_that_it_does_not_know() {
    let test = testing::database().await;
    let (tenant, access) = with_contact(&test, "first").await;
    // The tenant moved away and back: what still holds the old entry is late.
    set_epoch(&test, &tenant, tenant.epoch + 1).await;
    assert!(matches!(access.begin().await, Err(Error::StaleEpoch)));
    assert!(matches!(access.read().await, Err(Error::StaleEpoch)));
    // A node that is ahead of the cell is refused likewise.
    set_epoch(&test, &tenant, tenant.epoch - 1).await;
    assert!(matches!(access.begin().await, Err(Error::StaleEpoch)));
    set_epoch(&test, &tenant, tenant.epoch).await;
    let mut tx = access.begin().await.unwrap();
    assert_eq!(addresses(&mut tx).await, ["first"]);
}

#[tokio::test]
async fn a_cell_refuses_a_tenant_that_is_not_in_it() {
    let test = testing::database().await;
    let (tenant, access) = with_contact(&test, "first").await;
    let gone = format!(
        "DELETE FROM cell.tenancy WHERE tenant_id = '{}'",
        tenant.id.uuid()
    );
    sqlx::raw_sql(AssertSqlSafe(gone))
        .execute(&mut test.superuser().await)
        .await
        .unwrap();
    assert!(matches!(access.begin().await, Err(Error::StaleEpoch)));
}

fn event(key: &str) -> NewInbound {
    NewInbound {
        id: InboundEventId::new(),
        provider: "twilio".into(),
        dedup_key: key.into(),
        event_kind: "message".into(),
        received_at: OffsetDateTime::now_utc(),
        url: "/hooks".into(),
        headers: json!({}),
        body: Some(b"body".to_vec()),
        payload: None,
        verdict: "verified".into(),
        ordering_key: None,
    }
}

#[tokio::test]
async fn events_of_a_stale_tenant_are_refused_and_those_beside_them_kept() {
    let test = testing::database().await;
    test.db.subscribe(Subscriptions::default()).unwrap();
    let (stale, current) = (test.tenant("stale").await, test.tenant("current").await);
    set_epoch(&test, &stale, stale.epoch + 1).await;
    let late = Access::for_endpoint(&test.db, stale, "twilio").unwrap();
    let kept = Access::<InboundReceive>::for_endpoint(&test.db, current, "twilio").unwrap();
    // The same key: were the tenants one, the second would be a duplicate.
    let (refused, stored) = tokio::join!(
        late.store(vec![event("one")]),
        kept.store(vec![event("one")])
    );
    assert!(matches!(refused, Err(Error::StaleEpoch)), "{refused:?}");
    assert_eq!(stored.unwrap(), [Stored::New]);
    let slugs: Vec<String> = sqlx::query_scalar(
        "SELECT t.slug FROM cell.inbound_event e JOIN control.tenant t ON t.id = e.tenant_id",
    )
    .fetch_all(&mut test.superuser().await)
    .await
    .unwrap();
    assert_eq!(slugs, ["current"]);
}

#[tokio::test]
async fn staff_cannot_enter_without_both_audit_logs_saying_so() {
    let test = testing::database().await;
    let tenant = test.tenant("first").await;
    test.enter::<ConversationsRead>(&tenant).await;
    let entries: Vec<(String, Option<Uuid>)> = sqlx::query_as(
        "SELECT 'platform', tenant_id FROM control.operator_audit WHERE action = 'tenant.entered'
         UNION ALL SELECT 'tenant', tenant_id FROM cell.audit_entry WHERE action = 'tenant.entered'
         ORDER BY 1",
    )
    .fetch_all(&mut test.superuser().await)
    .await
    .unwrap();
    let id = Some(tenant.id.uuid());
    assert_eq!(entries, [("platform".into(), id), ("tenant".into(), id)]);
}

#[tokio::test]
async fn a_failed_transaction_does_not_claim_to_be_committed() {
    let test = testing::database().await;
    let (_, access) = with_contact(&test, "first").await;
    let mut tx = access.begin().await.unwrap();
    add_contact(&mut tx, "lost").await;
    // Postgres answers COMMIT after an error with a silent ROLLBACK.
    refusal(tx.conn(), "SELECT 1 / 0").await;
    assert!(tx.commit().await.is_err());
}
