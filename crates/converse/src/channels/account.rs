//! Our side of a conversation: which of the tenant's credentials speaks for which number or bot.

use kernel::{Error, Result, Tx, id::CredentialId};

use super::Channel;

/// One number or bot that the tenant has connected.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub credential: CredentialId,
    /// As it stands in `conversation.account`. `None` where the credential does not say.
    pub address: Option<String>,
    /// Whether it is for live use, and not for tests.
    pub is_live: bool,
}

/// The tenant's accounts on a channel, oldest first.
pub(crate) async fn all(tx: &mut Tx, channel: Channel) -> Result<Vec<Account>> {
    let field = match channel {
        Channel::Whatsapp => "phone_number_id",
        Channel::Sms => "phone_number",
        Channel::Telegram => "bot_id",
    };
    let rows = sqlx::query!(
        r#"SELECT c.id, c.environment = 'live' AS "is_live!", COALESCE(NULLIF(c.fields->>$2, ''),
               (SELECT i.external_id FROM cell.identifier i
                WHERE i.credential_id = c.id AND i.kind = $2 ORDER BY i.external_id LIMIT 1)) AS address
           FROM cell.credential c WHERE c.provider = $1 ORDER BY c.created_at, c.id"#,
        channel.provider(),
        field
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let credential = CredentialId::from(row.id);
            // A bot is known by its token alone, and a chat belongs to one bot: where the
            // credential names no bot id, the credential itself stands for the account.
            let unnamed = (channel == Channel::Telegram).then(|| credential.to_string());
            Account {
                credential,
                address: row.address.or(unnamed),
                is_live: row.is_live,
            }
        })
        .collect())
}

/// The credential that stands for the first of these ids that any stands for.
pub(crate) async fn of_identifiers(
    tx: &mut Tx,
    channel: Channel,
    identifiers: &[String],
) -> Result<Option<CredentialId>> {
    let id = sqlx::query_scalar!(
        "SELECT credential_id FROM cell.identifier
         WHERE provider = $1 AND external_id = ANY($2)
         ORDER BY array_position($2, external_id), credential_id LIMIT 1",
        channel.provider(),
        identifiers
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(id.map(CredentialId::from))
}

/// The account that an update without any mention of one came to. A tenant's webhook endpoint is
/// one per provider, so with a single credential there is no doubt.
pub(crate) async fn sole(tx: &mut Tx, channel: Channel) -> Result<(String, Option<CredentialId>)> {
    let mut accounts = all(tx, channel).await?;
    match (accounts.pop(), accounts.is_empty()) {
        (
            Some(Account {
                credential,
                address: Some(address),
                ..
            }),
            true,
        ) => Ok((address, Some(credential))),
        _ => Ok((channel.as_str().to_owned(), None)),
    }
}

/// The account from which a new conversation starts: the one that was asked for, or the only one for
/// live use. One for tests is taken where it is named.
pub(crate) async fn choose(
    tx: &mut Tx,
    channel: Channel,
    from: Option<&str>,
) -> Result<(String, CredentialId)> {
    let accounts = all(tx, channel).await?;
    if accounts.is_empty() {
        return Err(Error::CredentialMissing {
            provider: channel.provider().to_owned(),
        });
    }
    let live: Vec<CredentialId> = accounts
        .iter()
        .filter(|account| account.is_live)
        .map(|account| account.credential)
        .collect();
    let named: Vec<(String, CredentialId)> = accounts
        .into_iter()
        .filter_map(|account| Some((account.address?, account.credential)))
        .collect();
    let names = || {
        let names: Vec<&str> = named.iter().map(|(address, _)| address.as_str()).collect();
        names.join(", ")
    };
    let mut usual = named.iter().filter(|(_, id)| live.contains(id));
    let usual = usual.next().filter(|_| usual.next().is_none());
    match (from, named.as_slice()) {
        (_, []) => Err(Error::invalid(format!(
            "the {} credential names no number to send from; complete it under credentials",
            channel.provider()
        ))),
        (Some(from), _) => named
            .iter()
            .find(|(address, _)| address == from)
            .cloned()
            .ok_or_else(|| Error::field("from", format!("is none of your accounts: {}", names()))),
        (None, _) => usual.cloned().ok_or_else(|| {
            let detail = format!("name one of your accounts: {}", names());
            Error::field("from", detail)
        }),
    }
}
