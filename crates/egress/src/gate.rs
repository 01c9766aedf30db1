//! The check itself: a URL before it is called, and every address that its name stands for when a
//! connection is made. What was checked is what is connected to; no name is looked up twice.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::{
    AllowList, Refusal,
    address::{Standing, standing},
};

/// Where names' addresses come from.
pub trait Names: Send + Sync {
    fn look_up(&self, host: &str) -> LookUp;
}

/// The addresses of a name.
pub type LookUp = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// The machine's own resolver.
#[derive(Debug)]
pub struct SystemNames;

impl Names for SystemNames {
    fn look_up(&self, host: &str) -> LookUp {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|socket| socket.ip()).collect())
        })
    }
}

/// Ports from 1024 on that belong to other protocols: a request there could be taken for one of
/// theirs. From the Fetch standard, "port blocking" (fetch.spec.whatwg.org).
const OTHER_PROTOCOLS: [u16; 19] = [
    1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669,
    6679, 6697, 10080,
];

/// Whether anybody's server may be called at a port: 443, and those that need no administrator to
/// listen at, where people run web servers of their own. The others below 1024 are other services'
/// (mail, name service, file shares); 80 is for http://, which is not called.
fn is_open(port: u16) -> bool {
    port == 443 || (port >= 1024 && !OTHER_PROTOCOLS.contains(&port))
}

/// What may be connected to at one port. A client has one gate, and connections of one client are
/// to that port alone where the allow-list opens anything there.
#[derive(Clone)]
pub(crate) struct Gate {
    pub allow: Arc<AllowList>,
    /// Absent: the ports at which the allow-list opens nothing.
    pub port: Option<u16>,
    pub names: Arc<dyn Names>,
}

impl Gate {
    /// Whether the address that stands for a host may be connected to.
    fn admit(&self, host: &str, address: IpAddr) -> Result<(), Refusal> {
        let named = self
            .port
            .is_some_and(|port| self.allow.names(host, port) || self.allow.covers(address, port));
        let host = || host.to_owned();
        match standing(address) {
            Standing::Forbidden(what) => Err(Refusal::Forbidden { host: host(), what }),
            Standing::Private(what) if !named => Err(Refusal::Private { host: host(), what }),
            Standing::Public | Standing::Private(_) => match self.port {
                Some(port) if !named && !is_open(port) => Err(Refusal::Port(port)),
                _ => Ok(()),
            },
        }
    }

    /// Checks what can be seen of a URL before its name is looked up: all of it where the host is
    /// an address, in whatever spelling (the parser has normalised it).
    pub fn check(&self, url: &Url) -> Result<(), Refusal> {
        if !matches!(url.scheme(), "https" | "http") {
            return Err(Refusal::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::UserInfo);
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(Refusal::Scheme);
        };
        let (text, address) = match host {
            Host::Domain(name) => (name.to_owned(), None),
            Host::Ipv4(address) => (address.to_string(), Some(IpAddr::from(address))),
            Host::Ipv6(address) => (address.to_string(), Some(IpAddr::from(address))),
        };
        if let Some(address) = address {
            self.admit(&text, address)?;
        }
        // A name that leads into an allowed network is seen when it is looked up.
        if self.port.is_none() && !is_open(port) {
            // What is asked for by http:// lacks https:// before it lacks another port.
            return Err(match url.scheme() {
                "http" => Refusal::Plain { host: text },
                _ => Refusal::Port(port),
            });
        }
        let named = self.allow.names(&text, port)
            || address.is_some_and(|address| self.allow.covers(address, port));
        if url.scheme() == "http" && !named {
            return Err(Refusal::Plain { host: text });
        }
        Ok(())
    }
}

impl Resolve for Gate {
    /// Every address has to pass: of a name with one address outside and one inside, nobody could
    /// say which is connected to.
    fn resolve(&self, name: Name) -> Resolving {
        let gate = self.clone();
        Box::pin(async move {
            let host = name.as_str();
            let addresses = gate.names.look_up(host).await?;
            for address in &addresses {
                gate.admit(host, *address)?;
            }
            // The URL's port takes the place of 0.
            let sockets = addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(sockets) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_other_services_are_closed() {
        for port in [443, 1024, 3000, 4318, 8080, 8443, 9443, 65535] {
            assert!(is_open(port), "{port}");
        }
        for port in [
            1, 22, 25, 53, 80, 110, 445, 587, 636, 1023, 2049, 6000, 6667, 10080,
        ] {
            assert!(!is_open(port), "{port}");
        }
    }
}
