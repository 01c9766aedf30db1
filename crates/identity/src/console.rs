//! What this crate's pages share: reading a list's address, drawing a refused form again, and the
//! words for what recurs.

use axum::http::{StatusCode, Uri};
use kernel::{Error, db::TenantStatus, page::PageQuery, suspension::SuspensionKind};
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

/// Why a form is drawn again.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub status: StatusCode,
    /// Pairs of field and sentence; an empty field for what concerns no one of them.
    pub errors: Vec<(String, String)>,
}

impl Refusal {
    /// What the person can mend in the form. Anything else is an error of the whole page.
    pub fn of(error: Error) -> Result<Self, Error> {
        let status = error.status();
        match error {
            Error::Invalid { fields, .. } if !fields.is_empty() => Ok(Self {
                status,
                errors: fields
                    .into_iter()
                    .map(|error| (error.field, sentence(&error.message)))
                    .collect(),
            }),
            Error::Invalid { detail, .. } | Error::Conflict { detail, .. } => Ok(Self {
                status,
                errors: vec![(String::new(), sentence(&detail))],
            }),
            other => Err(other),
        }
    }
}

/// What is wrong with one field of a form that was refused, if it was.
pub(crate) fn wrong<'a>(refusal: Option<&'a Refusal>, field: &str) -> Option<&'a str> {
    let errors = &refusal?.errors;
    let found = errors.iter().find(|(name, _)| name == field);
    found.map(|(_, message)| message.as_str())
}

/// The errors of a form for the list above it.
pub(crate) fn all_wrong(refusal: Option<&Refusal>) -> Vec<(String, String)> {
    refusal.map_or_else(Vec::new, |refusal| refusal.errors.clone())
}

/// The status of a form's page.
pub(crate) fn status_of(refusal: Option<&Refusal>) -> StatusCode {
    refusal.map_or(StatusCode::OK, |refusal| refusal.status)
}

/// Begins with a capital and ends with a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let head: String = letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect());
    let end = if text.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{head}{}{end}", letters.as_str())
}

/// `tenant.impersonation_started` as people read it: "Tenant: impersonation started".
pub(crate) fn act_in_words(action: &str) -> String {
    let words = action.replace('_', " ").replacen('.', ": ", 1);
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
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
    fn sentences_are_whole() {
        assert_eq!(sentence("must be small"), "Must be small.");
        assert_eq!(sentence("Done."), "Done.");
        assert_eq!(act_in_words("tenant.queue_paused"), "Tenant: queue paused");
    }

    #[test]
    fn what_a_form_cannot_mend_is_no_refusal() {
        let refusal = Refusal::of(Error::field("name", "is too long")).expect("can be mended");
        assert_eq!(wrong(Some(&refusal), "name"), Some("Is too long."));
        assert_eq!(wrong(Some(&refusal), "slug"), None);
        assert!(Refusal::of(Error::Forbidden("x:write")).is_err());
    }
}
