//! The node itself: its build, its start, how current its memory is.

use std::sync::atomic::{AtomicI64, AtomicU64};

use countersign_protocol::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;

use super::families::{Description, Families};

static BUILD: Description = Description { name: "countersign_build", labels: &["version"], help: "The version that runs" };
static STARTED: Description =
    Description { name: "process_start_time_seconds", labels: &[], help: "When the process started, in seconds since 1970" };
static POSITION: Description = Description {
    name: "countersign_change_feed_position",
    labels: &[],
    help: "The number of the last change of the database that this node has applied to its memory",
};
static LAG: Description = Description {
    name: "countersign_change_feed_lag_seconds",
    labels: &[],
    help: "Time since this node knew that it had applied every change; beyond 10 it is not ready",
};
static DROPPED_LINES: Description = Description {
    name: "countersign_log_lines_dropped",
    labels: &[],
    help: "Lines of the log that were dropped because nobody read the log in time",
};
static RESYNCS: Description = Description {
    name: "countersign_change_feed_resyncs",
    labels: &[],
    help: "How often a gap in the change feed made the node read everything again",
};

/// The node itself.
#[derive(Debug)]
pub struct NodeMetrics {
    position: Gauge<i64, AtomicI64>,
    lag: Gauge<f64, AtomicU64>,
    resyncs: Counter,
}

impl NodeMetrics {
    pub(super) fn new(families: &mut Families, started: Timestamp) -> Self {
        let metrics = Self { position: Gauge::default(), lag: Gauge::default(), resyncs: Counter::default() };
        let start = Gauge::<f64, AtomicU64>::default();
        start.set(seconds(started.as_millis()));
        families.add(&BUILD, Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        families.add(&STARTED, start);
        families.add(&POSITION, metrics.position.clone());
        families.add(&LAG, metrics.lag.clone());
        families.add(&RESYNCS, metrics.resyncs.clone());
        families.add(&DROPPED_LINES, crate::log_queue::dropped());
        metrics
    }

    /// Sets where this node is in the change feed.
    pub(crate) fn at_position(&self, position: i64) {
        self.position.set(position);
    }

    /// Counts a resync.
    pub(crate) fn resynced(&self) {
        self.resyncs.inc();
    }

    /// Sets how long ago this node had applied every change.
    pub(super) fn behind_by(&self, millis: i64) {
        self.lag.set(seconds(millis.max(0)));
    }
}

/// Milliseconds as seconds.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "exact for any time there will be")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1_000.0
}
