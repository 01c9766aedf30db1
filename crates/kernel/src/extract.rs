//! axum's extractors with this program's errors: what a handler cannot read is refused as a
//! problem document, never as bare text.

use std::fmt;

use axum::{
    extract::{
        FromRequest, FromRequestParts, Request,
        rejection::{FormRejection, JsonRejection, PathRejection, QueryRejection},
    },
    http::request::Parts,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::Error;

/// A JSON body; also a JSON answer.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        match axum::Json::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(Error::UnsupportedMediaType),
            Err(JsonRejection::BytesRejection(cause)) if cause.status() == 413 => {
                Err(Error::TooLarge { limit: BODY_LIMIT })
            }
            Err(rejection) => Err(Error::invalid(without_strings(&rejection.body_text()))),
        }
    }
}

/// A parser's complaint without the strings that it quotes: one that stands where it does not
/// belong may be a secret.
fn without_strings(complaint: &str) -> String {
    const QUOTED: &str = "string \"";
    let mut shown = String::new();
    let mut rest = complaint;
    while let Some(at) = rest.find(QUOTED) {
        shown += &rest[..at];
        shown += "a string";
        rest = &rest[at + QUOTED.len()..];
        let mut escaped = false;
        let end = rest.find(|character| {
            let ends = character == '"' && !escaped;
            escaped = character == '\\' && !escaped;
            ends
        });
        rest = end.map_or("", |end| &rest[end + 1..]);
    }
    shown + rest
}

/// The largest JSON body that the API reads, in bytes. The router sets it.
pub const BODY_LIMIT: usize = 1024 * 1024;

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// The largest form of a page that is read, in bytes: the longest field has 4,000 characters, each of
/// which takes up to twelve bytes when it is URL-encoded. The router sets it; a form with a file has
/// a limit of its own.
pub const FORM_LIMIT: usize = 64 * 1024;

/// The fields of a page's form, URL-encoded.
#[derive(Debug)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        match axum::Form::from_request(request, state).await {
            Ok(axum::Form(value)) => Ok(Self(value)),
            Err(FormRejection::BytesRejection(cause)) if cause.status() == 413 => {
                Err(Error::TooLarge { limit: FORM_LIMIT })
            }
            // Not the rejection's own text, which may quote what was typed.
            Err(_) => Err(Error::invalid(
                "the form lacks a field or has one that does not fit",
            )),
        }
    }
}

/// The fields of a form whose names are not known beforehand, or of which several have one name.
/// Values may be secrets, so they are not shown.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub struct Fields(Vec<(String, String)>);

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}

impl Fields {
    /// The first value of a name; empty where there is none, as browsers send nothing for boxes
    /// that are not ticked.
    pub fn get(&self, name: &str) -> &str {
        let mut values = self.0.iter().filter(|(known, _)| known == name);
        values.next().map_or("", |(_, value)| value)
    }

    /// Every value of a name, in the form's order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter()
            .filter(move |(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl From<Vec<(String, String)>> for Fields {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }
}

/// Parameters of the path. What does not parse as an id names nothing, so it answers 404.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        axum::extract::Path::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(value)| Self(value))
            .map_err(|rejection| match rejection {
                PathRejection::FailedToDeserializePathParams(_) => Error::NotFound("resource"),
                other => Error::internal(other),
            })
    }
}

/// Parameters of the query string.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        axum::extract::Query::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|rejection: QueryRejection| Error::invalid(rejection.body_text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_do_not_quote_strings() {
        let complaint = |json: &str| {
            let refused = serde_json::from_str::<Vec<u8>>(json).expect_err("is no list of bytes");
            without_strings(&refused.to_string())
        };
        assert_eq!(
            complaint(r#""a \"secret\\""#),
            "invalid type: a string, expected a sequence at line 1 column 14"
        );
        assert_eq!(
            complaint(r#"["secret"]"#),
            "invalid type: a string, expected u8 at line 1 column 9"
        );
        assert_eq!(
            complaint("[256]"),
            "invalid value: integer `256`, expected u8 at line 1 column 4"
        );
    }
}
