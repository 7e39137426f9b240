//! How long a key set is good: pure arithmetic on instants.

use countersign_protocol::Timestamp;

/// Shortest time to live, whatever the issuer says.
const MIN_TTL_SECONDS: i64 = 60;
/// Longest time to live, whatever the issuer says.
const MAX_TTL_SECONDS: i64 = 24 * 3600;
/// Time to live when the issuer says nothing.
const DEFAULT_TTL_SECONDS: i64 = 600;
/// How long after its time to live a set is used while the issuer is in error.
const STALE_IF_ERROR_SECONDS: i64 = 24 * 3600;
/// Pause between attempts while the issuer is in error and keys are at hand.
const RETRY_SECONDS: i64 = 30;
/// Pause between attempts while there are no keys: as long as `Retry-After` says.
const RETRY_WITHOUT_KEYS_SECONDS: i64 = 5;
/// How long a failed attempt counts as the issuer being in error. A verifier that
/// was idle for longer has to ask again before it uses a set past its time.
const FAILURE_COUNTS_SECONDS: i64 = 600;

/// When a key set is due, overdue and gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) refresh_at: Timestamp,
    pub(crate) fresh_until: Timestamp,
    pub(crate) usable_until: Timestamp,
    /// When the last attempt failed; `None` after a success.
    pub(crate) failed_at: Option<Timestamp>,
    /// When the last attempt that succeeded did; `None` before the first.
    pub(crate) fetched_at: Option<Timestamp>,
}

/// What to do with a key set now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Use it.
    Fresh,
    /// Use it, and fetch a new one meanwhile.
    Due,
    /// Its time is over and the issuer has not been asked: ask first.
    Overdue,
    /// It is not to be used any more. `retry` says whether to ask the issuer now.
    Gone { retry: bool },
}

impl Validity {
    /// Before the first fetch.
    pub(crate) const NOTHING: Self = Self {
        refresh_at: Timestamp::from_millis(i64::MIN),
        fresh_until: Timestamp::from_millis(i64::MIN),
        usable_until: Timestamp::from_millis(i64::MIN),
        failed_at: None,
        fetched_at: None,
    };

    /// Keys that were given once and for all.
    pub(crate) const FOR_GOOD: Self = Self {
        refresh_at: Timestamp::from_millis(i64::MAX),
        fresh_until: Timestamp::from_millis(i64::MAX),
        usable_until: Timestamp::from_millis(i64::MAX),
        failed_at: None,
        fetched_at: None,
    };

    /// After a successful fetch at `now`; `roll` is any random number.
    pub(crate) fn renewed(cache_control: Option<&str>, now: Timestamp, roll: u32) -> Self {
        let ttl = time_to_live(cache_control);
        let fresh_until = now.plus_seconds(ttl);
        Self {
            refresh_at: now.plus_millis(refresh_after_millis(ttl, roll)),
            fresh_until,
            usable_until: fresh_until.plus_seconds(STALE_IF_ERROR_SECONDS),
            failed_at: None,
            fetched_at: Some(now),
        }
    }

    /// After a failed fetch at `now`.
    pub(crate) const fn failed(self, now: Timestamp) -> Self {
        Self { refresh_at: now.plus_seconds(RETRY_SECONDS), failed_at: Some(now), ..self }
    }

    pub(crate) fn at(&self, now: Timestamp) -> Freshness {
        let failed_within = |seconds: i64| self.failed_at.is_some_and(|failed| is_within(now, failed, seconds));
        if now >= self.usable_until {
            return Freshness::Gone { retry: !failed_within(RETRY_WITHOUT_KEYS_SECONDS) };
        }
        if now >= self.fresh_until && !failed_within(FAILURE_COUNTS_SECONDS) {
            return Freshness::Overdue;
        }
        if now < self.refresh_at { Freshness::Fresh } else { Freshness::Due }
    }
}

/// Whether `now` is at or after `start` and less than `seconds` after it. A clock
/// that was set back ends a pause instead of lengthening it.
pub(crate) fn is_within(now: Timestamp, start: Timestamp, seconds: i64) -> bool {
    (0..seconds * 1000).contains(&now.millis_since(start))
}

/// Seconds for which a set is fresh: `max-age` of Cache-Control between the bounds.
fn time_to_live(cache_control: Option<&str>) -> i64 {
    let max_age = cache_control.and_then(|value| value.split(',').find_map(max_age));
    max_age.unwrap_or(DEFAULT_TTL_SECONDS).clamp(MIN_TTL_SECONDS, MAX_TTL_SECONDS)
}

/// RFC 9111 sections 1.2.2 and 5.2.2.1.
fn max_age(directive: &str) -> Option<i64> {
    let (name, seconds) = directive.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("max-age") {
        return None;
    }
    let digits = seconds.trim().trim_matches('"');
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Digits that do not fit are a very long time.
    Some(digits.parse().unwrap_or(i64::MAX))
}

/// 80 % of the time to live, up to a tenth more or less, so that the verifiers of
/// one issuer do not come all at once.
fn refresh_after_millis(ttl_seconds: i64, roll: u32) -> i64 {
    let permille = 900 + i64::from(roll % 201);
    ttl_seconds * 1000 * 8 / 10 * permille / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
    /// A roll without jitter.
    const EVEN: u32 = 100;

    #[test]
    fn max_age_is_clamped_between_a_minute_and_a_day() {
        for (value, seconds) in [
            ("max-age=0", 60),
            ("max-age=59", 60),
            ("max-age=60", 60),
            ("max-age=61", 61),
            ("public, Max-Age = 300, must-revalidate", 300),
            ("max-age=\"300\"", 300),
            ("max-age=86400", 86_400),
            ("max-age=86401", 86_400),
            ("max-age=99999999999999999999999", 86_400),
        ] {
            assert_eq!(time_to_live(Some(value)), seconds, "{value}");
        }
    }

    #[test]
    fn without_a_usable_max_age_it_is_ten_minutes() {
        assert_eq!(time_to_live(None), 600);
        for value in ["", "no-store", "max-age", "max-age=", "max-age=-1", "max-age=1h", "max-age=1.5", "s-maxage=5", "xmax-age=5"]
        {
            assert_eq!(time_to_live(Some(value)), 600, "{value}");
        }
    }

    #[test]
    fn refresh_comes_at_80_percent_and_a_tenth_more_or_less() {
        assert_eq!(refresh_after_millis(600, EVEN), 480_000);
        assert_eq!(refresh_after_millis(600, 0), 432_000);
        assert_eq!(refresh_after_millis(600, 200), 528_000);
        assert_eq!(refresh_after_millis(600, u32::MAX), refresh_after_millis(600, u32::MAX % 201));
        for roll in 0..1000 {
            assert!((432_000..=528_000).contains(&refresh_after_millis(600, roll)), "{roll}");
        }
    }

    #[test]
    fn a_set_is_fresh_then_due_then_overdue_then_gone() {
        let set = Validity::renewed(None, NOW, EVEN);
        assert_eq!(set.at(NOW), Freshness::Fresh);
        assert_eq!(set.at(NOW.plus_millis(479_999)), Freshness::Fresh);
        assert_eq!(set.at(NOW.plus_seconds(480)), Freshness::Due);
        assert_eq!(set.at(NOW.plus_millis(599_999)), Freshness::Due);
        assert_eq!(set.at(NOW.plus_seconds(600)), Freshness::Overdue);
        assert_eq!(set.at(NOW.plus_seconds(600 + 86_400).plus_millis(-1)), Freshness::Overdue);
        assert_eq!(set.at(NOW.plus_seconds(600 + 86_400)), Freshness::Gone { retry: true });
    }

    #[test]
    fn a_failure_keeps_a_set_in_use_until_a_day_after_its_time() {
        let end = NOW.plus_seconds(600 + 86_400);
        let failed = Validity::renewed(None, NOW, EVEN).failed(end.plus_seconds(-1));
        assert_eq!(failed.at(end.plus_millis(-1)), Freshness::Fresh);
        assert_eq!(failed.at(end), Freshness::Gone { retry: false });
        assert_eq!(failed.at(end.plus_millis(3_999)), Freshness::Gone { retry: false });
        assert_eq!(failed.at(end.plus_seconds(4)), Freshness::Gone { retry: true });
    }

    #[test]
    fn a_failed_attempt_is_repeated_after_30_seconds_and_forgotten_after_ten_minutes() {
        let at = NOW.plus_seconds(1000);
        let failed = Validity::renewed(None, NOW, EVEN).failed(at);
        assert_eq!(failed.at(at.plus_millis(29_999)), Freshness::Fresh);
        assert_eq!(failed.at(at.plus_seconds(30)), Freshness::Due);
        assert_eq!(failed.at(at.plus_millis(599_999)), Freshness::Due);
        assert_eq!(failed.at(at.plus_seconds(600)), Freshness::Overdue);
    }

    #[test]
    fn without_keys_a_failed_attempt_is_repeated_after_five_seconds() {
        assert_eq!(Validity::NOTHING.at(NOW), Freshness::Gone { retry: true });
        let failed = Validity::NOTHING.failed(NOW);
        assert_eq!(failed.at(NOW.plus_millis(4_999)), Freshness::Gone { retry: false });
        assert_eq!(failed.at(NOW.plus_seconds(5)), Freshness::Gone { retry: true });
        assert_eq!(failed.at(NOW.plus_seconds(-1)), Freshness::Gone { retry: true });
    }
}
