//! What kind of address an address is: public, private, or one that is never called.
//!
//! Sources: IANA's special-purpose address registries for IPv4 and IPv6 (RFC 6890 and its updates);
//! the metadata addresses from the clouds' own documents. IPv6 has one more rule: what is in
//! nobody's global unicast space (2000::/3, RFC 4291) and in no private block is never called.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kernel::network::Network;

/// How an address stands to this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Public,
    /// Inside somebody's network: called where the operator says so. Named for people.
    Private(&'static str),
    /// Never called, whatever the operator says. Named for people.
    Forbidden(&'static str),
}

/// A block of addresses and what they are for.
pub type Block = (Network, &'static str);

const fn v4(octets: [u8; 4], bits: u8, name: &'static str) -> Block {
    let [a, b, c, d] = octets;
    (
        Network::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits),
        name,
    )
}

const fn v6(head: [u16; 4], tail: [u16; 4], bits: u8, name: &'static str) -> Block {
    let [a, b, c, d] = head;
    let [e, f, g, h] = tail;
    (
        Network::new(IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), bits),
        name,
    )
}

/// Never called.
pub const FORBIDDEN: &[Block] = &[
    v4([0, 0, 0, 0], 8, "an unspecified address"),
    v4([169, 254, 0, 0], 16, "a link-local address"),
    // The clouds' metadata services that are not link-local: Alibaba Cloud's, Azure's WireServer.
    v4([100, 100, 100, 200], 32, "a metadata service"),
    v4([168, 63, 129, 16], 32, "a metadata service"),
    // Holds Oracle Cloud's, 192.0.0.192.
    v4([192, 0, 0, 0], 24, "a reserved address"),
    v4([192, 0, 2, 0], 24, "a documentation address"),
    v4([192, 88, 99, 0], 24, "a 6to4 relay"),
    v4([198, 18, 0, 0], 15, "a benchmarking address"),
    v4([198, 51, 100, 0], 24, "a documentation address"),
    v4([203, 0, 113, 0], 24, "a documentation address"),
    v4([224, 0, 0, 0], 4, "a multicast address"),
    // Holds the broadcast address.
    v4([240, 0, 0, 0], 4, "a reserved address"),
    // EC2's metadata, DNS and time services.
    v6([0xfd00, 0xec2, 0, 0], [0; 4], 32, "a metadata service"),
    // Google Compute Engine's, and Oracle Cloud's.
    v6(
        [0xfd20, 0xce, 0, 0],
        [0, 0, 0, 0x254],
        128,
        "a metadata service",
    ),
    v6(
        [0xfd00, 0xc1, 0, 0],
        [0, 0, 0xa9fe, 0xa9fe],
        128,
        "a metadata service",
    ),
    // Teredo (2001::/32) and the rest of IETF's protocol assignments.
    v6(
        [0x2001, 0, 0, 0],
        [0; 4],
        23,
        "a Teredo or other protocol address",
    ),
    v6([0x2001, 0xdb8, 0, 0], [0; 4], 32, "a documentation address"),
    // Each embeds an IPv4 address. RFC 7526 deprecates the relays.
    v6([0x2002, 0, 0, 0], [0; 4], 16, "a 6to4 address"),
    v6([0x3fff, 0, 0, 0], [0; 4], 20, "a documentation address"),
    // Inside one operator's translator (RFC 8215), where the embedded address stands anywhere.
    v6([0x64, 0xff9b, 1, 0], [0; 4], 48, "a translated address"),
    v6([0xfe80, 0, 0, 0], [0; 4], 10, "a link-local address"),
    v6([0xfec0, 0, 0, 0], [0; 4], 10, "a site-local address"),
    v6([0xff00, 0, 0, 0], [0; 4], 8, "a multicast address"),
];

/// Called where the operator allows it.
pub const PRIVATE: &[Block] = &[
    v4([10, 0, 0, 0], 8, "a private address"),
    v4([172, 16, 0, 0], 12, "a private address"),
    v4([192, 168, 0, 0], 16, "a private address"),
    v4([127, 0, 0, 0], 8, "a loopback address"),
    v4([100, 64, 0, 0], 10, "an address behind a carrier's NAT"),
    v6([0; 4], [0, 0, 0, 1], 128, "a loopback address"),
    v6([0xfc00, 0, 0, 0], [0; 4], 7, "a private address"),
];

const GLOBAL: Network = Network::new(IpAddr::V6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0)), 3);
/// RFC 6052: the well-known prefix, by which a network without IPv4 reaches IPv4.
const NAT64: Network = Network::new(
    IpAddr::V6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0)),
    96,
);

fn among(blocks: &[Block], address: IpAddr) -> Option<&'static str> {
    let found = blocks.iter().find(|(block, _)| block.contains(address));
    found.map(|(_, name)| *name)
}

/// Where an address belongs. IPv4 addresses written as IPv6 ones (`::ffff:10.0.0.1`) are the IPv4
/// addresses that they are.
pub fn standing(address: IpAddr) -> Standing {
    let address = address.to_canonical();
    if let Some(name) = among(FORBIDDEN, address) {
        return Standing::Forbidden(name);
    }
    if let Some(name) = among(PRIVATE, address) {
        return Standing::Private(name);
    }
    match address {
        IpAddr::V4(_) => Standing::Public,
        IpAddr::V6(_) if GLOBAL.contains(address) => Standing::Public,
        IpAddr::V6(long) if NAT64.contains(address) => {
            let [.., a, b, c, d] = long.octets();
            match standing(Ipv4Addr::new(a, b, c, d).into()) {
                Standing::Public => Standing::Public,
                // RFC 6052, section 3.1: the prefix stands for no private address.
                Standing::Private(_) | Standing::Forbidden(_) => {
                    Standing::Forbidden("a translated address that is not public")
                }
            }
        }
        IpAddr::V6(_) => Standing::Forbidden("a reserved address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stand_where_they_belong() {
        use Standing::{Forbidden, Private, Public};
        let kind = |text: &str| standing(text.parse().expect("an address"));
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "169.253.255.255",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "64:ff9b::8.8.8.8",
            "::ffff:8.8.8.8",
        ] {
            assert_eq!(kind(text), Public, "{text}");
        }
        for text in [
            "10.0.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "172.31.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "fd12::1",
            "fc00::",
        ] {
            assert!(matches!(kind(text), Private(_)), "{text}");
        }
        for text in [
            "0.0.0.0",
            "169.254.169.254",
            "192.0.0.192",
            "255.255.255.255",
            "::",
            "::7f00:1",
            "::a9fe:a9fe",
            "::ffff:169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::10.0.0.1",
            "2002:a9fe:a9fe::1",
            "2002:7f00:1::",
            "2001:0:a9fe:a9fe::",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "4000::1",
            "5f00::1",
        ] {
            assert!(matches!(kind(text), Forbidden(_)), "{text}");
        }
    }
}
