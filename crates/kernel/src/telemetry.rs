//! The correlation id of the work at hand, and the names of the metrics.

use std::future::Future;

use crate::id::CorrelationId;

tokio::task_local! {
    static CORRELATION: CorrelationId;
}

/// Runs `work` under a correlation id, which its errors, transactions and jobs then carry.
pub async fn with_correlation<F: Future>(id: CorrelationId, work: F) -> F::Output {
    CORRELATION.scope(id, work).await
}

/// The correlation id of the request or job that is running, if there is one.
pub fn current_correlation() -> Option<CorrelationId> {
    CORRELATION.try_with(|id| *id).ok()
}

/// The current correlation id, or a new one for work that starts here.
pub fn correlation() -> CorrelationId {
    current_correlation().unwrap_or_default()
}

/// Metric names, in one place so that dashboards and code agree. Units are in the names.
pub mod metric {
    /// Counter by provider: events committed.
    pub const INGEST: &str = "freehold_ingest_events_total";
    /// Histogram in seconds: from request to acknowledgement.
    pub const INGEST_SECONDS: &str = "freehold_ingest_seconds";
    /// Counter by provider and reason: what became of each inbound request.
    pub const VERDICTS: &str = "freehold_webhook_verdicts_total";
    /// Gauge by tenant class: jobs waiting.
    pub const QUEUE_DEPTH: &str = "freehold_queue_depth";
    /// Gauge by tenant class, in seconds: how long the oldest ready job has waited.
    pub const QUEUE_AGE: &str = "freehold_queue_oldest_seconds";
    /// Counter by kind and outcome.
    pub const JOBS: &str = "freehold_jobs_total";
    /// Histogram in seconds by kind.
    pub const JOB_SECONDS: &str = "freehold_job_seconds";
    /// Counter by provider, operation and status class.
    pub const PROVIDER_CALLS: &str = "freehold_provider_calls_total";
    /// Histogram in seconds by provider and operation.
    pub const PROVIDER_SECONDS: &str = "freehold_provider_call_seconds";
    /// Counter by provider and direction (sent, received): bytes of bodies through the proxy.
    pub const PROXY_BYTES: &str = "freehold_proxy_bytes_total";
    /// Counter by cache and outcome (hit, miss).
    pub const CACHE: &str = "freehold_cache_requests_total";
    /// Counter: checkpoints signed.
    pub const AUDIT_CHECKPOINTS: &str = "freehold_audit_checkpoints_total";
    /// Counter by purpose (sink, stream) and outcome (ok, failed).
    pub const AUDIT_DELIVERIES: &str = "freehold_audit_deliveries_total";
}
