//! What this crate's pages share: reading a list's address, and the words for what recurs.

use axum::http::Uri;
use kernel::{db::TenantStatus, page::PageQuery, refusal::sentence, suspension::SuspensionKind};
use ui::{Badge, CURSOR, Query, Tone};

/// The address of a list, from the request's.
pub(crate) fn address(uri: &Uri) -> Query {
    Query::new(uri.path(), uri.query().unwrap_or_default())
}

/// Which page of the list the address asks for.
pub(crate) fn page_of(query: &Query) -> PageQuery {
    PageQuery {
        cursor: query.get(CURSOR).map(str::to_owned),
        limit: None,
    }
}

/// `tenant.impersonation_started` as people read it: "Tenant: impersonation started".
pub(crate) fn act_in_words(action: &str) -> String {
    sentence(&action.replace('_', " ").replacen('.', ": ", 1))
}

pub(crate) fn kind_in_words(kind: SuspensionKind) -> &'static str {
    match kind {
        SuspensionKind::Unpaid => "Unpaid",
        SuspensionKind::Abuse => "Abuse",
        SuspensionKind::Requested => "Requested by the tenant",
        SuspensionKind::Investigation => "Under investigation",
    }
}

pub(crate) fn standing(status: TenantStatus, kind: Option<SuspensionKind>) -> Badge {
    match (status, kind) {
        (TenantStatus::Provisioning, _) => Badge::status(Tone::Info, "Provisioning"),
        (TenantStatus::Active, _) => Badge::status(Tone::Success, "Active"),
        (TenantStatus::Suspended, None) => Badge::status(Tone::Warning, "Suspended"),
        (TenantStatus::Suspended, Some(kind)) => Badge::status(
            Tone::Warning,
            format!("Suspended: {}", kind_in_words(kind).to_lowercase()),
        ),
        (TenantStatus::Closed, _) => Badge::status(Tone::Neutral, "Closed"),
    }
}

/// A number with its thousands set apart.
pub(crate) fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if value < 0 {
        text.push('−');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (-1234567, "−1,234,567"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn acts_are_told_in_words() {
        assert_eq!(act_in_words("tenant.queue_paused"), "Tenant: queue paused");
    }
}
