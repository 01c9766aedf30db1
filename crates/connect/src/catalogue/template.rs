//! Texts of a provider file that hold credential fields, such as `https://api.{host}` or
//! `/2010-04-01/Accounts/{account_sid}.json`. What a value may look like depends on where the text
//! ends up, so filling takes that decision from its caller.

use std::fmt;

use serde::Deserialize;

/// A text with the names of credential fields in braces.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct FieldTemplate {
    text: String,
    parts: Vec<Part>,
}

/// A piece of such a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Literal(String),
    /// A name that stands in braces.
    Field(String),
}

impl TryFrom<String> for FieldTemplate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((literal, tail)) = rest.split_once('{') {
            let (name, tail) = tail
                .split_once('}')
                .ok_or_else(|| format!("`{text}` has an opening brace without a closing one"))?;
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                return Err(format!("{{{name}}} in `{text}` is not the name of a field"));
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            parts.push(Part::Field(name.to_owned()));
            rest = tail;
        }
        if rest.contains('}') {
            return Err(format!(
                "`{text}` has a closing brace without an opening one"
            ));
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self { text, parts })
    }
}

impl FieldTemplate {
    /// As the file has it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The pieces, in their order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The names in braces, in their order.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Field(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// The text with every field replaced by what `value` makes of its name.
    pub fn fill<E>(&self, mut value: impl FnMut(&str) -> Result<String, E>) -> Result<String, E> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => filled.push_str(text),
                Part::Field(name) => filled.push_str(&value(name)?),
            }
        }
        Ok(filled)
    }
}

impl fmt::Display for FieldTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Result<FieldTemplate, String> {
        FieldTemplate::try_from(text.to_owned())
    }

    #[test]
    fn fields_are_replaced_and_the_rest_stays() {
        let template = template("/a/{b}.json?{c_1}").expect("is a template");
        assert_eq!(template.fields().collect::<Vec<_>>(), ["b", "c_1"]);
        let filled = template.fill(|name| Ok::<_, ()>(name.to_uppercase()));
        assert_eq!(filled, Ok("/a/B.json?C_1".to_owned()));
        assert_eq!(template.fill(|_| Err::<String, _>("none")), Err("none"));
    }

    #[test]
    fn stray_braces_and_odd_names_are_refused() {
        for text in ["{", "a}", "{}", "{A}", "{a b}", "{a"] {
            assert!(template(text).is_err(), "{text}");
        }
    }
}
