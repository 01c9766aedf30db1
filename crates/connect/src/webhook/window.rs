//! Replay windows: reading a time of sending and comparing it with the time of receipt.

use time::OffsetDateTime;

use super::Reason;
use crate::catalogue::{TimestampRule, Unit};

impl TimestampRule {
    /// Reads a Unix time of nothing but digits. Signs, spaces and fractions are refused: they
    /// would give one moment several spellings.
    pub(super) fn parse(&self, text: &str) -> Result<i64, Reason> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Reason::MalformedTimestamp);
        }
        text.parse().map_err(|_| Reason::MalformedTimestamp)
    }

    /// Whether the time of sending lies within the window around the receipt, bounds included.
    pub(super) fn check(&self, sent: i64, received_at: OffsetDateTime) -> Result<(), Reason> {
        let seconds = i128::from(received_at.unix_timestamp());
        let (received, scale) = match self.unit {
            // Whole seconds on both sides: the sender has cut off its fraction as well.
            Unit::Seconds => (seconds, 1),
            Unit::Milliseconds => (
                seconds * 1_000 + i128::from(received_at.millisecond()),
                1_000,
            ),
        };
        let age = received - i128::from(sent);
        if age > i128::from(self.past) * scale {
            Err(Reason::TooOld)
        } else if -age > i128::from(self.future) * scale {
            Err(Reason::TooFarAhead)
        } else {
            Ok(())
        }
    }

    pub(super) fn write(&self, at: OffsetDateTime) -> String {
        match self.unit {
            Unit::Seconds => at.unix_timestamp().to_string(),
            Unit::Milliseconds => (at.unix_timestamp_nanos() / 1_000_000).to_string(),
        }
    }
}
