//! From a verified body to child events: parting batches, and each child's identifiers, keys and
//! kind.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::selector::{Scene, Step, sha256_hex};
use super::{Request, Webhook};
use crate::catalogue::{IdentifierRule, KeyRule, Split};

/// More events than any provider batches; bounds the rows that one request may cause.
const MAX_CHILDREN: usize = 10_000;
/// What the children of a small body may weigh together, in bytes, and how many times a larger one
/// may grow: an envelope is repeated for every child, so that a body made for it would otherwise
/// grow a thousandfold.
const MIN_SPLIT_BYTES: usize = 16 * 1024 * 1024;
const MAX_GROWTH: usize = 4;
/// Keys stand in database indexes, which limit their length.
const MAX_KEY_BYTES: usize = 200;
const MAX_KIND_BYTES: usize = 100;
/// Identifiers that an unverified body may make the pipeline look up.
const MAX_ROUTES: usize = 16;

/// One event of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// The exact body where it holds one event, else JSON in the provider's own envelope with
    /// this event alone.
    pub payload: Vec<u8>,
    /// `(kind, value)` of every id that tells whose event it is.
    pub identifiers: Vec<(String, String)>,
    /// Equal for repeated deliveries of the same event; unique within a provider's endpoint.
    pub dedup_key: String,
    /// Events with an equal key are to be handled in order.
    pub ordering_key: Option<String>,
    /// What happened, dotted, such as `message.text`.
    pub event_kind: String,
}

/// Why a body cannot be read as events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the body is not valid JSON")]
    Json,
    #[error("the body is not a readable form")]
    Form,
    #[error("the body holds more than {MAX_CHILDREN} events")]
    TooManyEvents,
    #[error("the body's events would together be far larger than the body")]
    TooLarge,
}

impl Malformed {
    pub fn code(self) -> &'static str {
        match self {
            Self::Json => "malformed_json",
            Self::Form => "malformed_form",
            Self::TooManyEvents => "too_many_events",
            Self::TooLarge => "events_too_large",
        }
    }
}

impl Webhook {
    /// The events of a verified request, at least one.
    pub fn split(&self, request: &Request<'_>) -> Result<Vec<Child>, Malformed> {
        let scene = Scene::new(request, self.json_field.as_deref());
        let Some(split) = &self.split else {
            scene.document()?;
            return Ok(vec![self.child(&scene)]);
        };
        let document = scene.into_document()?;
        if split.is_single(&document) {
            let payload = json(&document);
            let mut only = self.child(&Scene::of_child(request, document, &payload));
            only.payload = request.body.to_vec();
            return Ok(vec![only]);
        }
        let mut children = Vec::new();
        let mut bytes = 0;
        let limit = MIN_SPLIT_BYTES.max(request.body.len().saturating_mul(MAX_GROWTH));
        split.visit(&document, &mut |event| {
            let payload = json(&event);
            bytes += payload.len();
            if children.len() == MAX_CHILDREN {
                return Err(Malformed::TooManyEvents);
            }
            if bytes > limit && !children.is_empty() {
                return Err(Malformed::TooLarge);
            }
            children.push(self.child(&Scene::of_child(request, event, &payload)));
            Ok(())
        })?;
        if children.is_empty() {
            // An empty batch is still a delivery: it is kept whole rather than lost.
            let payload = json(&document);
            children.push(self.child(&Scene::of_child(request, document, &payload)));
        }
        if let [only] = children.as_mut_slice() {
            only.payload = request.body.to_vec();
        }
        Ok(children)
    }

    /// The identifiers by which a request without a tenant in its URL finds its tenant, most
    /// telling kind first. The request need not be verified yet, so their number is bounded.
    pub fn route(&self, request: &Request<'_>) -> Result<Vec<(String, String)>, Malformed> {
        let scene = Scene::new(request, self.json_field.as_deref());
        scene.document()?;
        let found = identifiers(&self.identifiers, &scene);
        let of_kind = |kind: &'_ String| {
            let kind = kind.clone();
            found.iter().filter(move |(name, _)| *name == kind).cloned()
        };
        Ok(self
            .route
            .iter()
            .flat_map(of_kind)
            .take(MAX_ROUTES)
            .collect())
    }

    fn child(&self, scene: &Scene<'_>) -> Child {
        Child {
            payload: scene.payload.to_vec(),
            identifiers: identifiers(&self.identifiers, scene),
            dedup_key: first_key(&self.dedup, scene)
                .unwrap_or_else(|| format!("sha256:{}", sha256_hex(scene.payload))),
            ordering_key: first_key(&self.ordering, scene),
            event_kind: kind(&self.event_kind, scene),
        }
    }
}

fn json(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("a value with text keys is always JSON")
}

fn identifiers(rules: &[IdentifierRule], scene: &Scene<'_>) -> Vec<(String, String)> {
    let mut seen = BTreeSet::new();
    rules
        .iter()
        .filter(|rule| rule.when.iter().all(|condition| condition.holds(scene)))
        .flat_map(|rule| {
            let values = rule.at.all(scene).into_iter();
            values.map(|value| (rule.kind.clone(), value))
        })
        .filter(|identifier| seen.insert(identifier.clone()))
        .collect()
}

impl KeyRule {
    /// The label and the values of all parts, if the rule applies.
    fn values(&self, scene: &Scene<'_>) -> Option<Vec<String>> {
        if !self.when.iter().all(|condition| condition.holds(scene)) {
            return None;
        }
        let parts = self.parts.iter().map(|part| part.first(scene));
        self.label
            .clone()
            .map(Some)
            .into_iter()
            .chain(parts)
            .collect()
    }
}

fn first_key(rules: &[KeyRule], scene: &Scene<'_>) -> Option<String> {
    let values = rules.iter().find_map(|rule| rule.values(scene))?;
    // The separator is escaped, so that `a:b` + `c` and `a` + `b:c` stay different keys.
    let escaped: Vec<String> = values
        .iter()
        .map(|value| value.replace('%', "%25").replace(':', "%3A"))
        .collect();
    let key = escaped.join(":");
    Some(
        if key.len() > MAX_KEY_BYTES || key.contains(char::is_control) {
            format!("sha256-key:{}", sha256_hex(key.as_bytes()))
        } else {
            key
        },
    )
}

fn kind(rules: &[KeyRule], scene: &Scene<'_>) -> String {
    let values = rules.iter().find_map(|rule| rule.values(scene));
    let joined = values.unwrap_or_default().join(".");
    // Kinds are shown, matched and logged; nothing but plain characters belongs there.
    let plain: String = joined
        .chars()
        .filter(char::is_ascii_graphic)
        .take(MAX_KIND_BYTES)
        .collect();
    if plain.is_empty() {
        "unknown".to_owned()
    } else {
        plain
    }
}

/// Puts an element back into its envelope.
type Wrap<'w> = dyn Fn(Value) -> Value + 'w;
type VisitElement<'v> = dyn FnMut(&Value, &Wrap<'_>) -> Result<(), Malformed> + 'v;
type Visit<'v> = dyn FnMut(Value) -> Result<(), Malformed> + 'v;

impl Split {
    /// Whether the document is one event in its envelope and nothing else, as most are: parting it
    /// would only copy it, piece by piece.
    fn is_single(&self, document: &Value) -> bool {
        let element = self
            .each
            .0
            .iter()
            .try_fold(document, |value, step| match (step, value) {
                (Step::Key(key), Value::Object(object)) => object.get(key),
                (Step::Each, Value::Array(elements)) => match elements.as_slice() {
                    [only] => Some(only),
                    _ => None,
                },
                _ => None,
            });
        let Some(element) = element else {
            return false;
        };
        let mut items = self.items.iter().filter_map(|list| get(element, &list.0));
        let one = |list: &Value| list.as_array().is_some_and(|list| list.len() == 1);
        let kept = self
            .keep
            .iter()
            .filter_map(|keep| get(element, &keep.list.0));
        items.next().is_some_and(one) && items.next().is_none() && kept.into_iter().all(one)
    }

    /// Calls `visit` with every event in its envelope, in the order of the body. Only one event
    /// exists at a time, so that a hostile batch is stopped before it fills the memory.
    fn visit(&self, document: &Value, visit: &mut Visit<'_>) -> Result<(), Malformed> {
        descend(
            document,
            &self.each.0,
            &|inner| inner,
            &mut |element, wrap| {
                let mut parted = false;
                let mut skeleton = element.clone();
                for list in self
                    .items
                    .iter()
                    .chain(self.keep.iter().map(|keep| &keep.list))
                {
                    remove(&mut skeleton, &list.0);
                }
                for list in &self.items {
                    let Some(Value::Array(items)) = get(element, &list.0) else {
                        continue;
                    };
                    for item in items {
                        parted = true;
                        let mut event = skeleton.clone();
                        insert(&mut event, &list.0, Value::Array(vec![item.clone()]));
                        for keep in &self.keep {
                            if let Some(kept) = keep.of(element, item) {
                                insert(&mut event, &keep.list.0, kept);
                            }
                        }
                        visit(wrap(event))?;
                    }
                }
                if parted {
                    Ok(())
                } else {
                    visit(wrap(element.clone()))
                }
            },
        )
    }
}

impl crate::catalogue::KeepRule {
    /// What stays of the list beside one item: what belongs to it, or everything when nothing
    /// does, because then the ids are of another form than expected.
    fn of(&self, element: &Value, item: &Value) -> Option<Value> {
        let Some(Value::Array(all)) = get(element, &self.list.0) else {
            return get(element, &self.list.0).cloned();
        };
        let ids: Vec<&Value> = self
            .item_keys
            .iter()
            .filter_map(|key| item.get(key))
            .collect();
        let own: Vec<Value> = all
            .iter()
            .filter(|entry| entry.get(&self.key).is_some_and(|id| ids.contains(&id)))
            .cloned()
            .collect();
        Some(Value::Array(if own.is_empty() { all.clone() } else { own }))
    }
}

/// Walks down `steps`; at the end calls `visit` with the element and the function that puts it
/// back into an envelope in which every array on the way has this one element. Where the
/// document has another shape than expected, the walk ends early with what stands there.
fn descend(
    value: &Value,
    steps: &[Step],
    wrap: &Wrap<'_>,
    visit: &mut VisitElement<'_>,
) -> Result<(), Malformed> {
    match (steps, value) {
        ([Step::Key(key), rest @ ..], Value::Object(object)) if object.contains_key(key) => {
            let siblings: Map<String, Value> = object
                .iter()
                .filter(|(name, _)| *name != key)
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            let envelope = |inner| {
                let mut object = siblings.clone();
                object.insert(key.clone(), inner);
                wrap(Value::Object(object))
            };
            descend(&object[key], rest, &envelope, visit)
        }
        ([Step::Each, rest @ ..], Value::Array(elements)) => {
            let envelope = |inner| wrap(Value::Array(vec![inner]));
            elements
                .iter()
                .try_for_each(|element| descend(element, rest, &envelope, visit))
        }
        _ => visit(value, wrap),
    }
}

fn get<'v>(value: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Each => None,
    })
}

fn parent<'v, 's>(
    value: &'v mut Value,
    steps: &'s [Step],
) -> Option<(&'v mut Map<String, Value>, &'s str)> {
    let (Step::Key(last), way) = steps.split_last()? else {
        return None;
    };
    let parent = way.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Each => None,
    })?;
    Some((parent.as_object_mut()?, last))
}

fn remove(value: &mut Value, steps: &[Step]) {
    if let Some((object, key)) = parent(value, steps) {
        object.remove(key);
    }
}

fn insert(value: &mut Value, steps: &[Step], new: Value) {
    if let Some((object, key)) = parent(value, steps) {
        object.insert(key.to_owned(), new);
    }
}
