//! The running sandbox: one loopback server, the state behind it, and the path that every request
//! takes through faults, provider and record.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::to_bytes,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::any,
};
use http::StatusCode;
use time::OffsetDateTime;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::{
    accounts::{Accounts, names_a_secret},
    call::{Call, Wire},
    control,
    faults::{Fault, Faults},
    lock,
    media::MediaStore,
    oauth::OAuthServer,
    oidc::OidcIssuer,
    provider::Provider,
    record::{self, Received, Record},
    senders::{Outgoing, Retries},
    service::Objects,
    smtp::SmtpSink,
};

/// Larger than any body that a simulated provider takes.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// How long a stop waits for answers that are under way, such as slow ones.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Providers report a delivery after they have answered the call that asked for it, though nothing
/// guarantees the order; this pause keeps the usual one.
const BEFORE_EACH_STATUS: Duration = Duration::from_millis(50);

/// A running sandbox. Dropping it aborts the server and every webhook still to be sent.
#[derive(Debug)]
pub struct Sandbox {
    simulation: Arc<Simulation>,
    stop: watch::Sender<bool>,
    server: Option<JoinHandle<()>>,
}

/// The state that all providers share.
#[derive(Debug)]
pub(crate) struct Simulation {
    pub accounts: Accounts,
    pub faults: Faults,
    pub record: Record,
    pub media: MediaStore,
    pub oauth: OAuthServer,
    pub oidc: OidcIssuer,
    pub objects: Objects,
    pub mail: SmtpSink,
    pub client: reqwest::Client,
    address: SocketAddr,
    /// Webhooks under way; dropping the set aborts them.
    webhooks: Mutex<JoinSet<()>>,
}

impl Sandbox {
    /// Binds the address (port 0 for a free one) and begins to serve.
    ///
    /// # Errors
    /// When the address cannot be bound or the client for webhooks cannot be built.
    pub async fn start(address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let simulation = Arc::new(Simulation {
            accounts: Accounts::default(),
            faults: Faults::default(),
            record: Record::default(),
            media: MediaStore::default(),
            oauth: OAuthServer::default(),
            oidc: OidcIssuer::default(),
            objects: Objects::default(),
            mail: SmtpSink::start((address.ip(), 0).into()).await?,
            // A webhook goes straight to its receiver, whatever proxy the environment names.
            client: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .timeout(Duration::from_secs(15))
                .build()
                .map_err(std::io::Error::other)?,
            address: listener.local_addr()?,
            webhooks: Mutex::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let serve = axum::serve(listener, router(Arc::clone(&simulation)))
            .with_graceful_shutdown(until(stopped));
        let server = tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::warn!(%error, "the sandbox stopped serving");
            }
        });
        Ok(Self {
            simulation,
            stop,
            server: Some(server),
        })
    }

    /// All routes on this sandbox's state, for serving them elsewhere as well.
    pub fn router(&self) -> Router {
        router(Arc::clone(&self.simulation))
    }

    pub fn address(&self) -> SocketAddr {
        self.simulation.address
    }

    /// The root of the server, as in `http://127.0.0.1:4010`; the control API is `/_sandbox` below.
    pub fn url(&self) -> String {
        self.simulation.url()
    }

    /// What a client of the provider takes as its base URL, without a slash at the end.
    pub fn base_url(&self, provider: Provider) -> String {
        self.simulation.base_url(provider)
    }

    pub fn accounts(&self) -> &Accounts {
        &self.simulation.accounts
    }

    pub fn faults(&self) -> &Faults {
        &self.simulation.faults
    }

    pub fn media(&self) -> &MediaStore {
        &self.simulation.media
    }

    /// The authorization servers: their apps and accounts, and their clock.
    pub fn oauth(&self) -> &OAuthServer {
        &self.simulation.oauth
    }

    /// The identity provider: its people, and what goes wrong there.
    pub fn oidc(&self) -> &OidcIssuer {
        &self.simulation.oidc
    }

    /// The mail server, on a free port of the same address.
    pub fn mail(&self) -> &SmtpSink {
        &self.simulation.mail
    }

    pub fn record(&self) -> &Record {
        &self.simulation.record
    }

    /// What a provider has received, oldest first.
    pub fn received(&self, provider: Provider) -> Vec<Received> {
        self.simulation.record.of(provider)
    }

    /// The first recorded request that satisfies the predicate, waiting up to `within` for it.
    pub async fn wait_for(
        &self,
        predicate: impl Fn(&Received) -> bool,
        within: Duration,
    ) -> Option<Received> {
        self.simulation.record.wait_for(predicate, within).await
    }

    /// Stops accepting, lets answers under way finish for a moment, and drops webhooks still to be
    /// sent.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(mut server) = self.server.take()
            && tokio::time::timeout(STOP_GRACE, &mut server).await.is_err()
        {
            server.abort();
        }
        lock(&self.simulation.webhooks).abort_all();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
        lock(&self.simulation.webhooks).abort_all();
    }
}

impl Simulation {
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn base_url(&self, provider: Provider) -> String {
        format!("{}{}", self.url(), provider.base_path())
    }

    /// Sends webhooks in their order, in the background, each retried as providers do.
    pub fn deliver(&self, webhooks: Vec<Outgoing>) {
        let client = self.client.clone();
        let tasks = &mut *lock(&self.webhooks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            for webhook in webhooks {
                tokio::time::sleep(BEFORE_EACH_STATUS).await;
                let sent = webhook.send_with_retries(&client, Retries::default()).await;
                match sent {
                    Ok(sent) if sent.is_success() => {}
                    Ok(sent) => tracing::warn!(status = sent.status, "a webhook was refused"),
                    Err(error) => tracing::warn!(%error, "a webhook did not arrive"),
                }
            }
        });
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sandbox is gone, which is a stop as well.
    let _gone = stopped.wait_for(|stop| *stop).await;
}

fn router(simulation: Arc<Simulation>) -> Router {
    Router::new()
        .nest("/_sandbox", control::router())
        .route("/{provider}/{*path}", any(serve))
        .with_state(simulation)
}

async fn serve(
    State(simulation): State<Arc<Simulation>>,
    Path((provider, path)): Path<(String, String)>,
    request: Request,
) -> Response {
    let provider: Provider = match provider.parse() {
        Ok(provider) => provider,
        Err(unknown) => return (StatusCode::NOT_FOUND, format!("{unknown}\n")).into_response(),
    };
    let (parts, body) = request.into_parts();
    let body = match to_bytes(body, BODY_LIMIT).await {
        Ok(body) => body,
        Err(_) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
    };
    let query = parts.uri.query().unwrap_or_default();
    let call = Call {
        method: parts.method,
        path: path.split('/').map(str::to_owned).collect(),
        query: serde_urlencoded::from_str(query).unwrap_or_default(),
        headers: parts.headers,
        body,
    };
    let account = provider.account_of(&simulation, &call);
    let fault = simulation.faults.take(provider, &path, account.as_deref());
    let mut answer = match &fault {
        Some(Fault::Status { code, retry_after }) => provider.failure(*code, *retry_after),
        Some(Fault::Unauthorized) => provider.failure(401, None),
        Some(Fault::ServerError) => provider.failure(500, None),
        _ => provider.answer(&simulation, &call).await,
    };
    if let Some(Fault::Status {
        retry_after: Some(seconds),
        ..
    }) = fault
    {
        answer = answer.with(http::header::RETRY_AFTER, &seconds.to_string());
    }
    simulation.record.keep(received(
        &simulation.accounts,
        provider,
        account,
        &call,
        answer.status,
        fault.clone(),
    ));
    let wire = match fault {
        Some(Fault::HalfAnswer) => Wire::Half,
        Some(Fault::Malformed) => Wire::Malformed,
        Some(Fault::Slow { millis }) => {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Wire::Sound
        }
        _ => Wire::Sound,
    };
    answer.into_response(wire)
}

fn received(
    accounts: &Accounts,
    provider: Provider,
    account: Option<String>,
    call: &Call,
    status: StatusCode,
    fault: Option<Fault>,
) -> Received {
    let path: Vec<String> = call.path.iter().map(|part| without_token(part)).collect();
    Received {
        sequence: 0,
        provider,
        account: account.map(|account| accounts.scrub(&account)),
        method: call.method.to_string(),
        path: accounts.scrub(&path.join("/")),
        query: call
            .query
            .iter()
            .map(|(name, value)| {
                let secret = names_a_secret(name);
                let shown = if secret {
                    "…".to_owned()
                } else {
                    accounts.scrub(value)
                };
                (name.clone(), shown)
            })
            .collect(),
        headers: record::harmless(&call.headers, accounts),
        body: accounts.scrub_json(call.parsed_body()),
        at: OffsetDateTime::now_utc(),
        status: status.as_u16(),
        fault,
    }
}

/// A path segment with the secret half of a Telegram bot token, known or not, left out.
fn without_token(segment: &str) -> String {
    match segment.split_once(':') {
        Some((bot, _)) if segment.starts_with("bot") => format!("{bot}:…"),
        _ => segment.to_owned(),
    }
}
