//! A webhook ready to be sent, and sending it once or as often as a provider would.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// A signed request. Its fields may be changed before it is sent, to send what no provider would.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub method: Method,
    pub url: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What a webhook's receiver answered.
#[derive(Clone, Debug)]
pub struct Sent {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// How many attempts it took, from 1.
    pub attempts: u32,
}

impl Sent {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// How often an unanswered or refused webhook is sent again; the wait doubles from one attempt to
/// the next.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// Attempts in all, the first included; 0 counts as 1.
    pub attempts: u32,
    pub first_wait: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 3,
            first_wait: Duration::from_millis(200),
        }
    }
}

impl Outgoing {
    pub(crate) fn post(url: &str, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self {
            method: Method::POST,
            url: url.to_owned(),
            headers,
            body: body.into(),
        }
    }

    /// Adds a header; a value that no header can carry is left out.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// Adds a header whose value is a secret, so that `Debug` does not show it.
    pub(crate) fn with_secret(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(true);
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// Sends once.
    ///
    /// # Errors
    /// When the URL is not one, the receiver cannot be reached, or its answer breaks off.
    pub async fn send(&self, client: &reqwest::Client) -> Result<Sent, reqwest::Error> {
        let answer = client
            .request(self.method.clone(), &self.url)
            .headers(self.headers.clone())
            .body(self.body.clone())
            .send()
            .await?;
        Ok(Sent {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer.bytes().await?,
            attempts: 1,
        })
    }

    /// Sends the same bytes again until the receiver answers 2xx or the attempts are used up; the
    /// last outcome counts.
    ///
    /// # Errors
    /// As `send`, of the last attempt.
    pub async fn send_with_retries(
        &self,
        client: &reqwest::Client,
        retries: Retries,
    ) -> Result<Sent, reqwest::Error> {
        let mut wait = retries.first_wait;
        let mut attempts = 1;
        loop {
            let outcome = self
                .send(client)
                .await
                .map(|sent| Sent { attempts, ..sent });
            let arrived = outcome.as_ref().is_ok_and(Sent::is_success);
            if arrived || attempts >= retries.attempts {
                return outcome;
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
            attempts += 1;
        }
    }
}
