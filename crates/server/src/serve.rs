//! Serving: listener, workers, and an orderly end.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use audit::upkeep::Upkeep;
use identity::{mail::Sender, tokens::KeySchedule};
use kernel::{
    Operator,
    access::api_key::UsageWriter,
    jobs::{Worker, WorkerOptions},
    telemetry::metric,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::{
    http::{self, AppState, Readiness},
    program::Program,
};

/// How long running jobs may take to finish once the node is told to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// A node that listens and works.
#[derive(Debug)]
pub struct Node {
    pub address: SocketAddr,
    program: Program,
    readiness: Readiness,
    worker: Option<Worker>,
    upkeep: Upkeep,
    mail: Option<Sender>,
    usage: UsageWriter,
    keys: KeySchedule,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Node {
    pub async fn start(program: Program) -> anyhow::Result<Self> {
        let listen = program.config.listen;
        let listener = TcpListener::bind(listen).await.with_context(|| {
            format!("{listen} can't be listened on; is another server there? Choose another by FREEHOLD_LISTEN")
        })?;
        Self::start_on(program, listener).await
    }

    pub async fn start_on(program: Program, listener: TcpListener) -> anyhow::Result<Self> {
        let address = listener.local_addr()?;
        let readiness = Readiness::ready();
        let state = AppState::new(&program, readiness.clone(), metrics()?)?;
        let mail = match program.config.mail() {
            Some(settings) => Some(Sender::start(&program.db, &settings)?),
            None => None,
        };
        let usage = UsageWriter::start(&program.db);
        let keys = KeySchedule::start(&program.tokens);
        let worker = (program.config.worker.concurrency > 0).then(|| {
            let options = WorkerOptions {
                concurrency: program.config.worker.concurrency,
                ..WorkerOptions::default()
            };
            Worker::start(&program.db, program.registry.clone(), options)
        });
        #[expect(
            clippy::disallowed_methods,
            reason = "a node carries the audit logs on as long as it runs"
        )]
        let operator = Operator::for_upkeep(&program.db);
        let upkeep = Upkeep::start(&operator, program.audit_settings()?);
        let service = http::router(state).into_make_service_with_connect_info::<SocketAddr>();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = axum::serve(listener, service).with_graceful_shutdown(async {
            // An error means that the sender is gone, which is an end as well.
            let _ = stopped.await;
        });
        let server = tokio::spawn(server.into_future());
        Ok(Self {
            address,
            program,
            readiness,
            worker,
            upkeep,
            mail,
            usage,
            keys,
            stop,
            server,
        })
    }

    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Serves until the process is asked to end, then finishes what is under way.
    pub async fn run(self) -> anyhow::Result<()> {
        asked_to_end().await?;
        tracing::info!("stopping: no new work is taken, running requests and jobs are finished");
        self.stop().await
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        self.readiness.drain();
        let _ = self.stop.send(());
        if tokio::time::timeout(DRAIN, self.server).await.is_err() {
            tracing::warn!("some connections were still open and are cut");
        }
        if let Some(worker) = self.worker {
            worker.drain(DRAIN).await;
        }
        self.upkeep.stop().await;
        if let Some(mail) = self.mail {
            mail.stop().await;
        }
        self.keys.stop().await;
        self.usage.stop().await;
        self.program.close().await
    }
}

async fn asked_to_end() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// One recorder per process; a second node in it, as tests start them, shares the first's.
fn metrics() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: std::sync::Mutex<Option<PrometheusHandle>> = std::sync::Mutex::new(None);
    let mut handle = HANDLE
        .lock()
        .map_err(|_| anyhow::anyhow!("the metrics recorder is broken"))?;
    if let Some(handle) = &*handle {
        return Ok(handle.clone());
    }
    let seconds = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    ];
    let mut builder = PrometheusBuilder::new();
    for name in [
        metric::INGEST_SECONDS,
        metric::JOB_SECONDS,
        metric::PROVIDER_SECONDS,
    ] {
        builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), &seconds)?;
    }
    let made = builder.install_recorder()?;
    *handle = Some(made.clone());
    Ok(made)
}
