//! How entries get into the chain.

use audit::{api, verify::Report};
use kernel::{
    Operator,
    audit::{Act, Entry, PlatformLog},
    client::{self, Client},
    page::PageQuery,
    permission::{AgentsWrite, AuditRead, PlatformAuditRead, TenantsRead},
    testing,
};
use serde_json::json;
use sqlx::Row;

use super::{act, alone, export, forge};

fn entries(export: &[u8]) -> Vec<Entry> {
    let lines = export.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("an entry"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_acts_make_one_chain_without_gaps() {
    const ACTS: i64 = 50;
    let test = testing::database().await;
    let (acme, globex) = (test.tenant("acme").await, test.tenant("globex").await);
    let access = test.enter::<AgentsWrite>(&acme).await;
    let other = test.enter::<AgentsWrite>(&globex).await;
    let acts = (0..ACTS).map(async |number| {
        act(&access, &format!("agent {number}"))
            .await
            .expect("commits");
        act(&other, &format!("agent {number}"))
            .await
            .expect("commits");
    });
    futures_util::future::join_all(acts).await;
    for tenant in [&acme, &globex] {
        let export = export(&test, tenant, 0).await;
        let report = alone(&export);
        assert!(report.is_intact(), "{:?}", report.faults);
        // Staff who entered twice: to act, and to export.
        assert_eq!(report.last, ACTS + 2);
        assert_eq!(report.log.as_deref(), Some(&*tenant.id.to_string()));
        let mut targets: Vec<_> = entries(&export)
            .into_iter()
            .filter(|entry| entry.action == "agent.changed")
            .filter_map(|entry| entry.target)
            .collect();
        targets.sort();
        targets.dedup();
        assert_eq!(targets.len() as i64, ACTS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_of_one_transaction_follow_each_other() {
    let test = testing::database().await;
    let tenant = test.tenant("acme").await;
    let access = test.enter::<AgentsWrite>(&tenant).await;
    let acts = (0..20).map(async |_| {
        let mut tx = access.begin().await?;
        for action in ["first", "second", "third"] {
            let target = String::new();
            let detail = ();
            tx.audit(Act {
                action,
                target,
                detail,
            })
            .await?;
        }
        tx.commit().await
    });
    futures_util::future::try_join_all(acts)
        .await
        .expect("all commit");
    let export = export(&test, &tenant, 1).await;
    let entries = entries(&export);
    let actions: Vec<&str> = entries[..60].iter().map(|entry| &*entry.action).collect();
    assert_eq!(actions, ["first", "second", "third"].repeat(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_whose_entry_cant_be_written_does_not_happen() {
    let test = testing::database().await;
    let tenant = test.tenant("acme").await;
    let access = test.enter::<AgentsWrite>(&tenant).await;
    let refuse = "ALTER TABLE cell.audit_entry ADD CHECK (action <> 'agent.changed')";
    forge(&test, refuse.to_owned()).await;
    let mut tx = access.begin().await.expect("begins");
    sqlx::query("INSERT INTO cell.contact (id, channel, address) VALUES ($1, 'sms', '1')")
        .bind(uuid::Uuid::now_v7())
        .execute(tx.conn())
        .await
        .expect("is inserted");
    let (action, target) = ("agent.changed", String::new());
    let detail = json!({});
    tx.audit(Act {
        action,
        target,
        detail,
    })
    .await
    .expect("is taken");
    tx.commit().await.expect_err("fails with its entry");
    let mut superuser = test.superuser().await;
    let left = sqlx::query("SELECT count(*) AS left FROM cell.contact")
        .fetch_one(&mut superuser)
        .await
        .expect("counts");
    assert_eq!(left.get::<i64, _>("left"), 0);
    // Neither has the chain's end moved on.
    assert!(alone(&export(&test, &tenant, 0).await).is_intact());

    let refuse = "ALTER TABLE control.operator_audit ADD CHECK (action <> 'tenant.renamed')";
    forge(&test, refuse.to_owned()).await;
    let operator = Operator::<TenantsRead>::local(&test.db, "test");
    let begun = operator.begin("tenant.renamed", Some(tenant.id), json!({}));
    let mut tx = begun.await.expect("begins");
    sqlx::query("UPDATE control.tenant SET name = 'changed'")
        .execute(tx.conn())
        .await
        .expect("is updated");
    tx.commit().await.expect_err("fails with its entry");
    let renamed = "UPDATE control.tenant SET name = 'again' WHERE name = 'changed'";
    assert_eq!(forge(&test, renamed.to_owned()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hashed_survives_the_database() {
    let test = testing::database().await;
    let tenant = test.tenant("acme").await;
    let access = test.enter::<AgentsWrite>(&tenant).await;
    let client = Client {
        address: "2001:db8::1".parse().ok(),
        user_agent: Some("agent/1 \"quoted\"".into()),
    };
    let detail = json!({
        "z": 1, "a": [1.50, 1e300, -0.0, 18_446_744_073_709_551_615_u64],
        "text": "Grüße, 你好 👋 \u{0} \u{7f} \" \\ \n </script>", "": null,
    });
    let work = async {
        let mut tx = access.begin().await?;
        tx.audit(Act {
            action: "agent.changed",
            target: "é\n\"\\".into(),
            detail: &detail,
        })
        .await?;
        tx.commit().await
    };
    client::with(client, work).await.expect("commits");
    let export = export(&test, &tenant, 1).await;
    let entries = entries(&export);
    let entry = &entries[0];
    assert_eq!(entry.ip.as_deref(), Some("2001:db8::1"));
    assert_eq!(entry.user_agent.as_deref(), Some("agent/1 \"quoted\""));
    assert_eq!(entry.target.as_deref(), Some("é\n\"\\"));
    let stored: serde_json::Value = serde_json::from_str(&entry.detail).expect("JSON");
    assert_eq!(stored, detail);
    let report: Report = alone(&self::export(&test, &tenant, 0).await);
    assert!(report.is_intact(), "{:?}", report.faults);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_log_is_a_chain_too() {
    let test = testing::database().await;
    let operator = Operator::<PlatformAuditRead>::local(&test.db, "test");
    let acts = (0..30).map(async |number| {
        let detail = json!({ "number": number });
        operator.begin("test", None, detail).await?.commit().await
    });
    futures_util::future::try_join_all(acts)
        .await
        .expect("all commit");
    // A transaction within another's life is another entry, and neither waits for the other.
    let outer = operator
        .begin("outer", None, json!({}))
        .await
        .expect("begins");
    let inner = operator
        .begin("inner", None, json!({}))
        .await
        .expect("begins");
    inner.commit().await.expect("commits");
    outer.commit().await.expect("commits");
    let mut log = PlatformLog::export(&operator, 0).await.expect("begins");
    let mut export = Vec::new();
    loop {
        let entries = log.next(7).await.expect("reads");
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            export.extend(serde_json::to_vec(&entry).expect("serialises"));
            export.push(b'\n');
        }
    }
    let report = alone(&export);
    assert!(report.is_intact(), "{:?}", report.faults);
    assert_eq!((report.log.as_deref(), report.last), (Some("platform"), 32));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_paged() {
    let test = testing::database().await;
    let tenant = test.tenant("acme").await;
    let access = test.enter::<AgentsWrite>(&tenant).await;
    for number in 0..5 {
        act(&access, &format!("agent {number}"))
            .await
            .expect("commits");
    }
    let other = test.tenant("globex").await;
    let elsewhere = test.enter::<AgentsWrite>(&other).await;
    act(&elsewhere, "agent 0").await.expect("commits");

    let reader = test.enter::<AuditRead>(&tenant).await;
    let found = async |filter: api::AuditFilter, limit: u32| {
        let mut query = PageQuery {
            cursor: None,
            limit: Some(limit),
        };
        let mut seqs = Vec::new();
        loop {
            let page = api::list(&reader, &filter, &query).await.expect("lists");
            assert!(page.data.len() <= limit as usize);
            seqs.extend(page.data.iter().map(|view| view.seq.expect("is chained")));
            match page.next_cursor {
                Some(cursor) => query.cursor = Some(cursor),
                None => return seqs,
            }
        }
    };
    let all = api::AuditFilter::default;
    assert_eq!(found(all(), 2).await, [7, 6, 5, 4, 3, 2, 1]);
    let target = Some("agent 3".to_owned());
    assert_eq!(found(api::AuditFilter { target, ..all() }, 2).await, [5]);
    let action = Some("tenant.entered".to_owned());
    assert_eq!(found(api::AuditFilter { action, ..all() }, 2).await, [7, 1]);
    let correlation = Some(access.correlation());
    assert_eq!(
        found(
            api::AuditFilter {
                correlation,
                ..all()
            },
            9
        )
        .await,
        [6, 5, 4, 3, 2, 1]
    );
    let actor = Some("nobody".to_owned());
    assert!(
        found(api::AuditFilter { actor, ..all() }, 9)
            .await
            .is_empty()
    );
    let page = PageQuery {
        cursor: None,
        limit: Some(9),
    };
    let list = api::list(&reader, &all(), &page).await.expect("lists");
    // Newest first; 4 stands at the fourth place, at its own time.
    let at = list.data[3].at;
    let to = Some(at);
    assert_eq!(found(api::AuditFilter { to, ..all() }, 9).await, [3, 2, 1]);
    let from = Some(at);
    assert_eq!(
        found(api::AuditFilter { from, ..all() }, 9).await,
        [7, 6, 5, 4]
    );
}
