//! Selectors: the one small language in which provider files say where a value stands in a
//! request. Parsing and evaluation; no knowledge of any provider.
//!
//! | text | value |
//! |---|---|
//! | `header:x-request-id` | the header, if it occurs exactly once |
//! | `query:hub.mode` | the URL's query parameter of exactly that name, if it occurs once |
//! | `body:a.b[].c` | the scalar under these keys; `[]` steps into every element |
//! | `body:a\|b.c` | the first of several paths that finds something |
//! | `other_key:update_id` | the body's first top-level key that is not the one named |
//! | `hash` | SHA-256 of the payload, in hex |

use std::cell::OnceCell;
use std::fmt;

use aws_lc_rs::digest;
use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use serde_json::Value;

use super::Request;
use super::body;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Selector {
    Header(HeaderName),
    Query(String),
    Body(Vec<Path>),
    OtherKey(String),
    Hash,
}

/// Steps into a JSON document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Path(pub(super) Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Each,
}

impl TryFrom<String> for Path {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut steps = Vec::new();
        for (index, segment) in text.split('.').enumerate() {
            let name = segment.trim_end_matches("[]");
            let arrays = (segment.len() - name.len()) / 2;
            // Only the root may be an array without a name.
            let nameless_root = name.is_empty() && index == 0 && arrays > 0;
            if (name.is_empty() && !nameless_root) || name.contains(['[', ']', ' ']) {
                return Err(format!("`{text}` is not a path such as `a.b[].c`"));
            }
            if !name.is_empty() {
                steps.push(Step::Key(name.to_owned()));
            }
            steps.extend(std::iter::repeat_n(Step::Each, arrays));
        }
        Ok(Self(steps))
    }
}

impl Path {
    /// Collects every scalar under the path; empty strings count as absent, because providers
    /// send empty fields for what does not apply.
    fn collect(&self, root: &Value, found: &mut Vec<String>) {
        fn walk(value: &Value, steps: &[Step], found: &mut Vec<String>) {
            match (steps, value) {
                ([Step::Key(key), rest @ ..], Value::Object(object)) => {
                    if let Some(value) = object.get(key) {
                        walk(value, rest, found);
                    }
                }
                ([Step::Each, rest @ ..], Value::Array(elements)) => {
                    for element in elements {
                        walk(element, rest, found);
                    }
                }
                ([], Value::String(text)) if !text.is_empty() => found.push(text.clone()),
                ([], Value::Number(number)) => found.push(number.to_string()),
                ([], Value::Bool(truth)) => found.push(truth.to_string()),
                _ => {}
            }
        }
        walk(root, &self.0, found);
    }

    /// Whether anything at all but null stands under the path, objects and arrays included.
    fn exists(&self, root: &Value) -> bool {
        fn walk(value: &Value, steps: &[Step]) -> bool {
            match (steps, value) {
                ([Step::Key(key), rest @ ..], Value::Object(object)) => {
                    object.get(key).is_some_and(|value| walk(value, rest))
                }
                ([Step::Each, rest @ ..], Value::Array(elements)) => {
                    elements.iter().any(|element| walk(element, rest))
                }
                ([], value) => !value.is_null(),
                _ => false,
            }
        }
        walk(root, &self.0)
    }

    /// Puts a value under the path, making objects on the way; false if something else stands
    /// in the way.
    pub(super) fn write(&self, root: &mut Value, value: Value) -> bool {
        let mut at = root;
        for step in &self.0 {
            let (Step::Key(key), Value::Object(object)) = (step, at) else {
                return false;
            };
            at = object
                .entry(key.clone())
                .or_insert_with(|| Value::Object(serde_json::Map::new()));
        }
        *at = value;
        true
    }

    /// Whether the path leads through objects only.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.iter().all(|step| matches!(step, Step::Key(_)))
    }

    /// The path's only key, if it is a top-level one; a form body has no other.
    pub(super) fn top_level(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Step::Key(key)] => Some(key),
            _ => None,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if index == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Each => f.write_str("[]")?,
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Selector {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "hash" {
            return Ok(Self::Hash);
        }
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        let parsed = match text.split_once(':') {
            Some(("header", name)) => HeaderName::try_from(name).ok().map(Self::Header),
            Some(("query", name)) => named(name).map(Self::Query),
            Some(("other_key", name)) => named(name).map(Self::OtherKey),
            Some(("body", paths)) => {
                let paths: Result<Vec<Path>, String> = paths
                    .split('|')
                    .map(|path| Path::try_from(path.to_owned()))
                    .collect();
                Some(Self::Body(paths?))
            }
            _ => None,
        };
        parsed.ok_or_else(|| {
            format!(
                "`{text}` is none of header:<name>, query:<name>, body:<path>, other_key:<name>, hash"
            )
        })
    }
}

/// What selectors are evaluated against: a request, the document that its body holds, and the
/// payload (the body, or one child of it). The document is read when first needed.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub request: &'a Request<'a>,
    pub payload: &'a [u8],
    json_field: Option<&'a str>,
    document: OnceCell<Result<Value, super::Malformed>>,
}

impl<'a> Scene<'a> {
    pub fn new(request: &'a Request<'a>, json_field: Option<&'a str>) -> Self {
        Self {
            request,
            payload: request.body,
            json_field,
            document: OnceCell::new(),
        }
    }

    pub fn of_child(request: &'a Request<'a>, document: Value, payload: &'a [u8]) -> Self {
        Self {
            request,
            payload,
            json_field: None,
            document: OnceCell::from(Ok(document)),
        }
    }

    pub fn document(&self) -> Result<&Value, super::Malformed> {
        self.document
            .get_or_init(|| body::document(self.request, self.json_field))
            .as_ref()
            .map_err(Clone::clone)
    }

    pub fn into_document(self) -> Result<Value, super::Malformed> {
        self.document
            .into_inner()
            .unwrap_or_else(|| body::document(self.request, self.json_field))
    }
}

impl Selector {
    /// Every value found. A header or query parameter that occurs more than once has none: two
    /// readers would pick different ones.
    pub(super) fn all(&self, scene: &Scene<'_>) -> Vec<String> {
        let mut found = Vec::new();
        match self {
            Self::Header(name) => {
                let mut values = scene.request.headers.get_all(name).iter();
                if let (Some(value), None) = (values.next(), values.next())
                    && let Ok(text) = value.to_str()
                    && !text.is_empty()
                {
                    found.push(text.to_owned());
                }
            }
            Self::Query(name) => {
                let pairs = body::query_pairs(scene.request.url);
                let mut values = pairs.into_iter().filter(|(key, _)| key == name);
                if let (Some((_, value)), None) = (values.next(), values.next())
                    && !value.is_empty()
                {
                    found.push(value);
                }
            }
            Self::Body(paths) => {
                if let Ok(document) = scene.document() {
                    for path in paths {
                        path.collect(document, &mut found);
                        if !found.is_empty() {
                            break;
                        }
                    }
                }
            }
            Self::OtherKey(name) => {
                if let Ok(Value::Object(object)) = scene.document() {
                    found.extend(object.keys().find(|key| *key != name).cloned());
                }
            }
            Self::Hash => found.push(sha256_hex(scene.payload)),
        }
        found
    }

    /// The first value in a provider's answer.
    pub(crate) fn in_answer(&self, headers: &HeaderMap, body: &Value) -> Option<String> {
        self.all_in_answer(headers, body).into_iter().next()
    }

    /// Every value in a provider's answer. An answer has a header and a body; the other selectors
    /// find nothing.
    pub(crate) fn all_in_answer(&self, headers: &HeaderMap, body: &Value) -> Vec<String> {
        let mut found = Vec::new();
        match self {
            Self::Header(name) => {
                let value = headers.get(name).and_then(|value| value.to_str().ok());
                found.extend(value.map(str::to_owned));
            }
            Self::Body(paths) => {
                for path in paths {
                    path.collect(body, &mut found);
                    if !found.is_empty() {
                        break;
                    }
                }
            }
            Self::Query(_) | Self::OtherKey(_) | Self::Hash => {}
        }
        found
    }

    pub(super) fn first(&self, scene: &Scene<'_>) -> Option<String> {
        self.all(scene).into_iter().next()
    }

    /// Whether something stands there, be it an object, a repeated header or a scalar.
    pub(super) fn present(&self, scene: &Scene<'_>) -> bool {
        match self {
            Self::Header(name) => scene.request.headers.contains_key(name),
            Self::Body(paths) => scene
                .document()
                .is_ok_and(|document| paths.iter().any(|path| path.exists(document))),
            _ => self.first(scene).is_some(),
        }
    }
}

impl crate::catalogue::Match {
    pub(super) fn holds(&self, scene: &Scene<'_>) -> bool {
        match &self.equals {
            Some(wanted) => self.at.first(scene).as_deref() == Some(wanted),
            None => self.at.present(scene) != self.absent,
        }
    }
}

pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}
