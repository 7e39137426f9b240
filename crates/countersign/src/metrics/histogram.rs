//! A histogram without a lock: every request observes one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Observations counted into buckets. Values are counted in `1 / scale`, so that
/// their sum is an integer. Clones share their counts.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Upper bounds, ascending, in `1 / scale`.
    bounds: &'static [u64],
    scale: u32,
    /// One for each bound, and one for what is beyond the last.
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

/// 50 microseconds to 10 seconds, in microseconds.
const DURATIONS: &[u64] =
    &[50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000];
/// Powers of two up to the largest group.
const SIZES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

impl Histogram {
    /// Of durations, in seconds.
    pub fn of_durations() -> Self {
        Self::new(DURATIONS, 1_000_000)
    }

    /// Of numbers of things done together.
    pub fn of_sizes() -> Self {
        Self::new(SIZES, 1)
    }

    fn new(bounds: &'static [u64], scale: u32) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Inner { bounds, scale, counts, sum: AtomicU64::new(0) }))
    }

    /// Counts a duration.
    pub fn observe(&self, duration: Duration) {
        self.count(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts a value in `1 / scale`.
    pub fn count(&self, value: u64) {
        let bucket = self.0.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.0.bounds.len());
        if let Some(count) = self.0.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.0.sum.fetch_add(value, Ordering::Relaxed);
    }
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let scale = f64::from(self.0.scale);
        let bounds = self.0.bounds.iter().map(|bound| as_f64(*bound) / scale).chain([f64::INFINITY]);
        let counts = self.0.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let total = buckets.iter().map(|(_, count)| count).sum();
        let sum = as_f64(self.0.sum.load(Ordering::Relaxed)) / scale;
        encoder.encode_histogram::<NoLabelSet>(sum, total, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

/// Exact up to 2^53, more than any sum here reaches.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "there is no other conversion")]
const fn as_f64(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn a_value_counts_in_its_bucket_and_in_every_larger_one() {
        let histogram = Histogram::of_durations();
        for micros in [50, 51, 10_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let mut registry = Registry::default();
        registry.register("d", "D", histogram);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "d_sum 10.000102",
            "d_count 3",
            "d_bucket{le=\"0.00005\"} 1",
            "d_bucket{le=\"0.0001\"} 2",
            "d_bucket{le=\"10.0\"} 2",
            "d_bucket{le=\"+Inf\"} 3",
        ] {
            assert!(text.lines().any(|own| own == line), "{line} is not in\n{text}");
        }
    }
}
