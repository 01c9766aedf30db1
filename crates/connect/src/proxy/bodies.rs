//! Addresses of the provider's API inside its answers, for the providers whose libraries follow them
//! (`links` in the catalogue): told as the proxy's own, while the body streams through.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use url::Url;

/// Whether an answer is JSON that can be read as it is.
pub(super) fn readable(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|text| text.split(';').next());
    let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
    // Not `+json`: GitHub calls raw files `application/vnd.github.raw+json`, whatever they hold.
    essence == "application/json" && !headers.contains_key(CONTENT_ENCODING)
}

/// Replaces one text by another, however the chunks cut it.
///
/// A quote inside a JSON string is written `\"`, so that `url":"…` can only be the end of a name and
/// the beginning of its value: what people have written is never changed.
#[derive(Debug)]
pub(super) struct Rewriting {
    /// What is looked for, and what is put in its place.
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The end of what came, as long as it may be the beginning of what is looked for.
    held: Vec<u8>,
}

impl Rewriting {
    /// `field` is how the names of the fields end; `own` is the proxy's address of the API, without a
    /// trailing slash.
    pub fn new(field: &str, base: &Url, own: &str) -> Self {
        let base = base.as_str().trim_end_matches('/');
        // Without a space and with one: as APIs write JSON for programs and for people.
        let pair = |space: &str| {
            let before = format!("{field}\":{space}\"");
            let (theirs, ours) = (format!("{before}{base}/"), format!("{before}{own}/"));
            (theirs.into_bytes(), ours.into_bytes())
        };
        Self {
            pairs: vec![pair(""), pair(" ")],
            held: Vec::new(),
        }
    }

    fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(chunk);
        let (mut told, mut at) = (Vec::with_capacity(self.held.len()), 0);
        while at < self.held.len() {
            let rest = &self.held[at..];
            if let Some((theirs, ours)) = self.pairs.iter().find(|pair| rest.starts_with(&pair.0)) {
                told.extend_from_slice(ours);
                at += theirs.len();
            } else if self.pairs.iter().any(|pair| pair.0.starts_with(rest)) {
                break;
            } else {
                told.push(rest[0]);
                at += 1;
            }
        }
        self.held.drain(..at);
        told
    }

    /// The body as it is told.
    pub fn of<E>(
        self,
        body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> impl Stream<Item = Result<Bytes, E>> + Send + 'static
    where
        E: Send + 'static,
    {
        stream::unfold(Some((Box::pin(body), self)), |state| async {
            let (mut body, mut rewriting) = state?;
            loop {
                match body.next().await {
                    Some(Ok(chunk)) => {
                        let told = rewriting.push(&chunk);
                        if !told.is_empty() {
                            return Some((Ok(told.into()), Some((body, rewriting))));
                        }
                    }
                    Some(Err(error)) => return Some((Err(error), None)),
                    None if rewriting.held.is_empty() => return None,
                    None => return Some((Ok(rewriting.held.into()), None)),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, TryStreamExt};
    use proptest::prelude::*;

    use super::*;

    const THEIRS: &str = "https://api.example.com";
    const OURS: &str = "https://freehold.example/v1/proxy/example";

    fn told(text: &str, cuts: &[usize]) -> String {
        let base = Url::parse(THEIRS).expect("a URL");
        let mut chunks = Vec::new();
        let mut rest = text.as_bytes();
        for cut in cuts {
            let (chunk, left) = rest.split_at((*cut).min(rest.len()));
            chunks.push(Ok::<_, std::io::Error>(Bytes::copy_from_slice(chunk)));
            rest = left;
        }
        chunks.push(Ok(Bytes::copy_from_slice(rest)));
        let told = Rewriting::new("url", &base, OURS).of(stream::iter(chunks));
        let told = told.try_collect::<Vec<Bytes>>().now_or_never();
        let told = told.expect("nothing is waited for").expect("a body");
        String::from_utf8(told.concat()).expect("text")
    }

    #[test]
    fn addresses_in_their_fields_are_told_as_ours_and_nothing_else_is() {
        let cases = [
            (r#"{"url":"THEIRS/a","b":1}"#, r#"{"url":"OURS/a","b":1}"#),
            (r#"{"url": "THEIRS/a"}"#, r#"{"url": "OURS/a"}"#),
            (
                r#"[{"issues_url":"THEIRS/i{/n}"},{"url":"THEIRS/b"}]"#,
                r#"[{"issues_url":"OURS/i{/n}"},{"url":"OURS/b"}]"#,
            ),
        ];
        for (sent, expected) in cases {
            let sent = sent.replace("THEIRS", THEIRS);
            let expected = expected.replace("OURS", OURS);
            assert_eq!(told(&sent, &[]), expected);
        }
        for same in [
            r#"{"homepage":"THEIRS/a"}"#,
            r#"{"url":"THEIRS.evil.example/a"}"#,
            r#"{"url":"https://example.com/a"}"#,
            r#"{"body":"\"url\":\"THEIRS/a\""}"#,
            r#"{"body":"url: THEIRS/a"}"#,
            r#"{"url":"THEIRS"#,
            r#"{"url""#,
            "",
        ] {
            let same = same.replace("THEIRS", THEIRS);
            assert_eq!(told(&same, &[]), same);
        }
    }

    #[test]
    fn files_are_not_read_as_answers() {
        let of = |media_type: &'static str| {
            let value = http::HeaderValue::from_static(media_type);
            readable(&HeaderMap::from_iter([(CONTENT_TYPE, value)]))
        };
        assert!(of("application/json; charset=utf-8"));
        assert!(!of("application/vnd.github.raw+json; charset=utf-8"));
        assert!(!of("text/plain"));
    }

    proptest! {
        /// Where the network cuts a body makes no difference.
        #[test]
        fn cuts_do_not_matter(
            parts in proptest::collection::vec(proptest::sample::select(vec![
                "\"url\":\"https://api.example.com/", "url\": \"https://api.example.com/x\"",
                "url\":\"https://api.exa", "\"", "u", "url\":", "{", "é", "https://api.example.com/",
            ]), 0..12),
            cuts in proptest::collection::vec(0..40_usize, 0..12),
        ) {
            let text = parts.concat();
            let mut expected = text.clone();
            for space in ["", " "] {
                let before = format!("url\":{space}\"");
                expected = expected.replace(&format!("{before}{THEIRS}/"), &format!("{before}{OURS}/"));
            }
            prop_assert_eq!(told(&text, &cuts), expected);
        }
    }
}
