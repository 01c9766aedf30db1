//! Everything that the server answered, kept for the search.

use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use sandbox::senders::Outgoing;
use serde_json::Value;

use crate::common::client;

#[derive(Debug, Default)]
pub struct Seen(Mutex<String>);

impl Seen {
    pub fn text(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn keep(&self, what: &str, status: u16, headers: &HeaderMap, body: &str) {
        let text = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(&format!("{what}\n{status}\n{headers:?}\n{body}\n\n"));
    }

    /// Sends a request; its answer is kept under a name, not under its URL, which may hold secrets.
    pub async fn ask(&self, what: &str, request: reqwest::RequestBuilder) -> (u16, Value) {
        let answer = request.send().await.expect("the server answers");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.text().await.expect("the body is whole");
        self.keep(what, status, &headers, &body);
        let json = serde_json::from_str(&body).unwrap_or(Value::String(body));
        (status, json)
    }

    pub async fn webhook(&self, what: &str, webhook: &Outgoing) -> u16 {
        let answer = webhook.send(&client()).await.expect("the server answers");
        self.keep(what, answer.status, &answer.headers, &answer.text());
        answer.status
    }
}
