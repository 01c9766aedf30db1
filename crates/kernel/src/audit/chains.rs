//! All chains of one cell, as the program itself carries them on: which have entries that are not
//! signed or delivered yet, and how far each has come. What is signed and where it goes is not
//! known here.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "which chains lag behind is asked across tenants, by the role that reads across them"
)]

use std::time::Duration;

use super::{Entry, Hash, read_entries};
use crate::{
    access::{Actor, Operator},
    db::{Db, Route, Tx},
    error::{Error, Result},
    id::{CellId, TenantId},
    permission::PlatformAuditRead,
    telemetry,
};

/// The chains of one cell.
#[derive(Clone, Debug)]
pub struct Chains {
    db: Db,
    cell: CellId,
}

/// How far a chain is ahead of what has become of it.
#[derive(Clone, Copy, Debug)]
pub struct Lag {
    pub tenant: TenantId,
    /// The chain's length and the hash that it ends in.
    pub seq: i64,
    pub hash: Hash,
    /// Whether it is time for a checkpoint.
    pub due: bool,
    /// The length at the last checkpoint.
    pub signed: i64,
    /// The length at the last checkpoint that reached its sink.
    pub sunk: i64,
    /// The last entry that was streamed.
    pub delivered: i64,
}

/// What has been carried how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// Checkpoints up to one of this size have reached the sink.
    Sunk(i64),
    /// Entries up to this one have been streamed.
    Delivered(i64),
}

impl Chains {
    /// One for each cell that the node serves.
    pub fn all(operator: &Operator<PlatformAuditRead>) -> Vec<Self> {
        let chains = operator.cells().into_iter().map(|cell| Self {
            db: operator.db().clone(),
            cell,
        });
        chains.collect()
    }

    pub fn cell(&self) -> CellId {
        self.cell
    }

    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The chains with something to sign, to sink or to deliver. Each may be of no interest; a
    /// chain is to be signed when it has grown and its last checkpoint is older than `sign`.
    pub async fn lagging(
        &self,
        sign: Option<Duration>,
        sink: bool,
        deliver: bool,
    ) -> Result<Vec<Lag>> {
        let rows = sqlx::query!(
            r#"SELECT h.tenant_id, h.seq, h.hash, COALESCE(p.signed_seq, 0) AS "signed!",
                   COALESCE(h.seq > COALESCE(p.signed_seq, 0) AND (p.signed_at IS NULL
                       OR p.signed_at < now() - make_interval(secs => $1)), false) AS "due!",
                   COALESCE(p.sunk_seq, 0) AS "sunk!", COALESCE(p.delivered_seq, 0) AS "delivered!"
               FROM cell.audit_head h LEFT JOIN cell.audit_progress p ON p.tenant_id = h.tenant_id
               WHERE ($1::float8 IS NOT NULL AND h.seq > COALESCE(p.signed_seq, 0)
                       AND (p.signed_at IS NULL OR p.signed_at < now() - make_interval(secs => $1)))
                   OR ($2 AND p.signed_seq > p.sunk_seq)
                   OR ($3 AND h.seq > COALESCE(p.delivered_seq, 0))"#,
            sign.map(|age| age.as_secs_f64()),
            sink,
            deliver
        )
        .fetch_all(&self.db.cell(self.cell)?.pools.operator)
        .await?;
        let lags = rows.into_iter().map(|row| Lag {
            tenant: row.tenant_id.into(),
            seq: row.seq,
            hash: Hash::from_slice(&row.hash).expect("the table holds hashes of 32 bytes"),
            due: row.due,
            signed: row.signed,
            sunk: row.sunk,
            delivered: row.delivered,
        });
        Ok(lags.collect())
    }

    /// Stores a checkpoint of a chain's first `size` entries.
    pub async fn sign(&self, tenant: TenantId, size: i64, note: &str) -> Result<()> {
        let mut tx = self.begin(tenant, Route::Write).await?;
        sqlx::query!(
            "WITH progress AS (
                 INSERT INTO cell.audit_progress AS p (signed_seq, signed_at) VALUES ($1, now())
                 ON CONFLICT (tenant_id) DO UPDATE
                 SET signed_seq = GREATEST(p.signed_seq, EXCLUDED.signed_seq), signed_at = now()
             )
             INSERT INTO cell.audit_checkpoint (size, note) VALUES ($1, $2)
             ON CONFLICT (tenant_id, size) DO NOTHING",
            size,
            note
        )
        .execute(tx.conn())
        .await?;
        tx.commit().await
    }

    /// Checkpoints of more than `after` entries, smallest first: size and note.
    pub async fn checkpoints(
        &self,
        tenant: TenantId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<(i64, String)>> {
        let mut tx = self.begin(tenant, Route::Read).await?;
        let rows = sqlx::query!(
            "SELECT size, note FROM cell.audit_checkpoint WHERE size > $1 ORDER BY size LIMIT $2",
            after,
            limit
        )
        .fetch_all(tx.conn())
        .await?;
        tx.commit().await?;
        Ok(rows.into_iter().map(|row| (row.size, row.note)).collect())
    }

    /// Entries after one, in order.
    pub async fn entries(&self, tenant: TenantId, after: i64, limit: i64) -> Result<Vec<Entry>> {
        let mut tx = self.begin(tenant, Route::Read).await?;
        let entries = read_entries(&mut tx, after, i64::MAX, limit).await?;
        tx.commit().await?;
        Ok(entries)
    }

    /// Remembers how far something has been carried. Never goes back.
    pub async fn carried(&self, tenant: TenantId, carried: Carried) -> Result<()> {
        let (sunk, delivered) = match carried {
            Carried::Sunk(seq) => (seq, 0),
            Carried::Delivered(seq) => (0, seq),
        };
        let mut tx = self.begin(tenant, Route::Write).await?;
        sqlx::query!(
            "INSERT INTO cell.audit_progress AS p (sunk_seq, delivered_seq) VALUES ($1, $2)
             ON CONFLICT (tenant_id) DO UPDATE
             SET sunk_seq = GREATEST(p.sunk_seq, EXCLUDED.sunk_seq),
                 delivered_seq = GREATEST(p.delivered_seq, EXCLUDED.delivered_seq)",
            sunk,
            delivered
        )
        .execute(tx.conn())
        .await?;
        tx.commit().await
    }

    /// Also into tenants that are suspended or closed: their logs do not end with their service.
    async fn begin(&self, tenant: TenantId, route: Route) -> Result<Tx> {
        let known = self.db.directory().by_id(tenant).await?;
        let tenant = known.ok_or(Error::NotFound("tenant"))?;
        let actor = Actor::new("system", "audit");
        Tx::begin(&self.db, &tenant, actor, telemetry::correlation(), route).await
    }
}
