//! The letters that the mail server was given.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
    time::Duration,
};

use kernel::secret::Secret;
use mail_parser::MessageParser;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::{accounts::same, lock};

/// Letters kept; older ones are dropped.
const KEPT: usize = 1000;

/// A letter, taken apart.
#[derive(Clone, Debug, Serialize)]
pub struct Letter {
    /// Where it was sent from and to, by the envelope.
    pub from: String,
    pub to: Vec<String>,
    pub subject: String,
    pub message_id: String,
    pub text: String,
    pub html: String,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl Letter {
    /// The links in its text, in order.
    pub fn links(&self) -> Vec<&str> {
        self.text
            .split_whitespace()
            .filter(|word| word.starts_with("http://") || word.starts_with("https://"))
            .collect()
    }
}

#[derive(Debug, Default)]
pub struct Mailbox {
    letters: Mutex<VecDeque<Letter>>,
    refusals: Mutex<VecDeque<String>>,
    /// Who may sign in; no password where that has ended.
    users: Mutex<HashMap<String, Option<Secret>>>,
    arrived: watch::Sender<u64>,
}

impl Mailbox {
    /// Oldest first.
    pub fn letters(&self) -> Vec<Letter> {
        lock(&self.letters).iter().cloned().collect()
    }

    pub(super) fn user(&self, name: &str, password: Option<&str>) {
        lock(&self.users).insert(name.to_owned(), password.map(Secret::new));
    }

    pub(super) fn has_users(&self) -> bool {
        !lock(&self.users).is_empty()
    }

    pub(super) fn admits(&self, name: &str, password: &str) -> bool {
        let users = lock(&self.users);
        let known = users.get(name).and_then(Option::as_ref);
        known.is_some_and(|known| same(known, password))
    }

    pub(super) fn refuse(&self, reply: &str, times: usize) {
        lock(&self.refusals).extend(std::iter::repeat_n(reply.to_owned(), times));
    }

    pub(super) fn refusal(&self) -> Option<String> {
        lock(&self.refusals).pop_front()
    }

    /// Keeps a message if it is one: a sender, a subject, an id, a date, and a text.
    pub(super) fn keep(&self, from: &str, to: &[String], raw: &[u8]) -> Result<(), &'static str> {
        let message = MessageParser::default()
            .parse(raw)
            .ok_or("550 that is no message")?;
        let text = message.body_text(0).ok_or("550 there is no text")?;
        if message.from().is_none() || message.date().is_none() {
            return Err("550 From and Date are required (RFC 5322 section 3.6)");
        }
        let letter = Letter {
            from: from.to_owned(),
            to: to.to_vec(),
            subject: message.subject().unwrap_or_default().to_owned(),
            message_id: message
                .message_id()
                .ok_or("550 Message-ID is missing")?
                .to_owned(),
            text: text.into_owned(),
            html: message.body_html(0).unwrap_or_default().into_owned(),
            at: OffsetDateTime::now_utc(),
        };
        let mut letters = lock(&self.letters);
        if letters.len() == KEPT {
            letters.pop_front();
        }
        letters.push_back(letter);
        drop(letters);
        self.arrived.send_modify(|count| *count += 1);
        Ok(())
    }

    pub(super) async fn wait_for(
        &self,
        predicate: impl Fn(&Letter) -> bool,
        within: Duration,
    ) -> Option<Letter> {
        let mut arrived = self.arrived.subscribe();
        let search = async {
            loop {
                arrived.mark_unchanged();
                if let Some(letter) = self.letters().into_iter().find(|letter| predicate(letter)) {
                    return Some(letter);
                }
                arrived.changed().await.ok()?;
            }
        };
        tokio::time::timeout(within, search).await.ok().flatten()
    }
}
