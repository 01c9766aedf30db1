//! Who sent a request: the peer of its connection, or, where that is a proxy that the settings
//! trust, the address that the proxy names in `X-Forwarded-For`. Audit entries, sessions and the
//! limits on tries read it here, from the task of the request.
//!
//! Anybody can send that header. Each proxy appends the address that it was called from, so the
//! list is read from its end, and only for as long as those who wrote it are trusted.

use std::{
    fmt,
    future::Future,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, header},
    middleware::Next,
    response::Response,
};

use crate::network::{InvalidNetwork, Network};

tokio::task_local! {
    static CLIENT: Arc<Client>;
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// What is kept of a user agent, in bytes.
const LONGEST_AGENT: usize = 256;

/// Who sent the request at hand, as far as the network tells. Proves nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    pub address: Option<IpAddr>,
    pub user_agent: Option<String>,
}

/// Runs the work of a request, whose audit entries then name its client.
pub async fn with<F: Future>(client: Client, work: F) -> F::Output {
    CLIENT.scope(Arc::new(client), work).await
}

/// The client of the request that is running. Jobs and commands have none.
pub fn current() -> Option<Arc<Client>> {
    CLIENT.try_with(Arc::clone).ok()
}

/// The layer that lets all of a request know who sent it. The peer's address is there where the
/// server was made with connect info.
pub async fn know(State(proxies): State<TrustedProxies>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let client = proxies.client(peer.map(|info| info.0), request.headers());
    with(client, next.run(request)).await
}

/// The proxies whose word on the client counts. None by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

impl FromStr for TrustedProxies {
    type Err = InvalidNetwork;

    /// Addresses and networks, parted by commas. Empty: none.
    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let entries = text.split(',').map(str::trim);
        let networks = entries.filter(|entry| !entry.is_empty()).map(str::parse);
        networks.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, network) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{network}")?;
        }
        Ok(())
    }
}

impl TrustedProxies {
    fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The address that the request came from, as far as it can be believed.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let mut named = lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
        while self.trust(client) {
            match named.next().map(|name| address(name.trim())) {
                Some(Some(next)) => client = next,
                // Nobody is named any more, or something that is no address: the last one that
                // was is the best there is.
                Some(None) | None => break,
            }
        }
        client
    }

    /// The client of a request with this peer and these headers.
    pub fn client(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Client {
        let agent = headers.get(header::USER_AGENT);
        let agent = agent.and_then(|value| value.to_str().ok());
        Client {
            address: peer.map(|peer| self.client_address(peer.ip(), headers)),
            // Header text is ASCII, so that any byte is a character's end.
            user_agent: agent.map(|text| text[..text.len().min(LONGEST_AGENT)].to_owned()),
        }
    }
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    bare()
        .or_else(with_port)
        .or_else(in_brackets)
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn found(trusted: &str, peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).expect("a value"));
        }
        let proxies: TrustedProxies = trusted.parse().expect("networks");
        let peer = peer.parse().expect("an address");
        proxies.client_address(peer, &headers).to_string()
    }

    #[test]
    fn nobody_is_believed_by_default() {
        assert_eq!(found("", "127.0.0.1", &["192.0.2.1"]), "127.0.0.1");
        assert_eq!(found("10.0.0.0/8", "11.0.0.1", &["192.0.2.1"]), "11.0.0.1");
    }

    #[test]
    fn a_trusted_proxy_names_the_client() {
        let trusted = "10.0.0.0/8, 2001:db8::/32";
        for (peer, lines, client) in [
            ("10.1.2.3", &["192.0.2.1"][..], "192.0.2.1"),
            ("::ffff:10.1.2.3", &["192.0.2.1"], "192.0.2.1"),
            ("2001:db8::7", &["[2001:db9::1]:4711"], "2001:db9::1"),
            ("10.1.2.3", &["192.0.2.1:4711"], "192.0.2.1"),
            ("10.1.2.3", &["[2001:db9::1]"], "2001:db9::1"),
            // What the client wrote itself stands before what the proxy appended.
            ("10.1.2.3", &["127.0.0.1, 192.0.2.1"], "192.0.2.1"),
            ("10.1.2.3", &["127.0.0.1", "192.0.2.1"], "192.0.2.1"),
            // A chain of proxies, each trusted.
            ("10.1.2.3", &["192.0.2.1, 10.9.9.9, 10.8.8.8"], "192.0.2.1"),
            // All of them are: the first that spoke is the client.
            ("10.1.2.3", &["10.9.9.9"], "10.9.9.9"),
            ("10.1.2.3", &[], "10.1.2.3"),
            ("10.1.2.3", &["unknown"], "10.1.2.3"),
            ("10.1.2.3", &["192.0.2.1, _hidden, 10.9.9.9"], "10.9.9.9"),
            ("10.1.2.3", &[""], "10.1.2.3"),
        ] {
            assert_eq!(found(trusted, peer, lines), client, "{peer} {lines:?}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in ["10.0.0.0/33", "any", "10.0.0.1,x"] {
            assert!(bad.parse::<TrustedProxies>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_long_user_agent_is_cut() {
        let mut headers = HeaderMap::new();
        let long = HeaderValue::from_str(&"a".repeat(1000)).expect("a value");
        headers.insert(header::USER_AGENT, long);
        let client = TrustedProxies::default().client(None, &headers);
        assert_eq!(
            client.user_agent.map(|agent| agent.len()),
            Some(LONGEST_AGENT)
        );
        assert_eq!(client.address, None);
    }
}
