//! What expires soon. Whoever looks after a kind of credential sets its numbers.

use std::sync::atomic::AtomicI64;

use countersign_protocol::Timestamp;
use prometheus_client::metrics::gauge::Gauge;

use super::families::{Description, Families, Labelled};

static EXPIRING: Description = Description {
    name: "countersign_expiring",
    labels: &["kind", "within"],
    help: "Live credentials without a successor, and certificates, that expire within this time, by kind; a kind that nobody looked after yet has no series",
};

/// What can expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiring {
    /// A client's certificate.
    ClientCertificate,
    /// A client's public key.
    ClientKey,
    /// A client's secret.
    ClientSecret,
    /// A certificate that a listener presents.
    ServerCertificate,
}

/// How soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// 24 hours.
    Day,
    /// Seven days.
    Week,
    /// Thirty days.
    Month,
}

impl Within {
    /// Every horizon.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// Its length.
    pub const fn as_seconds(self) -> i64 {
        const DAY: i64 = 86_400;
        match self {
            Self::Day => DAY,
            Self::Week => 7 * DAY,
            Self::Month => 30 * DAY,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "1d",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }
}

impl Expiring {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCertificate => "client_certificate",
            Self::ClientKey => "client_key",
            Self::ClientSecret => "client_secret",
            Self::ServerCertificate => "server_certificate",
        }
    }
}

/// How many of a kind expire within each time of [`Within::ALL`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Ending([i64; Within::ALL.len()]);

impl Ending {
    /// Counts one that has `left_millis` milliseconds left.
    pub fn count(&mut self, left_millis: i64) {
        for (within, count) in Within::ALL.iter().zip(&mut self.0) {
            *count += i64::from(left_millis <= within.as_seconds() * 1_000);
        }
    }
}

/// What expires soon.
#[derive(Debug)]
pub struct ExpiryMetrics(Labelled<Gauge<i64, AtomicI64>>);

impl ExpiryMetrics {
    pub(super) fn new(families: &mut Families) -> Self {
        let expiring = Labelled::new(&EXPIRING, Gauge::default);
        families.add_labelled(&expiring);
        Self(expiring)
    }

    /// Sets how many of a kind expire.
    pub fn set(&self, kind: Expiring, ending: Ending) {
        for (within, count) in Within::ALL.iter().zip(ending.0) {
            self.0.series(&[kind.as_str(), within.as_str()]).set(count);
        }
    }

    /// Sets when the certificate that is presented expires; `None` while there is none.
    pub fn set_server_certificate(&self, not_after: Option<Timestamp>, now: Timestamp) {
        let mut ending = Ending::default();
        not_after.iter().for_each(|not_after| ending.count(not_after.millis_since(now)));
        self.set(Expiring::ServerCertificate, ending);
    }
}
