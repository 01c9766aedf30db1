//! As much of HTML as it takes to look at every tag of a page, read as the standard's tokenizer does
//! (html.spec.whatwg.org, 13.2.5).

/// A start tag and, where it is a script or a style, what stands in it.
#[derive(Debug, PartialEq)]
pub struct Tag {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub content: String,
}

impl Tag {
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.attributes.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

pub fn tags(page: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if !rest.starts_with(|first: char| first.is_ascii_alphabetic()) {
            continue;
        }
        let end = rest
            .find(|end: char| end.is_ascii_whitespace() || matches!(end, '/' | '>'))
            .unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        let (attributes, after) = attributes(&rest[end..]);
        rest = after;
        let mut content = String::new();
        if matches!(name.as_str(), "script" | "style") {
            let end = rest.find(&format!("</{name}")).unwrap_or(rest.len());
            content = rest[..end].to_owned();
            rest = &rest[end..];
        }
        found.push(Tag {
            name,
            attributes,
            content,
        });
    }
    found
}

fn attributes(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches(|skip: char| skip.is_ascii_whitespace() || skip == '/');
        if let Some(after) = rest.strip_prefix('>') {
            return (found, after);
        }
        if rest.is_empty() {
            return (found, rest);
        }
        let ends = |end: char| end.is_ascii_whitespace() || matches!(end, '/' | '>' | '=');
        let end = rest[1..].find(ends).map_or(rest.len(), |end| end + 1);
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            rest = after.trim_start();
            let quote = rest
                .chars()
                .next()
                .filter(|first| matches!(first, '"' | '\''));
            let close = match quote {
                Some(quote) => {
                    rest = &rest[1..];
                    rest.find(quote)
                }
                None => rest.find(|end: char| end.is_ascii_whitespace() || end == '>'),
            };
            let close = close.unwrap_or(rest.len());
            value = &rest[..close];
            let skipped = usize::from(quote.is_some() && close < rest.len());
            rest = &rest[close + skipped..];
        }
        found.push((name, text(value)));
    }
}

/// Character references resolved: those that the pages' writer makes, and `&#39;`.
pub fn text(escaped: &str) -> String {
    escaped
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

#[test]
fn tags_are_read_as_browsers_read_them() {
    let page = "<!DOCTYPE html><p CLASS='a' hidden data-x=1>1 < 2</p>\
                <a href=\"/x?a=1&amp;b=2\"/><script nonce=n>if (a<b) '<p>'</script>";
    let found = tags(page);
    let names: Vec<_> = found.iter().map(|tag| tag.name.as_str()).collect();
    assert_eq!(names, ["p", "a", "script"]);
    assert_eq!(found[0].get("class"), Some("a"));
    assert_eq!(found[0].get("hidden"), Some(""));
    assert_eq!(found[0].get("data-x"), Some("1"));
    assert_eq!(found[1].get("href"), Some("/x?a=1&b=2"));
    assert_eq!(found[2].get("nonce"), Some("n"));
    assert_eq!(found[2].content, "if (a<b) '<p>'");
}
