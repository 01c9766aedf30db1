//! Bodies as documents: JSON, URL-encoded forms and multipart forms become one JSON value, so that
//! paths read them all alike. Signatures are never computed over what this module returns, except
//! for Twilio, which signs decoded form parameters.

use percent_encoding::percent_decode;
use serde_json::{Map, Value};

use super::{Malformed, Request};

/// More parts than any provider sends; bounds the work on a hostile body.
const MAX_PARTS: usize = 1_000;

/// The document that a request holds: the parameters of a GET, the fields of a form, or JSON.
/// An empty body is null.
pub(super) fn document(
    request: &Request<'_>,
    json_field: Option<&str>,
) -> Result<Value, Malformed> {
    if *request.method == http::Method::GET {
        return Ok(object(query_pairs(request.url)));
    }
    let kind = content_type(request);
    let mut fields = if kind.starts_with("application/x-www-form-urlencoded") {
        object(form_pairs(request.body).ok_or(Malformed::Form)?)
    } else if kind.starts_with("multipart/form-data") {
        let boundary = parameter(&kind_with_case(request), "boundary").ok_or(Malformed::Form)?;
        object(multipart_fields(request.body, &boundary).ok_or(Malformed::Form)?)
    } else if request.body.is_empty() {
        return Ok(Value::Null);
    } else {
        return serde_json::from_slice(request.body).map_err(|_| Malformed::Json);
    };
    match json_field
        .and_then(|name| fields.get_mut(name))
        .map(Value::take)
    {
        Some(Value::String(text)) => serde_json::from_str(&text).map_err(|_| Malformed::Json),
        Some(_) => Err(Malformed::Form),
        None => Ok(fields),
    }
}

pub(super) fn is_form(request: &Request<'_>) -> bool {
    content_type(request).starts_with("application/x-www-form-urlencoded")
}

fn kind_with_case(request: &Request<'_>) -> String {
    request
        .headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

fn content_type(request: &Request<'_>) -> String {
    kind_with_case(request).to_ascii_lowercase()
}

/// The query's parameters. Those that are not UTF-8 are left out.
pub(super) fn query_pairs(url: &str) -> Vec<(String, String)> {
    let url = url.split_once('#').map_or(url, |(before, _)| before);
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter_map(pair).collect()
}

/// The fields of a URL-encoded form; none if a name or value is not UTF-8 or a pair lacks its
/// `=`, because then different bodies would read alike.
pub(super) fn form_pairs(body: &[u8]) -> Option<Vec<(String, String)>> {
    let text = std::str::from_utf8(body).ok()?;
    text.split('&')
        .filter(|part| !part.is_empty())
        .map(pair)
        .collect()
}

fn pair(part: &str) -> Option<(String, String)> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        let decoded = percent_decode(spaced.as_bytes()).decode_utf8().ok()?;
        Some(decoded.into_owned())
    };
    let (name, value) = part.split_once('=')?;
    Some((decode(name)?, decode(value)?))
}

/// A repeated name becomes an array.
fn object(pairs: Vec<(String, String)>) -> Value {
    let mut fields = Map::new();
    for (name, value) in pairs {
        let value = Value::String(value);
        match fields.get_mut(&name) {
            None => {
                fields.insert(name, value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Value::Object(fields)
}

/// The text fields of a multipart body. Files are left where they are: they stay in the raw body.
fn multipart_fields(body: &[u8], boundary: &str) -> Option<Vec<(String, String)>> {
    let delimiter = format!("--{boundary}");
    let mut fields = Vec::new();
    let mut rest = after(body, delimiter.as_bytes())?;
    for _ in 0..MAX_PARTS {
        if rest.starts_with(b"--") {
            return Some(fields);
        }
        let part = rest.strip_prefix(b"\r\n")?;
        let end = find(part, format!("\r\n{delimiter}").as_bytes())?;
        let (part, next) = part.split_at(end);
        rest = &next[2 + delimiter.len()..];
        let split = find(part, b"\r\n\r\n")?;
        let headers = String::from_utf8_lossy(&part[..split]);
        let disposition = headers.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim()
                .eq_ignore_ascii_case("content-disposition")
                .then(|| value.trim().to_owned())
        })?;
        if parameter(&disposition, "filename").is_none()
            && let Some(name) = parameter(&disposition, "name")
        {
            let value = String::from_utf8_lossy(&part[split + 4..]).into_owned();
            fields.push((name, value));
        }
    }
    None
}

/// A parameter of a header value such as `form-data; name="a"; filename="b;c"`.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_start_matches([';', ' ', '\t']);
        let value;
        if let Some(quoted) = after.strip_prefix('"') {
            let end = quoted.find('"')?;
            value = &quoted[..end];
            rest = &quoted[end + 1..];
        } else {
            let end = after.find(';').unwrap_or(after.len());
            value = after[..end].trim();
            rest = &after[end..];
        }
        if name.eq_ignore_ascii_case(wanted) {
            return (!value.is_empty()).then(|| value.to_owned());
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn after<'a>(haystack: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    find(haystack, needle).map(|at| &haystack[at + needle.len()..])
}
