//! When to try.

use countersign_protocol::Timestamp;

use crate::entropy::{Entropy, random};

/// The first wait after a failure; each is twice as long as the one before.
const FIRST_WAIT_SECONDS: i64 = 60;
/// A day: authorities limit failures by the hour, and operators repair within days.
const LONGEST_WAIT_SECONDS: i64 = 24 * 60 * 60;

/// When two thirds of a certificate's life are over; up to a thirtieth of its life
/// earlier, so that instances that were set up together do not renew together.
pub(super) fn renewal(not_before: Timestamp, not_after: Timestamp, entropy: &dyn Entropy) -> Timestamp {
    let life = not_after.millis_since(not_before).max(0);
    let jitter = life / 30 * share(entropy) / i64::from(u16::MAX);
    not_before.plus_millis(life / 3 * 2 - jitter)
}

/// When to try again after a failure that `failures` others precede: up to a quarter later than that.
pub(super) fn retry(now: Timestamp, failures: i64, entropy: &dyn Entropy) -> Timestamp {
    let doublings = u32::try_from(failures.clamp(0, 20)).unwrap_or_default();
    let wait = FIRST_WAIT_SECONDS.saturating_mul(1 << doublings).min(LONGEST_WAIT_SECONDS);
    now.plus_seconds(wait).plus_millis(wait * 250 * share(entropy) / i64::from(u16::MAX))
}

fn share(entropy: &dyn Entropy) -> i64 {
    u16::from_be_bytes(random::<2>(entropy)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    const DAY: i64 = 24 * 60 * 60;

    #[test]
    fn a_certificate_is_renewed_when_two_thirds_of_its_life_are_over_or_a_little_earlier() {
        let from = Timestamp::from_seconds(1_800_000_000);
        let entropy = SeededEntropy::new(1);
        let days: Vec<i64> =
            (0..50).map(|_| renewal(from, from.plus_seconds(90 * DAY), &entropy).millis_since(from) / 1_000).collect();
        assert!(days.iter().all(|seconds| (57 * DAY..=60 * DAY).contains(seconds)), "{days:?}");
        assert!(days.iter().max() != days.iter().min());
    }

    #[test]
    fn waits_double_up_to_a_day_and_differ_a_little() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let entropy = SeededEntropy::new(1);
        for (failures, seconds) in [(0, 60), (1, 120), (4, 960), (10, 61_440), (11, DAY), (1_000, DAY), (-1, 60)] {
            let wait = retry(now, failures, &entropy).millis_since(now);
            assert!((seconds * 1_000..=seconds * 1_250).contains(&wait), "{failures} {wait}");
        }
    }
}
