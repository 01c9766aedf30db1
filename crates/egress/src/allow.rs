//! What an operator opens beside public https:// addresses: hosts and networks, each with its port.

use std::{collections::BTreeSet, net::IpAddr, str::FromStr};

use kernel::network::Network;
use url::{Host, Url};

use crate::address::FORBIDDEN;

/// One place: a host by its name, or every address of a network, at one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    whom: Whom,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Whom {
    /// In lower case, without the root's dot.
    Name(String),
    Network(Network),
}

/// Why a place can't be allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlace {
    #[error(
        "`{0}` is not a host or a network with its port, as in internal.example:443, 10.1.2.0/24:8443 or [fd00:1::/64]:443"
    )]
    Form(String),
    #[error("`{place}` holds {what}, which nothing opens")]
    Forbidden { place: String, what: &'static str },
}

impl FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        let form = || InvalidPlace::Form(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(form)?;
        let port: u16 = port.parse().map_err(|_| form())?;
        let bracketed = host
            .strip_prefix('[')
            .map(|rest| rest.strip_suffix(']').ok_or_else(form))
            .transpose()?;
        // Without brackets, nobody could tell an IPv6 address's last part from a port.
        if port == 0 || (bracketed.is_none() && host.contains(':')) {
            return Err(form());
        }
        let whom = match bracketed.unwrap_or(host).parse::<Network>() {
            Ok(network) => Whom::Network(network),
            Err(_) if bracketed.is_some() => return Err(form()),
            Err(_) => match Host::parse(host) {
                // A `*` is a character of names to the parser, and a wildcard to whoever writes it.
                Ok(Host::Domain(name)) if !name.contains('*') => {
                    Whom::Name(plain(&name).to_owned())
                }
                _ => return Err(form()),
            },
        };
        if let Whom::Network(network) = whom
            && let Some((_, what)) = FORBIDDEN.iter().find(|(block, _)| block.overlaps(network))
        {
            let place = text.to_owned();
            return Err(InvalidPlace::Forbidden { place, what });
        }
        Ok(Self { whom, port })
    }
}

impl Place {
    /// Where a URL leads. `None` for one without a host or a port that is known.
    pub fn of(url: &Url) -> Option<Self> {
        let whom = match url.host()? {
            Host::Domain(name) => Whom::Name(plain(name).to_owned()),
            Host::Ipv4(address) => Whom::Network(Network::new(address.into(), 32)),
            Host::Ipv6(address) => match IpAddr::from(address).to_canonical() {
                short @ IpAddr::V4(_) => Whom::Network(Network::new(short, 32)),
                long @ IpAddr::V6(_) => Whom::Network(Network::new(long, 128)),
            },
        };
        let port = url.port_or_known_default()?;
        Some(Self { whom, port })
    }
}

/// A name without the root's dot.
fn plain(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// Everything that is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<Place>);

impl FromIterator<Place> for AllowList {
    fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Self {
        Self(places.into_iter().collect())
    }
}

impl AllowList {
    /// This list and more.
    pub fn and(&self, more: impl IntoIterator<Item = Place>) -> Self {
        self.0.iter().cloned().chain(more).collect()
    }

    /// The ports at which anything is open.
    pub(crate) fn ports(&self) -> BTreeSet<u16> {
        self.0.iter().map(|place| place.port).collect()
    }

    pub(crate) fn names(&self, host: &str, port: u16) -> bool {
        let host = plain(host);
        self.0.iter().any(|place| {
            place.port == port && matches!(&place.whom, Whom::Name(name) if name == host)
        })
    }

    pub(crate) fn covers(&self, address: IpAddr, port: u16) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|place| {
            place.port == port
                && matches!(place.whom, Whom::Network(network) if network.contains(address))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        for good in [
            "10.1.2.0/24:8443",
            "10.1.2.3:80",
            "internal.example:443",
            "Internal.Example.:443",
            "localhost:4010",
            "[::1]:4010",
            "[fd12::/64]:443",
        ] {
            assert!(good.parse::<Place>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "internal.example",
            "internal.example:",
            "internal.example:0",
            "internal.example:65536",
            ":443",
            "*.example:443",
            "https://internal.example:443",
            "10.0.0.0/33:443",
            "10.1.2:443",
            "fd12::1:443",
            "[fd12::1:443",
            "[internal.example]:443",
        ] {
            assert_eq!(
                bad.parse::<Place>(),
                Err(InvalidPlace::Form(bad.to_owned())),
                "{bad}"
            );
        }
        for never in [
            "169.254.169.254:80",
            "169.0.0.0/8:80",
            "0.0.0.0/0:443",
            "[fe80::1]:80",
            "[::/0]:443",
            "[fd00:ec2::254]:80",
        ] {
            assert!(
                matches!(never.parse::<Place>(), Err(InvalidPlace::Forbidden { .. })),
                "{never}"
            );
        }
    }
}
