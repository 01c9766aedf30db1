//! The way out: HTTP requests to addresses that tenants choose, to providers, and to whatever else
//! this server calls. An [`Egress`] makes requests to public https:// addresses, and to exactly
//! those others that the operator names; addresses that nobody should be able to make a server call
//! (link-local ones with their metadata services, reserved ones …) are closed to the operator too.
//!
//! No redirect is followed, because it would lead, with the credential, to wherever the other side
//! says; proxies that the environment names are not used, because they would look names up anew.
//! Nothing here knows tenants, providers or databases.

mod address;
mod allow;
mod gate;
mod refusal;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::Method;
use kernel::{Error, Result};
use reqwest::{Client, RequestBuilder, Response, redirect};
use url::Url;

pub use address::{Block, FORBIDDEN, PRIVATE, Standing, standing};
pub use allow::{AllowList, InvalidPlace, Place};
pub use gate::{LookUp, Names, SystemNames};
pub use refusal::Refusal;

use gate::Gate;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request may take from its beginning to the answer's end. A caller can set its own
/// for a request.
pub const TIMEOUT: Duration = Duration::from_secs(60);
/// How long the other side may be silent, the wait for its answer included: language models think
/// for minutes.
const SILENCE: Duration = Duration::from_secs(600);

/// Makes requests to allowed addresses. Cheap to clone; connections are shared.
#[derive(Clone)]
pub struct Egress(Arc<Shared>);

struct Shared {
    /// For ports at which the allow-list opens nothing.
    outside: (Gate, Client),
    /// For those at which it does. A gate sees names and not ports, so that each has its own.
    at: HashMap<u16, (Gate, Client)>,
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Egress")
    }
}

impl Egress {
    pub fn new(allow: AllowList) -> Result<Self> {
        Self::with_names(allow, Arc::new(SystemNames))
    }

    /// With another source of addresses than the machine's resolver.
    pub fn with_names(allow: AllowList, names: Arc<dyn Names>) -> Result<Self> {
        let allow = Arc::new(allow);
        let open = |port| {
            let gate = Gate {
                allow: Arc::clone(&allow),
                port,
                names: Arc::clone(&names),
            };
            let client = client(&gate)?;
            Ok::<_, Error>((gate, client))
        };
        let at = allow.ports().into_iter();
        let at = at.map(|port| Ok((port, open(Some(port))?)));
        Ok(Self(Arc::new(Shared {
            outside: open(None)?,
            at: at.collect::<Result<_>>()?,
        })))
    }

    /// Whether anything in the URL itself shows that it is not for calling. What its name stands for
    /// is checked when it is called.
    pub fn check(&self, url: &Url) -> std::result::Result<(), Refusal> {
        let (gate, _) = self.for_port_of(url);
        gate.check(url)
    }

    /// Begins a request, of which [`Egress::check`] is true. What its name stands for is checked when
    /// it is sent; [`Refusal::behind`] finds that in the error.
    pub fn request(
        &self,
        method: Method,
        url: Url,
    ) -> std::result::Result<RequestBuilder, Refusal> {
        let (gate, client) = self.for_port_of(&url);
        gate.check(&url)?;
        Ok(client.request(method, url))
    }

    /// A client for whoever sends its own requests to one place: `url`, whose name is checked again at
    /// each connection. Its time-outs are long; a request can have its own.
    ///
    /// The client must be used for that host and port alone: an address in the place of a name is
    /// checked here and nowhere else.
    pub fn client_for(&self, url: &Url) -> std::result::Result<Client, Refusal> {
        let (gate, client) = self.for_port_of(url);
        gate.check(url)?;
        Ok(client.clone())
    }

    fn for_port_of(&self, url: &Url) -> &(Gate, Client) {
        let port = url.port_or_known_default();
        port.and_then(|port| self.0.at.get(&port))
            .unwrap_or(&self.0.outside)
    }
}

fn client(gate: &Gate) -> Result<Client> {
    Client::builder()
        .user_agent(concat!("freehold/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(gate.clone())
        .no_proxy()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(SILENCE)
        .timeout(TIMEOUT)
        .build()
        .map_err(Error::internal)
}

/// Why an answer's body could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error(transparent)]
    Broken(#[from] reqwest::Error),
}

/// Reads an answer's body of at most so many bytes.
pub async fn read(mut answer: Response, limit: usize) -> std::result::Result<Bytes, ReadError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Err(ReadError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
