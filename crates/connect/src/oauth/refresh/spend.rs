//! Asking the provider for new tokens by the old ones, and writing down what comes of it.

use kernel::{
    Access, Error, Result, audit::Act, error::ConflictCode, events::CredentialRefused,
    id::CredentialId, permission::Permission, secret::Secret,
};
use serde_json::json;
use time::{Duration, OffsetDateTime};
use tracing::Instrument;

use super::{Claim, POLL, reconnect, refresh_token};
use crate::{
    Connect, OpenCredential,
    catalogue::{OAuth, Provider},
    oauth::{
        exchange::{Grant, NoTokens, Tokens},
        grant::put_secret,
        schedule,
    },
    seal::{hold, seal},
};

/// How often a provider that fails is asked before the account has to be connected again: about a
/// day, at the longest pause.
const ATTEMPTS: i32 = 30;
const FIRST_PAUSE: Duration = Duration::seconds(5);
const LONGEST_PAUSE: Duration = Duration::hours(1);
/// How often writing down new tokens is tried while the database is away: they can't be had again.
const WRITES: u32 = 20;

impl Connect {
    /// Refreshes in a task of its own: a caller that goes away must not take new tokens with it.
    pub(super) async fn spend<P: Permission>(
        &self,
        access: &Access<P>,
        claim: Claim,
        credential: OpenCredential,
    ) -> Result<()> {
        #[allow(
            clippy::disallowed_methods,
            reason = "a refresh token is used up by what is asked with it, whoever still waits"
        )]
        let access = access.outliving();
        let connect = self.clone();
        let task = async move { connect.refresh(&access, claim, &credential).await };
        tokio::spawn(task.in_current_span())
            .await
            .map_err(Error::internal)?
    }

    async fn refresh<P: Permission>(
        &self,
        access: &Access<P>,
        claim: Claim,
        credential: &OpenCredential,
    ) -> Result<()> {
        let (provider, oauth) = self.consenting(&credential.provider)?;
        let id = credential.id;
        let own = credential.grant().is_some_and(|grant| grant.own_app);
        let asked = match (
            self.app_of(access, provider, own).await,
            refresh_token(provider, credential),
        ) {
            (Ok(app), Some(token)) => {
                let grant = Grant::Refresh(token);
                self.ask_for_tokens(access, provider, oauth, &app, grant)
                    .await
            }
            (Err(error), _) => Err(error),
            (_, None) => Err(reconnect(provider)),
        };
        let outcome = match asked {
            Ok(Ok(tokens)) => {
                self.store_tokens(access, claim, id, oauth, provider, &tokens)
                    .await
            }
            Ok(Err(NoTokens::Ended(detail))) => {
                self.give_up(access, claim, credential, provider, &detail)
                    .await
            }
            Ok(Err(NoTokens::Failed { detail, wait, .. })) => {
                self.pause(access, claim, credential, provider, &detail, wait)
                    .await
            }
            // No app, or an address that is not for calling: the operator's to mend.
            Err(error) => {
                let detail = error.to_string();
                self.pause(access, claim, credential, provider, &detail, None)
                    .await
            }
        };
        self.forget(access.tenant().id);
        outcome
    }

    /// Tries for as long as the lease lasts, if need be.
    async fn store_tokens<P: Permission>(
        &self,
        access: &Access<P>,
        claim: Claim,
        id: CredentialId,
        oauth: &OAuth,
        provider: &Provider,
        tokens: &Tokens,
    ) -> Result<()> {
        let mut tried = 1;
        loop {
            let stored = self
                .try_store(access, claim, id, oauth, provider, tokens)
                .await;
            match stored {
                Err(error) if tried < WRITES && (error.is_transient() || raced(&error)) => {
                    tracing::warn!(cause = ?error, credential = %id, "new tokens are not written down yet");
                    tried += 1;
                    tokio::time::sleep(POLL * tried).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn try_store<P: Permission>(
        &self,
        access: &Access<P>,
        claim: Claim,
        id: CredentialId,
        oauth: &OAuth,
        provider: &Provider,
        tokens: &Tokens,
    ) -> Result<()> {
        let account = crate::account::load(access, &provider.id).await?;
        let key = self.newest_key(access, &account).await?;
        let mut tx = access.begin().await?;
        hold(&mut tx, &key).await?;
        // First, as whoever connects it again or deletes it does: else each might wait for the other.
        sqlx::query!(
            "SELECT id FROM cell.credential WHERE id = $1 FOR NO KEY UPDATE",
            id.uuid()
        )
        .fetch_optional(tx.conn())
        .await?;
        // By the version alone: whoever has tokens for it has the right ones, also after its lease.
        let moved = sqlx::query!(
            "UPDATE cell.oauth_grant
             SET version = version + 1, expires_at = $3, refreshed_at = now(), owner = NULL,
                 owner_until = NULL, attempts = 0, next_attempt_at = NULL, last_error = NULL,
                 scopes = COALESCE($4, scopes), status = 'active'
             WHERE credential_id = $1 AND version = $2",
            id.uuid(),
            claim.version,
            tokens.expires_at,
            tokens.scopes.as_deref()
        )
        .execute(tx.conn())
        .await?;
        if moved.rows_affected() == 0 {
            // It was connected again, or disconnected, in the meantime.
            tracing::info!(credential = %id, "tokens came too late and are dropped");
            return Ok(());
        }
        let granted: [(&str, Option<&Secret>); 2] = [
            (&oauth.token.access_token.field, Some(&tokens.access_token)),
            (
                oauth
                    .token
                    .refresh_token
                    .as_ref()
                    .map_or("", |place| &place.field),
                tokens.refresh_token.as_ref(),
            ),
        ];
        for (field, value) in granted {
            if let Some(value) = value {
                put_secret(tx.conn(), id, field, &seal(&key, id, field, value), value).await?;
            }
        }
        match tokens.expires_at {
            Some(until) => schedule::begin(&mut tx, id, until).await?,
            None => schedule::end(&mut tx, id).await?,
        }
        tx.announce_credentials().await?;
        tx.commit().await
    }

    /// Waits before the next attempt, and gives up after the last.
    async fn pause<P: Permission>(
        &self,
        access: &Access<P>,
        claim: Claim,
        credential: &OpenCredential,
        provider: &Provider,
        detail: &str,
        wait: Option<Duration>,
    ) -> Result<()> {
        let mut tx = access.begin().await?;
        let attempts = sqlx::query_scalar!(
            "SELECT attempts FROM cell.oauth_grant
             WHERE credential_id = $1 AND version = $2 AND owner = $3 FOR UPDATE",
            credential.id.uuid(),
            claim.version,
            claim.owner
        )
        .fetch_optional(tx.conn())
        .await?;
        let Some(attempts) = attempts else {
            return Ok(());
        };
        if attempts >= ATTEMPTS {
            drop(tx);
            return self
                .give_up(access, claim, credential, provider, detail)
                .await;
        }
        let next = OffsetDateTime::now_utc() + pause(attempts, wait);
        sqlx::query!(
            "UPDATE cell.oauth_grant
             SET owner = NULL, owner_until = NULL, next_attempt_at = $2, last_error = $3
             WHERE credential_id = $1",
            credential.id.uuid(),
            next,
            detail
        )
        .execute(tx.conn())
        .await?;
        schedule::at(&mut tx, credential.id, next).await?;
        tx.commit().await
    }

    /// Nothing can be had by this grant any more: the tenant is told.
    async fn give_up<P: Permission>(
        &self,
        access: &Access<P>,
        claim: Claim,
        credential: &OpenCredential,
        provider: &Provider,
        detail: &str,
    ) -> Result<()> {
        let id = credential.id;
        let mut tx = access.begin().await?;
        let row = sqlx::query!(
            "UPDATE cell.oauth_grant g
             SET status = 'reconnect_required', owner = NULL, owner_until = NULL,
                 next_attempt_at = NULL, last_error = $4
             FROM cell.credential c
             WHERE c.id = g.credential_id AND g.credential_id = $1 AND g.version = $2 AND g.owner = $3
             RETURNING c.name, c.owner_id",
            id.uuid(),
            claim.version,
            claim.owner,
            detail
        )
        .fetch_optional(tx.conn())
        .await?;
        let Some(row) = row else {
            return Ok(());
        };
        schedule::end(&mut tx, id).await?;
        // So that its state is told as it is now.
        self.test_soon(&mut tx, provider, id).await?;
        tx.audit(Act {
            action: "connection.reconnect_required",
            target: id.to_string(),
            detail: json!({ "provider": provider.id, "name": row.name, "reason": detail }),
        })
        .await?;
        tx.emit(&CredentialRefused {
            credential: id,
            provider: provider.id.clone(),
            name: row.name,
            owner: row.owner_id.map(Into::into),
            reason: "reconnect_required".to_owned(),
            advice: format!("Connect the {} account again.", provider.name),
        })
        .await?;
        tx.announce_credentials().await?;
        tx.commit().await
    }
}

/// Whether the data key was replaced while the tokens were sealed.
fn raced(error: &Error) -> bool {
    matches!(
        error,
        Error::Conflict {
            code: ConflictCode::ChangedMeanwhile,
            ..
        }
    )
}

/// Twice as long with each attempt, give or take a fifth; as long as the provider asks at the least.
fn pause(attempts: i32, wait: Option<Duration>) -> Duration {
    let doublings = attempts.clamp(1, 20).unsigned_abs() - 1;
    let pause = (FIRST_PAUSE * 2_i32.pow(doublings)).min(LONGEST_PAUSE);
    let pause = pause * rand::random_range(0.8..1.2);
    wait.map_or(pause, |wait| pause.max(wait.min(24 * LONGEST_PAUSE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_respect_what_is_asked() {
        for (attempts, least, most) in [(1, 4, 6), (2, 8, 12), (4, 32, 48), (30, 2_880, 4_320)] {
            let pause = pause(attempts, None).whole_seconds();
            assert!((least..=most).contains(&pause), "{attempts}: {pause}");
        }
        assert_eq!(
            pause(1, Some(Duration::seconds(300))),
            Duration::seconds(300)
        );
    }
}
