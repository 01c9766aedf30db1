//! Outbound messages: writing them down, and handing them to the provider, each in a job of its
//! own.
//!
//! Sending happens at least once. A message is marked `sending`, the transaction ends, the provider
//! is called, and a second transaction records the provider's id; a message with an id is never
//! sent again. Between the provider's acceptance and that record lies a window: a process that
//! dies in it, or an answer that never arrives, leaves a message that may have gone out and will be
//! sent again. No provider here takes an idempotency key. WhatsApp narrows the window: our message
//! id travels as `biz_opaque_callback_data`, and a delivery status that brings it back records the
//! provider's id in the sender's stead (`messages::delivery`).

use connect::Connect;
use kernel::{
    Access, Error, Result, Tx,
    events::{MessageQueued, ReplyReady},
    id::MessageId,
    permission::{CredentialsUse, MessagesSend},
};

use crate::{
    channels::{Channel, Outgoing},
    conversations::Open,
    messages::{Author, NewMessage, by_key},
    text,
};

/// The kind of the jobs that send. Their dedup key is the message's id.
pub(crate) const SEND: &str = "converse.send";

/// Writes down a reply to a message, once, in as many messages as its length takes, and queues
/// them in order.
pub(crate) async fn reply(access: Access<MessagesSend>, reply: ReplyReady) -> Result<()> {
    let mut tx = access.begin().await?;
    let conversation = Open::lock(&mut tx, reply.conversation).await?;
    let key = format!("reply/{}", reply.in_reply_to);
    // The parts are written together, so the first stands for all.
    if by_key(&mut tx, &key).await?.is_some() {
        return tx.commit().await;
    }
    let parts = text::split(
        &text::without_nul(reply.text),
        conversation.channel.max_text(),
    );
    if parts.is_empty() {
        return Err(Error::invalid("the reply has no text"));
    }
    for (index, part) in parts.into_iter().enumerate() {
        let key = match index {
            0 => key.clone(),
            further => format!("{key}/{}", further + 1),
        };
        queue(&mut tx, &conversation, Author::Agent, part, Some(key)).await?;
    }
    tx.commit().await
}

/// Appends a text of ours to the conversation and has it sent.
pub(crate) async fn queue(
    tx: &mut Tx,
    conversation: &Open,
    author: Author,
    text: String,
    key: Option<String>,
) -> Result<MessageId> {
    let message = NewMessage::outbound(author, text, key)
        .append(tx, conversation)
        .await?
        .ok_or(Error::NotFound("conversation"))?;
    tx.emit(&MessageQueued {
        conversation: conversation.id,
        message,
    })
    .await?;
    Ok(message)
}

pub(crate) async fn send(
    connect: Connect,
    access: Access<CredentialsUse>,
    queued: MessageQueued,
) -> Result<()> {
    let mut tx = access.begin().await?;
    let outgoing = claim(&mut tx, queued.message).await?;
    tx.commit().await?;
    let Some(outgoing) = outgoing else {
        return Ok(());
    };
    match outgoing.send(&connect, &access).await {
        Ok(external_id) => {
            let mut tx = access.begin().await?;
            accepted(&mut tx, outgoing.message, external_id.as_deref()).await?;
            tx.commit().await
        }
        Err(error) => {
            // Where not even this can be written down, the message stays `sending`, and the job's
            // next attempt takes it up from there.
            if let Err(cause) = write_failure(&access, outgoing.message, &error).await {
                tracing::warn!(message_id = %outgoing.message, cause = ?cause, "a failed sending can't be recorded");
            }
            Err(error)
        }
    }
}

async fn write_failure(
    access: &Access<CredentialsUse>,
    message: MessageId,
    error: &Error,
) -> Result<()> {
    let mut tx = access.begin().await?;
    refused(&mut tx, message, error).await?;
    tx.commit().await
}

/// Marks the message as being sent. `None` when there is nothing to send any more. One that failed
/// is sent when its dead job is replayed, and one that was left in `sending` by a process that died
/// is sent again.
pub(crate) async fn claim(tx: &mut Tx, id: MessageId) -> Result<Option<Outgoing>> {
    let row = sqlx::query!(
        r#"UPDATE cell.message m SET status = 'sending', updated_at = now()
           FROM cell.conversation v JOIN cell.contact c ON c.id = v.contact_id
           WHERE m.id = $1 AND v.id = m.conversation_id AND m.direction = 'outbound'
             AND m.external_id IS NULL AND m.status IN ('queued', 'sending', 'failed')
           RETURNING m.text, v.channel AS "channel: Channel", v.account, v.credential_id, c.address"#,
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| Outgoing {
        message: id,
        channel: row.channel,
        account: row.account,
        address: row.address,
        credential: row.credential_id.map(Into::into),
        text: row.text.unwrap_or_default(),
    }))
}

/// The provider took the message. A delivery status may have been faster; it stays.
pub(crate) async fn accepted(tx: &mut Tx, id: MessageId, external_id: Option<&str>) -> Result<()> {
    sqlx::query!(
        "UPDATE cell.message SET updated_at = now(), external_id = COALESCE(external_id, $2),
             error = CASE WHEN status IN ('queued', 'sending') THEN NULL ELSE error END,
             status = CASE WHEN status IN ('queued', 'sending') THEN 'sent' ELSE status END
         WHERE id = $1",
        id.uuid(),
        external_id
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The attempt failed. The message waits for the next one, unless there will be none: because the
/// error is of the kind that stays, or because this was the job's last attempt.
pub(crate) async fn refused(tx: &mut Tx, id: MessageId, error: &Error) -> Result<()> {
    sqlx::query!(
        "UPDATE cell.message SET updated_at = now(), error = $2,
             status = CASE WHEN NOT $3 OR EXISTS (
                     SELECT 1 FROM cell.job
                     WHERE kind = $4 AND dedup_key = $5 AND state = 'running' AND attempt >= max_attempts)
                 THEN 'failed' ELSE 'queued' END
         WHERE id = $1 AND external_id IS NULL AND status = 'sending'",
        id.uuid(),
        error.to_string(),
        error.is_transient(),
        SEND,
        id.to_string(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
