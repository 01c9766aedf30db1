//! Sends the traffic: as fast as it is answered (closed model), or when it arrives whatever the
//! server does (open model).

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rand::RngExt;
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
};

use crate::{client::Connection, traffic::Traffic};

/// How long the first deliveries, which find cold caches, are left out of the latencies.
const WARM_UP: Duration = Duration::from_secs(1);

/// What the senders saw.
#[derive(Debug)]
pub struct Sent {
    /// Acknowledged deliveries per second, repeated ones included.
    pub rate: f64,
    /// In milliseconds, from when a delivery was due.
    pub latencies: Vec<f64>,
    /// By event: whether any of its deliveries was acknowledged.
    pub acknowledged: Vec<bool>,
    /// Deliveries that were answered otherwise than by 200.
    pub refused: usize,
}

struct Shared {
    traffic: Arc<Traffic>,
    next: AtomicUsize,
    acknowledged: Vec<AtomicBool>,
    refused: AtomicUsize,
}

impl Shared {
    fn new(traffic: &Arc<Traffic>) -> Arc<Self> {
        Arc::new(Self {
            acknowledged: traffic.events.iter().map(|_| false.into()).collect(),
            traffic: Arc::clone(traffic),
            next: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        })
    }

    async fn deliver(&self, connection: &mut Connection, event: usize) -> anyhow::Result<()> {
        let status = connection
            .exchange(&self.traffic.events[event].request)
            .await?;
        if status == 200 {
            self.acknowledged[event].store(true, Ordering::Relaxed);
        } else {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn sent(&self, elapsed: Duration, latencies: Vec<f64>) -> Sent {
        let refused = self.refused.load(Ordering::Relaxed);
        let answered = self.traffic.deliveries.len() - refused;
        Sent {
            rate: answered as f64 / elapsed.as_secs_f64(),
            latencies,
            acknowledged: self
                .acknowledged
                .iter()
                .map(|flag| flag.load(Ordering::Relaxed))
                .collect(),
            refused,
        }
    }
}

/// Every connection sends its next delivery as soon as the last one is answered.
pub async fn closed(
    address: SocketAddr,
    traffic: &Arc<Traffic>,
    connections: usize,
) -> anyhow::Result<Sent> {
    let shared = Shared::new(traffic);
    let connections = connect(address, connections).await?;
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for mut connection in connections {
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let place = shared.next.fetch_add(1, Ordering::Relaxed);
                let Some(&event) = shared.traffic.deliveries.get(place) else {
                    return anyhow::Ok(latencies);
                };
                let due = Instant::now();
                shared.deliver(&mut connection, event).await?;
                latencies.push(due.elapsed().as_secs_f64() * 1_000.0);
            }
        });
    }
    let latencies = join(tasks).await?;
    Ok(shared.sent(begun.elapsed(), latencies))
}

/// Deliveries arrive at random moments, so many per second on average; one that finds all
/// connections busy waits, and its latency counts from when it arrived.
pub async fn open(
    address: SocketAddr,
    traffic: &Arc<Traffic>,
    connections: usize,
    rate: f64,
) -> anyhow::Result<Sent> {
    let shared = Shared::new(traffic);
    let connections = connect(address, connections).await?;
    let (sender, arrivals) = mpsc::unbounded_channel();
    let arrivals = Arc::new(Mutex::new(arrivals));
    let begun = Instant::now();
    let deliveries = traffic.deliveries.len();
    // A thread, because the runtime's timers know only whole milliseconds.
    std::thread::spawn(move || arrive(deliveries, rate, begun, &sender));
    let mut tasks = JoinSet::new();
    for mut connection in connections {
        let shared = Arc::clone(&shared);
        let arrivals = Arc::clone(&arrivals);
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let arrival: Option<(usize, Instant)> = arrivals.lock().await.recv().await;
                let Some((place, due)) = arrival else {
                    return anyhow::Ok(latencies);
                };
                shared
                    .deliver(&mut connection, shared.traffic.deliveries[place])
                    .await?;
                if due.duration_since(begun) > WARM_UP {
                    latencies.push(due.elapsed().as_secs_f64() * 1_000.0);
                }
            }
        });
    }
    let latencies = join(tasks).await?;
    Ok(shared.sent(begun.elapsed(), latencies))
}

/// A Poisson process: the gaps between arrivals are exponentially distributed.
fn arrive(
    deliveries: usize,
    rate: f64,
    begun: Instant,
    arrivals: &mpsc::UnboundedSender<(usize, Instant)>,
) {
    let mut rng = rand::rng();
    let mut due = begun;
    for place in 0..deliveries {
        let number: f64 = rng.random();
        due += Duration::from_secs_f64(-(1.0 - number).ln() / rate);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        // Nobody listens any more once a sender has failed; that is reported by it.
        if arrivals.send((place, due)).is_err() {
            return;
        }
    }
}

async fn connect(address: SocketAddr, count: usize) -> anyhow::Result<Vec<Connection>> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        connections.push(Connection::open(address).await?);
    }
    Ok(connections)
}

async fn join(mut tasks: JoinSet<anyhow::Result<Vec<f64>>>) -> anyhow::Result<Vec<f64>> {
    let mut all = Vec::new();
    while let Some(latencies) = tasks.join_next().await {
        all.extend(latencies??);
    }
    Ok(all)
}
