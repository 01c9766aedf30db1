//! Twilio's request signature: HMAC-SHA1 over the URL and the sorted form parameters, or over the
//! URL alone where the URL states the body's hash. The media stream's upgrade request is signed
//! like a GET over its `wss://` URL.
//!
//! Source: the request validators of twilio-python@306691e and twilio-node.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Write;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use kernel::secret::{Secret, constant_time_eq};

use super::selector::sha256_hex;
use super::verify::{header_once, judge};
use super::{Reason, Request, Secrets, SignError, Slot, body};
use crate::catalogue::TwilioScheme;

const BODY_HASH: &str = "bodySHA256";

impl TwilioScheme {
    pub(super) fn verify(
        &self,
        request: &Request<'_>,
        secrets: &Secrets<'_>,
    ) -> Result<Slot, Reason> {
        let presented =
            header_once(request.headers, &self.header)?.ok_or(Reason::MissingSignature)?;
        let presented = STANDARD
            .decode(presented)
            .map_err(|_| Reason::MalformedSignature)?;
        let parameters = signed_parameters(request)?;
        let forms = url_forms(request.url);
        judge(secrets, Reason::SignatureMismatch, |secret| {
            let mut matched = false;
            for url in &forms {
                matched |= constant_time_eq(&tag(secret, url, &parameters), &presented);
            }
            Ok(matched)
        })
    }
}

/// The signature for a request whose URL already carries the body's hash where it needs one.
pub(super) fn signature(request: &Request<'_>, secret: &Secret) -> Result<String, SignError> {
    let parameters = signed_parameters(request).map_err(SignError::NotSignable)?;
    Ok(STANDARD.encode(tag(secret, request.url, &parameters)))
}

/// Adds the body's hash to a URL, as Twilio does for bodies that are not forms.
pub(super) fn with_body_hash(url: &str, body: &[u8]) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{BODY_HASH}={}", sha256_hex(body))
}

pub(super) fn states_body_hash(url: &str) -> bool {
    body_hashes(url).next().is_some()
}

fn tag(secret: &Secret, url: &str, parameters: &str) -> Vec<u8> {
    let key = hmac::Key::new(
        hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        secret.expose().as_bytes(),
    );
    let mut context = hmac::Context::with_key(&key);
    context.update(url.as_bytes());
    context.update(parameters.as_bytes());
    context.sign().as_ref().to_vec()
}

/// What is signed after the URL. Fails unless every byte of the body is accounted for: a signature
/// over a bare URL must not be reusable with a body of the attacker's choice.
fn signed_parameters(request: &Request<'_>) -> Result<String, Reason> {
    if *request.method == Method::GET {
        return match request.body {
            [] => Ok(String::new()),
            _ => Err(Reason::BodyNotCovered),
        };
    }
    let mut hashes = body_hashes(request.url);
    if let Some(stated) = hashes.next() {
        if hashes.next().is_some() {
            return Err(Reason::BodyNotCovered);
        }
        let actual = sha256_hex(request.body);
        return if constant_time_eq(actual.as_bytes(), stated.as_bytes()) {
            Ok(String::new())
        } else {
            Err(Reason::BodyHashMismatch)
        };
    }
    if !body::is_form(request) {
        return Err(Reason::BodyNotCovered);
    }
    let mut sorted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, value) in body::form_pairs(request.body).ok_or(Reason::MalformedBody)? {
        sorted.entry(name).or_default().insert(value);
    }
    if sorted.is_empty() {
        return Err(Reason::BodyNotCovered);
    }
    let mut signed = String::new();
    for (name, values) in &sorted {
        for value in values {
            signed.push_str(name);
            signed.push_str(value);
        }
    }
    Ok(signed)
}

fn body_hashes(url: &str) -> impl Iterator<Item = &str> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter_map(|part| {
        let (name, value) = part.split_once('=')?;
        (name == BODY_HASH).then_some(value)
    })
}

/// The spellings of one URL that Twilio may have signed: as configured, without a port, with the
/// scheme's default port, each also with its query encoded as browsers do.
fn url_forms(url: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::from([url.to_owned()]);
    if let Some((scheme, rest)) = url.split_once("://") {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let default = match scheme {
            "https" | "wss" => 443,
            _ => 80,
        };
        let host = match authority.rsplit_once(':') {
            Some((host, port))
                if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                host
            }
            _ => authority,
        };
        forms.insert(format!("{scheme}://{host}{tail}"));
        if host == authority {
            forms.insert(format!("{scheme}://{host}:{default}{tail}"));
        }
    }
    let encoded: Vec<String> = forms.iter().map(|form| browser_query(form)).collect();
    forms.extend(encoded);
    forms
}

/// Percent-encodes a query by the WHATWG URL standard's special-query set.
fn browser_query(url: &str) -> String {
    let Some((before, query)) = url.split_once('?') else {
        return url.to_owned();
    };
    let mut encoded = format!("{before}?");
    for byte in query.bytes() {
        match byte {
            b'"' | b'#' | b'<' | b'>' | b'\'' | ..=0x20 | 0x7f.. => {
                // Writing to a string cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
            _ => encoded.push(char::from(byte)),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(url: &str) -> Vec<String> {
        url_forms(url).into_iter().collect()
    }

    #[test]
    fn a_url_is_tried_with_and_without_its_port() {
        assert_eq!(
            forms("https://h.example/a?x=1"),
            ["https://h.example/a?x=1", "https://h.example:443/a?x=1"]
        );
        assert_eq!(
            forms("https://h.example:8443/a"),
            ["https://h.example/a", "https://h.example:8443/a"]
        );
        assert_eq!(
            forms("wss://h.example/s"),
            ["wss://h.example/s", "wss://h.example:443/s"]
        );
        assert_eq!(
            forms("http://[2001:db8::1]/s"),
            ["http://[2001:db8::1]/s", "http://[2001:db8::1]:80/s"]
        );
    }

    #[test]
    fn a_query_is_also_tried_as_browsers_encode_it() {
        assert!(forms("https://h/a?q=it's").contains(&"https://h/a?q=it%27s".to_owned()));
        assert!(forms("https://h/a?q=ä").contains(&"https://h:443/a?q=%C3%A4".to_owned()));
    }
}
