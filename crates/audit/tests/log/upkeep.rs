//! Checkpoints and delivery, as a running node does them.

use std::{path::Path, time::Duration};

use audit::{
    destination::Destination,
    key::SigningKey,
    upkeep::{Settings, Upkeep},
    verify::{Fault, verify},
};
use kernel::{Operator, permission::AgentsWrite, testing, testing::TestDb};

use super::{
    act, export, forge,
    receivers::{self, Receiver},
    wait_until,
};

fn key(folder: &Path) -> SigningKey {
    SigningKey::open_or_create(&folder.join("audit.key"), "example.com/audit").expect("a key")
}

fn start(test: &TestDb, folder: &Path, sink: Option<&str>, stream: Option<&str>) -> Upkeep {
    let destination =
        |address: &str| Destination::parse(address, &receivers::secret()).expect("an address");
    let settings = Settings {
        key: key(folder),
        interval: Duration::from_millis(1),
        sink: sink.map(destination),
        stream: stream.map(destination),
    };
    Upkeep::start(&Operator::local(&test.db, "test"), settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_at_first_gets_every_entry_in_order() {
    let test = testing::database().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (acme, globex) = (test.tenant("acme").await, test.tenant("globex").await);
    let (first, second) = (
        test.enter::<AgentsWrite>(&acme).await,
        test.enter::<AgentsWrite>(&globex).await,
    );
    for number in 2..=150 {
        act(&first, &format!("agent {number}"))
            .await
            .expect("commits");
    }
    act(&second, "agent").await.expect("commits");
    let (log, other) = (acme.id.to_string(), globex.id.to_string());
    for receiver in [Receiver::webhook(3).await, Receiver::syslog(3).await] {
        // Each receiver is to get all of it.
        forge(
            &test,
            "UPDATE cell.audit_progress SET delivered_seq = 0".into(),
        )
        .await;
        let before = export(&test, &acme, 0)
            .await
            .split(|byte| *byte == b'\n')
            .count() as i64
            - 1;
        let upkeep = start(&test, folder.path(), None, Some(&receiver.address));
        wait_until(async || {
            receiver.seqs(&log).contains(&before) && receiver.seqs(&other).contains(&2)
        })
        .await;
        assert_eq!(receiver.refusals_left(), 0);
        upkeep.stop().await;
        // Whoever goes on does so behind what was delivered.
        act(&first, "later").await.expect("commits");
        let upkeep = start(&test, folder.path(), None, Some(&receiver.address));
        wait_until(async || receiver.seqs(&log).contains(&(before + 1))).await;
        upkeep.stop().await;
        let expected: Vec<i64> = (1..=before + 1).collect();
        assert_eq!(receiver.seqs(&log), expected);
        assert_eq!(receiver.seqs(&other), [1, 2]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_nodes_one_delivers() {
    let test = testing::database().await;
    let folder = tempfile::tempdir().expect("a folder");
    let tenant = test.tenant("acme").await;
    let access = test.enter::<AgentsWrite>(&tenant).await;
    let receiver = Receiver::webhook(0).await;
    let nodes = [(); 2].map(|()| start(&test, folder.path(), None, Some(&receiver.address)));
    for number in 2..=60 {
        act(&access, &format!("agent {number}"))
            .await
            .expect("commits");
    }
    let log = tenant.id.to_string();
    wait_until(async || receiver.seqs(&log).contains(&60)).await;
    for node in nodes {
        node.stop().await;
    }
    assert_eq!(receiver.seqs(&log), (1..=60).collect::<Vec<i64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn growing_logs_are_signed_and_the_notes_sunk() {
    let test = testing::database().await;
    let folder = tempfile::tempdir().expect("a folder");
    let notes = folder.path().join("notes");
    let (acme, globex) = (test.tenant("acme").await, test.tenant("globex").await);
    let access = test.enter::<AgentsWrite>(&acme).await;
    test.enter::<AgentsWrite>(&globex).await;
    let upkeep = start(&test, folder.path(), notes.to_str(), None);
    let sunk = async |log: String, size: i64| {
        wait_until(async || {
            let text = std::fs::read_to_string(&notes).unwrap_or_default();
            text.contains(&format!("/{log}\n{size}\n"))
        })
        .await;
    };
    sunk(acme.id.to_string(), 1).await;
    sunk(globex.id.to_string(), 1).await;
    for number in 2..=5 {
        act(&access, &format!("agent {number}"))
            .await
            .expect("commits");
    }
    sunk(acme.id.to_string(), 5).await;
    upkeep.stop().await;

    let key = key(folder.path());
    let file = std::fs::read(&notes).expect("reads");
    let checked = async || {
        let export = export(&test, &acme, 0).await;
        verify(&*export, Some((&*file, key.verifier()))).expect("reads")
    };
    let report = checked().await;
    assert!(report.is_intact(), "{:?}", report.faults);
    assert!(report.agreed >= 2);
    assert_eq!((report.covered, report.ignored), (5, 1));
    // The newest are deleted, and the chain's end put back to what stands before them.
    let place = format!("tenant_id = '{}'", acme.id.uuid());
    forge(
        &test,
        format!("DELETE FROM cell.audit_entry WHERE {place} AND seq > 2"),
    )
    .await;
    let head = format!(
        "UPDATE cell.audit_head h SET seq = e.seq, hash = e.hash FROM cell.audit_entry e
         WHERE h.{place} AND e.{place} AND e.seq = 2"
    );
    assert_eq!(forge(&test, head).await, 1);
    let report = checked().await;
    assert_eq!(
        report.faults.last(),
        Some(&Fault::Truncated { last: 3, size: 5 })
    );
}

/// What was signed goes to a webhook as well.
#[tokio::test(flavor = "multi_thread")]
async fn notes_reach_a_webhook() {
    let test = testing::database().await;
    let folder = tempfile::tempdir().expect("a folder");
    let tenant = test.tenant("acme").await;
    test.enter::<AgentsWrite>(&tenant).await;
    let receiver = Receiver::webhook(1).await;
    let upkeep = start(&test, folder.path(), Some(&receiver.address), None);
    wait_until(async || !receiver.messages().is_empty()).await;
    upkeep.stop().await;
    let message = &receiver.messages()[0];
    assert_eq!(message["log"], tenant.id.to_string());
    let note = message["note"].as_str().expect("a note");
    let key = key(folder.path());
    let opened = audit::note::Checkpoint::open(note, key.verifier()).expect("is signed");
    assert_eq!(opened.size, 1);
}
