//! What is said to providers, and how much of an answer is read. A tenant names its provider's
//! address, so it is called by the guarded way out (`egress`), which follows no redirect, and nothing
//! of an answer but what the protocol needs goes any further.

use std::time::Duration;

use egress::{Egress, Refusal};
use kernel::{Error, Result};
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use url::{Host, Url};

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
    egress: Egress,
    development: Development,
}

impl Wire {
    pub fn new(development: Development, egress: Egress) -> Self {
        Self {
            egress,
            development,
        }
    }

    /// An address that may be asked, or that a browser may be sent to. What its name stands for is
    /// seen when it is asked.
    ///
    /// # Errors
    /// What is wrong with it, as a message for whoever named it.
    pub fn address(&self, text: &str) -> std::result::Result<Url, String> {
        let no_address = || "must be an https:// address".to_owned();
        let url = Url::parse(text).map_err(|_| no_address())?;
        let safe = url.scheme() == "https"
            || (self.development.0 && url.scheme() == "http" && is_loopback(&url));
        if !safe || url.fragment().is_some() {
            return Err(no_address());
        }
        let checked = self.egress.check(&url);
        checked.map_err(|refusal| format!("is refused: {refusal}"))?;
        Ok(url)
    }

    pub async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T> {
        self.read(self.request(Method::GET, url)?).await
    }

    pub fn post(&self, url: Url) -> Result<RequestBuilder> {
        self.request(Method::POST, url)
    }

    fn request(&self, method: Method, url: Url) -> Result<RequestBuilder> {
        let request = self.egress.request(method, url);
        let request = request.map_err(|refusal| refused(&refusal))?;
        Ok(request.timeout(WHOLE))
    }

    /// Sends a request and reads its answer as JSON.
    ///
    /// # Errors
    /// `provider_error`. What exactly was wrong is for the log: the answer of a server that a tenant
    /// named is nothing to show.
    pub async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let request = request.header(reqwest::header::ACCEPT, "application/json");
        let response = request.send().await.map_err(|error| {
            if let Some(refusal) = Refusal::behind(&error) {
                return refused(refusal);
            }
            tracing::warn!(error = %error.without_url(), "an identity provider can't be reached");
            unreachable_provider(None)
        })?;
        let status = response.status();
        if !status.is_success() {
            tracing::warn!(%status, "an identity provider refused");
            return Err(unreachable_provider(Some(status.as_u16())));
        }
        let body = egress::read(response, ANSWER).await.map_err(|error| {
            tracing::warn!(%error, "an identity provider's answer can't be read");
            unreachable_provider(None)
        })?;
        serde_json::from_slice(&body).map_err(|_| {
            tracing::warn!("an identity provider's answer is not what the protocol says");
            unreachable_provider(None)
        })
    }
}

/// Whoever signs in is told no more than of a server that does not answer: which addresses lie
/// inside is nothing to try out.
fn refused(refusal: &Refusal) -> Error {
    tracing::warn!(%refusal, "an identity provider's address is not called");
    unreachable_provider(None)
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
    use egress::AllowList;

    use super::*;

    #[test]
    fn only_this_machine_is_reached_without_tls_and_only_in_development() {
        let named = [
            "127.0.0.1:9000",
            "localhost:9000",
            "[::1]:9000",
            "10.0.0.1:80",
        ];
        let named = named.map(|place| place.parse().expect("a place"));
        let allow = AllowList::default().and(named);
        let egress = Egress::new(allow).expect("a client");
        let wire = |public: &str| Wire::new(Development::of(public), egress.clone());
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
            ("https://10.0.0.2", false, false),
            ("https://0xa9fea9fe/latest", false, false),
            ("https://[::ffff:127.0.0.1]", false, false),
            ("http://127.0.0.1:9001", false, false),
            ("file:///etc/passwd", false, false),
            ("nonsense", false, false),
        ] {
            assert_eq!(live.address(address).is_ok(), in_live, "{address}");
            assert_eq!(local.address(address).is_ok(), in_development, "{address}");
        }
    }
}
