//! Renewing tokens, once, however many want it: on a node by taking turns, between nodes by the
//! grant's row. Whoever puts its name there, for the version that it read, asks the provider; the
//! others read the row until there is a newer version, or go on with the old token while it is good.
//!
//! New tokens are committed before anybody uses them, by comparison with the version. A node that
//! dies with them in its hands loses them: when its lease has run out the next one asks with the old
//! refresh token, which the provider takes once more or not. Where it does not, the account has to be
//! connected again, and the tenant is told so.
//!
//! Here: who refreshes, and who waits. In `spend`: what is asked, and what comes of it.

mod spend;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Instant,
};

use kernel::{
    Access, Error, Result,
    error::ConflictCode,
    id::{CredentialId, TenantId},
    permission::{CredentialsUse, Permission},
    secret::Secret,
};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{GrantState, conflict, schedule};
use crate::{Connect, OpenCredential, catalogue::Provider};

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

fn refresh_token<'a>(provider: &Provider, credential: &'a OpenCredential) -> Option<&'a Secret> {
    let place = provider.oauth.as_ref()?.token.refresh_token.as_ref()?;
    credential.secret(&place.field).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
