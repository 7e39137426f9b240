//! `[metrics]`: the listener for scrapes.

use std::net::SocketAddr;

use super::reader::Reader;
use super::server::{parse_address, refuse_repeated};
use super::setting::{Fallback, Kind, Section, Setting};

/// The listener for scrapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Addresses to serve metrics on; empty: nowhere.
    pub listen: Vec<SocketAddr>,
}

pub(super) static SECTION: Section =
    Section { name: "metrics", doc: "Metrics for Prometheus and what speaks its language.", settings: &[&LISTEN] };

static LISTEN: Setting = Setting {
    key: "metrics.listen",
    kind: Kind::List { of: "socket addresses, such as `127.0.0.1:9787`" },
    default: Fallback::Unset,
    doc: "Addresses on which `GET /metrics` is answered, apart from the addresses of the server; unset, nowhere, and in `dev` \
          127.0.0.1:9787. Whoever reaches such an address reads the metrics: there are no credentials and no TLS.",
};

impl MetricsConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        // Unset is none; what is wrong is recorded as an error.
        let listen = reader.list(&LISTEN, parse_address).unwrap_or_default();
        refuse_repeated(reader, &LISTEN, &listen, |address| address.port() != 0);
        Self { listen }
    }
}
