//! Medians, and where they lie with 90 % confidence.

/// A median with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    pub(super) low: f64,
    pub(super) median: f64,
    pub(super) high: f64,
}

impl Interval {
    /// By order statistics: nothing is assumed of how the values are distributed.
    pub(super) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN);
        let middle = values.len() / 2;
        let median =
            if values.len().is_multiple_of(2) { f64::midpoint(at(middle.saturating_sub(1)), at(middle)) } else { at(middle) };
        let below = ranks_below(values.len());
        Self { low: at(below), median, high: at(values.len().saturating_sub(below + 1)) }
    }
}

/// How many of the smallest of `count` values lie below the interval: as many as leave
/// at most 5 % on either side (a sum of binomial probabilities).
fn ranks_below(count: usize) -> usize {
    let (mut probability, mut tail, mut rank) = (0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX)), 0.0, 0);
    while tail + probability <= 0.05 {
        tail += probability;
        probability *= ratio(count, rank);
        rank += 1;
    }
    rank.saturating_sub(1)
}

/// How much more probable the next rank is.
fn ratio(count: usize, rank: usize) -> f64 {
    let number = |value: usize| f64::from(u32::try_from(value).unwrap_or(u32::MAX));
    number(count - rank) / number(rank + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: u32) -> Vec<f64> {
        (1..=count).rev().map(f64::from).collect()
    }

    #[test]
    fn the_interval_has_the_ranks_of_the_tables() {
        // Of 20 values the 6th and the 15th: 95.9 %; the 7th and the 14th would be 88.5 %.
        assert_eq!(Interval::of(numbers(20)), Interval { low: 6.0, median: 10.5, high: 15.0 });
        assert_eq!(Interval::of(numbers(5)), Interval { low: 1.0, median: 3.0, high: 5.0 });
        assert_eq!(Interval::of(numbers(1)), Interval { low: 1.0, median: 1.0, high: 1.0 });
    }
}
