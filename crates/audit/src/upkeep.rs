//! What the program does with the logs by itself: signs checkpoints, hands them to the sink, and
//! streams entries. One node at a time does it, by a lease; what it finds to do stands in the
//! database, so that it goes on where the node before it stopped.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use kernel::{
    Operator, Result,
    audit::{Carried, Chains, Lag},
    id::TenantId,
    lease::Lease,
    permission::PlatformAuditRead,
    telemetry::metric,
};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    destination::{DeliveryError, Destination, Message},
    key::SigningKey,
    note::{Checkpoint, origin},
};

/// Between two looks at what is to do.
const POLL: Duration = Duration::from_secs(1);
/// Between two looks at what is to be signed, at most.
const LONGEST_LOOK: Duration = Duration::from_secs(30);
/// A node that is gone is succeeded after this.
const LEASE: Duration = Duration::from_secs(30);
/// How long a pass may go on once the node is told to stop. What is cut off is repeated.
const GRACE: Duration = Duration::from_secs(5);
/// Messages of one log that are delivered before the next look.
const BATCH: i64 = 100;
/// Logs that are delivered from at a time.
const AT_ONCE: usize = 8;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is done, how often, and where to.
#[derive(Debug)]
pub struct Settings {
    pub key: SigningKey,
    /// Between two checkpoints of a log that grows.
    pub interval: Duration,
    /// Takes checkpoints.
    pub sink: Option<Destination>,
    /// Takes entries.
    pub stream: Option<Destination>,
}

/// The running upkeep of one node.
#[derive(Debug)]
pub struct Upkeep {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Upkeep {
    pub fn start(operator: &Operator<PlatformAuditRead>, settings: Settings) -> Self {
        let settings = Arc::new(settings);
        let (stop, stopped) = watch::channel(false);
        let tasks = Chains::all(operator).into_iter().map(|chains| {
            let carrier = Carrier::new(chains, Arc::clone(&settings));
            tokio::spawn(carrier.run(stopped.clone()))
        });
        Self {
            tasks: tasks.collect(),
            stop,
        }
    }

    /// Finishes what is under way and lets the next node go on at once.
    pub async fn stop(self) {
        // An error means that no task is left, which is an end as well.
        let _ = self.stop.send(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(cause = ?error, "the audit upkeep broke off");
            }
        }
    }
}

/// What may be to do for a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Task {
    Sign,
    Sink,
    Stream,
}

/// What became of a delivery.
type Outcome = std::result::Result<(), DeliveryError>;

impl Task {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sign => "sign",
            Self::Sink => "sink",
            Self::Stream => "stream",
        }
    }
}

/// Carries the chains of one cell on.
struct Carrier {
    chains: Chains,
    settings: Arc<Settings>,
    /// Logs whose last delivery failed: how often in a row, and until when they are left alone.
    paused: HashMap<(TenantId, Task), (u32, Instant)>,
    /// When it was last asked what is to be signed.
    looked: Option<Instant>,
}

impl Carrier {
    fn new(chains: Chains, settings: Arc<Settings>) -> Self {
        Self {
            chains,
            settings,
            paused: HashMap::new(),
            looked: None,
        }
    }

    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let name = format!("audit:{}", self.chains.cell());
        let lease = Lease::new(self.chains.db(), name, LEASE);
        while !*stopped.borrow() {
            if let Err(error) = self.pass_under(&lease, &mut stopped).await {
                tracing::warn!(cause = ?error, "the audit logs can't be carried on");
            }
            // Ended by the wish to stop, or by its sender's end; both show in the loop's condition.
            let _ = tokio::time::timeout(POLL, stopped.changed()).await;
        }
    }

    /// One pass, if there is anything to do and no other node is at it. The lease is taken for the
    /// pass alone: an installation where nothing happens writes nothing.
    async fn pass_under(
        &mut self,
        lease: &Lease,
        stopped: &mut watch::Receiver<bool>,
    ) -> Result<()> {
        let looks = self
            .looked
            .is_none_or(|at| at.elapsed() >= self.settings.interval.min(LONGEST_LOOK));
        let sign = looks.then_some(self.settings.interval);
        let (sink, stream) = (self.settings.sink.is_some(), self.settings.stream.is_some());
        if !looks && !sink && !stream {
            return Ok(());
        }
        let found = self.chains.lagging(sign, sink, stream).await?;
        if looks {
            self.looked = Some(Instant::now());
        }
        if self.wanted(&found).is_empty() || !lease.hold().await? {
            return Ok(());
        }
        // Read again, because what was found may have been done by the node that held the lease.
        let found = self.chains.lagging(sign, sink, stream).await?;
        let work = self.wanted(&found);
        let outcomes = {
            let mut pass = std::pin::pin!(self.pass(work));
            let mut prolong = tokio::time::interval(LEASE / 3);
            loop {
                tokio::select! {
                    outcomes = &mut pass => break Some(outcomes),
                    _ = prolong.tick() => if !lease.hold().await? {
                        // Another node is at it now, and what is given up here is its to repeat.
                        break None;
                    },
                    _ = stopped.changed() => break tokio::time::timeout(GRACE, pass).await.ok(),
                }
            }
        };
        lease.release().await?;
        for (what, outcome) in outcomes.into_iter().flatten() {
            match outcome {
                Ok(outcome) => self.settle(what, outcome),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn wanted(&self, found: &[Lag]) -> Vec<(Lag, Task)> {
        let (sink, stream) = (self.settings.sink.is_some(), self.settings.stream.is_some());
        let now = Instant::now();
        let mut work = Vec::new();
        for lag in found {
            let tasks = [
                (Task::Sign, lag.due),
                (Task::Sink, sink && lag.signed > lag.sunk),
                (Task::Stream, stream && lag.seq > lag.delivered),
            ];
            for (task, is_wanted) in tasks {
                let pause = self.paused.get(&(lag.tenant, task));
                if is_wanted && pause.is_none_or(|(_, until)| *until <= now) {
                    work.push((*lag, task));
                }
            }
        }
        work
    }

    /// Does what is to do, several logs at a time. Only failures of our own are errors.
    async fn pass(&self, work: Vec<(Lag, Task)>) -> Vec<((TenantId, Task), Result<Outcome>)> {
        futures_util::stream::iter(work)
            .map(|(lag, task)| async move {
                let outcome = match task {
                    Task::Sign => self.sign(&lag).await.map(Ok),
                    Task::Sink => self.sink(&lag).await,
                    Task::Stream => self.stream(&lag).await,
                };
                ((lag.tenant, task), outcome)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await
    }

    async fn sign(&self, lag: &Lag) -> Result<()> {
        let key = &self.settings.key;
        let checkpoint = Checkpoint {
            origin: origin(key.verifier(), &lag.tenant.to_string()),
            size: lag.seq,
            hash: lag.hash,
        };
        self.chains
            .sign(lag.tenant, lag.seq, &checkpoint.sign(key))
            .await?;
        metrics::counter!(metric::AUDIT_CHECKPOINTS).increment(1);
        Ok(())
    }

    async fn sink(&self, lag: &Lag) -> Result<Outcome> {
        let Some(sink) = &self.settings.sink else {
            return Ok(Ok(()));
        };
        let log = lag.tenant.to_string();
        let notes = self.chains.checkpoints(lag.tenant, lag.sunk, BATCH).await?;
        let messages: Vec<Message<'_>> = notes
            .iter()
            .map(|(size, note)| Message::Checkpoint {
                log: &log,
                size: *size,
                note,
            })
            .collect();
        let (taken, outcome) = sink.deliver(&messages).await;
        if let Some(last) = taken.checked_sub(1) {
            let carried = Carried::Sunk(notes[last].0);
            self.chains.carried(lag.tenant, carried).await?;
        }
        Ok(outcome)
    }

    async fn stream(&self, lag: &Lag) -> Result<Outcome> {
        let Some(stream) = &self.settings.stream else {
            return Ok(Ok(()));
        };
        let entries = self
            .chains
            .entries(lag.tenant, lag.delivered, BATCH)
            .await?;
        let messages: Vec<Message<'_>> = entries.iter().map(Message::Entry).collect();
        let (taken, outcome) = stream.deliver(&messages).await;
        if let Some(last) = taken.checked_sub(1) {
            let carried = Carried::Delivered(entries[last].seq);
            self.chains.carried(lag.tenant, carried).await?;
        }
        Ok(outcome)
    }

    /// Leaves a log alone for a while whose delivery failed, longer each time.
    fn settle(&mut self, what: (TenantId, Task), outcome: Outcome) {
        let (tenant, task) = what;
        let purpose = task.as_str();
        if task != Task::Sign {
            let said = if outcome.is_ok() { "ok" } else { "failed" };
            metrics::counter!(metric::AUDIT_DELIVERIES, "purpose" => purpose, "outcome" => said)
                .increment(1);
        }
        let Err(error) = outcome else {
            self.paused.remove(&what);
            return;
        };
        let (failures, until) = self.paused.entry(what).or_insert((0, Instant::now()));
        let pause = FIRST_PAUSE
            .saturating_mul(1 << (*failures).min(16))
            .min(LONGEST_PAUSE);
        *failures += 1;
        *until = Instant::now() + pause;
        let seconds = pause.as_secs();
        tracing::warn!(%tenant, purpose, cause = ?error, seconds, "the audit log can't be delivered; it is tried again");
    }
}
