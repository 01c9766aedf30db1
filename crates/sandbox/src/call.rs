//! What a simulated provider reads and writes: a request as received, and an answer to it. Nothing
//! here knows a provider.

use std::time::Duration;

use axum::{body::Body, response::Response};
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value};

/// One request, its body read whole.
pub(crate) struct Call {
    pub method: Method,
    /// The path below the provider's prefix, split at `/` and percent-decoded.
    pub path: Vec<String>,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Call {
    pub fn segments(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header(&header::AUTHORIZATION)?.split_once(' ')?;
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
    }

    /// User name and password of HTTP Basic authentication.
    pub fn basic(&self) -> Option<(String, String)> {
        let (scheme, encoded) = self.header(&header::AUTHORIZATION)?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
        let (user, password) = decoded.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }

    /// The media type in lower case, without parameters; empty when the header is absent.
    pub fn media_type(&self) -> String {
        let value = self.header(&header::CONTENT_TYPE).unwrap_or_default();
        let essence = value.split(';').next().unwrap_or_default();
        essence.trim().to_ascii_lowercase()
    }

    /// The body as JSON, if it is declared as JSON and is well formed.
    pub fn json(&self) -> Option<Value> {
        (self.media_type() == "application/json")
            .then(|| serde_json::from_slice(&self.body).ok())
            .flatten()
    }

    /// The body as form fields in their order, if it is declared as a form.
    pub fn form(&self) -> Option<Vec<(String, String)>> {
        (self.media_type() == "application/x-www-form-urlencoded")
            .then(|| serde_urlencoded::from_bytes(&self.body).ok())
            .flatten()
    }

    /// The first query parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body for the record: JSON as it is, a form as an object (a repeated field becomes a
    /// list), any other text as a string, and `null` for none.
    pub fn parsed_body(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        if let Some(json) = self.json() {
            return json;
        }
        if let Some(form) = self.form() {
            return object_of(form);
        }
        Value::String(String::from_utf8_lossy(&self.body).into_owned())
    }
}

/// Named values as a JSON object; a name that occurs twice or more holds the list of its values.
pub(crate) fn object_of(pairs: impl IntoIterator<Item = (String, String)>) -> Value {
    let mut object = Map::new();
    for (name, value) in pairs {
        let value = Value::String(value);
        match object.get_mut(&name) {
            None => {
                object.insert(name, value);
            }
            Some(Value::Array(list)) => list.push(value),
            Some(single) => *single = Value::Array(vec![single.take(), value]),
        }
    }
    Value::Object(object)
}

/// An answer before it is put on the wire, so that a fault can still spoil it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    /// Boxed, because answers travel as the error of many a `Result`.
    headers: Box<HeaderMap>,
    chunks: Vec<Bytes>,
    /// Whether the length is left open, as for server-sent events.
    streamed: bool,
}

/// How an answer is put on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Sound,
    /// The connection breaks in the middle of the body.
    Half,
    /// The body ends in the middle, as if it were all there is.
    Malformed,
}

impl Answer {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::bytes(status, "application/json", body.to_string().into())
    }

    pub fn bytes(status: u16, media_type: &str, body: Bytes) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: Box::default(),
            chunks: vec![body],
            streamed: false,
        }
        .with(header::CONTENT_TYPE, media_type)
    }

    /// Server-sent events, one chunk for each.
    pub fn events(events: impl IntoIterator<Item = String>) -> Self {
        let chunks = events.into_iter().map(Bytes::from);
        Self::streamed("text/event-stream; charset=utf-8", chunks)
            .with(header::CACHE_CONTROL, "no-cache")
    }

    /// A body whose length is not told.
    pub fn streamed(media_type: &str, chunks: impl IntoIterator<Item = Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            headers: Box::default(),
            chunks: chunks.into_iter().collect(),
            streamed: true,
        }
        .with(header::CONTENT_TYPE, media_type)
    }

    /// Adds a header; a value that no header can carry is left out.
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub fn into_response(self, wire: Wire) -> Response {
        let length: usize = self.chunks.iter().map(Bytes::len).sum();
        let (body, declared) = match wire {
            Wire::Sound => (stream_of(self.chunks, None), length),
            Wire::Half => {
                let cut = std::io::Error::other("the answer is cut on purpose");
                (
                    stream_of(first_half(self.chunks, length), Some(cut)),
                    length,
                )
            }
            Wire::Malformed => (stream_of(first_half(self.chunks, length), None), length / 2),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = *self.headers;
        if !self.streamed {
            response
                .headers_mut()
                .insert(header::CONTENT_LENGTH, declared.into());
        }
        response
    }
}

fn first_half(chunks: Vec<Bytes>, length: usize) -> Vec<Bytes> {
    let mut left = length / 2;
    let mut half = Vec::new();
    for mut chunk in chunks {
        chunk.truncate(left);
        left -= chunk.len();
        half.push(chunk);
    }
    half
}

fn stream_of(chunks: Vec<Bytes>, then: Option<std::io::Error>) -> Body {
    let cut = then.is_some();
    let sound = chunks.into_iter().filter(|chunk| !chunk.is_empty());
    let items = sound.map(Ok).chain(then.map(Err));
    Body::from_stream(stream::unfold(items, move |mut items| async move {
        let item = items.next()?;
        if cut && item.is_err() {
            // Without a pause the error overtakes what is still in the write buffer, and the
            // client sees no half at all.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some((item, items))
    }))
}
