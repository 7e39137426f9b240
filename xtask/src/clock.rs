//! The one place that reads a clock: durations for the reports, and deadlines.
#![expect(clippy::disallowed_methods, reason = "a task measures real time")]

use std::time::{Duration, Instant};

pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A point in time after which nobody waits any longer.
pub(crate) struct Deadline {
    watch: Stopwatch,
    limit: Duration,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        Self { watch: Stopwatch::start(), limit }
    }

    pub(crate) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.watch.elapsed())
    }
}
