//! What a provider's simulation has at hand once a caller is let in: the account, the call, and what
//! the account has made so far.

use std::{collections::BTreeMap, sync::Mutex};

use http::header;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    ServiceAccount,
    refusals::{self, Why},
};
use crate::{
    call::{Answer, Call},
    ids, lock,
};

/// What accounts have made, in the order of making: by provider, account and shelf, as in
/// `customers`.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    shelves: Mutex<BTreeMap<Place, Vec<Value>>>,
}

/// The provider's name, the account's id, the shelf.
type Place = (&'static str, String, String);

pub(super) struct Desk<'a> {
    pub account: &'a ServiceAccount,
    pub call: &'a Call,
    pub objects: &'a Objects,
}

impl Desk<'_> {
    fn place(&self, shelf: &str) -> Place {
        let provider = self.account.provider.as_str();
        (provider, self.account.id.clone(), shelf.to_owned())
    }

    pub fn keep(&self, shelf: &str, object: &Value) {
        let shelves = &mut *lock(&self.objects.shelves);
        let shelf = shelves.entry(self.place(shelf)).or_default();
        shelf.push(object.clone());
    }

    /// Oldest first.
    pub fn kept(&self, shelf: &str) -> Vec<Value> {
        let shelves = lock(&self.objects.shelves);
        shelves.get(&self.place(shelf)).cloned().unwrap_or_default()
    }

    /// The object whose `field` is this.
    pub fn find(&self, shelf: &str, field: &str, value: &str) -> Option<Value> {
        let mut kept = self.kept(shelf).into_iter();
        kept.find(|object| is(&object[field], value))
    }

    /// Changes the object whose `field` is this, and returns what it became.
    pub fn change(
        &self,
        shelf: &str,
        field: &str,
        value: &str,
        change: impl FnOnce(&mut Value),
    ) -> Option<Value> {
        let shelves = &mut *lock(&self.objects.shelves);
        let shelf = shelves.get_mut(&self.place(shelf))?;
        let object = shelf.iter_mut().find(|object| is(&object[field], value))?;
        change(object);
        Some(object.clone())
    }

    /// Refuses query parameters that the call's documentation does not have.
    pub fn parameters(&self, documented: &[&str]) -> Result<(), Answer> {
        let mut names = self.call.query.iter().map(|(name, _)| name);
        match names.find(|name| !documented.contains(&name.as_str())) {
            Some(name) => Err(refusals::of(
                self.account.provider,
                Why::Parameter(name.clone()),
            )),
            None => Ok(()),
        }
    }

    /// A numeric query parameter; `None` where it is no number or out of range.
    pub fn number(&self, name: &str, default: usize, range: (usize, usize)) -> Option<usize> {
        let number = match self.call.parameter(name) {
            Some(text) => text.parse().ok()?,
            None => default,
        };
        (range.0 <= number && number <= range.1).then_some(number)
    }

    /// The API's own address as the caller wrote it: what answers call it.
    pub fn own_url(&self) -> String {
        let host = self.call.header(&header::HOST).unwrap_or("localhost");
        format!("http://{host}{}", self.account.provider.base_path())
    }
}

fn is(found: &Value, wanted: &str) -> bool {
    match found {
        Value::String(text) => text == wanted,
        Value::Number(number) => number.to_string() == wanted,
        _ => false,
    }
}

/// Answer or refusal: both go to the caller.
pub(super) fn settled(answer: Result<Answer, Answer>) -> Option<Answer> {
    Some(answer.unwrap_or_else(|refusal| refusal))
}

/// RFC 3339, to the second, in UTC.
pub(super) fn now() -> String {
    let now = OffsetDateTime::now_utc();
    let now = now.replace_nanosecond(0).unwrap_or(now);
    now.format(&Rfc3339).unwrap_or_default()
}

/// In the form of a UUID of version 4 (RFC 9562).
pub(super) fn uuid() -> String {
    let [a, b, c, d, e] = [8, 4, 3, 3, 12].map(ids::hex);
    format!("{a}-{b}-4{c}-a{d}-{e}")
}
