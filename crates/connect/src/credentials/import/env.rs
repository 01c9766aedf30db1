//! `NAME=value` lines, as programs' `.env` files have them. Values may stand in quotes, and go over
//! several lines there. Nothing is filled in from elsewhere: least of all from the environment of
//! this program, as the libraries for such files would.

use std::collections::BTreeMap;

use kernel::secret::Secret;

use super::{Entry, Found, Import, Item, shown};
use crate::catalogue::Catalogue;

pub(super) fn read(catalogue: &Catalogue, import: &Import) -> Vec<Item> {
    let known = names(catalogue);
    let lines = lines(import.text.expose()).into_iter();
    lines
        .map(|line| {
            let place = format!("line {}", line.number);
            let (name, value) = match line.content {
                Ok(pair) => pair,
                Err(reason) => return Item::Other(Entry::invalid(place, None, reason)),
            };
            let source = shown(&name, |c| {
                c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'
            });
            match known.get(name.as_str()).map(Vec::as_slice) {
                None => Item::Other(Entry::ignored(
                    place,
                    source,
                    "is no name that the catalogue knows",
                )),
                Some([(provider, field)]) => match value {
                    Ok(value) if value.expose().is_empty() => {
                        Item::Other(Entry::ignored(place, source, "is empty"))
                    }
                    Ok(value) => Item::Value(Found {
                        place,
                        source,
                        provider: (*provider).to_owned(),
                        name: import.name.clone(),
                        environment: import.environment,
                        field: (*field).to_owned(),
                        value,
                    }),
                    Err(reason) => Item::Other(Entry::invalid(place, source, reason)),
                },
                Some(_) => Item::Other(Entry::invalid(
                    place,
                    source,
                    "is a name of several providers; use a table or JSON, which name the provider",
                )),
            }
        })
        .collect()
}

/// Variables by name: the provider and the field.
fn names(catalogue: &Catalogue) -> BTreeMap<&str, Vec<(&str, &str)>> {
    let mut names: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for provider in catalogue.iter() {
        for field in &provider.credential.fields {
            for name in &field.env {
                let named = names.entry(name).or_default();
                named.push((&provider.id, &field.name));
            }
        }
    }
    names
}

/// What was read, or what is wrong with it in words that quote nothing of it.
type Read<T> = Result<T, &'static str>;

/// A line, or several that make one value.
struct Line {
    /// From 1.
    number: usize,
    /// The name and the value.
    content: Read<(String, Read<Secret>)>,
}

const NO_PAIR: &str = "is not of the form NAME=value";
const OPEN: &str = "opens a quote that is never closed";
const AFTER: &str = "has more after the quote";
const REFERENCE: &str = "refers to another variable; write the value itself";

fn lines(text: &str) -> Vec<Line> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Vec::new();
    let mut rest = text;
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let (line, after) = split_line(rest);
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            rest = after;
            continue;
        }
        let first = number;
        let Some((name, begin)) = name(line) else {
            found.push(Line {
                number: first,
                content: Err(NO_PAIR),
            });
            rest = after;
            continue;
        };
        let value = line[begin..].trim_start();
        let content = match value
            .chars()
            .next()
            .filter(|c| matches!(c, '"' | '\'' | '`'))
        {
            None => {
                rest = after;
                plain(value)
            }
            Some(quote) => {
                // The quote may end some lines further down.
                let start = begin + (line.len() - begin - value.len()) + quote.len_utf8();
                match quoted(&rest[start..], quote) {
                    None => {
                        rest = after;
                        Err(OPEN)
                    }
                    Some((value, length)) => {
                        let end = start + length;
                        number += rest[..end].matches('\n').count();
                        let (behind, next) = split_line(&rest[end..]);
                        rest = next;
                        let behind = behind.trim();
                        match behind.is_empty() || behind.starts_with('#') {
                            true => value,
                            false => Err(AFTER),
                        }
                    }
                }
            }
        };
        found.push(Line {
            number: first,
            content: Ok((name.to_owned(), content)),
        });
    }
    found
}

fn split_line(text: &str) -> (&str, &str) {
    match text.split_once('\n') {
        Some((line, rest)) => (line.strip_suffix('\r').unwrap_or(line), rest),
        None => (text, ""),
    }
}

/// The name, and where behind the sign of equality the value begins.
fn name(line: &str) -> Option<(&str, usize)> {
    let equals = line.find('=')?;
    let name = line[..equals].trim();
    let name = name
        .strip_prefix("export ")
        .map_or(name, |name| name.trim_start());
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some((name, equals + 1))
}

/// A value without quotes: up to the end of the line, or to a comment that blank space precedes.
fn plain(text: &str) -> Read<Secret> {
    let comment = text
        .char_indices()
        .zip(text.chars().skip(1))
        .find(|((_, blank), mark)| blank.is_whitespace() && *mark == '#')
        .map(|((at, _), _)| at);
    let comment = match text.starts_with('#') {
        true => Some(0),
        false => comment,
    };
    let value = text[..comment.unwrap_or(text.len())].trim_end();
    whole(value)
}

/// The value in front of the closing quote, and how many bytes that is with the quote.
fn quoted(text: &str, quote: char) -> Option<(Read<Secret>, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            let value = match quote {
                '"' => whole(&value),
                _ => Ok(Secret::new(value)),
            };
            return Some((value, at + c.len_utf8()));
        }
        if c != '\\' || quote != '"' {
            value.push(c);
            continue;
        }
        match chars.next()?.1 {
            'n' => value.push('\n'),
            'r' => value.push('\r'),
            't' => value.push('\t'),
            escaped @ ('"' | '\\' | '$') => value.push(escaped),
            other => {
                value.push('\\');
                value.push(other);
            }
        }
    }
    None
}

fn whole(value: &str) -> Read<Secret> {
    match value.contains("${") || value.contains("$(") {
        true => Err(REFERENCE),
        false => Ok(Secret::new(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name and its value.
    type Pair = Read<(String, Read<String>)>;

    fn read_lines(text: &str) -> Vec<(usize, Pair)> {
        lines(text)
            .into_iter()
            .map(|line| {
                let content = line
                    .content
                    .map(|(name, value)| (name, value.map(|value| value.expose().to_owned())));
                (line.number, content)
            })
            .collect()
    }

    fn one(text: &str) -> Read<String> {
        let [(_, content)] = read_lines(text).try_into().expect("one line");
        content.expect("a pair").1
    }

    #[test]
    fn values_are_read_as_programs_read_them() {
        for (text, value) in [
            ("A=b", "b"),
            ("export A = b ", "b"),
            ("A=b # comment", "b"),
            ("A=b#c", "b#c"),
            ("A=#c", ""),
            ("A=", ""),
            ("A='b # $c \\n'", "b # $c \\n"),
            ("A=\"b\\n\\\"c\\\" \\$d\" # comment", "b\n\"c\" $d"),
            ("A=\"b\nc\"", "b\nc"),
            ("A=`b \"c\"`", "b \"c\""),
            ("A=a=b==", "a=b=="),
            ("\u{feff}A=pa$$word\r\n", "pa$$word"),
        ] {
            assert_eq!(one(text).as_deref(), Ok(value), "{text}");
        }
        assert_eq!(one("A=x${B}"), Err(REFERENCE));
        assert_eq!(one("A=\"$(cat file)\""), Err(REFERENCE));
        assert_eq!(one("A=\"open"), Err(OPEN));
        assert_eq!(one("A='b' c"), Err(AFTER));
    }

    #[test]
    fn lines_are_counted_over_values_of_several() {
        let found = read_lines("# begin\nA=\"1\n2\n3\"\n\nnot a pair\nB=4\n=5");
        let numbers: Vec<usize> = found.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [2, 6, 7, 8]);
        assert_eq!(found[1].1, Err(NO_PAIR));
        assert_eq!(found[3].1, Err(NO_PAIR));
    }
}
