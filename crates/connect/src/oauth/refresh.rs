//! Renewing tokens, once, however many want it: on a node by taking turns, between nodes by the
//! grant's row. Whoever puts its name there, for the version that it read, asks the provider; the
//! others read the row until there is a newer version, or go on with the old token while it is good.
//!
//! New tokens are committed before anybody uses them, by comparison with the version. A node that
//! dies with them in its hands loses them: when its lease has run out the next one asks with the old
//! refresh token, which the provider takes once more or not. Where it does not, the account has to be
//! connected again, and the tenant is told so.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Instant,
};

use kernel::{
    Access, Error, Result,
    audit::Act,
    error::ConflictCode,
    events::CredentialRefused,
    id::{CredentialId, TenantId},
    permission::{CredentialsUse, Permission},
    secret::Secret,
};
use serde_json::json;
use time::{Duration, OffsetDateTime};
use tracing::Instrument;
use uuid::Uuid;

use super::{
    GrantState, conflict,
    exchange::{Grant, NoTokens, Tokens},
    grant::put_secret,
    schedule,
};
use crate::{
    Connect, OpenCredential,
    catalogue::{OAuth, Provider},
    seal::{hold, seal},
};

/// A token that ends sooner than this, and up to as much more at random, is renewed when it is used;
/// one that lasts for minutes alone, in the last quarter of its life.
const MARGIN: Duration = Duration::seconds(60);
/// A token that lasts longer than this is good for one more call.
const USABLE: Duration = Duration::seconds(5);
/// How long whoever refreshes is waited for before it is taken for dead: longer than a request to a
/// provider may take, and what is written after it.
const LEASE: std::time::Duration = std::time::Duration::from_secs(90);
/// How long a caller waits for somebody else's refresh.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
/// Between two looks at somebody else's refresh.
const POLL: std::time::Duration = std::time::Duration::from_millis(50);
/// How often a provider that fails is asked before the account has to be connected again: about a
/// day, at the longest pause.
const ATTEMPTS: i32 = 30;
const FIRST_PAUSE: Duration = Duration::seconds(5);
const LONGEST_PAUSE: Duration = Duration::hours(1);
/// How often writing down new tokens is tried while the database is away: they can't be had again.
const WRITES: u32 = 20;

/// When the clock looks again whether a renewal was done; longer than a lease lasts.
const AGAIN: Duration = Duration::minutes(2);

type Turns = HashMap<(TenantId, CredentialId), Weak<tokio::sync::Mutex<()>>>;

/// Whose turn it is on this node.
#[derive(Debug, Default)]
pub(crate) struct Refreshes {
    turns: Mutex<Turns>,
}

impl Refreshes {
    fn turn(&self, key: (TenantId, CredentialId)) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(key, Arc::downgrade(&turn));
        turn
    }

    fn is_taken(&self, key: (TenantId, CredentialId)) -> bool {
        let turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.get(&key).and_then(Weak::upgrade);
        turn.is_some_and(|turn| turn.try_lock().is_err())
    }
}

/// A refresh that this node may do.
#[derive(Debug, Clone, Copy)]
struct Claim {
    owner: Uuid,
    version: i64,
}

/// What came of asking to refresh.
enum Asked {
    Ours(Claim),
    /// Somebody has done it.
    Done,
    /// Somebody is at it.
    Under,
    /// The provider failed, and is asked again later.
    Pausing(String),
}

fn reconnect(provider: &Provider) -> Error {
    conflict(
        ConflictCode::ReconnectRequired,
        format!(
            "{} takes this connection's tokens no longer; connect the account again",
            provider.name
        ),
    )
}

impl Connect {
    /// The credential as a call needs it now, where that is not as it was opened: with renewed
    /// tokens, or with the key of the app that is installed.
    ///
    /// # Errors
    /// `reconnect_required`; [`Error::Provider`] where a token has ended and none can be had now.
    pub(crate) async fn current<P: Permission>(
        &self,
        access: &Access<P>,
        credential: &OpenCredential,
    ) -> Result<Option<OpenCredential>> {
        let Some(grant) = credential.grant() else {
            return Ok(None);
        };
        let provider = self.known_provider(&credential.provider)?;
        if grant.reconnect {
            return Err(reconnect(provider));
        }
        if grant.installation {
            let own = grant.own_app;
            return self.with_app_key(access, credential, own).await.map(Some);
        }
        match grant.expires_at {
            // Somebody on this node is at it, and the token is good while they are.
            Some(until)
                if until > OffsetDateTime::now_utc() + USABLE
                    && self
                        .refreshes()
                        .is_taken((access.tenant().id, credential.id)) =>
            {
                Ok(None)
            }
            Some(until) if until <= OffsetDateTime::now_utc() + margin(until - grant.since) => {
                self.refreshed(access, credential).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Renews a token that ends soon, when the clock says so.
    pub(super) async fn refresh_by_clock(
        &self,
        access: &Access<CredentialsUse>,
        id: CredentialId,
    ) -> Result<()> {
        let mut tx = access.read().await?;
        let provider = sqlx::query_scalar!(
            "SELECT provider FROM cell.oauth_grant WHERE credential_id = $1",
            id.uuid()
        )
        .fetch_optional(tx.conn())
        .await?
        .ok_or(Error::NotFound("connection"))?;
        tx.commit().await?;
        let credential = self.resolve_fresh(access, &provider, id).await?;
        let soon = OffsetDateTime::now_utc() + 3 * schedule::LEAD;
        let ends = credential.grant().and_then(|grant| grant.expires_at);
        if ends.is_some_and(|ends| ends <= soon) {
            // Where somebody else is at it, it is looked at again: they may have died meanwhile. A
            // renewal, a pause and the end of the grant each set another time.
            let mut tx = access.begin().await?;
            schedule::at(&mut tx, id, OffsetDateTime::now_utc() + AGAIN).await?;
            tx.commit().await?;
            self.refreshed(access, &credential).await?;
        }
        Ok(())
    }

    /// The credential with newer tokens than it was opened with, or with those while they are good
    /// and newer ones can't be had.
    async fn refreshed<P: Permission>(
        &self,
        access: &Access<P>,
        credential: &OpenCredential,
    ) -> Result<OpenCredential> {
        let provider = self.known_provider(&credential.provider)?;
        let id = credential.id;
        let before = credential.grant().map(|grant| grant.version);
        let key = (access.tenant().id, id);
        let turn = self.refreshes().turn(key);
        let begun = Instant::now();
        let _turn = turn.lock().await;
        loop {
            let now = self.resolve_for(access, &provider.id, Some(id)).await?;
            let grant = now.grant().ok_or(Error::NotFound("connection"))?;
            if grant.reconnect {
                return Err(reconnect(provider));
            }
            let Some(until) = grant.expires_at.filter(|_| Some(grant.version) <= before) else {
                return Ok(now);
            };
            let usable = until > OffsetDateTime::now_utc() + USABLE;
            if refresh_token(provider, &now).is_none() {
                // Nothing to renew it with: it is good until its end.
                return if usable {
                    Ok(now)
                } else {
                    Err(reconnect(provider))
                };
            }
            match self.claim_refresh(access, id, grant).await? {
                Asked::Ours(claim) => self.spend(access, claim, now).await?,
                Asked::Done => self.forget(access.tenant().id),
                Asked::Under | Asked::Pausing(_) if usable => return Ok(now),
                Asked::Pausing(detail) => return Err(unavailable(provider, detail)),
                Asked::Under if begun.elapsed() > PATIENCE => {
                    let detail = "the token has ended, and its renewal takes long".to_owned();
                    return Err(unavailable(provider, detail));
                }
                Asked::Under => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Puts this node's name on the grant, unless somebody else's is there or it has changed.
    async fn claim_refresh<P: Permission>(
        &self,
        access: &Access<P>,
        id: CredentialId,
        grant: &GrantState,
    ) -> Result<Asked> {
        let owner = Uuid::now_v7();
        let mut tx = access.begin().await?;
        let claimed = sqlx::query!(
            "UPDATE cell.oauth_grant
             SET owner = $2, owner_until = now() + make_interval(secs => $3), attempts = attempts + 1
             WHERE credential_id = $1 AND version = $4 AND status = 'active'
                 AND (owner IS NULL OR owner_until < now())
                 AND (next_attempt_at IS NULL OR next_attempt_at <= now())",
            id.uuid(),
            owner,
            LEASE.as_secs_f64(),
            grant.version
        )
        .execute(tx.conn())
        .await?;
        if claimed.rows_affected() == 1 {
            tx.commit().await?;
            let version = grant.version;
            return Ok(Asked::Ours(Claim { owner, version }));
        }
        let row = sqlx::query!(
            r#"SELECT version, status, last_error,
                   owner IS NOT NULL AND owner_until >= now() AS "taken!"
               FROM cell.oauth_grant WHERE credential_id = $1"#,
            id.uuid()
        )
        .fetch_optional(tx.conn())
        .await?
        .ok_or(Error::NotFound("connection"))?;
        tx.commit().await?;
        Ok(match row.taken {
            _ if row.version != grant.version || row.status != "active" => Asked::Done,
            true => Asked::Under,
            false => Asked::Pausing(row.last_error.unwrap_or_default()),
        })
    }

    /// Refreshes in a task of its own: a caller that goes away must not take new tokens with it.
    async fn spend<P: Permission>(
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

/// How long before its end a token of such a life is renewed.
fn margin(life: Duration) -> Duration {
    let jitter = Duration::seconds(rand::random_range(0..MARGIN.whole_seconds()));
    (MARGIN + jitter).min(life / 4)
}

fn unavailable(provider: &Provider, detail: String) -> Error {
    Error::Provider {
        provider: provider.id.clone(),
        status: None,
        detail,
        retryable: true,
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

fn refresh_token<'a>(provider: &Provider, credential: &'a OpenCredential) -> Option<&'a Secret> {
    let place = provider.oauth.as_ref()?.token.refresh_token.as_ref()?;
    credential.secret(&place.field).ok()
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

    #[test]
    fn margins_suit_the_life_of_a_token() {
        assert!(margin(Duration::hours(1)) >= MARGIN);
        assert!(margin(Duration::hours(1)) < 2 * MARGIN);
        assert_eq!(margin(Duration::seconds(8)), Duration::seconds(2));
    }

    #[test]
    fn a_turn_is_one_while_somebody_has_it() {
        let refreshes = Refreshes::default();
        let key = (TenantId::new(), CredentialId::new());
        let one = refreshes.turn(key);
        assert!(Arc::ptr_eq(&one, &refreshes.turn(key)));
        assert!(!Arc::ptr_eq(
            &one,
            &refreshes.turn((key.0, CredentialId::new()))
        ));
        drop(one);
        refreshes.turn((TenantId::new(), CredentialId::new()));
        assert_eq!(refreshes.turns.lock().expect("sound").len(), 1);
    }
}
