//! What slices tell each other. An event is published inside the transaction that made it true and
//! reaches each subscriber as a durable job of its own: the job table is the outbox.

use std::{collections::HashMap, sync::OnceLock};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use time::OffsetDateTime;

use crate::{
    db::Tx,
    error::{Error, Result},
    id::{ConversationId, CredentialId, InboundEventId, MessageId, UserId},
    jobs::NewJob,
};

/// Something that happened, or that one slice asks of another.
pub trait Event: Serialize + DeserializeOwned + Send + 'static {
    const NAME: &'static str;

    /// Events with the same key are handled one at a time, in order.
    fn ordering_key(&self) -> Option<String> {
        None
    }

    /// While a job for an event with the same key waits or runs, another adds nothing.
    fn dedup_key(&self) -> Option<String> {
        None
    }
}

/// A provider's webhook was stored and awaits normalisation. Published by `kernel::ingest` under
/// the name that [`inbound`] gives for the provider.
#[derive(Debug, Serialize, Deserialize)]
pub struct InboundStored {
    pub event: InboundEventId,
}

/// The event name under which a provider's stored webhooks are published.
pub fn inbound(provider: &str) -> String {
    format!("inbound.{provider}")
}

/// A contact wrote.
#[derive(Debug, Serialize, Deserialize)]
pub struct MessageReceived {
    pub conversation: ConversationId,
    pub message: MessageId,
}

impl Event for MessageReceived {
    const NAME: &'static str = "message.received";

    fn ordering_key(&self) -> Option<String> {
        Some(format!("agent/{}", self.conversation))
    }
}

/// A reply is ready to leave on the conversation's own channel.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReplyReady {
    pub conversation: ConversationId,
    /// The message that is answered: one reply to each, however often this is published.
    pub in_reply_to: MessageId,
    pub text: String,
}

impl Event for ReplyReady {
    const NAME: &'static str = "reply.ready";

    fn ordering_key(&self) -> Option<String> {
        Some(format!("send/{}", self.conversation))
    }
}

/// An outbound message is stored and waits to be sent.
#[derive(Debug, Serialize, Deserialize)]
pub struct MessageQueued {
    pub conversation: ConversationId,
    pub message: MessageId,
}

impl Event for MessageQueued {
    const NAME: &'static str = "message.queued";

    fn ordering_key(&self) -> Option<String> {
        Some(format!("send/{}", self.conversation))
    }

    fn dedup_key(&self) -> Option<String> {
        Some(self.message.to_string())
    }
}

/// A credential that worked is refused by its provider now.
#[derive(Debug, Serialize, Deserialize)]
pub struct CredentialRefused {
    pub credential: CredentialId,
    /// The provider's id in the catalogue.
    pub provider: String,
    /// The name that the tenant gave the credential.
    pub name: String,
    /// The member who answers for it.
    #[serde(default)]
    pub owner: Option<UserId>,
    /// Why, as in `invalid_credential`.
    pub reason: String,
    /// What the tenant can do about it.
    pub advice: String,
}

impl Event for CredentialRefused {
    const NAME: &'static str = "credential.refused";
}

/// A credential is about to end, or has ended. Published once for each number of days and end.
#[derive(Debug, Serialize, Deserialize)]
pub struct CredentialExpiring {
    pub credential: CredentialId,
    /// The provider's id in the catalogue.
    pub provider: String,
    /// The name that the tenant gave the credential.
    pub name: String,
    /// `live` or `test`.
    pub environment: String,
    /// The member who answers for it.
    pub owner: Option<UserId>,
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// How many days ahead this is: 14, 3, or 0 on the last day and after it.
    pub days: u16,
}

impl Event for CredentialExpiring {
    const NAME: &'static str = "credential.expiring";
}

/// The tenant's own key-encryption key worked and can't be used now.
#[derive(Debug, Serialize, Deserialize)]
pub struct EncryptionKeyFailing {
    /// Which kind of provider holds it, as in `transit`.
    pub provider: String,
    /// Why, as in `denied`.
    pub failure: String,
    /// What the tenant can do about it.
    pub advice: String,
}

impl Event for EncryptionKeyFailing {
    const NAME: &'static str = "encryption_key.failing";
}

/// Which kinds of job each event becomes. Fixed when the program starts.
#[derive(Clone, Debug, Default)]
pub struct Subscriptions(HashMap<String, Vec<&'static str>>);

impl Subscriptions {
    pub(crate) fn add(&mut self, event: String, kind: &'static str) {
        self.0.entry(event).or_default().push(kind);
    }

    pub(crate) fn of(&self, event: &str) -> &[&'static str] {
        self.0.get(event).map_or(&[], Vec::as_slice)
    }
}

/// The subscriptions of a running program.
pub(crate) fn installed(subscriptions: &OnceLock<Subscriptions>) -> Result<&Subscriptions> {
    subscriptions
        .get()
        .ok_or_else(|| Error::internal(anyhow::anyhow!("no subscriptions are installed")))
}

impl Tx {
    /// Publishes an event: one job per subscriber, committed with the rest of the transaction.
    pub async fn emit<E: Event>(&mut self, event: &E) -> Result<()> {
        let payload = serde_json::to_value(event).map_err(Error::internal)?;
        let kinds = installed(self.db().subscriptions())?.of(E::NAME).to_vec();
        for kind in kinds {
            self.enqueue_raw(NewJob {
                ordering_key: event.ordering_key(),
                dedup_key: event.dedup_key(),
                ..NewJob::new(kind, payload.clone())
            })
            .await?;
        }
        Ok(())
    }
}
