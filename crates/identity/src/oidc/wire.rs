//! What is said to providers, and how much of an answer is read. A tenant names its provider's
//! address, so nothing of an answer but what the protocol needs goes any further, and no redirect is
//! followed.

use std::time::Duration;

use kernel::{Error, Result};
use reqwest::RequestBuilder;
use serde::de::DeserializeOwned;
use url::{Host, Url};

const CONNECT: Duration = Duration::from_secs(5);
/// For the whole of one request: somebody's browser waits.
const WHOLE: Duration = Duration::from_secs(10);
/// The largest answer that is read, in bytes. Google's metadata has 2 kB; key sets with certificates
/// in them reach some tens.
const ANSWER: usize = 256 * 1024;

/// Whether an issuer on this very machine may be reached without TLS: while the installation itself
/// is one that only this machine reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Development(bool);

impl Development {
    pub fn of(public_url: &str) -> Self {
        let url = Url::parse(public_url).ok();
        Self(url.is_some_and(|url| url.scheme() == "http" && is_loopback(&url)))
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[derive(Debug)]
pub(super) struct Wire {
    client: reqwest::Client,
    development: Development,
}

impl Wire {
    pub fn new(development: Development) -> Result<Self> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("freehold/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            .redirect(reqwest::redirect::Policy::none());
        let client = match development.0 {
            // What is on this machine is reached directly, whatever proxy the environment names.
            true => client.no_proxy(),
            false => client,
        };
        Ok(Self {
            client: client.build().map_err(Error::internal)?,
            development,
        })
    }

    /// An address that may be asked, or that a browser may be sent to.
    pub fn address(&self, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok()?;
        let safe = url.scheme() == "https"
            || (self.development.0 && url.scheme() == "http" && is_loopback(&url));
        let plain =
            url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        (safe && plain && url.has_host()).then_some(url)
    }

    pub async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T> {
        self.read(self.client.get(url)).await
    }

    pub fn post(&self, url: Url) -> RequestBuilder {
        self.client.post(url)
    }

    /// Sends a request and reads its answer as JSON.
    ///
    /// # Errors
    /// `provider_error`. What exactly was wrong is for the log: the answer of a server that a tenant
    /// named is nothing to show.
    pub async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let request = request.header(reqwest::header::ACCEPT, "application/json");
        let mut response = request.send().await.map_err(|error| {
            tracing::warn!(error = %error.without_url(), "an identity provider can't be reached");
            unreachable_provider(None)
        })?;
        let status = response.status();
        if !status.is_success() {
            tracing::warn!(%status, "an identity provider refused");
            return Err(unreachable_provider(Some(status.as_u16())));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| {
            tracing::warn!(error = %error.without_url(), "an identity provider's answer broke off");
            unreachable_provider(None)
        })? {
            if body.len() + chunk.len() > ANSWER {
                tracing::warn!("an identity provider's answer is too large");
                return Err(unreachable_provider(None));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|_| {
            tracing::warn!("an identity provider's answer is not what the protocol says");
            unreachable_provider(None)
        })
    }
}

pub(super) fn unreachable_provider(status: Option<u16>) -> Error {
    Error::Provider {
        provider: "identity provider".to_owned(),
        status,
        detail: "it does not answer as it should; try again, or sign in in another way".to_owned(),
        retryable: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_reached_without_tls_and_only_in_development() {
        let wire = |public: &str| Wire::new(Development::of(public)).expect("a client");
        let (live, local) = (
            wire("https://app.example.com"),
            wire("http://127.0.0.1:8080"),
        );
        for (address, in_live, in_development) in [
            ("https://idp.example.com", true, true),
            ("https://idp.example.com/realms/a", true, true),
            ("http://127.0.0.1:9000/oidc", false, true),
            ("http://localhost:9000", false, true),
            ("http://[::1]:9000", false, true),
            ("http://idp.example.com", false, false),
            ("http://10.0.0.1", false, false),
            ("http://127.0.0.1.example.com", false, false),
            ("https://user:word@idp.example.com", false, false),
            ("https://idp.example.com/#x", false, false),
            ("file:///etc/passwd", false, false),
            ("nonsense", false, false),
        ] {
            assert_eq!(live.address(address).is_some(), in_live, "{address}");
            assert_eq!(
                local.address(address).is_some(),
                in_development,
                "{address}"
            );
        }
    }
}
