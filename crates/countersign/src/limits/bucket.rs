//! A token bucket as one instant (the generic cell rate algorithm): the time at which
//! the bucket will be full again.

use countersign_protocol::Timestamp;

/// Nanoseconds since 1970: fits until 2262.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(i64);

/// How a bucket fills: one unit each `interval`, up to `capacity`, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    interval: i64,
    capacity: i64,
}

/// A bucket, full unless taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket(Instant);

const SECOND: i64 = 1_000_000_000;

impl Instant {
    pub(super) const DISTANT_PAST: Self = Self(i64::MIN);

    pub(crate) const fn of(time: Timestamp) -> Self {
        Self(time.as_millis().saturating_mul(1_000_000))
    }

    pub(super) const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(SECOND)))
    }
}

impl Rate {
    /// `units` in each `seconds`, with room for `burst` units. `None` for no units:
    /// there is no such budget.
    pub(crate) fn new(units: u32, seconds: i64, burst: u32) -> Option<Self> {
        let interval = seconds.saturating_mul(SECOND).checked_div(i64::from(units))?;
        Some(Self { interval, capacity: interval.saturating_mul(i64::from(burst)) })
    }
}

impl Bucket {
    pub(super) const FULL: Self = Self(Instant::DISTANT_PAST);

    /// What is missing, in nanoseconds. More than the bucket holds can be missing only
    /// when the clock was set back: then nothing is.
    const fn debt(self, rate: Rate, now: Instant) -> i64 {
        let debt = self.0.0.saturating_sub(now.0);
        if debt > rate.capacity || debt < 0 { 0 } else { debt }
    }

    /// Nanoseconds until there is a unit; 0: there is one.
    pub(super) const fn wait(self, rate: Rate, now: Instant) -> i64 {
        let beyond = self.debt(rate, now).saturating_add(rate.interval).saturating_sub(rate.capacity);
        if beyond > 0 { beyond } else { 0 }
    }

    /// The bucket with a unit less, or empty.
    pub(super) const fn less_one(self, rate: Rate, now: Instant) -> Self {
        let debt = self.debt(rate, now).saturating_add(rate.interval);
        Self(Instant(now.0.saturating_add(if debt > rate.capacity { rate.capacity } else { debt })))
    }
}

/// Whole seconds, rounded up: after them it is over.
pub(super) const fn seconds_rounded_up(nanoseconds: i64) -> u64 {
    nanoseconds.unsigned_abs().div_ceil(SECOND.unsigned_abs())
}

/// Orders buckets by how full they will be: what was taken from least comes first.
impl PartialOrd for Bucket {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bucket {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Instant {
        Instant::of(Timestamp::from_millis(1_800_000_000_000 + millis))
    }

    fn emptied(rate: Rate, now: Instant) -> (Bucket, u32) {
        let (mut bucket, mut taken) = (Bucket::FULL, 0);
        while bucket.wait(rate, now) == 0 {
            bucket = bucket.less_one(rate, now);
            taken += 1;
        }
        (bucket, taken)
    }

    #[test]
    fn it_holds_the_burst_and_fills_at_the_rate() {
        let rate = Rate::new(10, 60, 10).unwrap();
        let (bucket, taken) = emptied(rate, at(0));
        assert_eq!(taken, 10);
        assert_eq!(seconds_rounded_up(bucket.wait(rate, at(0))), 6);
        assert_eq!(seconds_rounded_up(bucket.wait(rate, at(5_001))), 1);
        assert!(bucket.wait(rate, at(5_999)) > 0);
        assert_eq!(bucket.wait(rate, at(6_000)), 0);
        assert!(bucket.less_one(rate, at(6_000)).wait(rate, at(6_000)) > 0);
    }

    #[test]
    fn what_is_taken_beyond_the_end_makes_nobody_wait_longer() {
        let rate = Rate::new(10, 60, 10).unwrap();
        let (bucket, _) = emptied(rate, at(0));
        assert_eq!(bucket.less_one(rate, at(0)).less_one(rate, at(0)).wait(rate, at(0)), bucket.wait(rate, at(0)));
    }

    #[test]
    fn r07_a_clock_that_was_set_back_does_not_freeze_it() {
        let rate = Rate::new(10, 60, 10).unwrap();
        let (bucket, _) = emptied(rate, at(0));
        assert_eq!(bucket.wait(rate, at(-600_000)), 0);
    }

    #[test]
    fn high_rates_are_kept() {
        let rate = Rate::new(100_000, 1, 1_000_000).unwrap();
        assert_eq!(emptied(rate, at(0)).1, 1_000_000);
    }

    #[test]
    fn no_units_is_no_budget() {
        assert_eq!(Rate::new(0, 60, 10), None);
    }
}
