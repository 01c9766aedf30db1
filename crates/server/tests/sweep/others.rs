//! Another tenant's ids, shown with a key that may do everything at home.

use crate::{
    answer::{Answer, none, send},
    common::TestNode,
    objects::{self, Objects, SHARED_NAMES},
    permissions::all_that_keys_carry,
    routes::{Operation, Plane, documented, filled},
};

/// Reads first and removals last, of what belongs to a thing before the thing itself, so that it is
/// there for as long as it is asked for.
fn in_order() -> Vec<Operation> {
    let mut operations: Vec<Operation> = documented()
        .into_iter()
        .filter(|operation| operation.plane == Plane::Tenant)
        .collect();
    operations.sort_by_key(|operation| {
        let removes = operation.method == "DELETE";
        let depth = removes.then(|| std::cmp::Reverse(operation.path.split('/').count()));
        (removes, operation.method != "GET", depth)
    });
    operations
}

async fn ask(node: &TestNode, operation: &Operation, things: &Objects, key: &str) -> Answer {
    let path = filled(&operation.path, |name| {
        let thing = things.get(name);
        thing
            .unwrap_or_else(|| panic!("no {name} is made in tests/sweep/objects.rs; add one"))
            .clone()
    });
    let body = objects::body(operation);
    send(node, &operation.method, &path, Some(key), body.as_ref()).await
}

fn names_a_thing(operation: &Operation) -> bool {
    operation
        .parameters()
        .iter()
        .any(|name| !SHARED_NAMES.contains(name))
}

/// All rows of a tenant's in one number, but for the counts of its own earlier requests: nodes write
/// those down at a time of their own.
async fn digest(node: &TestNode, slug: &str) -> i64 {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'cell'::regnamespace
             AND relkind = 'r'
             AND relname NOT IN ('_sqlx_migrations', 'api_key_usage', 'usage') ORDER BY 1",
    )
    .fetch_all(&mut node.db.superuser().await)
    .await
    .expect("tables are listed");
    let id = node.known(slug).await.id.uuid();
    let rows: Vec<String> = tables
        .iter()
        .map(|table| {
            format!(
                "SELECT '{table}' || to_jsonb(t)::text AS line FROM cell.{table} t WHERE tenant_id = '{id}'"
            )
        })
        .collect();
    node.number(&format!(
        "SELECT hashtextextended(string_agg(line, ' ' ORDER BY line), 0) FROM ({}) AS lines",
        rows.join(" UNION ALL ")
    ))
    .await
}

/// What an operation tells or lets happen to whoever shows another tenant's ids.
async fn intrusions(node: &TestNode, things: &Objects, key: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for operation in in_order() {
        let answer = ask(node, &operation, things, key).await;
        let mut faults = Vec::new();
        if names_a_thing(&operation) {
            faults.extend(answer.differs_from(404, "not_found"));
        } else if answer.status >= 400 && !answer.is_a_providers(&operation) {
            faults.push(format!("refused at home: {}", answer.text));
        }
        for (name, thing) in things {
            if !SHARED_NAMES.contains(name) && answer.text.contains(thing.as_str()) {
                faults.push(format!("tells of the other tenant's {name}"));
            }
        }
        if answer.text.contains(objects::PLANTED) {
            faults.push("tells what was written to the other tenant".into());
        }
        found.push((operation.name(), faults));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn other_tenants_ids_name_nothing() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    node.tenant("globex").await;
    let mine = node.api_key("globex", &all_that_keys_carry()).await;
    let theirs = node.api_key("acme", &all_that_keys_carry()).await;
    let things = objects::of(&node, &acme, &theirs).await;
    let before = digest(&node, "acme").await;
    none(intrusions(&node, &things, mine.expose()).await);
    node.settled().await;
    assert_eq!(digest(&node, "acme").await, before, "acme's rows changed");

    // The same requests by their owner: the ids are right and the bodies acceptable.
    let mut found = Vec::new();
    for operation in in_order() {
        let answer = ask(&node, &operation, &things, theirs.expose()).await;
        // Only dead letters are replayed, and no job of this test dies.
        let expected = answer.status < 300
            || answer.code() == "job_not_dead"
            || answer.is_a_providers(&operation);
        let faults = if expected {
            Vec::new()
        } else {
            vec![answer.text]
        };
        found.push((operation.name(), faults));
    }
    none(found);
    assert_ne!(digest(&node, "acme").await, before);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaking_table_is_noticed() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    node.tenant("globex").await;
    let mine = node.api_key("globex", &all_that_keys_carry()).await;
    let theirs = node.api_key("acme", &all_that_keys_carry()).await;
    let things = objects::of(&node, &acme, &theirs).await;
    node.execute(
        "ALTER TABLE cell.agent DISABLE ROW LEVEL SECURITY;
         ALTER POLICY tenant ON cell.message USING (true)",
    )
    .await;
    let found = intrusions(&node, &things, mine.expose()).await;
    for leaking in [
        "GET /v1/agents",
        "GET /v1/agents/{agent}",
        "GET /v1/messages/{message}",
        "DELETE /v1/agents/{agent}",
    ] {
        let faults = found.iter().find(|(name, _)| name == leaking);
        assert!(
            faults.is_some_and(|(_, faults)| !faults.is_empty()),
            "{leaking}"
        );
    }
    node.abandon().await;
}
