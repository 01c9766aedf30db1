//! What calls through the proxy are counted by: the tenant's meters, with every byte.

use kernel::{telemetry::metric, usage::Counter};

/// Which way bytes go, and what counts them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    Sent,
    Received,
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
        }
    }

    fn meter(self) -> &'static str {
        match self {
            Self::Sent => "proxy.bytes_sent",
            Self::Received => "proxy.bytes_received",
        }
    }
}

/// The bytes of one body, added to the meters when it has ended, or was given up.
#[derive(Debug)]
pub(super) struct Bytes {
    counter: Counter,
    provider: String,
    direction: Direction,
    count: u64,
}

impl Bytes {
    pub fn new(counter: Counter, provider: &str, direction: Direction) -> Self {
        Self {
            counter,
            provider: provider.to_owned(),
            direction,
            count: 0,
        }
    }

    pub fn add(&mut self, count: usize) {
        self.count += count as u64;
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        let meter = self.direction.meter();
        self.counter.add(meter, &self.provider, self.count);
        metrics::counter!(metric::PROXY_BYTES, "provider" => self.provider.clone(),
            "direction" => self.direction.name())
        .increment(self.count);
    }
}
