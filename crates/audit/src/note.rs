//! Checkpoints as signed notes: c2sp.org/tlog-checkpoint in the envelope of c2sp.org/signed-note.
//!
//! The hash is the end of a chain and not the root of a Merkle tree, which docs/audit.md says to
//! verifiers: who checks a log reads all of it, so nothing would be won by a tree's proofs.

use std::io::{self, BufRead};

use base64::{Engine, engine::general_purpose::STANDARD};
use kernel::audit::Hash;

use crate::key::{SigningKey, VerifierKey};

/// How long a log was, and what it ended in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: `<key name>/<log>`.
    pub origin: String,
    /// How many entries the log had.
    pub size: i64,
    /// The hash of entry number `size`.
    pub hash: Hash,
}

/// Why a text is no checkpoint that the key has signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("it is not a checkpoint: an origin, a size and a hash, a blank line, signatures")]
    Malformed,
    #[error("it carries no signature of this key")]
    OtherKey,
    #[error("its signature does not fit its text")]
    BadSignature,
}

/// What begins a signature line: an em dash and a space.
const SIGNATURE: &str = "— ";

/// The name of a log in checkpoints.
pub fn origin(key: &VerifierKey, log: &str) -> String {
    format!("{}/{log}", key.name())
}

impl Checkpoint {
    fn text(&self) -> String {
        let hash = STANDARD.encode(self.hash.as_slice());
        format!("{}\n{}\n{hash}\n", self.origin, self.size)
    }

    /// The whole note, with one signature.
    pub fn sign(&self, key: &SigningKey) -> String {
        let text = self.text();
        let mut signature = key.verifier().id().to_vec();
        signature.extend(key.sign(text.as_bytes()));
        let signature = STANDARD.encode(signature);
        format!("{text}\n{SIGNATURE}{} {signature}\n", key.verifier().name())
    }

    /// Reads a note and checks the key's signature. Signatures of other keys are passed over;
    /// extension lines are refused, because this log writes none.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, NoteError> {
        // The text ends with a line break of its own; a blank line parts it from the signatures.
        let (text, signatures) = note
            .rfind("\n\n")
            .map(|at| (&note[..=at], &note[at + 2..]))
            .ok_or(NoteError::Malformed)?;
        let mut verified = Err(NoteError::OtherKey);
        for line in signatures.lines() {
            let (name, signature) = line
                .strip_prefix(SIGNATURE)
                .and_then(|rest| rest.split_once(' '))
                .ok_or(NoteError::Malformed)?;
            let signature = STANDARD
                .decode(signature)
                .map_err(|_| NoteError::Malformed)?;
            let (id, signature) = signature.split_at_checked(4).ok_or(NoteError::Malformed)?;
            if name == key.name() && id == key.id() {
                if !key.verifies(text.as_bytes(), signature) {
                    return Err(NoteError::BadSignature);
                }
                verified = Ok(());
            }
        }
        verified?;
        Self::parse(text).ok_or(NoteError::Malformed)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let checkpoint = Self {
            origin: lines.next()?.to_owned(),
            size: lines.next()?.parse().ok()?,
            hash: Hash::from_slice(&STANDARD.decode(lines.next()?).ok()?)?,
        };
        // One spelling alone: no sign, no leading zero, nothing more.
        (lines.next().is_none() && checkpoint.text() == text).then_some(checkpoint)
    }
}

/// The notes of a file of them, one after the other, each with the number of the line where it
/// begins. Holds one note at a time.
#[derive(Debug)]
pub struct Notes<R> {
    lines: std::iter::Enumerate<io::Lines<R>>,
    /// The first line of the next note, read while looking for the end of the one before.
    next: Option<(usize, String)>,
}

impl<R: BufRead> Notes<R> {
    pub fn new(file: R) -> Self {
        Self {
            lines: file.lines().enumerate(),
            next: None,
        }
    }

    fn read(&mut self) -> io::Result<Option<(usize, String)>> {
        let mut note = self
            .next
            .take()
            .map(|(line, first)| (line, format!("{first}\n")));
        let mut signed = false;
        for (index, line) in self.lines.by_ref() {
            let line = line?;
            let is_signature = line.starts_with(SIGNATURE);
            match &mut note {
                // Blank lines may part a note from the next.
                None if line.is_empty() => {}
                None => note = Some((index + 1, format!("{line}\n"))),
                // After its signatures a note is over.
                Some(_) if signed && !is_signature => {
                    self.next = (!line.is_empty()).then_some((index + 1, line));
                    return Ok(note);
                }
                Some((_, text)) => {
                    signed |= is_signature;
                    text.push_str(&line);
                    text.push('\n');
                }
            }
        }
        Ok(note)
    }
}

impl<R: BufRead> Iterator for Notes<R> {
    type Item = io::Result<(usize, String)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::for_tests;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            origin: "example.com/audit/ten_01h455vb4pex5vsknk084sn02q".into(),
            size: 42,
            hash: "ab".repeat(32).parse().expect("a hash"),
        }
    }

    #[test]
    fn what_is_signed_is_opened() {
        let key = for_tests("example.com/audit");
        let note = checkpoint().sign(&key);
        assert_eq!(Checkpoint::open(&note, key.verifier()), Ok(checkpoint()));
        let lines: Vec<&str> = note.lines().collect();
        assert_eq!(lines[1], "42");
        assert_eq!(lines[3], "");
        assert!(lines[4].starts_with("— example.com/audit "));
    }

    #[test]
    fn a_witness_may_sign_as_well() {
        let key = for_tests("example.com/audit");
        let witness = for_tests("witness.example");
        let signature = checkpoint().sign(&witness);
        let line = signature.lines().last().expect("a signature");
        let note = format!("{}{line}\n", checkpoint().sign(&key));
        assert_eq!(Checkpoint::open(&note, key.verifier()), Ok(checkpoint()));
        assert_eq!(
            Checkpoint::open(&note, witness.verifier()),
            Ok(checkpoint())
        );
    }

    #[test]
    fn forgeries_are_refused() {
        let key = for_tests("example.com/audit");
        let note = checkpoint().sign(&key);
        let other = for_tests("example.org/audit");
        let opened = |note: &str| Checkpoint::open(note, key.verifier());
        assert_eq!(
            opened(&note.replace("42", "41")),
            Err(NoteError::BadSignature)
        );
        assert_eq!(opened(&checkpoint().sign(&other)), Err(NoteError::OtherKey));
        assert_eq!(
            opened(&note.replacen("\n\n", "\n", 1)),
            Err(NoteError::Malformed)
        );
        let (text, _) = note.split_once("\n\n").expect("a blank line");
        assert_eq!(opened(text), Err(NoteError::Malformed));
        for text in ["a\n042\nqg==\n", "a\n+4\nqg==\n", "a\n4\n", "\n\n\n"] {
            assert_eq!(Checkpoint::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_file_of_notes_comes_apart() {
        let key = for_tests("example.com/audit");
        let note = checkpoint().sign(&key);
        let file = format!("{note}{note}\n\n{note}");
        let notes: Vec<(usize, String)> = Notes::new(file.as_bytes())
            .map(|note| note.expect("reads"))
            .collect();
        let begins: Vec<usize> = notes.iter().map(|(line, _)| *line).collect();
        assert_eq!(begins, [1, 6, 13]);
        assert!(notes.iter().all(|(_, text)| *text == note));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\n|— |a| |[0-9]|=){0,40}") {
            for note in Notes::new(text.as_bytes()) {
                let (_, note) = note.expect("reads");
                let _ = Checkpoint::open(&note, for_tests("a").verifier());
            }
        }
    }
}
