//! Whom to believe when they name the address that a request came from.

use std::net::IpAddr;

use super::error::ConfigError;
use super::network::Network;
use super::reader::Reader;
use super::server::refuse_repeated;
use super::setting::{Fallback, Kind, Setting};

/// Which of the addresses that a request passed through are proxies of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustedProxies {
    /// Those in one of these networks.
    Networks(Vec<Network>),
    /// The nearest so many, whatever their addresses.
    Nearest(u8),
}

pub(super) static NETWORKS: Setting = Setting {
    key: "server.trusted_proxies",
    kind: Kind::List { of: "addresses and networks, such as `10.0.0.7` or `10.1.0.0/16`" },
    default: Fallback::Unset,
    doc: "Proxies in front of the server. A connection from one of them comes from the address that `X-Forwarded-For` names: \
          of its entries, from the right, the first that is not itself such a proxy. From anybody else the header is ignored. \
          The address counts for `[budgets]`, for the networks that API keys are accepted from, and in the log.",
};

pub(super) static DEPTH: Setting = Setting {
    key: "server.trusted_proxy_depth",
    kind: Kind::Integer { min: 0, max: 16, unit: "proxies" },
    default: Fallback::Value("0"),
    doc: "Instead of `server.trusted_proxies`, where nobody knows the addresses of the proxies, as with some load balancers of \
          clouds: how many stand in front of the server, each of which adds an entry to `X-Forwarded-For`. A request comes from \
          the address that so many entries from the right name, or the farthest there is. Nothing may reach the server past \
          them: it could name any address. 0: none.",
};

impl TrustedProxies {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        // Unset is none; what is wrong is recorded as an error.
        let networks = reader.list(&NETWORKS, Network::parse).unwrap_or_default();
        refuse_repeated(reader, &NETWORKS, &networks, |_| true);
        match reader.integer(&DEPTH)? {
            0 => Some(Self::Networks(networks)),
            depth if networks.is_empty() => Some(Self::Nearest(depth)),
            _ => {
                let problem = format!("and {} are both set", NETWORKS.key);
                let error = ConfigError::new(DEPTH.key, reader.place(&DEPTH), problem);
                reader.refuse(error.with_fix("keep one of the two: the addresses, if they are known"));
                None
            }
        }
    }

    /// Whether an address is that of a proxy, with so many proxies between it and the server.
    pub fn contains(&self, address: IpAddr, proxies_between: usize) -> bool {
        match self {
            Self::Networks(networks) => networks.iter().any(|network| network.contains(address)),
            Self::Nearest(depth) => proxies_between < usize::from(*depth),
        }
    }
}

impl Default for TrustedProxies {
    fn default() -> Self {
        Self::Networks(Vec::new())
    }
}
