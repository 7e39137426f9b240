//! The status feed, as this node writes it.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;

use super::Histogram;
use super::families::{Description, Families};

static FOLLOWERS: Description = Description {
    name: "countersign_status_feed_followers",
    labels: &[],
    help: "Verifiers that follow the status feed at this node",
};
static APPLIED: Description = Description {
    name: "countersign_status_feed_applied_seconds",
    labels: &[],
    help: "Time from when a revocation was known to be complete on this node until a verifier that follows here applied it, as it said",
};

/// The status feed.
#[derive(Debug)]
pub struct StatusFeedMetrics {
    followers: Gauge,
    applied: Histogram,
}

impl StatusFeedMetrics {
    pub(super) fn new(families: &mut Families) -> Self {
        let metrics = Self { followers: Gauge::default(), applied: Histogram::of_durations() };
        families.add(&FOLLOWERS, metrics.followers.clone());
        families.add(&APPLIED, metrics.applied.clone());
        metrics
    }

    /// Sets how many follow.
    pub(crate) fn followers(&self, count: usize) {
        self.followers.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Observes how long after its revocation a verifier refused.
    pub(crate) fn applied_after(&self, millis: u64) {
        self.applied.observe(Duration::from_millis(millis));
    }
}
