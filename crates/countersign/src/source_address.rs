//! Where a request comes from.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// The address that a request comes from: the other end of its connection or, where
/// that is a trusted proxy, the nearest address before it that is none. Every request
/// has one in its extensions, and handlers may take it as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceAddress(IpAddr);

impl SourceAddress {
    /// Of a request that came by no connection.
    pub const NONE: Self = Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED));

    /// An address; an IPv4 address that IPv6 carries becomes one again.
    pub const fn new(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    /// The address.
    pub const fn ip(self) -> IpAddr {
        self.0
    }
}

impl fmt::Display for SourceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
