//! What every request goes through: a correlation id, a log line, security headers, and problem
//! documents for what no handler answers.

use std::{any::Any, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use kernel::{Error, id::CorrelationId, telemetry};
use tracing::Instrument;

use super::AppState;

const CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// What browsers can give a page and no page here asks for. Passkeys and the clipboard are used.
const UNUSED: &str =
    "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";

/// Mints the correlation id. One sent from outside is not taken over: it could be anybody's.
pub async fn correlate(request: Request, next: Next) -> Response {
    let id = CorrelationId::new();
    let path = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let span =
        tracing::error_span!("request", correlation_id = %id, method = %request.method(), path);
    let started = Instant::now();
    let answer = async {
        let response = next.run(request).await;
        tracing::debug!(
            status = response.status().as_u16(),
            ms = started.elapsed().as_millis(),
            "answered"
        );
        response
    };
    let mut response = telemetry::with_correlation(id, answer.instrument(span)).await;
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(CORRELATION, value);
    }
    response
}

/// Headers for answers that are data: nothing in them may run, be framed, or be cached on the way.
pub async fn headers(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let defaults = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CACHE_CONTROL, "no-store"),
        // Pages of other origins neither hold a window of ours nor embed what it shows.
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
        (PERMISSIONS_POLICY, UNUSED),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ];
    for (name, value) in defaults {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    // Browsers that came by https once come by it for the next year (RFC 6797).
    if state.web().is_secure() {
        let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

pub async fn not_found() -> Error {
    Error::NotFound("resource")
}

pub async fn method_not_allowed() -> Error {
    Error::MethodNotAllowed
}

/// A panic in a handler is a fault of ours: the client gets the same as for any internal error.
pub fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Error::internal(anyhow::anyhow!("panicked: {text}")).into_response()
}
