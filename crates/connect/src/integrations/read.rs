//! What a tenant has connected, and how it does: one query for all providers, two for one.
//!
//! Read from the rows that tests, webhooks and calls leave behind. Secrets, fields and the
//! provider's ids are not among what is read.

use kernel::{
    Access, Result, Tx,
    id::CredentialId,
    permission::{CredentialsRead, Permission},
};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{Health, Next};
use crate::{
    catalogue::{Catalogue, Provider, Reason},
    verify::Outcome,
};

/// Credentials of one provider that are told of: the oldest. The rest is in their own list.
const SHOWN: i64 = 50;

/// An account that the tenant has connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = IntegrationCredential)]
pub struct Connected {
    #[schema(value_type = String, example = "cred_01h455vb4pex5vsknk084sn02q")]
    pub id: CredentialId,
    pub name: String,
    pub health: Health,
    /// Absent where it is good or untested.
    pub reason: Option<Reason>,
    /// What the latest test found, in words; absent where it is untested.
    pub detail: Option<String>,
    /// What to do about it, at the provider or here.
    pub advice: Option<String>,
    /// When it was tested as it is now.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub checked_at: Option<OffsetDateTime>,
    /// Since when tests have found what the latest found; absent where that is good. Of trouble
    /// that lasts for weeks, when the oldest test that is still known was made.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<OffsetDateTime>,
    /// Whether an earlier test found it good: then something was changed at the provider.
    pub worked_before: bool,
    /// When it ends, as the provider says or somebody entered, whichever is earlier.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<OffsetDateTime>,
    /// When somebody last used it, at most an hour behind.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub connected_at: OffsetDateTime,
}

/// What comes in from a provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inbound {
    /// Whether its webhooks are let in; absent before an account is connected.
    pub is_open: Option<bool>,
    /// When its latest webhook came that proved to be genuine.
    pub last_received_at: Option<OffsetDateTime>,
}

/// A provider of the catalogue, and what the tenant has connected of it.
#[derive(Debug, Clone)]
pub struct Integration<'a> {
    pub provider: &'a Provider,
    /// Oldest first; so many and no more.
    pub credentials: Vec<Connected>,
    /// How many there are.
    pub total: i64,
    pub inbound: Inbound,
    /// When it was last called, by whomever, for anything but a test.
    pub last_called_at: Option<OffsetDateTime>,
}

impl<'a> Integration<'a> {
    fn new(provider: &'a Provider) -> Self {
        Self {
            provider,
            credentials: Vec::new(),
            total: 0,
            inbound: Inbound::default(),
            last_called_at: None,
        }
    }

    /// That of the credential which does worst; absent where none is connected.
    pub fn health(&self) -> Option<Health> {
        self.worst().map(|credential| credential.health)
    }

    /// The credential which does worst.
    pub fn worst(&self) -> Option<&Connected> {
        self.credentials
            .iter()
            .max_by_key(|credential| (credential.health, std::cmp::Reverse(credential.id)))
    }

    pub fn next(&self) -> Next {
        Next::of(self.health(), self.awaits_webhook())
    }

    /// Whether webhooks are let in and none has come since the newest account was connected.
    pub fn awaits_webhook(&self) -> bool {
        let connected = self.credentials.iter().map(|c| c.connected_at).max();
        self.provider.webhook.is_some()
            && self.inbound.is_open == Some(true)
            && connected
                .is_some_and(|at| self.inbound.last_received_at.is_none_or(|came| came < at))
    }

    /// When it was last used: called, or an account of it through the proxy.
    pub fn last_used_at(&self) -> Option<OffsetDateTime> {
        let spent = self.credentials.iter().filter_map(|c| c.last_used_at);
        spent.chain(self.last_called_at).max()
    }
}

/// Every provider of the catalogue, in its order.
pub async fn all<'a>(
    access: &Access<CredentialsRead>,
    catalogue: &'a Catalogue,
) -> Result<Vec<Integration<'a>>> {
    let mut tx = access.read().await?;
    let rows = connected(&mut tx, None).await?;
    tx.commit().await?;
    let mut found: Vec<_> = catalogue.iter().map(Integration::new).collect();
    for row in rows {
        // What the catalogue has no longer is told of by the credentials' own list.
        let known = found.iter_mut().find(|i| i.provider.id == row.provider);
        if let Some(integration) = known {
            row.join(integration);
        }
    }
    Ok(found)
}

/// One provider, for whoever may see or change its credentials.
pub async fn one<'a, P: Permission>(
    access: &Access<P>,
    provider: &'a Provider,
) -> Result<Integration<'a>> {
    let mut tx = access.read().await?;
    let rows = connected(&mut tx, Some(&provider.id)).await?;
    // Webhooks that came before stay when the last account is disconnected.
    let inbound = sqlx::query!(
        r#"SELECT (SELECT enabled FROM cell.webhook_endpoint WHERE provider = $1) AS is_open,
               (SELECT received_at FROM cell.inbound_event WHERE provider = $1
                ORDER BY id DESC LIMIT 1) AS last_received_at"#,
        provider.id
    )
    .fetch_one(tx.conn())
    .await?;
    tx.commit().await?;
    let mut integration = Integration::new(provider);
    for row in rows {
        row.join(&mut integration);
    }
    integration.inbound = Inbound {
        is_open: inbound.is_open,
        last_received_at: inbound.last_received_at,
    };
    Ok(integration)
}

struct Row {
    provider: String,
    credential: Connected,
    total: i64,
    inbound: Inbound,
    last_called_at: Option<OffsetDateTime>,
}

impl Row {
    fn join(self, integration: &mut Integration<'_>) {
        integration.credentials.push(self.credential);
        integration.total = self.total;
        integration.inbound = self.inbound;
        integration.last_called_at = self.last_called_at;
    }
}

async fn connected(tx: &mut Tx, provider: Option<&str>) -> Result<Vec<Row>> {
    let now = OffsetDateTime::now_utc();
    let rows = sqlx::query!(
        r#"SELECT c.id AS "id!", c.provider AS "provider!", c.name AS "name!",
               c.created_at AS "created_at!", c.total AS "total!",
               v.outcome AS "outcome?: Outcome", v.reason AS "reason?", v.detail AS "detail?",
               v.advice AS "advice?", LEAST(c.expires_at, v.expires_at) AS "expires_at?", v.checked_at AS "checked_at?",
               g.good_at AS "good_at?", s.since AS "since?", u.used_at AS "used_at?",
               e.enabled AS "is_open?", w.received_at AS "received_at?",
               l.started_at AS "called_at?"
           FROM (SELECT id, provider, name, version, created_at, expires_at,
                     count(*) OVER (PARTITION BY provider) AS total,
                     row_number() OVER (PARTITION BY provider ORDER BY id DESC) AS place
                 FROM cell.credential WHERE $1::text IS NULL OR provider = $1) c
           LEFT JOIN LATERAL (
               SELECT outcome, reason, detail, advice, expires_at, checked_at
               FROM cell.credential_verification
               WHERE credential_id = c.id AND version = c.version
               ORDER BY checked_at DESC, id DESC LIMIT 1) v ON true
           CROSS JOIN LATERAL (
               SELECT max(checked_at) AS good_at FROM cell.credential_verification
               WHERE credential_id = c.id AND outcome = 'good') g
           CROSS JOIN LATERAL (
               SELECT min(checked_at) AS since FROM cell.credential_verification
               WHERE credential_id = c.id AND outcome = v.outcome AND outcome <> 'good'
                 AND (g.good_at IS NULL OR checked_at > g.good_at)) s
           CROSS JOIN LATERAL (
               SELECT max(used_at) AS used_at FROM cell.credential_use
               WHERE credential_id = c.id AND purpose <> 'credential.verify') u
           LEFT JOIN cell.webhook_endpoint e ON e.provider = c.provider
           LEFT JOIN LATERAL (
               SELECT received_at FROM cell.inbound_event WHERE provider = c.provider
               ORDER BY id DESC LIMIT 1) w ON true
           LEFT JOIN LATERAL (
               SELECT started_at FROM cell.provider_call
               WHERE provider = c.provider AND operation <> 'credential.verify'
               ORDER BY id DESC LIMIT 1) l ON true
           WHERE c.place <= $2
           ORDER BY c.provider, c.id"#,
        provider,
        SHOWN
    )
    .fetch_all(tx.conn())
    .await?;
    let rows = rows.into_iter().map(|row| {
        let reason = row.reason.as_deref().and_then(Reason::parse);
        let credential = Connected {
            id: row.id.into(),
            name: row.name,
            health: Health::of(row.outcome, reason, row.expires_at, now),
            reason,
            detail: row.detail,
            advice: row.advice,
            checked_at: row.checked_at,
            since: row.since,
            worked_before: row.good_at.is_some(),
            expires_at: row.expires_at,
            last_used_at: row.used_at,
            connected_at: row.created_at,
        };
        Row {
            provider: row.provider,
            credential,
            total: row.total,
            inbound: Inbound {
                is_open: row.is_open,
                last_received_at: row.received_at,
            },
            last_called_at: row.called_at,
        }
    });
    Ok(rows.collect())
}
