//! What an agent needs to know before it answers: its configuration and the conversation so far.

use kernel::{
    Access, Error, Result, Tx,
    events::{Event, MessageReceived},
    permission::CredentialsUse,
};

use crate::completion::{Role, Turn};

/// A message to answer, and by whom.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    pub provider: String,
    pub model: String,
    pub instructions: String,
    /// Oldest first, without the question.
    pub history: Vec<Turn>,
    pub question: String,
}

/// Reads it, or `None` when there is nothing to answer: no agent is enabled, the message is not a
/// contact's own text, it is gone, or a newer one will be answered in its stead.
pub async fn read(
    access: &Access<CredentialsUse>,
    event: &MessageReceived,
) -> Result<Option<Asked>> {
    let mut tx = access.read().await?;
    let asked = read_in(&mut tx, event).await?;
    tx.commit().await?;
    Ok(asked)
}

async fn read_in(tx: &mut Tx, event: &MessageReceived) -> Result<Option<Asked>> {
    let Some(agent) = sqlx::query!(
        "SELECT provider, model, instructions, history FROM cell.agent
         WHERE enabled ORDER BY id LIMIT 1"
    )
    .fetch_optional(tx.conn())
    .await?
    else {
        return Ok(None);
    };
    let Some(message) = sqlx::query!(
        r#"SELECT seq, text AS "text!" FROM cell.message
           WHERE id = $1 AND conversation_id = $2 AND direction = 'inbound' AND author = 'contact'
             AND text ~ '\S'"#,
        event.message.uuid(),
        event.conversation.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    else {
        return Ok(None);
    };
    if superseded(tx, event, message.seq).await? {
        return Ok(None);
    }
    Ok(Some(Asked {
        history: history(tx, event, message.seq, agent.history).await?,
        question: message.text,
        provider: agent.provider,
        model: agent.model,
        instructions: agent.instructions,
    }))
}

/// Whether a newer message of the conversation waits for an answer. That is asked of the queue and
/// not of the messages, because converse has not every message answered: to give way to one that
/// nobody answers would leave the contact without any answer. Failed for good, the newer one's job
/// waits no longer, and this message is answered by itself.
async fn superseded(tx: &mut Tx, event: &MessageReceived, seq: i64) -> Result<bool> {
    let newest = sqlx::query_scalar!(
        "SELECT payload FROM cell.job
         WHERE ordering_key = $1 AND kind = $2 AND state IN ('scheduled', 'ready', 'running')
         ORDER BY id DESC LIMIT 1",
        event.ordering_key(),
        super::JOB
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(newest) = newest else {
        return Ok(false);
    };
    let newest: MessageReceived = serde_json::from_value(newest).map_err(Error::internal)?;
    let newer = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM cell.message
               WHERE id = $1 AND conversation_id = $2 AND seq > $3) AS "newer!""#,
        newest.message.uuid(),
        event.conversation.uuid(),
        seq
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(newer)
}

/// The last messages besides the question. A reply to an earlier message may have been stored
/// after the question was, and still belongs before it; what never reached the contact does not
/// belong at all.
async fn history(
    tx: &mut Tx,
    event: &MessageReceived,
    question: i64,
    count: i32,
) -> Result<Vec<Turn>> {
    let rows = sqlx::query!(
        r#"SELECT direction, text AS "text!" FROM cell.message
           WHERE conversation_id = $1 AND (seq < $2 OR (seq > $2 AND direction = 'outbound'))
             AND status <> 'failed' AND text ~ '\S'
           ORDER BY seq DESC LIMIT $3"#,
        event.conversation.uuid(),
        question,
        i64::from(count)
    )
    .fetch_all(tx.conn())
    .await?;
    let turns = rows.into_iter().rev().map(|row| Turn {
        role: if row.direction == "inbound" {
            Role::User
        } else {
            Role::Assistant
        },
        text: row.text,
    });
    Ok(turns.collect())
}

#[cfg(test)]
mod tests;
