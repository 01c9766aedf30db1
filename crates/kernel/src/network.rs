//! Networks: an address and how many of its leading bits count. Settings name proxies and
//! destinations by them.

use std::{fmt, net::IpAddr, str::FromStr};

/// An address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// What is no network.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address or a network, as in 10.0.0.7 or 10.0.0.0/8")]
pub struct InvalidNetwork(String);

impl FromStr for Network {
    type Err = InvalidNetwork;

    /// An address with or without its number of bits; without, all of them count.
    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let parse = || {
            let (address, bits) = match text.split_once('/') {
                Some((address, bits)) => (address.parse().ok()?, Some(bits.parse::<u8>().ok()?)),
                None => (text.parse::<IpAddr>().ok()?, None),
            };
            let all = width(address);
            let bits = bits.unwrap_or(all);
            (bits <= all).then_some(Self { address, bits })
        };
        parse().ok_or_else(|| InvalidNetwork(text.to_owned()))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Network {
    /// `bits` beyond the address's width count as all of them.
    pub const fn new(address: IpAddr, bits: u8) -> Self {
        let all = width(address);
        let bits = if bits < all { bits } else { all };
        Self { address, bits }
    }

    pub fn contains(self, address: IpAddr) -> bool {
        let dropped = u32::from(width(self.address) - self.bits);
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differ = network.to_bits() ^ address.to_bits();
                differ.checked_shr(dropped).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differ = network.to_bits() ^ address.to_bits();
                differ.checked_shr(dropped).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// Whether any address is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }

    pub const fn address(self) -> IpAddr {
        self.address
    }

    pub const fn bits(self) -> u8 {
        self.bits
    }
}

const fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect("a network")
    }

    #[test]
    fn networks_have_edges() {
        for (text, inside, outside) in [
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"),
            ("::/0", "::1", "127.0.0.1"),
        ] {
            let network = network(text);
            assert!(network.contains(inside.parse().expect("an address")));
            assert!(!network.contains(outside.parse().expect("an address")));
        }
        for bad in ["", "10.0.0.0/33", "10.0.0", "::/129", "10.0.0.0/-1", "any"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_overlap_where_one_holds_the_other() {
        for (one, other, overlap) in [
            ("10.0.0.0/8", "10.1.0.0/16", true),
            ("10.1.0.0/16", "10.0.0.0/8", true),
            ("10.0.0.0/9", "10.128.0.0/9", false),
            ("::/0", "10.0.0.0/8", false),
        ] {
            assert_eq!(
                network(one).overlaps(network(other)),
                overlap,
                "{one} {other}"
            );
        }
    }
}
