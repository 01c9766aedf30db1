//! The tenant assertion: whether a verified payload's own ids are the tenant's. A platform-wide
//! secret (a Meta App Secret, a Slack signing secret) verifies every tenant's payloads, so the
//! signature alone does not say whose event it is.

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assertion {
    /// At least one kind of id was compared, and all of them are the tenant's.
    Owned,
    /// The payload has none of the kinds of id that the tenant has registered.
    Unidentified,
    /// An id of this kind belongs to somebody else: quarantine, never dispatch.
    Foreign { kind: String, value: String },
}

/// Compares a payload's identifiers with those that the tenant has registered, both as
/// `(kind, value)`. Kinds that the tenant has not registered say nothing.
pub fn assert_tenant(
    identifiers: &[(String, String)],
    registered: &[(String, String)],
) -> Assertion {
    let mut outcome = Assertion::Unidentified;
    for (kind, value) in identifiers {
        let mut known = registered
            .iter()
            .filter(|(name, _)| name == kind)
            .peekable();
        if known.peek().is_none() {
            continue;
        }
        if !known.any(|(_, own)| own == value) {
            return Assertion::Foreign {
                kind: kind.clone(),
                value: value.clone(),
            };
        }
        outcome = Assertion::Owned;
    }
    outcome
}
