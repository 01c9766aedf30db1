//! Templates of signed bytes, such as `{id}.{timestamp}.{body}`.

use std::borrow::Cow;

use serde::Deserialize;

/// The bytes that a provider signs, as a sequence of parts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Body,
    Timestamp,
    Id,
    Method,
    Url,
}

/// What the parts of a template stand for in one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'a> {
    pub body: &'a [u8],
    pub timestamp: &'a str,
    pub id: &'a str,
    pub method: &'a str,
    pub url: &'a str,
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((literal, tail)) = rest.split_once('{') {
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            let (name, tail) = tail
                .split_once('}')
                .ok_or_else(|| format!("`{text}` has an opening brace without a closing one"))?;
            parts.push(match name {
                "body" => Part::Body,
                "timestamp" => Part::Timestamp,
                "id" => Part::Id,
                "method" => Part::Method,
                "url" => Part::Url,
                other => {
                    return Err(format!(
                        "{{{other}}} is none of {{body}}, {{timestamp}}, {{id}}, {{method}}, {{url}}"
                    ));
                }
            });
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self(parts))
    }
}

impl Template {
    pub fn covers_body(&self) -> bool {
        self.0.contains(&Part::Body)
    }

    pub fn covers_timestamp(&self) -> bool {
        self.0.contains(&Part::Timestamp)
    }

    pub fn covers_id(&self) -> bool {
        self.0.contains(&Part::Id)
    }

    pub(super) fn render<'a>(&self, values: Values<'a>) -> Cow<'a, [u8]> {
        if let [Part::Body] = self.0.as_slice() {
            return Cow::Borrowed(values.body);
        }
        let mut bytes = Vec::with_capacity(values.body.len() + 128);
        for part in &self.0 {
            bytes.extend_from_slice(match part {
                Part::Literal(text) => text.as_bytes(),
                Part::Body => values.body,
                Part::Timestamp => values.timestamp.as_bytes(),
                Part::Id => values.id.as_bytes(),
                Part::Method => values.method.as_bytes(),
                Part::Url => values.url.as_bytes(),
            });
        }
        Cow::Owned(bytes)
    }
}
