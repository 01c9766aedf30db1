//! Documented shapes of JSON objects as data, and the check of a value against one. The check
//! reports the first thing that is wrong; each provider words it in its own error.

use serde_json::{Map, Value};

/// What a value may be. Lengths are in Unicode characters.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Non-empty text of at most so many characters.
    Text(usize),
    /// Text that may be empty.
    AnyText,
    Flag,
    Integer(i64, i64),
    Decimal(f64, f64),
    Choice(&'static [&'static str]),
    Object(&'static [Field]),
    /// An object whose fields are not documented or are the caller's own.
    Map,
    List(&'static Kind),
    /// The first kind of the value's JSON type counts.
    Either(&'static [Kind]),
}

#[derive(Debug)]
pub(crate) struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    pub nullable: bool,
}

pub(crate) const fn required(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: true,
        nullable: false,
    }
}

pub(crate) const fn optional(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: false,
        nullable: false,
    }
}

/// Optional, and `null` means the same as absent.
pub(crate) const fn nullable(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: false,
        nullable: true,
    }
}

/// Where a value departs from its shape: a path such as `messages[0].content`, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Violation {
    pub path: String,
    pub problem: Problem,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Problem {
    Missing,
    Unknown,
    Type {
        expected: String,
        got: &'static str,
    },
    Empty,
    TooLong {
        max: usize,
        got: usize,
    },
    /// `of` says what was wanted: `integer` or `decimal`.
    TooSmall {
        of: &'static str,
        min: f64,
        got: f64,
    },
    TooLarge {
        of: &'static str,
        max: f64,
        got: f64,
    },
    NotAllowed {
        allowed: String,
        got: String,
    },
}

impl Violation {
    pub fn new(path: impl Into<String>, problem: Problem) -> Self {
        Self {
            path: path.into(),
            problem,
        }
    }
}

/// Checks an object's fields: none missing, none unknown, each of its kind.
pub(crate) fn check_fields(
    object: &Map<String, Value>,
    fields: &[Field],
    path: &str,
) -> Result<(), Violation> {
    for name in object.keys() {
        if !fields.iter().any(|field| field.name == name) {
            return Err(Violation::new(join(path, name), Problem::Unknown));
        }
    }
    for field in fields {
        let at = join(path, field.name);
        match object.get(field.name) {
            None if field.required => return Err(Violation::new(at, Problem::Missing)),
            None => {}
            Some(Value::Null) if field.nullable => {}
            Some(value) => check(value, &field.kind, &at)?,
        }
    }
    Ok(())
}

pub(crate) fn check(value: &Value, kind: &Kind, path: &str) -> Result<(), Violation> {
    let fail = |problem| Err(Violation::new(path, problem));
    if !kind.admits_type_of(value) {
        return fail(Problem::Type {
            expected: kind.type_name(),
            got: type_of(value),
        });
    }
    match (kind, value) {
        (Kind::Text(_), Value::String(text)) if text.is_empty() => fail(Problem::Empty),
        (Kind::Text(max), Value::String(text)) if text.chars().count() > *max => {
            fail(Problem::TooLong {
                max: *max,
                got: text.chars().count(),
            })
        }
        (Kind::Choice(allowed), Value::String(text)) if !allowed.contains(&text.as_str()) => {
            fail(Problem::NotAllowed {
                allowed: quoted(allowed),
                got: text.clone(),
            })
        }
        (Kind::Integer(min, max), Value::Number(number)) => {
            let got = number.as_f64().unwrap_or(f64::INFINITY);
            in_range("integer", *min as f64, *max as f64, got).or_else(fail)
        }
        (Kind::Decimal(min, max), Value::Number(number)) => {
            let got = number.as_f64().unwrap_or(f64::INFINITY);
            in_range("decimal", *min, *max, got).or_else(fail)
        }
        (Kind::Object(fields), Value::Object(object)) => check_fields(object, fields, path),
        (Kind::List(of), Value::Array(items)) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| check(item, of, &format!("{path}[{index}]"))),
        (Kind::Either(kinds), _) => {
            let fitting = kinds.iter().find(|kind| kind.admits_type_of(value));
            fitting.map_or(Ok(()), |kind| check(value, kind, path))
        }
        _ => Ok(()),
    }
}

fn in_range(of: &'static str, min: f64, max: f64, got: f64) -> Result<(), Problem> {
    if got < min {
        Err(Problem::TooSmall { of, min, got })
    } else if got > max {
        Err(Problem::TooLarge { of, max, got })
    } else {
        Ok(())
    }
}

/// `'a', 'b' and 'c'`, as providers list what they allow.
pub(crate) fn quoted(allowed: &[&str]) -> String {
    let quoted: Vec<String> = allowed.iter().map(|word| format!("'{word}'")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

impl Kind {
    fn admits_type_of(&self, value: &Value) -> bool {
        match self {
            Self::Text(_) | Self::AnyText | Self::Choice(_) => value.is_string(),
            Self::Flag => value.is_boolean(),
            Self::Integer(..) => value.is_i64() || value.is_u64(),
            Self::Decimal(..) => value.is_number(),
            Self::Object(_) | Self::Map => value.is_object(),
            Self::List(_) => value.is_array(),
            Self::Either(kinds) => kinds.iter().any(|kind| kind.admits_type_of(value)),
        }
    }

    fn type_name(&self) -> String {
        match self {
            Self::Text(_) | Self::AnyText | Self::Choice(_) => "a string".to_owned(),
            Self::Flag => "a boolean".to_owned(),
            Self::Integer(..) => "an integer".to_owned(),
            Self::Decimal(..) => "a decimal".to_owned(),
            Self::Object(_) | Self::Map => "an object".to_owned(),
            Self::List(_) => "an array".to_owned(),
            Self::Either(kinds) => {
                let names: Vec<String> = kinds.iter().map(Self::type_name).collect();
                format!("one of {}", names.join(" or "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    static INNER: &[Field] = &[required("body", Kind::Text(3))];
    static OUTER: &[Field] = &[
        required("text", Kind::Object(INNER)),
        nullable("n", Kind::Integer(1, 4)),
        optional(
            "stop",
            Kind::Either(&[Kind::AnyText, Kind::List(&Kind::AnyText)]),
        ),
    ];

    fn violation(value: Value) -> Option<(String, Problem)> {
        check(&value, &Kind::Object(OUTER), "")
            .err()
            .map(|violation| (violation.path, violation.problem))
    }

    #[test]
    fn sound_values_pass() {
        assert_eq!(violation(json!({"text": {"body": "abc"}})), None);
        let full = json!({"text": {"body": "äöü"}, "n": null, "stop": ["a", "b"]});
        assert_eq!(violation(full), None);
    }

    #[test]
    fn each_departure_is_named_with_its_path() {
        let cases = [
            (json!({}), "text", Problem::Missing),
            (
                json!({"text": {"body": "a"}, "x": 1}),
                "x",
                Problem::Unknown,
            ),
            (
                json!({"text": {"body": "abcd"}}),
                "text.body",
                Problem::TooLong { max: 3, got: 4 },
            ),
            (json!({"text": {"body": ""}}), "text.body", Problem::Empty),
            (
                json!({"text": {"body": "a"}, "n": 5}),
                "n",
                Problem::TooLarge {
                    of: "integer",
                    max: 4.0,
                    got: 5.0,
                },
            ),
        ];
        for (value, path, problem) in cases {
            assert_eq!(violation(value), Some((path.to_owned(), problem)));
        }
        let (path, problem) = violation(json!({"text": {"body": "a"}, "stop": ["a", 1]}))
            .expect("a number among strings is refused");
        assert_eq!(path, "stop[1]");
        assert!(matches!(
            problem,
            Problem::Type {
                got: "an integer",
                ..
            }
        ));
    }
}
