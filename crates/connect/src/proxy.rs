//! The proxy: `/v1/proxy/{provider}/…` calls the provider's API with the tenant's credential, which
//! the caller never sees. Bodies are streamed both ways; what the provider answers is handed back
//! as it is.
//!
//! Here: one call from end to end. In the modules: where the caller's key may stand (`key`), which
//! address a path leads to (`path`), which headers go through (`headers`), sending and sending again
//! (`attempt`), addresses in bodies (`bodies`), limits that providers have told (`limits`), what is
//! counted (`meter`).
//! docs/proxy.md tells it to those who call.

mod api;
mod attempt;
mod bodies;
mod headers;
mod key;
mod limits;
mod meter;
mod path;

use std::{str::FromStr, time::Instant};

use axum::{body::Body, extract::Request, response::Response};
use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderName, StatusCode, header};
use kernel::{Access, Error, Result, id::CredentialId, permission::ProxyUse};
use time::OffsetDateTime;
use url::Url;

pub use api::routes;

use crate::{Authorization, Connect, call::Called, credentials::Environment, uses};
use attempt::Attempts;
use bodies::Rewriting;
use headers::Addresses;
use limits::Limits;
use meter::{Bytes, Direction};

/// Names the credential where the tenant has several at the provider.
const CREDENTIAL: HeaderName = HeaderName::from_static("freehold-credential");
/// Names the environment, `live` or `test`, whose default credential is used; `live` if absent.
const ENVIRONMENT: HeaderName = HeaderName::from_static("freehold-environment");
/// Calls that the provider answered, per provider.
const CALLS: &str = "proxy.calls";

/// What a node remembers of calls.
#[derive(Debug)]
pub(crate) struct Memory {
    limits: Limits,
}

impl Memory {
    pub fn new() -> Self {
        Self {
            limits: Limits::new(),
        }
    }
}

impl Connect {
    /// Makes one call. Errors are from before the provider answered.
    async fn forward(&self, access: &Access<ProxyUse>, request: Request) -> Result<Response> {
        let (parts, body) = request.into_parts();
        let provider = path::provider(parts.uri.path());
        let api = self
            .catalogue()
            .get(provider)
            .and_then(|provider| provider.api.as_ref())
            .ok_or(Error::NotFound("provider"))?;
        let below = path::below(parts.uri.path(), provider)?;
        refuse_web_socket(&parts.headers)?;
        let (chosen, environment) = (chosen(&parts.headers)?, environment(&parts.headers)?);
        let spending = access.spend();
        let credential = match chosen {
            Some(id) => self.resolve_id(&spending, provider, id).await,
            None => {
                let environment = environment.unwrap_or_default();
                self.resolve_in(&spending, provider, environment).await
            }
        };
        let credential = credential.map_err(|error| match error {
            // Another tenant's, or nobody's.
            Error::CredentialMissing { .. } if chosen.is_some() => Error::NotFound("credential"),
            other => other,
        })?;
        if environment.is_some_and(|asked| asked != credential.environment) {
            return Err(Error::field(
                ENVIRONMENT.as_str(),
                "is not the environment of the credential that is named",
            ));
        }
        let memory = self.proxy();
        memory.limits.check(credential.id)?;
        self.uses()
            .record(access, provider, credential.id, uses::PROXY)
            .await?;
        let authorization = self.authorize(&spending, &credential).await?;

        let base = Url::parse(authorization.url("").expose()).map_err(Error::internal)?;
        let whole = authorization.url(below);
        let target = path::target(&base, whole.expose(), parts.uri.query())?;
        let shown = parts.extensions.get::<key::Shown>();
        let mut headers = headers::request(
            &parts.headers,
            &authorization,
            shown.map(|shown| shown.0.expose()),
            &access.correlation().to_string(),
        );
        if api.links.is_some() {
            // What is compressed can't be read.
            headers.remove(header::ACCEPT_ENCODING);
        }
        let mut attempts = Attempts {
            egress: self.egress(provider),
            method: parts.method,
            target: &target,
            headers,
            retry: &api.retry,
        };
        let sent = Bytes::new(access.counter(), provider, Direction::Sent);
        let payload = attempts.payload(&parts.headers, body, sent).await?;

        let (started_at, started) = (OffsetDateTime::now_utc(), Instant::now());
        let (outcome, asked_to_wait) = attempts.send(payload).await;
        if let Some(wait) = asked_to_wait {
            memory.limits.note(credential.id, wait);
        }
        let status = outcome.as_ref().ok().map(reqwest::Response::status);
        if status == Some(StatusCode::UNAUTHORIZED) {
            // A short-lived token that the provider has taken back must not be used until its end.
            self.tokens().forget(access.tenant().id, credential.id);
        }
        let error = match &outcome {
            Ok(answer)
                if answer.status().is_client_error() || answer.status().is_server_error() =>
            {
                Some(format!("answered {}", answer.status().as_u16()))
            }
            Ok(_) => None,
            Err(unanswered) => Some(unanswered.to_string()),
        };
        let called = Called {
            provider,
            operation: uses::PROXY,
            status,
            error,
            started_at,
            duration: started.elapsed(),
        };
        self.record(&spending, called).await?;
        let answer = outcome.map_err(|unanswered| unanswered.told(provider))?;
        access.counter().add(CALLS, provider, 1);

        let own = format!("{}{}{provider}", self.settings().public_url, path::PREFIX);
        let addresses = Addresses {
            base: &base,
            target: &target,
            own: &own,
        };
        let received = Bytes::new(access.counter(), provider, Direction::Received);
        let links = api.links.as_deref();
        let links = links.map(|field| Rewriting::new(field, &base, &own));
        Ok(handed_back(
            answer,
            &authorization,
            &addresses,
            links,
            received,
        ))
    }
}

/// The credential that the caller names.
fn chosen(headers: &HeaderMap) -> Result<Option<CredentialId>> {
    let Some(value) = headers.get(CREDENTIAL) else {
        return Ok(None);
    };
    let id = value
        .to_str()
        .ok()
        .and_then(|text| CredentialId::from_str(text).ok());
    let id =
        id.ok_or_else(|| Error::field(CREDENTIAL.as_str(), "is not the id of a credential"))?;
    Ok(Some(id))
}

/// The environment that the caller names.
fn environment(headers: &HeaderMap) -> Result<Option<Environment>> {
    let Some(value) = headers.get(ENVIRONMENT) else {
        return Ok(None);
    };
    let named = value.to_str().ok().and_then(Environment::parse);
    let named = named.ok_or_else(|| Error::field(ENVIRONMENT.as_str(), "must be live or test"))?;
    Ok(Some(named))
}

/// Other upgrades are offers, and not taken up: the request is answered as it is.
fn refuse_web_socket(headers: &HeaderMap) -> Result<()> {
    let mut offered = headers.get_all(header::UPGRADE).iter();
    let wanted = offered.any(|value| {
        let text = value.to_str().unwrap_or_default();
        text.to_ascii_lowercase().contains("websocket")
    });
    if wanted {
        return Err(Error::field(
            header::UPGRADE.as_str(),
            "the proxy carries requests and answers, and no WebSocket; use the provider's HTTP API",
        ));
    }
    Ok(())
}

/// The provider's answer, its body as it comes but for the `links`.
fn handed_back(
    answer: reqwest::Response,
    authorization: &Authorization,
    addresses: &Addresses<'_>,
    links: Option<Rewriting>,
    mut received: Bytes,
) -> Response {
    let status = answer.status();
    let mut headers = headers::answer(answer.headers(), authorization, addresses);
    let stream = answer
        .bytes_stream()
        .inspect_ok(move |chunk| received.add(chunk.len()))
        // The address may hold the secret.
        .map_err(reqwest::Error::without_url);
    let body = match links.filter(|_| bodies::readable(&headers)) {
        Some(links) => {
            headers.remove(header::CONTENT_LENGTH);
            Body::from_stream(links.of(stream))
        }
        None => Body::from_stream(stream),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
