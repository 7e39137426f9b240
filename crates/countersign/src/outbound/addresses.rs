//! Which addresses a URL that a user named may lead to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressPolicy {
    /// Addresses of the public internet.
    Public,
    /// Also loopback and private networks; never what cloud machines ask for their own credentials.
    PublicAndPrivate,
}

/// IPv4 networks that are not the public internet (RFC 6890 and its successors), as address and prefix length.
const NOT_PUBLIC_V4: [(Ipv4Addr, u32); 17] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 52, 193, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(192, 175, 48, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, reserved, broadcast.
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// Parts of 2000::/3 that are not the public internet, as the first 32 bits and prefix length.
const NOT_PUBLIC_V6: [(u32, u32); 4] = [
    // Protocol assignments, Teredo among them.
    (0x2001_0000, 23),
    (0x2001_0db8, 32),
    // 6to4, which leads to any IPv4 address.
    (0x2002_0000, 16),
    (0x3fff_0000, 20),
];

/// Answer with the machine's credentials on some clouds, though nothing in their numbers says so.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

impl AddressPolicy {
    /// Whether a connection to `address` is allowed.
    pub(super) fn allows(self, address: IpAddr) -> bool {
        let address = without_translation(address);
        if METADATA.contains(&address) || address.is_multicast() || address.is_unspecified() || is_link_local(address) {
            return false;
        }
        self == Self::PublicAndPrivate || is_public(address)
    }
}

/// The IPv4 address that an IPv6 address stands for: IPv4-mapped (RFC 4291), or
/// through the well-known prefix of NAT64 (RFC 6052).
fn without_translation(address: IpAddr) -> IpAddr {
    let address = address.to_canonical();
    match address {
        IpAddr::V6(v6) => match v6.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))),
            _ => address,
        },
        IpAddr::V4(_) => address,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !NOT_PUBLIC_V4.iter().any(|(network, length)| shares_prefix(v4.to_bits(), network.to_bits(), *length)),
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            let start = u32::from(first) << 16 | u32::from(second);
            shares_prefix(start, 0x2000_0000, 3)
                && !NOT_PUBLIC_V6.iter().any(|(network, length)| shares_prefix(start, *network, *length))
        }
    }
}

const fn shares_prefix(one: u32, other: u32, length: u32) -> bool {
    (one ^ other) >> (32 - length) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(policy: AddressPolicy, address: &str) -> bool {
        policy.allows(address.parse().unwrap())
    }

    #[test]
    fn only_the_public_internet_is_reached() {
        for address in [
            "8.8.8.8",
            "1.1.1.1",
            "172.15.255.255",
            "172.32.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450:4001:82b::200e",
            "2001:4860:4860::8888",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
        ] {
            assert!(allowed(AddressPolicy::Public, address), "{address}");
        }
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::a00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!allowed(AddressPolicy::Public, address), "{address}");
        }
    }

    #[test]
    fn where_private_addresses_are_allowed_metadata_services_are_not() {
        for address in ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "fd12::1", "8.8.8.8"] {
            assert!(allowed(AddressPolicy::PublicAndPrivate, address), "{address}");
        }
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fd00:ec2::254",
            "168.63.129.16",
            "100.100.100.200",
            "fe80::1",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
        ] {
            assert!(!allowed(AddressPolicy::PublicAndPrivate, address), "{address}");
        }
    }
}
