//! Inbound webhooks, from the request to the acknowledgement.
//!
//! Tenant → endpoint → handshake → signature with that tenant's secret → split → whose ids are
//! these → one durable transaction → the provider's fixed answer. What providers sign and expect is
//! data in the catalogue (`crate::webhook`); what becomes of stored events is decided by their
//! subscribers.
//!
//! Every refusal is the same answer after the same time: a stranger cannot tell an unknown tenant,
//! a closed endpoint and a wrong signature apart.

#![allow(
    clippy::disallowed_methods,
    reason = "this is the pipeline that resolves endpoints"
)]

mod deliver;
mod shared_url;
mod tenant_url;

use std::time::Duration;

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{FromRef, OriginalUri, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use kernel::{Db, Error, Result, extract::Path, telemetry::metric};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::{
    Connect,
    catalogue::{FixedResponse, Provider, Webhook},
    webhook::{Handshake, Reason, Request},
};

/// When a refusal is answered, counted from the arrival of the body. Longer than any path through
/// the checks takes, so that the answer's time says nothing about which check refused.
const REFUSAL: Duration = Duration::from_millis(50);
/// How long a sender may take over its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Connect: FromRef<S>,
    Db: FromRef<S>,
{
    Router::new()
        .route("/hooks/{tenant}/{provider}", any(at_tenant_url))
        .route("/hooks/{provider}", any(at_shared_url))
}

/// A webhook as it arrived, with the catalogue's word on its provider.
struct Arrival<'a> {
    provider: &'a Provider,
    webhook: &'a Webhook,
    method: Method,
    /// The public URL that the provider was given, with the query of this request.
    url: String,
    headers: HeaderMap,
    body: Bytes,
    received_at: OffsetDateTime,
}

impl Arrival<'_> {
    fn request(&self) -> Request<'_> {
        Request {
            method: &self.method,
            url: &self.url,
            headers: &self.headers,
            body: &self.body,
            received_at: self.received_at,
        }
    }
}

/// What the checks came to.
enum Outcome {
    /// Committed: answered as the provider expects.
    Accepted,
    Handshake(FixedResponse),
    Refused(Refusal),
}

/// Why, for metrics and logs; the sender never learns it.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    UnknownTenant,
    EndpointClosed,
    NoCredential,
    Signature(Reason),
    Malformed(&'static str),
    /// No tenant's route leads anywhere from this payload.
    Unrouted,
}

impl Refusal {
    fn code(self) -> &'static str {
        match self {
            Self::UnknownTenant => "unknown_tenant",
            Self::EndpointClosed => "endpoint_closed",
            Self::NoCredential => "no_credential",
            Self::Signature(reason) => reason.code(),
            Self::Malformed(code) => code,
            Self::Unrouted => "unrouted",
        }
    }
}

async fn at_tenant_url(
    State(connect): State<Connect>,
    State(db): State<Db>,
    Path((tenant, provider)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let arrival = match arrive(&connect, &provider, uri, method, headers, body).await {
        Ok(arrival) => arrival,
        Err(error) => return error.into_response(),
    };
    let started = Instant::now();
    let outcome = tenant_url::receive(&connect, &db, &tenant, &arrival).await;
    answer(&arrival, started, outcome).await
}

async fn at_shared_url(
    State(connect): State<Connect>,
    State(db): State<Db>,
    Path(provider): Path<String>,
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let arrival = match arrive(&connect, &provider, uri, method, headers, body).await {
        Ok(arrival) => arrival,
        Err(error) => return error.into_response(),
    };
    let started = Instant::now();
    let outcome = shared_url::receive(&connect, &db, &arrival).await;
    answer(&arrival, started, outcome).await
}

/// Reads the request. What is refused here depends on public knowledge alone: which providers
/// exist, and how large their bodies may be.
async fn arrive<'a>(
    connect: &'a Connect,
    provider: &str,
    uri: axum::http::Uri,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Result<Arrival<'a>> {
    let provider = connect
        .catalogue()
        .get(provider)
        .ok_or(Error::NotFound("provider"))?;
    let webhook = provider
        .webhook
        .as_ref()
        .ok_or(Error::NotFound("provider"))?;
    let limit = usize::try_from(webhook.max_body).map_err(Error::internal)?;
    let body = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, limit))
        .await
        .map_err(|_| Error::invalid("the body did not arrive in time"))?
        .map_err(|_| Error::TooLarge { limit })?;
    let path = uri
        .path_and_query()
        .map_or(uri.path(), |path| path.as_str());
    Ok(Arrival {
        provider,
        webhook,
        method,
        url: format!("{}{path}", connect.settings().public_url),
        headers,
        body,
        received_at: OffsetDateTime::now_utc(),
    })
}

async fn answer(arrival: &Arrival<'_>, started: Instant, outcome: Result<Outcome>) -> Response {
    let provider = arrival.provider.id.clone();
    let verdict = |code: &'static str| {
        metrics::counter!(metric::VERDICTS, "provider" => provider.clone(), "reason" => code)
            .increment(1);
    };
    match outcome {
        Ok(Outcome::Accepted) => {
            verdict("accepted");
            metrics::histogram!(metric::INGEST_SECONDS).record(started.elapsed());
            fixed(&arrival.webhook.ack())
        }
        Ok(Outcome::Handshake(response)) => {
            verdict("handshake");
            fixed(&response)
        }
        Ok(Outcome::Refused(refusal)) => {
            verdict(refusal.code());
            tracing::info!(
                provider = arrival.provider.id,
                reason = refusal.code(),
                "webhook refused"
            );
            tokio::time::sleep_until(started + REFUSAL).await;
            refused()
        }
        // Not committed, so not acknowledged: the provider sends it again.
        Err(error) => {
            verdict(error.code());
            discreet(error).into_response()
        }
    }
}

/// Whoever sends webhooks learns nothing of a tenant's own key, but that it has to send them again.
fn discreet(error: Error) -> Error {
    match error {
        Error::TenantKeyUnavailable(cause) | Error::TenantKeyWithdrawn { cause, .. } => {
            Error::KeyProviderUnavailable(cause)
        }
        other => other,
    }
}

/// The one refusal. Without a correlation id, which would differ from answer to answer.
fn refused() -> Response {
    let mut response = (StatusCode::UNAUTHORIZED, "the webhook was not accepted\n").into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

fn fixed(answer: &FixedResponse) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, answer.body.clone()).into_response();
    let content_type = answer
        .content_type
        .as_deref()
        .and_then(|text| HeaderValue::from_str(text).ok());
    match content_type {
        Some(value) => response.headers_mut().insert(header::CONTENT_TYPE, value),
        None => response.headers_mut().remove(header::CONTENT_TYPE),
    };
    response
}

/// A handshake's answer, if the request was one.
fn handshake(handshake: Handshake) -> Option<Outcome> {
    match handshake {
        Handshake::Respond(response) => Some(Outcome::Handshake(response)),
        Handshake::None => None,
    }
}
