//! Checks that the inputs of several slices share.

use kernel::{Error, Result};

/// The longest display name, in characters; the columns' own checks say the same.
const NAME: usize = 200;

/// A name that people read: trimmed, of 1 to 200 characters, on one line.
pub fn name(text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > NAME {
        return Err(Error::field(
            "name",
            format!("must have from 1 to {NAME} characters"),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::field("name", "must not contain control characters"));
    }
    Ok(text.to_owned())
}

/// The name of a thing in a catalogue or registry, such as a plan or a region.
pub fn token(field: &str, text: &str) -> Result<String> {
    let mut bytes = text.bytes();
    let head = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
    let tail = bytes
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
    if head && tail && text.len() <= 63 {
        Ok(text.to_owned())
    } else {
        Err(Error::field(
            field,
            "must be 1 to 63 lower-case letters, digits, `-` or `_`, beginning with a letter",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(name("  Acme Ltd ").expect("a name"), "Acme Ltd");
        assert_eq!(
            name(&"é".repeat(200)).expect("longest").chars().count(),
            200
        );
        for refused in ["", "   ", "two\nlines", "nul\0", &"x".repeat(201)] {
            assert!(name(refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn tokens_have_one_spelling() {
        for accepted in ["standard", "eu-west-1", "a", "pro_2"] {
            assert_eq!(token("plan", accepted).expect("accepted"), accepted);
        }
        for refused in ["", "Pro", "1st", "-a", "a b", "é", &"x".repeat(64)] {
            assert!(token("plan", refused).is_err(), "{refused:?}");
        }
    }
}
