//! What is wrong with a form that is drawn again.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use kernel::{
    Error, Result,
    error::{ConflictCode, FieldError},
};
use ui::Page;

/// Sentences by the names of the fields that they are about; an empty name for what concerns none.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    fields: Vec<FieldError>,
    status: StatusCode,
    retry_after: Option<u64>,
}

impl Wrong {
    /// What people can mend in the form. Everything else stays an error.
    ///
    /// # Errors
    /// The error itself, where it is none of the form's.
    pub fn with(error: Error) -> Result<Self> {
        let (fields, status, retry_after) = match error {
            Error::Invalid { detail, fields } if fields.is_empty() => (
                vec![about("", &detail)],
                StatusCode::UNPROCESSABLE_ENTITY,
                None,
            ),
            Error::Invalid { fields, .. } => (fields, StatusCode::UNPROCESSABLE_ENTITY, None),
            Error::Conflict { code, detail } => {
                let field = match code {
                    ConflictCode::SlugTaken => "slug",
                    _ => "",
                };
                (vec![about(field, &detail)], StatusCode::CONFLICT, None)
            }
            Error::RateLimited { retry_after } => {
                let text = format!("Too many tries. Try again in {}", words(retry_after));
                let wrong = vec![about("", &text)];
                (wrong, StatusCode::TOO_MANY_REQUESTS, Some(retry_after))
            }
            other => return Err(other),
        };
        Ok(Self {
            fields,
            status,
            retry_after,
        })
    }

    /// A sentence that concerns no one field.
    pub fn whole(sentence: &str) -> Self {
        Self {
            fields: vec![about("", sentence)],
            status: StatusCode::UNPROCESSABLE_ENTITY,
            retry_after: None,
        }
    }

    /// What is wrong with a field.
    pub fn of(&self, name: &str) -> Option<String> {
        let found = self.fields.iter().find(|error| error.field == name)?;
        Some(sentence(&found.message))
    }

    /// Whether a field is among what is wrong: a link's token is none that people can mend.
    pub fn is_about(&self, name: &str) -> bool {
        self.fields.iter().any(|error| error.field == name)
    }

    /// Everything, for the list above the form. What is about none of the form's fields links to none.
    pub fn list(&self, known: &[&str]) -> Vec<(String, String)> {
        let pair = |error: &FieldError| {
            let name = if known.contains(&error.field.as_str()) {
                error.field.clone()
            } else {
                String::new()
            };
            (name, sentence(&error.message))
        };
        self.fields.iter().map(pair).collect()
    }

    /// The page with the form, under the status of what is wrong.
    pub fn answer(&self, page: Page) -> Response {
        let mut response = page.status(self.status).into_response();
        if let Some(seconds) = self.retry_after {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

fn about(field: &str, message: &str) -> FieldError {
    FieldError {
        field: field.to_owned(),
        message: message.to_owned(),
    }
}

fn words(seconds: u64) -> String {
    match seconds {
        1 => "a second".to_owned(),
        2..90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

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
    fn what_people_cannot_mend_stays_an_error() {
        assert!(Wrong::with(Error::NotFound("thing")).is_err());
        assert!(Wrong::with(Error::Unauthenticated).is_err());
        let wrong = Wrong::with(Error::field("name", "is missing")).expect("the form's");
        assert_eq!(wrong.of("name").as_deref(), Some("Is missing"));
        assert_eq!(wrong.list(&[]), [(String::new(), "Is missing".to_owned())]);
        let wrong = Wrong::with(Error::RateLimited { retry_after: 91 }).expect("the form's");
        let answer = wrong.answer(Page::new("x", maud::html! {}));
        assert_eq!(answer.status(), 429);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "91");
    }
}
