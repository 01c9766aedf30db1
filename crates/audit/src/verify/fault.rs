//! What can be wrong with an export, and where.

use std::fmt;

use crate::note::NoteError;

/// One thing that is wrong. `line` counts the lines of the file that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Unreadable {
        line: u64,
        reason: String,
    },
    OtherLog {
        line: u64,
        log: String,
    },
    /// The entry's hash does not follow from its fields and the hash before it.
    Changed {
        seq: i64,
        line: u64,
    },
    Missing {
        first: i64,
        last: i64,
    },
    /// The entry stands behind one that is later than it.
    OutOfOrder {
        seq: i64,
        line: u64,
        after: i64,
    },
    Duplicate {
        seq: i64,
        line: u64,
    },
    /// The chain fits in itself, but is not the one that was signed.
    Rewritten {
        size: i64,
        after: i64,
    },
    /// The newest entries are gone.
    Truncated {
        last: i64,
        size: i64,
    },
    BadCheckpoint {
        line: usize,
        reason: NoteError,
    },
    /// The key has signed two different logs of one length.
    Forked {
        size: i64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { line, reason } => {
                write!(f, "line {line}: not an entry: {reason}")
            }
            Self::OtherLog { line, log } => {
                write!(f, "line {line}: belongs to another log, {log}")
            }
            Self::Changed { seq, line } => write!(
                f,
                "entry {seq} (line {line}): changed, or the one before it was changed and hashed anew"
            ),
            Self::Missing { first, last } if first == last => {
                write!(f, "entry {first}: missing")
            }
            Self::Missing { first, last } => write!(f, "entries {first} to {last}: missing"),
            Self::OutOfOrder { seq, line, after } => write!(
                f,
                "entry {seq} (line {line}): out of order, it stands behind entry {after}"
            ),
            Self::Duplicate { seq, line } => {
                write!(f, "entry {seq} (line {line}): there is one already")
            }
            Self::Rewritten { size, after } => write!(
                f,
                "entries {} to {size}: rewritten, the checkpoint of {size} entries was signed over another hash",
                after + 1
            ),
            Self::Truncated { last, size } if last + 1 == *size => {
                write!(f, "entry {size}: missing at the end, a checkpoint had it")
            }
            Self::Truncated { last, size } => write!(
                f,
                "entries {} to {size}: missing at the end, a checkpoint had them",
                last + 1
            ),
            Self::BadCheckpoint { line, reason } => {
                write!(f, "checkpoint at line {line} of its file: {reason}")
            }
            Self::Forked { size } => write!(
                f,
                "two checkpoints of {size} entries differ: two logs were signed"
            ),
        }
    }
}
