//! Durable storage of inbound webhooks by group commit.
//!
//! Requests that arrive while a commit is under way wait together and share the next transaction:
//! one statement, one flush to disk, for many events of many tenants. Row-level security holds for
//! every row: the transaction names the set of tenants whose access was presented, and the policy
//! of `freehold_ingest` checks each row against it.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "its transactions name every tenant of their batch"
)]

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, OnceLock},
};

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};
use time::OffsetDateTime;
use tokio::sync::{Mutex, mpsc, oneshot};
use uuid::Uuid;

use crate::{
    access::Access,
    db::{Cell, Db},
    error::{Error, Result},
    events::{InboundStored, Subscriptions, inbound, installed},
    id::{CorrelationId, InboundEventId, JobId},
    jobs::DEFAULT_MAX_ATTEMPTS,
    permission::InboundReceive,
    telemetry::metric,
};

/// Requests that share a transaction at most.
const BATCH: usize = 128;
/// Transactions under way at a time, per cell: one flushes while the next is being filled.
const WRITERS: usize = 2;
/// Requests that may wait before senders are held back.
const WAITING: usize = 4096;

/// One event to store.
#[derive(Debug)]
pub struct NewInbound {
    pub id: InboundEventId,
    pub provider: String,
    /// The provider's own id of the event, or a hash of its body.
    pub dedup_key: String,
    pub event_kind: String,
    pub received_at: OffsetDateTime,
    pub url: String,
    /// Without the headers that carry static secrets.
    pub headers: Value,
    /// The bytes as received; only where all of them belong to this tenant.
    pub body: Option<Vec<u8>>,
    /// This event's part of a batch.
    pub payload: Option<Vec<u8>>,
    pub verdict: String,
    /// What serialises its processing: usually the sender's address.
    pub ordering_key: Option<String>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    New,
    Duplicate,
}

/// The events of one request, with the tenant that its access stands for.
struct Request {
    tenant: Uuid,
    epoch: i64,
    actor: String,
    correlation: CorrelationId,
    events: Vec<NewInbound>,
    done: oneshot::Sender<Result<Vec<Stored>>>,
}

impl Access<InboundReceive> {
    /// Stores events and returns once they are durable, one outcome for each. All or none.
    pub async fn store(&self, events: Vec<NewInbound>) -> Result<Vec<Stored>> {
        let (done, outcome) = oneshot::channel();
        let request = Request {
            tenant: self.tenant().id.uuid(),
            epoch: self.tenant().epoch,
            actor: self.actor().to_string(),
            correlation: self.correlation(),
            events,
            done,
        };
        let gone = || Error::Unavailable(sqlx::Error::PoolClosed);
        let cell = self.db().cell(self.tenant().cell)?;
        cell.ingest.send(request).await.map_err(|_| gone())?;
        let stored = outcome.await.map_err(|_| gone())?;
        if matches!(stored, Err(Error::StaleEpoch)) {
            self.db().directory().forget(self.tenant());
        }
        stored
    }
}

/// The way to a cell's writers.
#[derive(Debug)]
pub(crate) struct Sender(mpsc::Sender<Request>);

impl Sender {
    async fn send(
        &self,
        request: Request,
    ) -> std::result::Result<(), mpsc::error::SendError<Request>> {
        self.0.send(request).await
    }
}

/// A channel whose receiving end [`start`] will serve.
pub(crate) struct Inbox(mpsc::Receiver<Request>);

pub(crate) fn channel() -> (Sender, Inbox) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Sender(sender), Inbox(receiver))
}

/// Starts a cell's writers. They end when the last `Db` is dropped.
pub(crate) fn start(db: &Db, cell: &Arc<Cell>, inbox: Inbox) {
    let inbox = Arc::new(Mutex::new(inbox.0));
    for _ in 0..WRITERS {
        let writer = Writer {
            inbox: Arc::clone(&inbox),
            pool: cell.pools.ingest.clone(),
            // Weak, because the cell owns the sender that keeps this task alive.
            cell: Arc::downgrade(cell),
            subscriptions: Arc::clone(db.subscriptions()),
        };
        tokio::spawn(writer.run());
    }
}

struct Writer {
    inbox: Arc<Mutex<mpsc::Receiver<Request>>>,
    pool: PgPool,
    cell: std::sync::Weak<Cell>,
    subscriptions: Arc<OnceLock<Subscriptions>>,
}

impl Writer {
    async fn run(self) {
        loop {
            let mut batch = Vec::new();
            if self.inbox.lock().await.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
            self.commit(batch).await;
            if let Some(cell) = self.cell.upgrade() {
                cell.wake.notify_one();
            }
        }
    }

    /// Commits a batch. Where it fails for a reason of its content, each request is tried alone,
    /// so that one bad one does not refuse its neighbours.
    async fn commit(&self, batch: Vec<Request>) {
        match self.insert(&batch).await {
            Ok(outcomes) => settle(batch, outcomes),
            Err(Error::Internal(_)) if batch.len() > 1 => {
                for request in batch {
                    let alone = [request];
                    let outcome = self.insert(&alone).await;
                    let [request] = alone;
                    let outcome =
                        outcome.and_then(|mut all| all.pop().unwrap_or(Err(Error::StaleEpoch)));
                    // The sender may have gone away; what is stored stays stored.
                    let _ = request.done.send(outcome);
                }
            }
            Err(error) => {
                let text = error.to_string();
                for request in batch {
                    let error = match &error {
                        Error::Unavailable(_) => Error::Unavailable(sqlx::Error::PoolClosed),
                        _ => Error::internal(anyhow::anyhow!(text.clone())),
                    };
                    let _ = request.done.send(Err(error));
                }
            }
        }
    }

    async fn insert(&self, batch: &[Request]) -> Result<Vec<Result<Vec<Stored>>>> {
        let rows = Rows::of(batch, installed(&self.subscriptions)?)?;
        let tenants: BTreeSet<Uuid> = batch.iter().map(|request| request.tenant).collect();
        let list = tenants
            .iter()
            .map(Uuid::to_string)
            .collect::<Vec<_>>()
            .join(",");
        // One plan serves every batch; left to itself, Postgres plans each of them anew.
        let begin = format!(
            "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan; \
             SET LOCAL freehold.tenant_ids = '{{{list}}}'"
        );
        let mut tx = self.pool.begin_with(AssertSqlSafe(begin)).await?;
        let known = rows.insert(&mut tx).await?;
        tx.commit().await?;
        Ok(batch
            .iter()
            .map(|request| outcome(request, &known))
            .collect())
    }
}

fn settle(batch: Vec<Request>, outcomes: Vec<Result<Vec<Stored>>>) {
    for (request, outcome) in batch.into_iter().zip(outcomes) {
        if let Ok(stored) = &outcome {
            for (event, stored) in request.events.iter().zip(stored) {
                let stored = if *stored == Stored::New {
                    "new"
                } else {
                    "duplicate"
                };
                metrics::counter!(metric::INGEST, "provider" => event.provider.clone(), "outcome" => stored).increment(1);
            }
        }
        let _ = request.done.send(outcome);
    }
}

/// An event that the statement did not report back was under an epoch that the cell does not know.
fn outcome(request: &Request, known: &HashMap<Uuid, bool>) -> Result<Vec<Stored>> {
    request
        .events
        .iter()
        .map(|event| match known.get(&event.id.uuid()) {
            Some(true) => Ok(Stored::New),
            Some(false) => Ok(Stored::Duplicate),
            None => Err(Error::StaleEpoch),
        })
        .collect()
}

/// The batch as columns, which is how one statement takes many rows.
#[derive(Default)]
struct Rows<'a> {
    tenant: Vec<Uuid>,
    epoch: Vec<i64>,
    id: Vec<Uuid>,
    provider: Vec<&'a str>,
    dedup_key: Vec<&'a str>,
    event_kind: Vec<&'a str>,
    received_at: Vec<OffsetDateTime>,
    url: Vec<&'a str>,
    headers: Vec<&'a Value>,
    body: Vec<Option<&'a [u8]>>,
    payload: Vec<Option<&'a [u8]>>,
    verdict: Vec<&'a str>,
    correlation: Vec<Uuid>,
    job_event: Vec<Uuid>,
    job_id: Vec<Uuid>,
    job_kind: Vec<&'static str>,
    job_payload: Vec<Value>,
    job_ordering: Vec<Option<&'a str>>,
    job_actor: Vec<&'a str>,
    job_correlation: Vec<Uuid>,
}

impl<'a> Rows<'a> {
    /// Sorted by key, so that two transactions that carry the same duplicates lock them in the
    /// same order and cannot deadlock.
    fn of(batch: &'a [Request], subscriptions: &Subscriptions) -> Result<Self> {
        let mut events: Vec<(&Request, &NewInbound)> = batch
            .iter()
            .flat_map(|request| request.events.iter().map(move |event| (request, event)))
            .collect();
        events.sort_by(|(a, left), (b, right)| {
            (a.tenant, &left.provider, &left.dedup_key).cmp(&(
                b.tenant,
                &right.provider,
                &right.dedup_key,
            ))
        });
        let mut rows = Self::default();
        for (request, event) in events {
            rows.tenant.push(request.tenant);
            rows.epoch.push(request.epoch);
            rows.id.push(event.id.uuid());
            rows.provider.push(&event.provider);
            rows.dedup_key.push(&event.dedup_key);
            rows.event_kind.push(&event.event_kind);
            rows.received_at.push(event.received_at);
            rows.url.push(&event.url);
            rows.headers.push(&event.headers);
            rows.body.push(event.body.as_deref());
            rows.payload.push(event.payload.as_deref());
            rows.verdict.push(&event.verdict);
            rows.correlation.push(request.correlation.uuid());
            for kind in subscriptions.of(&inbound(&event.provider)) {
                let payload = InboundStored { event: event.id };
                rows.job_event.push(event.id.uuid());
                rows.job_id.push(JobId::new().uuid());
                rows.job_kind.push(kind);
                rows.job_payload
                    .push(serde_json::to_value(payload).map_err(Error::internal)?);
                rows.job_ordering.push(event.ordering_key.as_deref());
                rows.job_actor.push(&request.actor);
                rows.job_correlation.push(request.correlation.uuid());
            }
        }
        Ok(rows)
    }

    /// Stores what is new together with its jobs. Gives back each event that the cell's epochs
    /// admit, and whether it was new.
    ///
    /// Written for the one generic plan, which knows no sizes: a join of two steps would compare
    /// each row with each. So the answer names what was new a second time instead of joining it,
    /// and jobs carry what they share with their event.
    async fn insert(&self, tx: &mut sqlx::PgTransaction<'_>) -> Result<HashMap<Uuid, bool>> {
        let known = sqlx::query!(
            r#"WITH input AS MATERIALIZED (
                   SELECT i.* FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::text[],
                       $6::text[], $7::timestamptz[], $8::text[], $9::jsonb[], $10::bytea[], $11::bytea[],
                       $12::text[], $13::uuid[])
                   AS i (tenant_id, epoch, id, provider, dedup_key, event_kind, received_at, url, headers,
                       body, payload, verdict, correlation_id)
                   JOIN cell.tenancy t ON t.tenant_id = i.tenant_id AND t.epoch = i.epoch
               ), stored AS (
                   INSERT INTO cell.inbound_event (tenant_id, id, provider, dedup_key, event_kind,
                       received_at, url, headers, body, payload, verdict, correlation_id)
                   SELECT tenant_id, id, provider, dedup_key, event_kind, received_at, url, headers,
                       body, payload, verdict, correlation_id FROM input
                   ON CONFLICT (tenant_id, provider, dedup_key) DO NOTHING
                   RETURNING tenant_id, id
               ), job AS (
                   INSERT INTO cell.job (tenant_id, id, kind, payload, state, max_attempts,
                       ordering_key, actor, correlation_id)
                   SELECT s.tenant_id, j.id, j.kind, j.payload, 'ready', $21, j.ordering_key, j.actor,
                       j.correlation_id
                   FROM unnest($14::uuid[], $15::uuid[], $16::text[], $17::jsonb[], $18::text[], $19::text[],
                       $20::uuid[])
                       AS j (event_id, id, kind, payload, ordering_key, actor, correlation_id)
                   JOIN stored s ON s.id = j.event_id
               )
               SELECT id AS "id!", false AS "new!" FROM input
               UNION ALL SELECT id, true FROM stored"#,
            &self.tenant,
            &self.epoch,
            &self.id,
            &self.provider as &[&str],
            &self.dedup_key as &[&str],
            &self.event_kind as &[&str],
            &self.received_at,
            &self.url as &[&str],
            &self.headers as &[&Value],
            &self.body as &[Option<&[u8]>],
            &self.payload as &[Option<&[u8]>],
            &self.verdict as &[&str],
            &self.correlation,
            &self.job_event,
            &self.job_id,
            &self.job_kind as &[&str],
            &self.job_payload,
            &self.job_ordering as &[Option<&str>],
            &self.job_actor as &[&str],
            &self.job_correlation,
            DEFAULT_MAX_ATTEMPTS,
        )
        .fetch_all(&mut **tx)
        .await?;
        let mut new = HashMap::with_capacity(known.len());
        for row in known {
            *new.entry(row.id).or_default() |= row.new;
        }
        Ok(new)
    }
}
