//! Which address a request comes from, behind proxies too.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;

use super::PeerAddress;
use crate::config::TrustedProxies;
use crate::source_address::SourceAddress;

/// Each proxy adds the address it was asked from to the end of this list.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Whether somebody who is not a trusted proxy names a source: most likely a proxy that
/// nobody told us about.
pub(super) fn is_named_by_untrusted(headers: &HeaderMap, peer: Option<PeerAddress>, trusted: &TrustedProxies) -> bool {
    headers.contains_key(FORWARDED_FOR) && peer.is_some_and(|PeerAddress(peer)| !trusted.contains(peer.ip(), 0))
}

/// Finds the source of a request. Whom a trusted proxy names is believed, and
/// nobody else: the header's other entries are whatever the caller wrote.
pub(super) fn find(headers: &HeaderMap, peer: Option<PeerAddress>, trusted: &TrustedProxies) -> SourceAddress {
    let Some(peer) = peer else { return SourceAddress::NONE };
    let (mut source, mut proxies) = (peer.0.ip(), 0);
    let mut hops = headers.get_all(FORWARDED_FOR).iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    while trusted.contains(source, proxies) {
        // Where the list ends or cannot be read, the last one known counts.
        let Some(before) = hops.next().and_then(parse_hop) else { break };
        (source, proxies) = (before, proxies + 1);
    }
    SourceAddress::new(source)
}

/// An address; some proxies add the port.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    text.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}

impl<S: Send + Sync> FromRequestParts<S> for SourceAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Self::NONE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Network;

    fn source(peer: &str, lines: &[&str], trusted: &[&str]) -> String {
        let trusted = trusted.iter().map(|address| Network::host(address.parse().unwrap())).collect();
        source_behind(peer, lines, &TrustedProxies::Networks(trusted))
    }

    fn source_behind(peer: &str, lines: &[&str], trusted: &TrustedProxies) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let peer = PeerAddress(SocketAddr::new(peer.parse().unwrap(), 1));
        find(&headers, Some(peer), trusted).to_string()
    }

    #[test]
    fn an_untrusted_peer_is_the_source_whatever_it_claims() {
        assert_eq!(source("192.0.2.9", &["203.0.113.1"], &[]), "192.0.2.9");
        assert_eq!(source("192.0.2.9", &["203.0.113.1"], &["192.0.2.1"]), "192.0.2.9");
    }

    #[test]
    fn behind_trusted_proxies_the_nearest_untrusted_address_is_the_source() {
        let trusted = ["192.0.2.1", "192.0.2.2"];
        for (lines, expected) in [
            (&["203.0.113.7"][..], "203.0.113.7"),
            (&["198.51.100.1, 203.0.113.7"][..], "203.0.113.7"),
            (&["198.51.100.1, 203.0.113.7 ,192.0.2.2"][..], "203.0.113.7"),
            (&["203.0.113.7", "192.0.2.2"][..], "203.0.113.7"),
            (&["192.0.2.2, 203.0.113.7"][..], "203.0.113.7"),
            (&["203.0.113.7:4711"][..], "203.0.113.7"),
            (&["[2001:db8::1]:4711"][..], "2001:db8::1"),
            (&["::ffff:203.0.113.7"][..], "203.0.113.7"),
            // Nothing, nothing but proxies, and nonsense.
            (&[][..], "192.0.2.1"),
            (&["192.0.2.2"][..], "192.0.2.2"),
            (&["203.0.113.7, unknown"][..], "192.0.2.1"),
            (&["203.0.113.7,"][..], "192.0.2.1"),
        ] {
            assert_eq!(source("192.0.2.1", lines, &trusted), expected, "{lines:?}");
        }
        assert_eq!(source("::ffff:192.0.2.1", &["203.0.113.7"], &trusted), "203.0.113.7");
    }

    #[test]
    fn behind_so_many_proxies_the_entry_that_the_farthest_wrote_is_the_source() {
        for (depth, lines, expected) in [
            (0, &["203.0.113.7"][..], "192.0.2.1"),
            (1, &["203.0.113.7"][..], "203.0.113.7"),
            // What is left of it is the caller's own.
            (1, &["198.51.100.1, 203.0.113.7"][..], "203.0.113.7"),
            (1, &["198.51.100.1", "203.0.113.7"][..], "203.0.113.7"),
            (2, &["198.51.100.1, 203.0.113.7, 10.0.0.9"][..], "203.0.113.7"),
            (2, &["203.0.113.7", "10.0.0.9:4711"][..], "203.0.113.7"),
            (2, &["::ffff:203.0.113.7, [2001:db8::1]:4711"][..], "203.0.113.7"),
            // Too short, and nonsense: the farthest that is known.
            (2, &["203.0.113.7"][..], "203.0.113.7"),
            (2, &[][..], "192.0.2.1"),
            (2, &["203.0.113.7, unknown"][..], "192.0.2.1"),
            (2, &["unknown, 203.0.113.7"][..], "203.0.113.7"),
        ] {
            assert_eq!(source_behind("192.0.2.1", lines, &TrustedProxies::Nearest(depth)), expected, "{depth} {lines:?}");
        }
    }
}
