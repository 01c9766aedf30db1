//! Which address a path of the proxy leads to. What a caller writes after `/v1/proxy/{provider}`
//! stays below the provider's base URL, whatever the provider's server makes of it.

use std::borrow::Cow;

use kernel::{Error, Result};
use percent_encoding::percent_decode_str;
use url::Url;

pub(super) const PREFIX: &str = "/v1/proxy/";
/// How often a text is decoded in search of what it may turn into: servers behind servers each
/// decode once, and more than this many are not known.
const LAYERS: usize = 4;

/// The provider that a path of the proxy names.
pub(super) fn provider(path: &str) -> &str {
    let rest = path.strip_prefix(PREFIX).unwrap_or_default();
    rest.split('/').next().unwrap_or_default()
}

/// The part after the provider, with its slash, as it was sent.
///
/// # Errors
/// When it has a part that would lead out of the base URL, or means different things to different
/// servers: dot segments, backslashes and control characters, however often they are encoded, and
/// empty segments.
pub(super) fn below<'a>(path: &'a str, provider: &str) -> Result<&'a str> {
    let rest = path
        .strip_prefix(PREFIX)
        .and_then(|path| path.strip_prefix(provider))
        .filter(|rest| rest.starts_with('/'))
        .ok_or(Error::NotFound("provider"))?;
    let mut text = Cow::Borrowed(rest);
    for layer in 0..LAYERS {
        check(&text, layer)?;
        // What is no UTF-8 holds none of the characters looked for beyond those that stay.
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            return Ok(rest);
        }
        text = Cow::Owned(decoded);
    }
    Err(refused("is encoded too many times"))
}

fn check(text: &str, layer: usize) -> Result<()> {
    if text.contains('\\') {
        return Err(refused("has a backslash"));
    }
    if text.chars().any(char::is_control) {
        return Err(refused("has a control character"));
    }
    // The first segment is what stands before the leading slash.
    let mut segments = text.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        // Some servers cut parameters off before they look at dots (`..;x`), and those that decode
        // before they take an address apart, what then is a query or a fragment (`..%23`).
        let bare = segment.split([';', '?', '#']).next().unwrap_or_default();
        if matches!(bare, "." | "..") {
            return Err(refused("has a `.` or `..` segment"));
        }
        // An encoded slash at a segment's edge is a character of that segment, not an empty one.
        if layer == 0 && segment.is_empty() && segments.peek().is_some() {
            return Err(refused("has an empty segment (`//`)"));
        }
    }
    Ok(())
}

fn refused(what: &str) -> Error {
    Error::field("path", format!("{what}, which the proxy does not pass on"))
}

/// The address: the base URL, the path, and the query as it was sent.
///
/// # Errors
/// When the address would not be below the base, which nothing that [`below`] lets through can
/// bring about, and when the base is none.
pub(super) fn target(base: &Url, whole: &str, query: Option<&str>) -> Result<Url> {
    let mut url = Url::parse(whole).map_err(|_| refused("is not one of a URL"))?;
    let inside = url.origin() == base.origin()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && after(base, &url).is_some();
    if !inside {
        return Err(refused("leads away from the provider's API"));
    }
    url.set_query(query);
    Ok(url)
}

/// The part of a URL's path below that of a base, with its slash, if it is there.
pub(super) fn after<'a>(base: &Url, url: &'a Url) -> Option<&'a str> {
    let rest = url.path().strip_prefix(base.path().trim_end_matches('/'))?;
    (url.origin() == base.origin() && rest.starts_with('/')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BASE: &str = "https://api.example.com/v1";

    fn url(path: &str, query: Option<&str>) -> Result<Url> {
        let base = Url::parse(BASE).expect("a URL");
        let rest = below(path, "example")?;
        target(&base, &format!("{BASE}{rest}"), query)
    }

    #[test]
    fn paths_and_queries_arrive_as_they_were_sent() {
        for path in [
            "/",
            "/chat/completions",
            "/a/b/",
            "/repos/o/r/contents/a%2Fb",
            "/calendars/me%40example.com/events",
            "/files/..a/b..",
            "/%E2%82%AC/%25",
            "/a:b@c;d=e",
            "/a%20b+c",
            "/https:%2F%2Fexample.com",
        ] {
            let sent = format!("/v1/proxy/example{path}");
            let found = url(&sent, Some("a=%2e%2e&b=//x?y&c=%0d")).expect(path);
            let expected = format!("{BASE}{path}?a=%2e%2e&b=//x?y&c=%0d");
            assert_eq!(found.as_str(), expected);
        }
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        for path in [
            "",
            "x",
            "/..",
            "/.",
            "/../v2/x",
            "/a/../../x",
            "/a/./b",
            "/%2e%2e/x",
            "/%2E./x",
            "/.%2e/x",
            "/%252e%252e/x",
            "/%25252e%25252e/x",
            "/..%2fx",
            "/a%2f..%2fx",
            "/..;x/y",
            "/..%3bx/y",
            "/..%23",
            "/a/..%3Fx",
            "/..%2523/y",
            "/..%5cx",
            "/a\\b",
            "/%5c%5chost",
            "//host/x",
            "/a//b",
            "/a%0d%0aHost: x",
            "/a%00",
            "/a%250d%250a",
            "/%2525252525252e",
        ] {
            let sent = format!("/v1/proxy/example{path}");
            assert!(url(&sent, None).is_err(), "{path}");
        }
        assert!(below("/v1/proxy/examples/x", "example").is_err());
    }

    proptest! {
        /// Whatever is put together of what tricks are made of: it is refused, or it is below the
        /// base for a server that decodes as often as it likes.
        #[test]
        fn no_path_leads_out(parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "/", "//", ".", "..", "%2e", "%2E", "%252e", "%2f", "%2F", "%252f", "\\", "%5c",
                "%255c", ";", "%3b", "a", "v1", "@", "%40", ":", "%3a", "?", "#", "%23", "%00",
                "%0d%0a", "%25", "é", "%c0%ae", "http://", "evil.example",
            ]), 0..12)
        ) {
            let sent = format!("/v1/proxy/example/{}", parts.concat());
            // As an HTTP server cuts it.
            let path = sent.split(['?', '#']).next().unwrap_or_default();
            let Ok(found) = url(path, None) else { return Ok(()) };
            prop_assert_eq!(found.host_str(), Some("api.example.com"));
            let mut seen = found.path().to_owned();
            for _ in 0..LAYERS {
                let resolved = Url::parse("https://api.example.com").expect("a URL").join(&seen);
                if let Ok(resolved) = resolved {
                    prop_assert!(resolved.path().starts_with("/v1/"), "{} {}", sent, resolved);
                }
                seen = percent_decode_str(&seen).decode_utf8_lossy().into_owned();
            }
        }
    }
}
