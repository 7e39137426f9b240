//! Budgets: how much one client and one source address may ask of this node.
//!
//! Two are about failed authentications. The strict one belongs to a pair of source
//! address and client: nobody but that address waits, and only for that client. The
//! wide one belongs to the address: it keeps a flood of made-up clients away from the
//! database, and whoever has the right credential of a client in memory passes it.
//! What is refused depends on what was sent alone, never on whether the client exists.

mod bucket;
mod table;

use std::net::IpAddr;

use countersign_protocol::{ClientId, Timestamp};

use crate::config::BudgetsConfig;
use crate::metrics::{BudgetFamilies, BudgetMetrics};
use crate::source_address::SourceAddress;

use bucket::seconds_rounded_up;
pub(crate) use bucket::{Instant, Rate};
use table::Charge;
pub(crate) use table::Table;

/// Most keys that one budget remembers: 1.6 MB.
const REMEMBERED: usize = 65_536;
/// How many seconds' worth of requests may come at once.
const BURST_SECONDS: u32 = 10;

/// The budgets of a node.
pub struct Limits {
    client_failures: Option<Budget>,
    source_failures: Option<Budget>,
    imported_key_failures: Option<Budget>,
    client_requests: Option<Budget>,
    source_requests: Option<Budget>,
}

/// One budget.
struct Budget {
    name: &'static str,
    table: Table,
    metrics: BudgetMetrics,
}

/// A budget is exhausted: wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the budget `{budget}` is exhausted for {retry_after_seconds} s")]
pub struct Exhausted {
    /// Which budget.
    pub budget: &'static str,
    /// Seconds until it is worth another try; at least 1.
    pub retry_after_seconds: u64,
}

/// Where an authentication may look for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Anywhere.
    Anywhere,
    /// In memory only, and a failure is this refusal: the source address has failed
    /// too often with other clients.
    InMemory(Exhausted),
}

/// What is counted for a source address: a subscriber has a whole /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network(u128);

impl Limits {
    /// Budgets with nothing used.
    pub fn new(config: BudgetsConfig, metrics: &BudgetFamilies) -> Self {
        let budget = |name, rate: Option<Rate>| {
            rate.map(|rate| Budget { name, table: Table::new(rate, REMEMBERED), metrics: metrics.of(name) })
        };
        let a_minute = |units| Rate::new(units, 60, units);
        let a_second = |units: u32| Rate::new(units, 1, units.saturating_mul(BURST_SECONDS));
        Self {
            client_failures: budget("client_failures", a_minute(config.client_failures_per_minute)),
            source_failures: budget("source_failures", a_minute(config.source_failures_per_minute)),
            imported_key_failures: budget("imported_key_failures", a_minute(config.client_failures_per_minute)),
            client_requests: budget("client_requests", a_second(config.client_requests_per_second)),
            source_requests: budget("source_requests", a_second(config.source_requests_per_second)),
        }
    }

    /// Takes a request from its source address's budget: the first thing an endpoint does.
    ///
    /// # Errors
    /// [`Exhausted`].
    pub fn take_source_request(&self, source: SourceAddress, now: Timestamp) -> Result<(), Exhausted> {
        let Some(budget) = &self.source_requests else { return Ok(()) };
        budget.table.take(&Network::of(source), Instant::of(now)).map_err(|refused| budget.refuse(refused, source, None))
    }

    /// Takes a request from a client's budget. Only once it is authenticated: nobody
    /// else can use it up.
    ///
    /// # Errors
    /// [`Exhausted`].
    pub fn take_client_request(&self, client: &ClientId, source: SourceAddress, now: Timestamp) -> Result<(), Exhausted> {
        let Some(budget) = &self.client_requests else { return Ok(()) };
        budget.table.take(&client, Instant::of(now)).map_err(|refused| budget.refuse(refused, source, Some(client)))
    }

    /// Whether a source address may try to authenticate as a client now. `client_id`
    /// is what was sent.
    ///
    /// # Errors
    /// [`Exhausted`]; the same for clients that exist and others.
    pub fn admit(&self, source: SourceAddress, client_id: &str, now: Timestamp) -> Result<Lookup, Exhausted> {
        let (network, now) = (Network::of(source), Instant::of(now));
        if let Some(exhausted) = self.client_failures.as_ref().and_then(|budget| budget.wait(&(network, client_id), now)) {
            self.client_failures.iter().for_each(Budget::count_refusal);
            return Err(exhausted);
        }
        let exhausted = self.source_failures.as_ref().and_then(|budget| budget.wait(&network, now));
        Ok(exhausted.map_or(Lookup::Anywhere, Lookup::InMemory))
    }

    /// Counts an authentication that failed. `known` is the client, if there is one:
    /// it alone is named in the log, what was sent may be a secret in the wrong field.
    pub fn record_failure(&self, source: SourceAddress, client_id: &str, known: Option<&ClientId>, now: Timestamp) {
        let (network, now) = (Network::of(source), Instant::of(now));
        if let Some(budget) = &self.client_failures {
            budget.charge(&(network, client_id), source, known, now);
        }
        if let Some(budget) = &self.source_failures {
            budget.charge(&network, source, None, now);
        }
    }

    /// Whether a source address may present another key to the salted hashes that `hint` finds.
    ///
    /// # Errors
    /// [`Exhausted`].
    pub fn admit_imported(&self, source: SourceAddress, hint: &str, now: Timestamp) -> Result<(), Exhausted> {
        let Some(budget) = &self.imported_key_failures else { return Ok(()) };
        let wait = budget.wait(&(Network::of(source), hint), Instant::of(now));
        wait.map_or(Ok(()), |exhausted| {
            budget.count_refusal();
            Err(exhausted)
        })
    }

    /// Counts a key that no salted hash matched.
    pub fn record_imported_failure(&self, source: SourceAddress, hint: &str, now: Timestamp) {
        if let Some(budget) = &self.imported_key_failures {
            budget.charge(&(Network::of(source), hint), source, None, Instant::of(now));
        }
    }

    /// Counts a refusal for a [`Lookup::InMemory`] that found nobody.
    pub fn record_source_refusal(&self) {
        self.source_failures.iter().for_each(Budget::count_refusal);
    }
}

impl Budget {
    fn wait(&self, key: &impl std::hash::Hash, now: Instant) -> Option<Exhausted> {
        let wait = self.table.wait(key, now);
        (wait > 0).then(|| Exhausted { budget: self.name, retry_after_seconds: seconds_rounded_up(wait) })
    }

    fn charge(&self, key: &impl std::hash::Hash, source: SourceAddress, client: Option<&ClientId>, now: Instant) {
        if self.table.charge(key, now) == (Charge::Exhausted { announce: true }) {
            self.announce(source, client);
        }
    }

    fn refuse(&self, (wait, announce): (i64, bool), source: SourceAddress, client: Option<&ClientId>) -> Exhausted {
        self.count_refusal();
        if announce {
            self.announce(source, client);
        }
        Exhausted { budget: self.name, retry_after_seconds: seconds_rounded_up(wait) }
    }

    fn count_refusal(&self) {
        self.metrics.refusals.inc();
    }

    fn announce(&self, source: SourceAddress, client: Option<&ClientId>) {
        self.metrics.exhausted.inc();
        let client_id = client.map(ClientId::as_str);
        tracing::warn!(budget = self.name, source = %source, client.id = client_id, "a budget is exhausted");
    }
}

impl Network {
    pub(crate) fn of(source: SourceAddress) -> Self {
        match source.ip() {
            IpAddr::V4(address) => Self(u128::from(u32::from(address))),
            // No IPv6 network is an IPv4 address: `::/64` is none that packets come from.
            IpAddr::V6(address) => Self(u128::from(address) >> 64 << 64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str) -> Network {
        Network::of(SourceAddress::new(address.parse().unwrap()))
    }

    #[test]
    fn ipv6_addresses_of_one_subscriber_are_one() {
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.1"));
        assert_ne!(network("0.0.0.0"), network("2001:db8::"));
    }
}
