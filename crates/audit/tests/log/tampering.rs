//! What somebody can do who may write the tables, and what an export says of it afterwards.

use audit::{
    key::{SigningKey, VerifierKey},
    note::{Checkpoint, origin},
    verify::{Fault, Report, verify},
};
use kernel::{db::Tenant, permission::AgentsWrite, testing, testing::TestDb};

use super::{act, alone, export, forge};

const KEY: &str = "example.com/audit";

struct World {
    test: TestDb,
    tenant: Tenant,
    key: SigningKey,
    _folder: tempfile::TempDir,
}

/// A log of 21 entries: staff entering, and 20 acts.
async fn world() -> World {
    let test = testing::database().await;
    let tenant = test.tenant("acme").await;
    let access = test.enter::<AgentsWrite>(&tenant).await;
    for number in 2..=21 {
        act(&access, &format!("agent {number}"))
            .await
            .expect("commits");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let key = SigningKey::open_or_create(&folder.path().join("key"), KEY).expect("a key");
    World {
        test,
        tenant,
        key,
        _folder: folder,
    }
}

impl World {
    async fn forge(&self, what: &str) {
        let sql = what.replace(
            "TENANT",
            &format!("tenant_id = '{}'", self.tenant.id.uuid()),
        );
        assert!(forge(&self.test, sql).await > 0, "{what}");
    }

    async fn export(&self) -> Vec<u8> {
        export(&self.test, &self.tenant, 0).await
    }

    /// A signed statement of the log as it is now, and the export that it was read from.
    async fn checkpoint(&self) -> String {
        let report = alone(&self.export().await);
        assert!(report.is_intact(), "{:?}", report.faults);
        let checkpoint = Checkpoint {
            origin: origin(self.key.verifier(), &self.tenant.id.to_string()),
            size: report.last,
            hash: report.head,
        };
        checkpoint.sign(&self.key)
    }

    async fn against(&self, notes: &str) -> Report {
        let key: &VerifierKey = self.key.verifier();
        verify(&*self.export().await, Some((notes.as_bytes(), key))).expect("reads")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_row_is_placed() {
    let world = world().await;
    for change in [
        "actor = 'staff:local/other'",
        "detail = '{\"name\": \"agent 7\"}'",
        "at = at + interval '1 microsecond'",
        "ip = '192.0.2.1'",
        "hash = sha256('')",
    ] {
        let row = "TENANT AND seq = 7";
        let kept = format!("CREATE TABLE kept AS SELECT * FROM cell.audit_entry WHERE {row}");
        world.forge(&kept).await;
        world
            .forge(&format!("UPDATE cell.audit_entry SET {change} WHERE {row}"))
            .await;
        let faults = alone(&world.export().await).faults;
        assert_eq!(faults[0], Fault::Changed { seq: 7, line: 7 }, "{change}");
        // A changed hash also breaks the link to the next.
        let expected = if change.starts_with("hash") { 2 } else { 1 };
        assert_eq!(faults.len(), expected, "{change}");
        world
            .forge(&format!("DELETE FROM cell.audit_entry WHERE {row}"))
            .await;
        world
            .forge("INSERT INTO cell.audit_entry SELECT * FROM kept")
            .await;
        forge(&world.test, "DROP TABLE kept".into()).await;
        assert!(alone(&world.export().await).is_intact(), "put back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_and_reordered_rows_are_placed() {
    let world = world().await;
    world
        .forge("DELETE FROM cell.audit_entry WHERE TENANT AND seq = 9")
        .await;
    let faults = alone(&world.export().await).faults;
    assert_eq!(faults, [Fault::Missing { first: 9, last: 9 }]);
    // Closing the gap moves it to the first entry that was renumbered.
    for seq in 10..=21 {
        let sql =
            format!("UPDATE cell.audit_entry SET seq = {seq} - 1 WHERE TENANT AND seq = {seq}");
        world.forge(&sql).await;
    }
    let faults = alone(&world.export().await).faults;
    assert_eq!(faults[0], Fault::Changed { seq: 9, line: 9 });
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_rows_are_placed() {
    let world = world().await;
    for (from, to) in [(5, 1000), (6, 5), (1000, 6)] {
        let sql = format!("UPDATE cell.audit_entry SET seq = {to} WHERE TENANT AND seq = {from}");
        world.forge(&sql).await;
    }
    let faults = alone(&world.export().await).faults;
    assert_eq!(
        faults[..2],
        [
            Fault::Changed { seq: 5, line: 5 },
            Fault::Changed { seq: 6, line: 6 },
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_the_newest_takes_a_checkpoint_to_see() {
    let world = world().await;
    let signed = world.checkpoint().await;
    // Of 22 entries: reading the log for the checkpoint was one.
    world
        .forge("DELETE FROM cell.audit_entry WHERE TENANT AND seq > 15")
        .await;
    let head = "UPDATE cell.audit_head h SET seq = e.seq, hash = e.hash
        FROM cell.audit_entry e WHERE h.TENANT AND e.TENANT AND e.seq = 15";
    world.forge(head).await;
    let unsigned = alone(&world.export().await);
    assert!(unsigned.is_intact(), "{:?}", unsigned.faults);
    // Reading it was entry 16 of the new end, and is 17 now.
    let report = world.against(&signed).await;
    assert_eq!(report.faults, [Fault::Truncated { last: 17, size: 22 }]);
}
