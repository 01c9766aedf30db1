//! How a tenant's credentials are doing: by the latest call to each provider, and whether webhooks
//! are let in.

use kernel::{Access, Result, permission::CredentialsRead};
use time::OffsetDateTime;

/// A provider that the tenant has connected, as far as its calls and webhooks tell.
#[derive(Clone, Debug)]
pub struct ProviderState {
    pub provider: String,
    /// Whether its webhooks are let in; absent where it sends none.
    pub endpoint_open: Option<bool>,
    pub last_call: Option<LastCall>,
}

/// The latest call to a provider.
#[derive(Clone, Debug)]
pub struct LastCall {
    pub at: OffsetDateTime,
    pub outcome: Outcome,
}

/// What came of a call, as far as it concerns the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Accepted,
    /// The provider did not take the credential: 401 or 403.
    Refused,
    /// Another answer than success, or none.
    Failed(Option<u16>),
}

impl Outcome {
    fn of(status: Option<i32>) -> Self {
        match status.and_then(|status| u16::try_from(status).ok()) {
            Some(200..300) => Self::Accepted,
            Some(401 | 403) => Self::Refused,
            other => Self::Failed(other),
        }
    }
}

/// Every provider that the tenant has a credential of.
pub async fn of_providers(access: &Access<CredentialsRead>) -> Result<Vec<ProviderState>> {
    let mut tx = access.read().await?;
    let rows = sqlx::query!(
        r#"SELECT c.provider AS "provider!", e.enabled AS "enabled?", l.status AS "status?",
               l.started_at AS "started_at?"
           FROM (SELECT DISTINCT provider FROM cell.credential) c
           LEFT JOIN cell.webhook_endpoint e ON e.provider = c.provider
           LEFT JOIN LATERAL (
               SELECT status, started_at FROM cell.provider_call p
               WHERE p.provider = c.provider ORDER BY started_at DESC LIMIT 1
           ) l ON true
           ORDER BY c.provider"#
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    let states = rows.into_iter().map(|row| ProviderState {
        provider: row.provider,
        endpoint_open: row.enabled,
        last_call: row.started_at.map(|at| LastCall {
            at,
            outcome: Outcome::of(row.status),
        }),
    });
    Ok(states.collect())
}

/// The credentials in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    pub credentials: i64,
    /// Providers that refused the credential when they were last called.
    pub refused: i64,
    /// Whether any webhook has arrived.
    pub webhook_received: bool,
}

/// One query.
pub async fn figures(access: &Access<CredentialsRead>) -> Result<Figures> {
    let mut tx = access.read().await?;
    let row = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM cell.credential) AS "credentials!",
               (SELECT count(*) FROM (SELECT DISTINCT provider FROM cell.credential) c
                CROSS JOIN LATERAL (
                    SELECT status FROM cell.provider_call p
                    WHERE p.provider = c.provider ORDER BY started_at DESC LIMIT 1
                ) l WHERE l.status IN (401, 403)) AS "refused!",
               EXISTS (SELECT FROM cell.inbound_event) AS "webhook_received!""#
    )
    .fetch_one(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(Figures {
        credentials: row.credentials,
        refused: row.refused,
        webhook_received: row.webhook_received,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_from_other_failures() {
        for (status, outcome) in [
            (Some(200), Outcome::Accepted),
            (Some(204), Outcome::Accepted),
            (Some(401), Outcome::Refused),
            (Some(403), Outcome::Refused),
            (Some(429), Outcome::Failed(Some(429))),
            (Some(-1), Outcome::Failed(None)),
            (None, Outcome::Failed(None)),
        ] {
            assert_eq!(Outcome::of(status), outcome, "{status:?}");
        }
    }
}
