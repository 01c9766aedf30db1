//! What a form is drawn again with when it was refused: which field, and why. Errors that the person
//! can do nothing about by changing the form are no refusals.

use axum::http::StatusCode;

use crate::error::{ConflictCode, Error, FieldError, Result};

/// Why a form was refused. The default is that of a form which was not: it has nothing to say.
#[derive(Clone, Debug, Default)]
pub struct Refusal {
    status: StatusCode,
    conflict: Option<ConflictCode>,
    retry_after: Option<u64>,
    fields: Vec<FieldError>,
}

impl Error {
    /// What to draw the form again with; the error itself where that would not help. A conflict
    /// concerns the whole form: its field is empty.
    ///
    /// # Errors
    /// Every error but those of the input, conflicts and too many tries.
    pub fn refusal(self) -> Result<Refusal> {
        let status = self.status();
        let mut refusal = Refusal {
            status,
            ..Refusal::default()
        };
        match self {
            Self::Invalid { detail, fields } if fields.is_empty() => {
                refusal.fields = vec![whole(detail)];
            }
            Self::Invalid { fields, .. } => refusal.fields = fields,
            Self::Conflict { code, detail } => {
                refusal.conflict = Some(code);
                refusal.fields = vec![whole(detail)];
            }
            Self::RateLimited { retry_after } => {
                refusal.retry_after = Some(retry_after);
                let text = format!("Too many tries. Try again in {}", in_words(retry_after));
                refusal.fields = vec![whole(text)];
            }
            other => return Err(other),
        }
        Ok(refusal)
    }
}

fn whole(message: String) -> FieldError {
    FieldError {
        field: String::new(),
        message,
    }
}

fn in_words(seconds: u64) -> String {
    match seconds {
        1 => "a second".to_owned(),
        2..90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

impl Refusal {
    /// One for a reason of the page's own, which concerns the whole form.
    pub fn whole(sentence: &str) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            fields: vec![whole(sentence.to_owned())],
            ..Self::default()
        }
    }

    /// What the form's page is answered with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What the input met, where that is why it was refused.
    pub fn conflict(&self) -> Option<ConflictCode> {
        self.conflict
    }

    /// Seconds until it may be tried again, where it was tried too often.
    pub fn retry_after(&self) -> Option<u64> {
        self.retry_after
    }

    /// Moves what concerns the whole form to the field that causes it: the name, where a name is
    /// taken.
    #[must_use]
    pub fn about(mut self, field: &str) -> Self {
        for error in self
            .fields
            .iter_mut()
            .filter(|error| error.field.is_empty())
        {
            field.clone_into(&mut error.field);
        }
        self
    }

    /// Whether a field is among what is wrong.
    pub fn is_about(&self, field: &str) -> bool {
        self.fields.iter().any(|error| error.field == field)
    }

    /// What is wrong with a field, as a sentence.
    pub fn of(&self, field: &str) -> Option<String> {
        let error = self.fields.iter().find(|error| error.field == field)?;
        Some(sentence(&error.message))
    }

    /// Field and sentence of everything that is wrong.
    pub fn all(&self) -> impl Iterator<Item = (&str, String)> {
        self.fields
            .iter()
            .map(|error| (error.field.as_str(), sentence(&error.message)))
    }
}

/// A message as a sentence: it begins with a capital letter.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_and_conflicts_are_refusals_and_nothing_else_is() {
        let refusal = Error::field("name", "must not be blank").refusal();
        let refusal = refusal.expect("a refusal");
        assert_eq!(refusal.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(refusal.of("name").as_deref(), Some("Must not be blank"));
        assert_eq!(refusal.of("other"), None);
        assert_eq!(refusal.conflict(), None);

        let taken = Error::Conflict {
            code: ConflictCode::NameTaken,
            detail: "the name is taken".to_owned(),
        };
        let refusal = taken.refusal().expect("a refusal");
        assert_eq!(refusal.conflict(), Some(ConflictCode::NameTaken));
        assert_eq!(refusal.of("").as_deref(), Some("The name is taken"));
        assert_eq!(
            refusal.about("name").of("name").as_deref(),
            Some("The name is taken")
        );

        let refusal = Error::RateLimited { retry_after: 91 }.refusal();
        let refusal = refusal.expect("a refusal");
        assert_eq!(refusal.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refusal.retry_after(), Some(91));
        assert_eq!(
            refusal.of("").as_deref(),
            Some("Too many tries. Try again in 2 minutes")
        );

        let error = Error::NotFound("thing").refusal().expect_err("no refusal");
        assert_eq!(error.code(), "not_found");
    }
}
