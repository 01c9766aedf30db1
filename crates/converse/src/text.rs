//! Lengths of texts as channels count them, and the parting of long ones.

/// The length of a text in UTF-16 code units: what Telegram and Twilio count, and never less than
/// the characters that WhatsApp counts.
pub fn length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Parts a text into messages of at most `max` units, none of them blank, at the last paragraph,
/// line, sentence or word that ends in the later half of what fits, so that parts are neither tiny
/// nor broken where a reader would stumble.
pub fn split(text: &str, max: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = fitting(rest, max);
        let end = if end == rest.len() {
            end
        } else {
            seam(rest, end)
        };
        let (part, after) = rest.split_at(end);
        parts.push(part.trim_end().to_owned());
        rest = after.trim_start();
    }
    parts
}

/// How many bytes of the text fit. At least one character, so that parting always ends.
fn fitting(text: &str, max: usize) -> usize {
    let mut units = 0;
    for (place, character) in text.char_indices() {
        units += character.len_utf16();
        if units > max && place > 0 {
            return place;
        }
    }
    text.len()
}

/// The best place to part at, up to the byte `end`.
fn seam(text: &str, end: usize) -> usize {
    let window = &text[..end];
    ["\n\n", "\n", ". ", "! ", "? ", " "]
        .iter()
        .find_map(|mark| {
            let place = window.rfind(mark)? + mark.len();
            (place > end / 2).then_some(place)
        })
        .unwrap_or(end)
}

/// Databases take no NUL characters, and no text needs them.
pub(crate) fn without_nul(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_fits_stays_whole() {
        assert_eq!(split("  Hello.\n\nYou.  ", 100), ["Hello.\n\nYou."]);
        assert!(split(" \n ", 10).is_empty());
    }

    #[test]
    fn parts_end_where_readers_pause() {
        assert_eq!(
            split("One two. Three four. Five", 22),
            ["One two. Three four.", "Five"]
        );
        assert_eq!(split("aaaa bbbb\n\ncccc", 12), ["aaaa bbbb", "cccc"]);
        assert_eq!(split("abcdefghij", 4), ["abcd", "efgh", "ij"]);
    }

    #[test]
    fn astral_characters_count_twice() {
        assert_eq!(length("a👋"), 3);
        assert_eq!(split("👋👋👋", 4), ["👋👋", "👋"]);
    }

    proptest! {
        #[test]
        fn parts_fit_and_lose_nothing_but_blanks(text in "[a-zé👋 .\n]{0,200}", max in 2usize..40) {
            let parts = split(&text, max);
            for part in &parts {
                prop_assert!(length(part) <= max);
                prop_assert!(!part.trim().is_empty());
            }
            let solid = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(solid(&parts.concat()), solid(&text));
        }
    }
}
