//! The dispatcher's standing connection to its cell, with plans that keep up with the queue.

use std::time::{Duration, Instant};

use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};

use crate::error::{Error, Result};

/// How long a plan is believed. The queue's indexes go from empty to a great backlog and back
/// faster than statistics follow: a plan kept from when all jobs fitted into a page reads all of
/// them when they are a hundred thousand. Planning for each claim would cost more than the claim.
const PLANS: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Link {
    pool: PgPool,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    conn: PoolConnection<Postgres>,
    planned: Instant,
}

impl Link {
    pub fn new(pool: PgPool) -> Self {
        Self { pool, held: None }
    }

    pub async fn conn(&mut self) -> Result<&mut PgConnection> {
        // A closing pool waits for its connections, this one included.
        if self.pool.is_closed() {
            self.held = None;
            return Err(Error::Unavailable(sqlx::Error::PoolClosed));
        }
        let mut held = match self.held.take() {
            Some(held) => held,
            None => Held {
                conn: self.pool.acquire().await?,
                planned: Instant::now(),
            },
        };
        if held.planned.elapsed() >= PLANS {
            sqlx::raw_sql("DISCARD PLANS")
                .execute(&mut *held.conn)
                .await?;
            held.planned = Instant::now();
        }
        Ok(&mut self.held.insert(held).conn)
    }

    /// Gives the connection up after a failure, which may have been the connection's own.
    pub fn reset(&mut self) {
        if let Some(mut held) = self.held.take() {
            held.conn.close_on_drop();
        }
    }
}
