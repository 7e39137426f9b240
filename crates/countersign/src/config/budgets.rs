//! `[budgets]`: how much one client and one source address may ask for.

use super::reader::Reader;
use super::setting::{Fallback, Kind, Section, Setting};

/// How much one client and one source address may ask for; 0 is without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BudgetsConfig {
    /// Failed authentications of one client from one source address, a minute.
    pub client_failures_per_minute: u32,
    /// Failed authentications from one source address, a minute.
    pub source_failures_per_minute: u32,
    /// Requests of one client, a second.
    pub client_requests_per_second: u32,
    /// Requests from one source address, a second.
    pub source_requests_per_second: u32,
}

pub(super) static SECTION: Section = Section {
    name: "budgets",
    doc: "How much one client and one source address may ask of the OAuth endpoints of one node. Beyond it the answer is 429 with \
          `Retry-After`. A source address is that of the connection, or what `server.trusted_proxies` say; IPv6 addresses with the \
          same first 64 bits are one. 0 turns a budget off.",
    settings: &[&CLIENT_FAILURES, &SOURCE_FAILURES, &CLIENT_REQUESTS, &SOURCE_REQUESTS],
};

static CLIENT_FAILURES: Setting = Setting {
    key: "budgets.client_failures_per_minute",
    kind: Kind::Integer { min: 0, max: 1_000_000, unit: "failures" },
    default: Fallback::Value("10"),
    doc: "Failed authentications of one client from one source address. Beyond it that address waits before it may try this \
          client again; the client is served from every other address, and other clients from this one.",
};

static SOURCE_FAILURES: Setting = Setting {
    key: "budgets.source_failures_per_minute",
    kind: Kind::Integer { min: 0, max: 1_000_000, unit: "failures" },
    default: Fallback::Value("100"),
    doc: "Failed authentications from one source address, of all clients together. Beyond it nothing is read from the database \
          for that address: clients in memory with the right credential are served, everybody else waits.",
};

static CLIENT_REQUESTS: Setting = Setting {
    key: "budgets.client_requests_per_second",
    kind: Kind::Integer { min: 0, max: 1_000_000, unit: "requests" },
    default: Fallback::Value("100000"),
    doc: "Requests of one authenticated client on one node; ten seconds' worth may come at once. The default stops only what no \
          node could serve: set what your clients need.",
};

static SOURCE_REQUESTS: Setting = Setting {
    key: "budgets.source_requests_per_second",
    kind: Kind::Integer { min: 0, max: 1_000_000, unit: "requests" },
    default: Fallback::Value("100000"),
    doc: "Requests from one source address to one node; ten seconds' worth may come at once.",
};

impl BudgetsConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let client_failures = reader.integer(&CLIENT_FAILURES);
        let source_failures = reader.integer(&SOURCE_FAILURES);
        let client_requests = reader.integer(&CLIENT_REQUESTS);
        let source_requests = reader.integer(&SOURCE_REQUESTS);
        Some(Self {
            client_failures_per_minute: client_failures?,
            source_failures_per_minute: source_failures?,
            client_requests_per_second: client_requests?,
            source_requests_per_second: source_requests?,
        })
    }
}
