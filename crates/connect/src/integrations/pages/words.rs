//! Health and what follows from it, as people read them.

use ui::{Badge, Tone};

use super::super::{Health, Next};

pub(in super::super) fn badge(health: Health) -> Badge {
    let (tone, words) = match health {
        Health::Healthy => (Tone::Success, "Works"),
        Health::Untested => (Tone::Neutral, "Not tested"),
        Health::Ending => (Tone::Warning, "Ends soon"),
        Health::Unreachable => (Tone::Warning, "Not known"),
        Health::Incomplete => (Tone::Warning, "Incomplete"),
        Health::Refused => (Tone::Danger, "Refused"),
    };
    Badge::status(tone, words)
}

/// What to do next; those who may not change anything see what is the matter.
pub fn next(next: Next, may_change: bool) -> &'static str {
    match (next, may_change) {
        (Next::Connect, true) => "Connect",
        (Next::Connect, false) => "Not connected",
        (Next::Mend, true) => "Mend",
        (Next::Mend, false) => "To be mended",
        (Next::Complete, true) => "Complete",
        (Next::Complete, false) => "To be completed",
        (Next::Renew, true) => "Renew",
        (Next::Renew, false) => "To be renewed",
        (Next::Webhook, _) => "Waits for a webhook",
        (Next::Wait, _) => "Tested again by itself",
        (Next::Nothing, _) => "Nothing to do",
    }
}
