//! How often somebody may try: per account, and per network that tries come from.
//!
//! A try is taken before it is looked at, by one statement that counts it and says whether it is
//! allowed, and that is committed first. Requests that race queue on the row, on whichever node they
//! arrive, so that racing gives no guess more. Past the free tries each further one is followed by
//! a pause, twice as long as the one before.

use kernel::{
    Error, Result,
    access::{Visitor, session::digest_of},
    db::Whose,
    id::UserId,
};

use super::{Email, People};

/// The pauses of one kind of subject.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    kind: &'static str,
    /// Tries before the first pause.
    pub free: i32,
    pause_seconds: f64,
    longest_seconds: f64,
    /// Without a try for this long the count begins anew.
    forgotten_seconds: f64,
}

/// Guesses at one account's password.
pub(crate) const ACCOUNT: Limit = Limit {
    kind: "account",
    free: 5,
    pause_seconds: 30.0,
    longest_seconds: 900.0,
    forgotten_seconds: 86_400.0,
};

/// Anything that a stranger may ask for, from one network: an office may share one.
pub(crate) const NETWORK: Limit = Limit {
    kind: "network",
    free: 30,
    pause_seconds: 30.0,
    longest_seconds: 900.0,
    forgotten_seconds: 900.0,
};

/// Mails to one address.
pub(crate) const MAILBOX: Limit = Limit {
    kind: "mailbox",
    free: 5,
    pause_seconds: 300.0,
    longest_seconds: 3_600.0,
    forgotten_seconds: 3_600.0,
};

/// Reports of leaked keys, which scanners send from few addresses.
pub(crate) const REPORTS: Limit = Limit {
    kind: "reports",
    free: 100,
    pause_seconds: 1.0,
    longest_seconds: 60.0,
    forgotten_seconds: 900.0,
};

/// Guesses at one account's second factor, counted apart from those at its password: knowing the
/// password must not end this count.
pub(crate) const FACTOR: Limit = Limit {
    kind: "factor",
    free: 5,
    pause_seconds: 30.0,
    longest_seconds: 900.0,
    forgotten_seconds: 86_400.0,
};

#[derive(Debug)]
pub(crate) struct Attempts<'a>(pub &'a People);

impl Attempts<'_> {
    /// Counts a try from the visitor's network.
    pub async fn by_network(&self, visitor: &Visitor) -> Result<()> {
        match visitor.network() {
            Some(network) => self.take(NETWORK, &network).await,
            None => Ok(()),
        }
    }

    /// Counts a report of leaked keys from the visitor's network.
    pub async fn of_reports(&self, visitor: &Visitor) -> Result<()> {
        match visitor.network() {
            Some(network) => self.take(REPORTS, &network).await,
            None => Ok(()),
        }
    }

    pub async fn at_account(&self, email: &Email) -> Result<()> {
        self.take(ACCOUNT, &hashed(email)).await
    }

    pub async fn to_mailbox(&self, email: &Email) -> Result<()> {
        self.take(MAILBOX, &hashed(email)).await
    }

    pub async fn at_second_factor(&self, user: UserId) -> Result<()> {
        self.take(FACTOR, &user.to_string()).await
    }

    /// The try was no guess: the account's count ends, and the network gets its try back.
    pub async fn succeeded(&self, visitor: &Visitor, email: &Email) -> Result<()> {
        self.forgive(visitor, subject(ACCOUNT, &hashed(email)))
            .await
    }

    /// The same for a second factor.
    pub async fn second_factor_shown(&self, visitor: &Visitor, user: UserId) -> Result<()> {
        self.forgive(visitor, subject(FACTOR, &user.to_string()))
            .await
    }

    async fn forgive(&self, visitor: &Visitor, counted: String) -> Result<()> {
        let network = visitor.network().map(|text| subject(NETWORK, &text));
        let mut tx = self.0.begin(Whose::nobody()).await?;
        sqlx::query!("DELETE FROM control.attempt WHERE subject = $1", counted)
            .execute(tx.conn())
            .await?;
        sqlx::query!(
            "UPDATE control.attempt SET tries = greatest(tries - 1, 0),
                 blocked_until = CASE WHEN tries > $2 THEN blocked_until END
             WHERE subject = $1",
            network,
            NETWORK.free
        )
        .execute(tx.conn())
        .await?;
        tx.commit().await
    }

    /// The try was no guess, and says nothing of any account's password: the network gets it back.
    pub async fn forgive_network(&self, visitor: &Visitor) -> Result<()> {
        let Some(network) = visitor.network() else {
            return Ok(());
        };
        let mut tx = self.0.begin(Whose::nobody()).await?;
        sqlx::query!(
            "UPDATE control.attempt SET tries = greatest(tries - 1, 0),
                 blocked_until = CASE WHEN tries > $2 THEN blocked_until END
             WHERE subject = $1",
            subject(NETWORK, &network),
            NETWORK.free
        )
        .execute(tx.conn())
        .await?;
        tx.commit().await
    }

    /// # Errors
    /// `rate_limited`, with the rest of the pause.
    async fn take(&self, limit: Limit, name: &str) -> Result<()> {
        let subject = subject(limit, name);
        let mut tx = self.0.begin(Whose::nobody()).await?;
        // The clock, not the transaction's time: who waited for the row has waited.
        let taken = sqlx::query_scalar!(
            "INSERT INTO control.attempt AS a (subject, tries, last_at) VALUES ($1, 1, clock_timestamp())
             ON CONFLICT (subject) DO UPDATE SET
                 last_at = clock_timestamp(),
                 tries = CASE WHEN a.last_at < clock_timestamp() - make_interval(secs => $5)
                     THEN 1 ELSE a.tries + 1 END,
                 blocked_until = CASE
                     WHEN a.last_at < clock_timestamp() - make_interval(secs => $5) THEN NULL
                     WHEN a.tries + 1 >= $2 THEN clock_timestamp()
                         + make_interval(secs => least($3 * 2 ^ least(a.tries + 1 - $2, 20), $4)) END
             WHERE a.blocked_until IS NULL OR a.blocked_until <= clock_timestamp()
             RETURNING tries",
            subject,
            limit.free,
            limit.pause_seconds,
            limit.longest_seconds,
            limit.forgotten_seconds
        )
        .fetch_optional(tx.conn())
        .await?;
        if taken.is_some() {
            return tx.commit().await;
        }
        let rest = sqlx::query_scalar!(
            r#"SELECT greatest(ceil(extract(epoch FROM blocked_until - clock_timestamp())), 1)::bigint AS "rest!"
               FROM control.attempt WHERE subject = $1 AND blocked_until IS NOT NULL"#,
            subject
        )
        .fetch_optional(tx.conn())
        .await?;
        let retry_after = rest.and_then(|rest| u64::try_from(rest).ok()).unwrap_or(1);
        Err(Error::RateLimited { retry_after })
    }
}

fn subject(limit: Limit, name: &str) -> String {
    format!("{}:{name}", limit.kind)
}

/// Anybody may try any address, so the table is no place for them in the clear.
fn hashed(email: &Email) -> String {
    digest_of(email.normal())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
