//! Which headers go through: of requests, all but those that concern the connection, the caller's
//! way to us and their proof; of answers, all but those that concern the connection or would speak
//! for our own origin.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{self, CONNECTION},
};
use url::Url;

use super::path;
use crate::Authorization;

pub(super) const CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");
/// Every header of ours begins so.
const OURS: &str = "freehold-";

/// RFC 9110, section 7.6.1, with those of RFC 2616 that are still sent.
const HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The caller's proof and way to us. The body's length is taken from the body.
const CALLERS: &[&str] = &[
    "authorization",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "true-client-ip",
    "via",
    "x-correlation-id",
    "x-real-ip",
];
const CALLERS_PREFIXES: &[&str] = &[OURS, "x-forwarded-"];

/// What a browser or a cache would apply to this server, whose address the answer has.
const ORIGINS: &[&str] = &[
    "age",
    "alt-svc",
    "cache-control",
    "clear-site-data",
    "content-security-policy",
    "content-security-policy-report-only",
    "expires",
    "nel",
    "permissions-policy",
    "pragma",
    "public-key-pins",
    "referrer-policy",
    "refresh",
    "report-to",
    "reporting-endpoints",
    "service-worker-allowed",
    "set-cookie",
    "set-cookie2",
    "sourcemap",
    "strict-transport-security",
    "via",
    "x-correlation-id",
    "x-frame-options",
];
const ORIGINS_PREFIXES: &[&str] = &[OURS, "access-control-", "cross-origin-"];

fn among(name: &HeaderName, names: &[&str], prefixes: &[&str]) -> bool {
    names.contains(&name.as_str())
        || prefixes
            .iter()
            .any(|prefix| name.as_str().starts_with(prefix))
}

/// Whether a `Connection` header names it.
fn of_connection(headers: &HeaderMap, name: &HeaderName) -> bool {
    let named = headers.get_all(CONNECTION).iter();
    let mut named = named.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    named.any(|option| option.trim().eq_ignore_ascii_case(name.as_str()))
}

/// The headers of the request as the provider gets it: the caller's, then those that the provider
/// demands where the caller sent none of that name, then the tenant's proof. No value that holds
/// `shown`, the caller's own key, goes on.
pub(super) fn request(
    headers: &HeaderMap,
    authorization: &Authorization,
    shown: Option<&str>,
    correlation: &str,
) -> HeaderMap {
    let mut out = HeaderMap::new();
    for (name, value) in headers {
        let key = shown.is_some_and(|key| holds(value, key));
        let dropped = among(name, HOP, &[]) || among(name, CALLERS, CALLERS_PREFIXES);
        if !key && !dropped && !of_connection(headers, name) {
            out.append(name.clone(), value.clone());
        }
    }
    for (name, value) in authorization.headers() {
        if value.is_sensitive() || !out.contains_key(name) {
            out.insert(name.clone(), value.clone());
        }
    }
    if let Ok(value) = HeaderValue::from_str(correlation) {
        out.insert(CORRELATION, value);
    }
    out
}

fn holds(value: &HeaderValue, text: &str) -> bool {
    let (value, text) = (value.as_bytes(), text.as_bytes());
    !text.is_empty() && value.windows(text.len()).any(|window| window == text)
}

/// The headers of an answer as the caller gets it. A header that repeats the credential is left
/// out; addresses of the provider's API become addresses of the proxy, so that whoever follows one
/// comes back here instead of showing their own key to the provider.
pub(super) fn answer(
    headers: &HeaderMap,
    authorization: &Authorization,
    addresses: &Addresses<'_>,
) -> HeaderMap {
    let mut out = HeaderMap::new();
    for (name, value) in headers {
        let dropped = among(name, HOP, &[]) || among(name, ORIGINS, ORIGINS_PREFIXES);
        if dropped || of_connection(headers, name) {
            continue;
        }
        let value = match *name {
            header::LOCATION | header::CONTENT_LOCATION => addresses.location(value),
            header::LINK => addresses.links(value),
            _ => Some(value.clone()),
        };
        let clean = |value: &HeaderValue| {
            let text = String::from_utf8_lossy(value.as_bytes());
            authorization.redact(&text) == text
        };
        if let Some(value) = value.filter(clean) {
            out.append(name.clone(), value);
        }
    }
    out
}

/// How addresses of the provider's are told as addresses of the proxy's.
pub(super) struct Addresses<'a> {
    /// The provider's API, with the secret where that stands in the path.
    pub base: &'a Url,
    /// What was called.
    pub target: &'a Url,
    /// The proxy's own address of the API, without a trailing slash.
    pub own: &'a str,
}

impl Addresses<'_> {
    /// An address of the API on the proxy; any other, whole. The caller follows that by itself, to
    /// where it leads, and without the tenant's credential.
    fn location(&self, value: &HeaderValue) -> Option<HeaderValue> {
        let url = self.target.join(value.to_str().ok()?).ok()?;
        HeaderValue::from_str(&self.told(&url)).ok()
    }

    fn told(&self, url: &Url) -> String {
        let Some(rest) = path::after(self.base, url) else {
            return url.to_string();
        };
        let mut told = format!("{}{rest}", self.own);
        if let Some(query) = url.query() {
            told += "?";
            told += query;
        }
        if let Some(fragment) = url.fragment() {
            told += "#";
            told += fragment;
        }
        told
    }

    /// RFC 8288: each address stands between angle brackets.
    fn links(&self, value: &HeaderValue) -> Option<HeaderValue> {
        let text = value.to_str().ok()?;
        let mut told = String::new();
        let mut rest = text;
        while let Some((before, tail)) = rest.split_once('<') {
            let (address, tail) = tail.split_once('>')?;
            let url = self.target.join(address).ok()?;
            told += before;
            told += "<";
            told += &self.told(&url);
            told += ">";
            rest = tail;
        }
        told += rest;
        HeaderValue::from_str(&told).ok()
    }
}
