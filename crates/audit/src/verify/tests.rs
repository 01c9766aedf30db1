//! Every kind of tampering, found and placed.

use std::io::BufReader;

use kernel::audit::{Entry, GENESIS};
use proptest::prelude::*;

use super::*;
use crate::key::{SigningKey, for_tests};

const LOG: &str = "ten_01h455vb4pex5vsknk084sn02q";

fn entry(seq: i64) -> Entry {
    Entry {
        log: LOG.into(),
        seq,
        id: format!("aud_{seq:026}"),
        at: "2026-11-21T06:24:54.123456Z".into(),
        actor: "staff:local/test".into(),
        action: "agent.created".into(),
        target: Some(format!("agt_{seq}")),
        detail: format!(r#"{{"number":{seq}}}"#),
        ip: None,
        user_agent: Some("test/1".into()),
        correlation_id: "cor_01h455vb4pex5vsknk084sn02q".into(),
        hash: GENESIS,
    }
}

/// Hashes entries anew from one on, as somebody would who can write the whole table.
fn link(log: &mut [Entry], from: usize) {
    for place in from..log.len() {
        let previous = place
            .checked_sub(1)
            .map_or(GENESIS, |before| log[before].hash);
        log[place].hash = log[place].expected_hash(previous);
    }
}

fn log(length: i64) -> Vec<Entry> {
    let mut log: Vec<Entry> = (1..=length).map(entry).collect();
    link(&mut log, 0);
    log
}

fn text(log: &[Entry]) -> String {
    let lines = log
        .iter()
        .map(|entry| serde_json::to_string(entry).expect("serialises") + "\n");
    lines.collect()
}

fn key() -> SigningKey {
    for_tests("example.com/audit")
}

fn checkpoint(log: &[Entry], size: usize) -> String {
    let checkpoint = Checkpoint {
        origin: origin(key().verifier(), LOG),
        size: size as i64,
        hash: log[size - 1].hash,
    };
    checkpoint.sign(&key())
}

fn alone(log: &[Entry]) -> Vec<Fault> {
    let text = text(log);
    let report = verify(text.as_bytes(), None::<(&[u8], &VerifierKey)>).expect("reads");
    assert_eq!(report.entries, log.len() as u64);
    report.faults
}

fn against(log: &[Entry], notes: &str) -> Report {
    let text = text(log);
    verify(text.as_bytes(), Some((notes.as_bytes(), key().verifier()))).expect("reads")
}

#[test]
fn an_untouched_export_is_intact() {
    let log = log(20);
    assert_eq!(alone(&log), []);
    let notes = checkpoint(&log, 5) + &checkpoint(&log, 18);
    let report = against(&log, &notes);
    assert!(report.is_intact(), "{:?}", report.faults);
    assert_eq!((report.agreed, report.covered, report.last), (2, 18, 20));
    assert_eq!(report.head, log[19].hash);
}

#[test]
fn a_changed_entry_is_placed() {
    let changes: [fn(&mut Entry); 6] = [
        |e| e.actor = "staff:local/other".into(),
        |e| e.detail = r#"{"number": 7}"#.into(),
        |e| e.at = "2026-11-21T06:24:54.123457Z".into(),
        |e| e.target = None,
        |e| e.ip = Some("192.0.2.1".into()),
        |e| e.id.push('x'),
    ];
    for change in changes {
        let mut log = log(20);
        change(&mut log[6]);
        assert_eq!(alone(&log), [Fault::Changed { seq: 7, line: 7 }]);
        // Whoever hashes that entry anew has only moved the break.
        let previous = log[5].hash;
        log[6].hash = log[6].expected_hash(previous);
        assert_eq!(alone(&log), [Fault::Changed { seq: 8, line: 8 }]);
    }
}

#[test]
fn a_rewritten_end_is_seen_by_the_checkpoint() {
    let mut log = log(20);
    let notes = checkpoint(&log, 5) + &checkpoint(&log, 12) + &checkpoint(&log, 15);
    log[6].actor = "staff:local/other".into();
    link(&mut log, 6);
    assert_eq!(alone(&log), []);
    let report = against(&log, &notes);
    assert_eq!(report.faults, [Fault::Rewritten { size: 12, after: 5 }]);
}

#[test]
fn removed_entries_are_placed() {
    let mut log = log(20);
    log.remove(6);
    assert_eq!(alone(&log), [Fault::Missing { first: 7, last: 7 }]);
    log.drain(10..13);
    let faults = alone(&log);
    assert_eq!(
        faults[1],
        Fault::Missing {
            first: 12,
            last: 14
        }
    );
    log.drain(..2);
    assert_eq!(alone(&log)[0], Fault::Missing { first: 1, last: 2 });
}

#[test]
fn entries_that_are_renumbered_over_a_removal_do_not_fit() {
    let mut log = log(20);
    log.remove(6);
    for (place, entry) in log.iter_mut().enumerate() {
        entry.seq = place as i64 + 1;
    }
    assert_eq!(alone(&log)[0], Fault::Changed { seq: 7, line: 7 });
}

#[test]
fn reordered_and_repeated_entries_are_placed() {
    let mut log = log(20);
    log.swap(6, 7);
    let moved = Fault::OutOfOrder {
        seq: 7,
        line: 8,
        after: 8,
    };
    assert_eq!(alone(&log), [moved]);
    log.swap(6, 7);
    log.insert(9, log[3].clone());
    assert_eq!(alone(&log), [Fault::Duplicate { seq: 4, line: 10 }]);
    log.remove(9);
    let first = log.remove(0);
    log.push(first);
    let moved = Fault::OutOfOrder {
        seq: 1,
        line: 20,
        after: 20,
    };
    assert_eq!(alone(&log), [moved]);
}

#[test]
fn deleting_the_newest_is_seen_by_the_checkpoint() {
    let mut log = log(20);
    let notes = checkpoint(&log, 5) + &checkpoint(&log, 19);
    log.truncate(17);
    assert_eq!(alone(&log), []);
    let report = against(&log, &notes);
    assert_eq!(report.faults, [Fault::Truncated { last: 17, size: 19 }]);
}

#[test]
fn an_export_may_begin_behind_a_checkpoint() {
    let log = log(20);
    let later = &log[12..];
    assert_eq!(alone(later), [Fault::Missing { first: 1, last: 12 }]);
    assert!(against(later, &checkpoint(&log, 12)).is_intact());
    let mut changed = later.to_vec();
    changed[0].actor.push('x');
    let report = against(&changed, &checkpoint(&log, 12));
    assert_eq!(report.faults, [Fault::Changed { seq: 13, line: 1 }]);
}

#[test]
fn forged_and_foreign_checkpoints_are_told_apart() {
    let log = log(20);
    let forged = checkpoint(&log, 10).replace("\n10\n", "\n11\n");
    let faults = against(&log, &(checkpoint(&log, 5) + &forged)).faults;
    let bad = Fault::BadCheckpoint {
        line: 6,
        reason: NoteError::BadSignature,
    };
    assert_eq!(faults, [bad]);
    let elsewhere = Checkpoint {
        origin: "example.com/audit/ten_other".into(),
        size: 500,
        hash: GENESIS,
    };
    let other_key = elsewhere.sign(&for_tests("example.org"));
    let report = against(&log, &(elsewhere.sign(&key()) + &other_key));
    assert!(report.is_intact());
    assert_eq!((report.ignored, report.agreed), (2, 0));
    let mut rewritten = log.clone();
    rewritten[2].actor.push('x');
    link(&mut rewritten, 2);
    let both = checkpoint(&log, 10) + &checkpoint(&rewritten, 10);
    assert!(
        against(&log, &both)
            .faults
            .contains(&Fault::Forked { size: 10 })
    );
}

#[test]
fn what_is_no_entry_is_placed() {
    let log = log(3);
    let mut lines: Vec<String> = text(&log).lines().map(str::to_owned).collect();
    lines[1] = lines[1].replace("\"seq\"", "\"more\":1,\"seq\"");
    let file = lines.join("\n");
    let report = verify(file.as_bytes(), None::<(&[u8], &VerifierKey)>).expect("reads");
    assert!(matches!(
        report.faults[0],
        Fault::Unreadable { line: 2, .. }
    ));
    let mut other = log;
    other[1].log = "ten_other".into();
    let expected = Fault::OtherLog {
        line: 2,
        log: "ten_other".into(),
    };
    assert_eq!(alone(&other)[0], expected);
}

#[test]
fn many_faults_are_counted() {
    let mut log = log(500);
    for entry in &mut log {
        entry.actor.push('x');
    }
    let file = text(&log);
    let report = verify(
        BufReader::new(file.as_bytes()),
        None::<(&[u8], &VerifierKey)>,
    );
    let report = report.expect("reads");
    assert_eq!((report.faults.len(), report.more), (100, 400));
}

proptest! {
    /// Whatever is done to the lines of an export, it is noticed, except where nothing was.
    #[test]
    fn no_edit_goes_unnoticed(
        edits in proptest::collection::vec((0usize..12, 0usize..12, 0u8..4), 1..4)
    ) {
        let original = log(12);
        let notes = checkpoint(&original, 12);
        let mut edited = original.clone();
        for (a, b, kind) in edits {
            let (a, b) = (a % edited.len(), b % edited.len());
            match kind {
                0 => edited.swap(a, b),
                1 if edited.len() > 1 => drop(edited.remove(a)),
                2 => edited.insert(a, edited[b].clone()),
                _ => edited[a].detail.push(' '),
            }
        }
        prop_assert_eq!(against(&edited, &notes).is_intact(), edited == original);
    }
}
