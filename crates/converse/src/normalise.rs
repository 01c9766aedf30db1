//! From stored webhooks to messages: one job per event, one transaction per job.
//!
//! A job may run again after any crash, so everything here adds nothing the second time: messages
//! are known by the provider's id, reports of delivery only move forward. What a payload means is
//! told by `channels`.

use kernel::{
    Access, Error, Result, Tx,
    events::{InboundStored, MessageReceived},
    id::{CredentialId, InboundEventId},
    permission::InboundProcess,
};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::{
    channels::{Channel, Incoming, Received, What, account, telegram, twilio, whatsapp},
    conversations::{Open, Parties},
    messages::{Author, Direction, NewMessage, Status, delivery::Between, revise},
    text::without_nul,
};

/// How long the report on an unknown message is looked at again while a message to the same
/// contact is being sent. A sending that takes longer was interrupted, and its message will have
/// another id when it is sent again.
const REPORT_PATIENCE: Duration = Duration::minutes(10);

struct Stored {
    url: String,
    bytes: Vec<u8>,
    received_at: OffsetDateTime,
}

pub(crate) async fn normalise(
    channel: Channel,
    access: Access<InboundProcess>,
    event: InboundStored,
) -> Result<()> {
    let mut tx = access.begin().await?;
    let Some(stored) = load(&mut tx, event.event).await? else {
        return tx.commit().await;
    };
    let mut settled = true;
    for incoming in read(channel, &stored)? {
        settled &= take(&mut tx, channel, event.event, incoming).await?;
    }
    let patient = OffsetDateTime::now_utc() - stored.received_at < REPORT_PATIENCE;
    if settled || !patient {
        sqlx::query!(
            "UPDATE cell.inbound_event SET normalised_at = now() WHERE id = $1",
            event.event.uuid()
        )
        .execute(tx.conn())
        .await?;
    }
    tx.commit().await?;
    if settled || !patient {
        return Ok(());
    }
    Err(Error::Provider {
        provider: channel.provider().to_owned(),
        status: None,
        detail: "reported on a message whose sending is not recorded yet".to_owned(),
        retryable: true,
    })
}

/// The event, unless it was normalised before.
async fn load(tx: &mut Tx, id: InboundEventId) -> Result<Option<Stored>> {
    let row = sqlx::query!(
        r#"SELECT url, received_at, COALESCE(payload, body) AS "bytes!", normalised_at
           FROM cell.inbound_event WHERE id = $1"#,
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(Error::NotFound("inbound event"))?;
    Ok(row.normalised_at.is_none().then_some(Stored {
        url: row.url,
        bytes: row.bytes,
        received_at: row.received_at,
    }))
}

fn read(channel: Channel, stored: &Stored) -> Result<Vec<Incoming>> {
    match channel {
        Channel::Whatsapp => whatsapp::incoming(&json(channel, &stored.bytes)?),
        Channel::Telegram => {
            let incoming = telegram::incoming(&json(channel, &stored.bytes)?)?;
            Ok(incoming.into_iter().collect())
        }
        Channel::Sms => {
            // A number can be set to call its webhook by GET: then the URL holds the form.
            let form = if stored.bytes.is_empty() {
                let query = stored.url.split_once('?').map_or("", |(_, query)| query);
                query.as_bytes()
            } else {
                &stored.bytes
            };
            let fields: Vec<(String, String)> = url::form_urlencoded::parse(form)
                .map(|(name, value)| (name.into_owned(), without_nul(value.into_owned())))
                .collect();
            Ok(twilio::incoming(&fields)?.into_iter().collect())
        }
    }
}

fn json(channel: Channel, bytes: &[u8]) -> Result<Value> {
    let value = serde_json::from_slice(bytes)
        .map_err(|_| Error::invalid(format!("the {} payload is not JSON", channel.as_str())))?;
    Ok(clean(value))
}

/// The value without NUL characters in its strings.
fn clean(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_nul(text)),
        Value::Array(items) => items.into_iter().map(clean).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, clean(value)))
            .collect(),
        other => other,
    }
}

/// `false` when it should be looked at once more.
async fn take(
    tx: &mut Tx,
    channel: Channel,
    event: InboundEventId,
    incoming: Incoming,
) -> Result<bool> {
    let received = match incoming.what {
        What::Delivery(delivery) => {
            let between = Between {
                channel,
                account: incoming.account.as_deref().unwrap_or_default(),
                address: &incoming.address,
            };
            return delivery.settle(tx, between).await;
        }
        What::Message(ref received) | What::Edit(ref received) => received,
    };
    let (account, credential) = account_of(tx, channel, &incoming).await?;
    let conversation = Open::between(
        tx,
        &Parties {
            channel,
            account: &account,
            address: &incoming.address,
            name: received.name.as_deref(),
            credential,
        },
    )
    .await?;
    match incoming.what {
        What::Message(received) => add(tx, &conversation, event, received).await?,
        What::Edit(received) => {
            let known = revise(tx, &conversation, &received).await?;
            // The first version may still be on its way; when it comes, it is known already.
            if !known {
                add(tx, &conversation, event, received).await?;
            }
        }
        What::Delivery(_) => {}
    }
    Ok(true)
}

async fn account_of(
    tx: &mut Tx,
    channel: Channel,
    incoming: &Incoming,
) -> Result<(String, Option<CredentialId>)> {
    match &incoming.account {
        Some(account) => {
            let credential = account::of_identifiers(tx, channel, &incoming.identifiers).await?;
            Ok((account.clone(), credential))
        }
        None => account::sole(tx, channel).await,
    }
}

async fn add(
    tx: &mut Tx,
    conversation: &Open,
    event: InboundEventId,
    received: Received,
) -> Result<()> {
    let answerable = received.is_answerable();
    let message = NewMessage {
        direction: Direction::Inbound,
        author: Author::Contact,
        kind: received.kind,
        text: received.text,
        media: received.media,
        external_id: Some(received.external_id),
        status: Status::Received,
        idempotency_key: None,
        inbound_event: Some(event),
        provider_at: received.at,
    };
    if let Some(message) = message.append(tx, conversation).await?
        && answerable
    {
        tx.emit(&MessageReceived {
            conversation: conversation.id,
            message,
        })
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nul_characters_are_left_out() {
        let value = json!({ "a": ["x\u{0}y", { "b": "\u{0}" }], "n": 1 });
        assert_eq!(clean(value), json!({ "a": ["xy", { "b": "" }], "n": 1 }));
    }

    #[test]
    fn a_form_is_read_from_the_url_of_a_get() {
        let stored = Stored {
            url: "https://x.test/hooks/acme/twilio?MessageSid=SM1&From=%2B1&To=%2B2&Body=hi+there"
                .to_owned(),
            bytes: Vec::new(),
            received_at: OffsetDateTime::now_utc(),
        };
        let all = read(Channel::Sms, &stored).expect("reads");
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].address, "+1");
        assert_eq!(all[0].account.as_deref(), Some("+2"));
    }

    #[test]
    fn what_is_no_json_is_refused_for_good() {
        let error = json(Channel::Telegram, b"{").expect_err("refused");
        assert!(!error.is_transient());
    }
}
