//! Requests to a Transit server, and what its answers mean
//! (status codes: <https://openbao.org/api-docs/#http-status-codes>).

use std::fmt;

use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use super::login::{Granted, Lent, Login, Session};
use crate::circuit::Circuit;
use crate::provider::ProviderError;
use crate::remote::{ATTEMPT, attempt, unreachable};

/// An answer of Transit is a few hundred bytes long.
const LIMIT: usize = 64 * 1024;

pub(super) struct Client {
    address: Url,
    namespace: Option<String>,
    login: Login,
    session: Session,
    circuit: Circuit,
    http: reqwest::Client,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.address.as_str())
            .field("namespace", &self.namespace)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

pub(super) fn http(ca: Option<&[u8]>) -> Result<reqwest::Client, ProviderError> {
    let unusable = |reason| ProviderError::Unsuitable {
        provider: "transit".to_owned(),
        reason,
    };
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("freehold/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(ATTEMPT / 2)
        // A redirect would carry the token to wherever it points.
        .redirect(reqwest::redirect::Policy::none());
    if let Some(pem) = ca {
        let certificates = reqwest::Certificate::from_pem_bundle(pem)
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| unusable("the certificates to believe are not PEM"))?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder
        .build()
        .map_err(|_| unusable("TLS can't be set up on this machine"))
}

/// What the server said, with the request's own part judged by whoever sent it.
pub(super) struct Answer {
    status: StatusCode,
    body: Zeroizing<Vec<u8>>,
}

#[derive(Deserialize)]
struct Wrapping<T> {
    data: T,
}

#[derive(Default, Deserialize)]
struct Complaint {
    #[serde(default)]
    errors: Vec<String>,
}

impl Answer {
    /// The `data` of a success; else what the refusal means for a use of `kek`.
    pub(super) fn data_for<T: DeserializeOwned>(
        &self,
        kek: &str,
        address: &str,
    ) -> Result<T, ProviderError> {
        self.done_for(kek, address)?;
        serde_json::from_slice::<Wrapping<T>>(&self.body)
            .map(|answer| answer.data)
            .map_err(|_| ProviderError::Unsuitable {
                provider: format!("transit at {address}"),
                reason: "it answers in another form than a Transit engine",
            })
    }

    pub(super) fn done_for(&self, kek: &str, address: &str) -> Result<(), ProviderError> {
        if self.status.is_success() {
            return Ok(());
        }
        let kek = kek.to_owned();
        let complaint: Complaint = serde_json::from_slice(&self.body).unwrap_or_default();
        let says = |part: &str| {
            let mut errors = complaint.errors.iter();
            errors.any(|error| error.to_ascii_lowercase().contains(part))
        };
        Err(match self.status {
            // The key's own states come as bad requests, told apart by their text alone: "encryption
            // key not found", "ciphertext or signature version is disallowed by policy (too old)",
            // "… is soft deleted", "no existing key named …".
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND
                if says("key not found")
                    || says("no existing key")
                    || says("disallowed by policy")
                    || says("soft deleted")
                    || says("soft-deleted") =>
            {
                ProviderError::Disabled { kek }
            }
            // A key that is not there answers a read with 404 and no complaint.
            StatusCode::NOT_FOUND if complaint.errors.is_empty() => ProviderError::Disabled { kek },
            StatusCode::BAD_REQUEST => ProviderError::NotItsWrap { kek },
            _ => ProviderError::Unsuitable {
                provider: format!("transit at {address}"),
                reason: "no Transit engine is mounted where it should be",
            },
        })
    }
}

impl Client {
    pub(super) fn new(
        address: Url,
        namespace: Option<String>,
        login: Login,
        http: reqwest::Client,
    ) -> Self {
        Self {
            address,
            namespace,
            login,
            session: Session::default(),
            circuit: Circuit::default(),
            http,
        }
    }

    pub(super) fn address(&self) -> &str {
        self.address.as_str()
    }

    /// Calls `/v1/<path>`. A refused token is replaced once, where it can be.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, ProviderError> {
        let body = body.map(|body| Zeroizing::new(body.to_string()));
        let (method, body) = (&method, body.as_ref());
        attempt(&self.circuit, &self.name(), || async move {
            let whole = async {
                let token = self.token().await?;
                match self.send(method, path, body, Some(&token)).await {
                    Err(ProviderError::Denied { .. }) if self.may_renew() => {
                        self.forget(&token).await;
                        let token = self.token().await?;
                        self.send(method, path, body, Some(&token)).await
                    }
                    outcome => outcome,
                }
            };
            // With the logins, and the wait for those of others.
            let ended = tokio::time::timeout(ATTEMPT, whole).await;
            ended.unwrap_or_else(|late| Err(unreachable(self.name(), late)))
        })
        .await
    }

    fn name(&self) -> String {
        format!("transit at {}", self.address)
    }

    fn denied(&self) -> ProviderError {
        ProviderError::Denied {
            provider: self.name(),
        }
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Zeroizing<String>>,
        token: Option<&str>,
    ) -> Result<Answer, ProviderError> {
        let mut url = self.address.clone();
        url.set_path(&format!("/v1/{path}"));
        let mut request = self
            .http
            .request(method.clone(), url)
            // The client may be somebody else's, and more patient.
            .timeout(ATTEMPT)
            // Asked for by servers behind an agent, against requests that a browser was tricked into.
            .header("X-Vault-Request", "true");
        if let Some(namespace) = &self.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        if let Some(token) = token {
            let mut value =
                reqwest::header::HeaderValue::from_str(token.trim()).map_err(|_| self.denied())?;
            value.set_sensitive(true);
            request = request.header("X-Vault-Token", value);
        }
        if let Some(body) = body {
            request = request
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .body(body.as_bytes().to_vec());
        }
        let lost = |error: reqwest::Error| unreachable(self.name(), error.without_url());
        let mut response = request.send().await.map_err(lost)?;
        let status = response.status();
        let mut bytes = Zeroizing::new(Vec::with_capacity(LIMIT));
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if bytes.len() + chunk.len() > LIMIT {
                return Err(ProviderError::Unsuitable {
                    provider: self.name(),
                    reason: "its answer is far longer than any of a Transit engine",
                });
            }
            bytes.extend_from_slice(&chunk);
        }
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.denied()),
            StatusCode::TOO_MANY_REQUESTS => Err(ProviderError::Throttled {
                provider: self.name(),
            }),
            // Sealed, standby, or behind a proxy without a server. 412 comes of replication that
            // has not caught up, 472 and 473 of standbys.
            status if status.is_server_error() || [412, 472, 473].contains(&status.as_u16()) => {
                Err(ProviderError::Unreachable {
                    provider: self.name(),
                    cause: None,
                })
            }
            _ => Ok(Answer {
                status,
                body: bytes,
            }),
        }
    }

    fn may_renew(&self) -> bool {
        !matches!(self.login, Login::Token(_))
    }

    async fn token(&self) -> Result<Zeroizing<String>, ProviderError> {
        match &self.login {
            Login::Token(token) => Ok(token.clone()),
            Login::TokenFile(path) => {
                let read = tokio::fs::read_to_string(path).await;
                read.map(Zeroizing::new)
                    .map_err(|_| ProviderError::Unsuitable {
                        provider: self.name(),
                        reason: "the file with its token can't be read",
                    })
            }
            Login::AppRole {
                mount,
                role_id,
                secret_id,
            } => {
                // Held while signing in, so that of many requests one does.
                let mut lent = self.session.0.lock().await;
                if let Some(lent) = lent.as_ref().filter(|lent| lent.is_fresh()) {
                    return Ok(lent.token.clone());
                }
                let body = json!({ "role_id": role_id, "secret_id": secret_id.as_str() });
                let body = Zeroizing::new(body.to_string());
                let path = format!("auth/{mount}/login");
                let answer = self.send(&Method::POST, &path, Some(&body), None).await?;
                let granted: Granted = match answer.status.is_success() {
                    true => serde_json::from_slice(&answer.body).map_err(|_| self.denied())?,
                    // A role that is gone, or a used-up secret id.
                    false => return Err(self.denied()),
                };
                let fresh = Lent::from(granted);
                let token = fresh.token.clone();
                *lent = Some(fresh);
                Ok(token)
            }
        }
    }

    /// Drops a token that was refused, unless another request has replaced it already.
    async fn forget(&self, refused: &str) {
        let mut lent = self.session.0.lock().await;
        if lent
            .as_ref()
            .is_some_and(|lent| lent.token.as_str() == refused)
        {
            *lent = None;
        }
    }
}
