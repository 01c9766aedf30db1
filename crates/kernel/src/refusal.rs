//! What a form is drawn again with when it was refused: which field, and why. Errors that the person
//! can do nothing about by changing the form are no refusals.

use axum::http::StatusCode;

use crate::error::{ConflictCode, Error, FieldError, Result};

/// Why a form was refused.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    conflict: Option<ConflictCode>,
    fields: Vec<FieldError>,
}

impl Error {
    /// What to draw the form again with; the error itself where that would not help. A conflict
    /// concerns the whole form: its field is empty.
    ///
    /// # Errors
    /// Every error but those of the input and conflicts.
    pub fn refusal(self) -> Result<Refusal> {
        let status = self.status();
        match self {
            Self::Invalid { detail, fields } => {
                let fields = if fields.is_empty() {
                    vec![whole(detail)]
                } else {
                    fields
                };
                Ok(Refusal {
                    status,
                    conflict: None,
                    fields,
                })
            }
            Self::Conflict { code, detail } => Ok(Refusal {
                status,
                conflict: Some(code),
                fields: vec![whole(detail)],
            }),
            other => Err(other),
        }
    }
}

fn whole(message: String) -> FieldError {
    FieldError {
        field: String::new(),
        message,
    }
}

impl Refusal {
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What the input met, where that is why it was refused.
    pub fn conflict(&self) -> Option<ConflictCode> {
        self.conflict
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

/// Begins with a capital letter.
fn sentence(text: &str) -> String {
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

        let error = Error::NotFound("thing").refusal().expect_err("no refusal");
        assert_eq!(error.code(), "not_found");
    }
}
