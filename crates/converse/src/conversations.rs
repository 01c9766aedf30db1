//! Conversations: what one contact and one account of the tenant's say to each other, in order.
//! Opening and locking them is here; reading them is in `read`, over the API in `api`, in the console
//! in `pages`.

pub mod api;
pub mod pages;
mod read;

pub use read::{Conversation, Filter, Party, Preview, find, list, messages};

use kernel::{
    Error, Result, Tx,
    id::{ContactId, ConversationId, CredentialId},
};

use crate::channels::Channel;

/// A conversation whose row this transaction holds locked, so that messages are appended one at a
/// time.
#[derive(Debug)]
pub(crate) struct Open {
    pub id: ConversationId,
    pub channel: Channel,
}

/// Who talks with whom, and what is known of them.
#[derive(Debug)]
pub(crate) struct Parties<'a> {
    pub channel: Channel,
    pub account: &'a str,
    pub address: &'a str,
    /// The contact's name, where the channel tells one.
    pub name: Option<&'a str>,
    /// The credential that stands for the account, where there is one.
    pub credential: Option<CredentialId>,
}

impl Open {
    /// Locks a conversation of the tenant's.
    pub async fn lock(tx: &mut Tx, id: ConversationId) -> Result<Self> {
        let row = sqlx::query!(
            r#"SELECT channel AS "channel: Channel" FROM cell.conversation WHERE id = $1 FOR UPDATE"#,
            id.uuid()
        )
        .fetch_optional(tx.conn())
        .await?
        .ok_or(Error::NotFound("conversation"))?;
        Ok(Self {
            id,
            channel: row.channel,
        })
    }

    /// Locks the conversation of these parties, which begins now if there was none, and takes note
    /// of a new name or credential.
    pub async fn between(tx: &mut Tx, parties: &Parties<'_>) -> Result<Self> {
        let credential = parties.credential.map(|id| id.uuid());
        let known = sqlx::query!(
            "SELECT v.id, v.credential_id, c.id AS contact_id, c.name
             FROM cell.contact c JOIN cell.conversation v ON v.contact_id = c.id
             WHERE c.channel = $1 AND c.address = $2 AND v.channel = $1 AND v.account = $3
             FOR UPDATE OF v",
            parties.channel.as_str(),
            parties.address,
            parties.account
        )
        .fetch_optional(tx.conn())
        .await?;
        let id = match known {
            None => begin(tx, parties).await?,
            Some(row) => {
                if parties.name.is_some() && parties.name != row.name.as_deref() {
                    rename(tx, row.contact_id.into(), parties.name).await?;
                }
                if credential.is_some() && credential != row.credential_id {
                    sqlx::query!(
                        "UPDATE cell.conversation SET credential_id = $2 WHERE id = $1",
                        row.id,
                        credential
                    )
                    .execute(tx.conn())
                    .await?;
                }
                row.id.into()
            }
        };
        Ok(Self {
            id,
            channel: parties.channel,
        })
    }
}

/// Two transactions may begin the same conversation; the second waits for the first and finds it.
async fn begin(tx: &mut Tx, parties: &Parties<'_>) -> Result<ConversationId> {
    let contact = sqlx::query_scalar!(
        "INSERT INTO cell.contact (id, channel, address, name) VALUES ($1, $2, $3, $4)
         ON CONFLICT ON CONSTRAINT contact_address_key
             DO UPDATE SET name = COALESCE(EXCLUDED.name, contact.name)
         RETURNING id",
        ContactId::new().uuid(),
        parties.channel.as_str(),
        parties.address,
        parties.name
    )
    .fetch_one(tx.conn())
    .await?;
    let conversation = sqlx::query_scalar!(
        "INSERT INTO cell.conversation (id, channel, account, contact_id, credential_id)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT ON CONSTRAINT conversation_parties_key
             DO UPDATE SET credential_id = COALESCE(EXCLUDED.credential_id, conversation.credential_id)
         RETURNING id",
        ConversationId::new().uuid(),
        parties.channel.as_str(),
        parties.account,
        contact,
        parties.credential.map(|id| id.uuid())
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(conversation.into())
}

async fn rename(tx: &mut Tx, contact: ContactId, name: Option<&str>) -> Result<()> {
    sqlx::query!(
        "UPDATE cell.contact SET name = $2 WHERE id = $1",
        contact.uuid(),
        name
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
