//! Verification of an export without a database: every entry against the one before it, and the
//! chain against its checkpoints. Reads both once, front to back, in memory that does not grow with
//! the export.

mod fault;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io::{self, BufRead, Read},
};

use kernel::audit::{Entry, GENESIS, Hash};

pub use fault::Fault;

use crate::{
    key::VerifierKey,
    note::{Checkpoint, NoteError, Notes, origin},
};

/// A longer line is no entry. Bounds the memory that a broken file can take.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;
/// Faults that are told one by one, and gaps that are remembered in case that their entries come
/// later; the rest is counted.
const REMEMBERED: usize = 100;

/// What an export turned out to be.
#[derive(Debug)]
pub struct Report {
    /// Whose log it is; absent when not one entry could be read.
    pub log: Option<String>,
    /// Entries that were read, faulty ones among them.
    pub entries: u64,
    /// The number of the last entry, and its hash.
    pub last: i64,
    pub head: Hash,
    /// Checkpoints of this log that agreed, and the size of the largest.
    pub agreed: usize,
    pub covered: i64,
    /// Checkpoints of other logs and other keys.
    pub ignored: usize,
    pub faults: Vec<Fault>,
    /// Faults beyond those told.
    pub more: u64,
}

impl Report {
    pub fn is_intact(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Verifies an export, and with checkpoints also that nothing was rewritten before they were
/// signed and that the newest entries are there. An error means that a file could not be read.
pub fn verify<E: BufRead, C: BufRead>(
    export: E,
    checkpoints: Option<(C, &VerifierKey)>,
) -> io::Result<Report> {
    let mut lines = Lines::new(export);
    let mut walk = Walk::new();
    // The first entry tells which checkpoints matter.
    let mut first = None;
    while let Some((number, text)) = lines.next()? {
        match parse(text) {
            Ok(entry) => {
                first = Some((number, entry));
                break;
            }
            Err(reason) => walk.found(Fault::Unreadable {
                line: number,
                reason,
            }),
        }
    }
    let Some((number, entry)) = first else {
        return Ok(walk.finish());
    };
    walk.log = Some(entry.log.clone());
    if let Some((file, key)) = checkpoints {
        walk.read_checkpoints(file, key)?;
    }
    walk.step(number, &entry);
    while let Some((number, text)) = lines.next()? {
        match parse(text) {
            Ok(entry) => walk.step(number, &entry),
            Err(reason) => walk.found(Fault::Unreadable {
                line: number,
                reason,
            }),
        }
    }
    Ok(walk.finish())
}

fn parse(line: &[u8]) -> Result<Entry, String> {
    let entry: Entry = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if entry.seq < 1 {
        return Err(format!("its number is {}", entry.seq));
    }
    Ok(entry)
}

struct Lines<R> {
    file: R,
    number: u64,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    fn new(file: R) -> Self {
        Self {
            file,
            number: 0,
            line: Vec::new(),
        }
    }

    /// The next line that is not empty, and its number.
    fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        loop {
            self.line.clear();
            let read = (&mut self.file)
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut self.line)?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some((self.number, &self.line)));
            }
        }
    }
}

/// The state between two entries.
struct Walk {
    log: Option<String>,
    entries: u64,
    /// The highest number so far, and the hash that its entry carries.
    last: i64,
    /// What the next entry has to be linked to; unknown behind a gap.
    previous: Option<Hash>,
    head: Hash,
    /// Numbers that were passed over, first and last of each stretch.
    gaps: Vec<(i64, i64)>,
    checkpoints: BTreeMap<i64, Hash>,
    agreed: usize,
    covered: i64,
    ignored: usize,
    /// One rewritten entry sets every later checkpoint at odds; the first tells where.
    rewritten: bool,
    faults: Vec<Fault>,
    more: u64,
}

impl Walk {
    fn new() -> Self {
        Self {
            log: None,
            entries: 0,
            last: 0,
            previous: Some(GENESIS),
            head: GENESIS,
            gaps: Vec::new(),
            checkpoints: BTreeMap::new(),
            agreed: 0,
            covered: 0,
            ignored: 0,
            rewritten: false,
            faults: Vec::new(),
            more: 0,
        }
    }

    fn found(&mut self, fault: Fault) {
        if self.faults.len() < REMEMBERED {
            self.faults.push(fault);
        } else {
            self.more += 1;
        }
    }

    fn read_checkpoints(&mut self, file: impl BufRead, key: &VerifierKey) -> io::Result<()> {
        let wanted = origin(key, self.log.as_deref().unwrap_or_default());
        for note in Notes::new(file) {
            let (line, note) = note?;
            match Checkpoint::open(&note, key) {
                Ok(checkpoint) if checkpoint.origin == wanted => {
                    let size = checkpoint.size;
                    let signed = self.checkpoints.insert(size, checkpoint.hash);
                    if signed.is_some_and(|hash| hash != checkpoint.hash) {
                        self.found(Fault::Forked { size });
                    }
                }
                Ok(_) | Err(NoteError::OtherKey) => self.ignored += 1,
                Err(reason) => self.found(Fault::BadCheckpoint { line, reason }),
            }
        }
        Ok(())
    }

    fn step(&mut self, line: u64, entry: &Entry) {
        self.entries += 1;
        let seq = entry.seq;
        if self.log.as_deref() != Some(&entry.log) {
            let log = entry.log.clone();
            return self.found(Fault::OtherLog { line, log });
        }
        if seq <= self.last {
            let after = self.last;
            return match self.fill_gap(seq) {
                true => self.found(Fault::OutOfOrder { seq, line, after }),
                false => self.found(Fault::Duplicate { seq, line }),
            };
        }
        if seq > self.last + 1 {
            // A checkpoint of what went before can stand for it: so an export may begin where the
            // one before it ended.
            self.previous = self.checkpoints.get(&(seq - 1)).copied();
            if self.last > 0 || self.previous.is_none() {
                self.gap(self.last + 1, seq - 1);
            }
        }
        if let Some(previous) = self.previous
            && entry.expected_hash(previous) != entry.hash
        {
            self.found(Fault::Changed { seq, line });
        }
        match self.checkpoints.get(&seq) {
            Some(signed) if *signed == entry.hash => {
                self.agreed += 1;
                self.covered = seq;
            }
            Some(_) if !self.rewritten => {
                self.rewritten = true;
                let after = self.covered;
                self.found(Fault::Rewritten { size: seq, after });
            }
            _ => {}
        }
        self.previous = Some(entry.hash);
        self.head = entry.hash;
        self.last = seq;
    }

    fn gap(&mut self, first: i64, last: i64) {
        if self.gaps.len() < REMEMBERED {
            self.gaps.push((first, last));
        } else {
            self.found(Fault::Missing { first, last });
        }
    }

    /// Takes a number out of the gaps. Whether it was missing.
    fn fill_gap(&mut self, seq: i64) -> bool {
        let inside = |(first, last): &(i64, i64)| (*first..=*last).contains(&seq);
        let Some(place) = self.gaps.iter().position(inside) else {
            return false;
        };
        let (first, last) = self.gaps.remove(place);
        if seq < last {
            self.gaps.insert(place, (seq + 1, last));
        }
        if first < seq {
            self.gaps.insert(place, (first, seq - 1));
        }
        true
    }

    fn finish(mut self) -> Report {
        for (first, last) in std::mem::take(&mut self.gaps) {
            self.found(Fault::Missing { first, last });
        }
        if let Some((&size, _)) = self.checkpoints.last_key_value()
            && size > self.last
        {
            let last = self.last;
            self.found(Fault::Truncated { last, size });
        }
        Report {
            log: self.log,
            entries: self.entries,
            last: self.last,
            head: self.head,
            agreed: self.agreed,
            covered: self.covered,
            ignored: self.ignored,
            faults: self.faults,
            more: self.more,
        }
    }
}
