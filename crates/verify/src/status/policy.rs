//! What is done with good tokens while it is not known whether they were revoked.

use std::time::Duration;

use super::Freshness;

/// A feed that is this old, in milliseconds, is fresh: three heartbeats.
pub(super) const FRESH_MILLIS: i64 = 15_000;
/// Beyond this age, in milliseconds, nothing that was heard holds any more.
pub(super) const EXPIRED_MILLIS: i64 = 900_000;
/// Of a token that lives no longer than this, in milliseconds, the expiry is protection enough.
const SHORT_LIFE_MILLIS: i64 = 600_000;

/// What is done with a good token while the verifier does not hear what is revoked. It is
/// never refused for that: it is accepted, asked about, or not judged (503).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusPolicy {
    /// Accept it while what was heard last is less than 15 minutes old; after that only if it
    /// lives for at most ten minutes, so that its expiry bounds the harm. What a verifier
    /// without status does always.
    #[default]
    BoundedByTtl,
    /// Ask the issuer about it ([`VerifierBuilder::introspection`](crate::VerifierBuilder));
    /// where it cannot be asked, as [`StatusPolicy::BoundedByTtl`].
    #[cfg(feature = "introspection")]
    Introspect,
    /// Do not judge it if what was heard last is older than this: at least 15 seconds, three
    /// heartbeats.
    FailClosed(Duration),
}

/// What to do with a good token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resort {
    Accept,
    #[cfg(feature = "introspection")]
    Ask,
    NotJudged,
}

impl StatusPolicy {
    /// The shortest time that [`StatusPolicy::FailClosed`] takes.
    pub const MIN_FAIL_CLOSED: Duration = Duration::from_secs(15);

    /// Whether the policy can be kept, by a verifier that can ask the issuer or not.
    #[cfg_attr(not(feature = "introspection"), expect(unused_variables, reason = "nobody asks"))]
    pub(crate) fn is_sound(self, can_ask: bool) -> bool {
        match self {
            Self::BoundedByTtl => true,
            #[cfg(feature = "introspection")]
            Self::Introspect => can_ask,
            Self::FailClosed(max) => max >= Self::MIN_FAIL_CLOSED,
        }
    }

    /// What to do with a good token that lives for `life_millis`, what was heard being
    /// `staleness_millis` old.
    pub(crate) fn resort(self, staleness_millis: i64, life_millis: i64) -> Resort {
        match self {
            Self::FailClosed(max) => {
                let is_closed = u128::from(staleness_millis.unsigned_abs()) > max.as_millis();
                if is_closed { Resort::NotJudged } else { Resort::Accept }
            }
            _ if Freshness::of(staleness_millis) == Freshness::Fresh => Resort::Accept,
            #[cfg(feature = "introspection")]
            Self::Introspect => Resort::Ask,
            Self::BoundedByTtl => Self::bounded_by_ttl(staleness_millis, life_millis),
        }
    }

    /// [`StatusPolicy::BoundedByTtl`], also for who could not ask.
    pub(crate) fn bounded_by_ttl(staleness_millis: i64, life_millis: i64) -> Resort {
        let is_expired = Freshness::of(staleness_millis) == Freshness::Expired;
        if is_expired && life_millis > SHORT_LIFE_MILLIS { Resort::NotJudged } else { Resort::Accept }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_does_what_the_table_says() {
        let closed = StatusPolicy::FailClosed(Duration::from_secs(30));
        for (staleness, life, bounded, fails_closed) in [
            (0, 3_600_000, Resort::Accept, Resort::Accept),
            (15_000, 3_600_000, Resort::Accept, Resort::Accept),
            (30_000, 3_600_000, Resort::Accept, Resort::Accept),
            (30_001, 3_600_000, Resort::Accept, Resort::NotJudged),
            (900_000, 3_600_000, Resort::Accept, Resort::NotJudged),
            (900_001, 3_600_000, Resort::NotJudged, Resort::NotJudged),
            (900_001, 600_001, Resort::NotJudged, Resort::NotJudged),
            (900_001, 600_000, Resort::Accept, Resort::NotJudged),
            (i64::MAX, 600_000, Resort::Accept, Resort::NotJudged),
        ] {
            assert_eq!(StatusPolicy::BoundedByTtl.resort(staleness, life), bounded, "{staleness} {life}");
            assert_eq!(closed.resort(staleness, life), fails_closed, "{staleness} {life}");
        }
    }

    #[cfg(feature = "introspection")]
    #[test]
    fn who_asks_does_so_only_while_it_hears_nothing() {
        assert_eq!(StatusPolicy::Introspect.resort(15_000, 1), Resort::Accept);
        assert_eq!(StatusPolicy::Introspect.resort(15_001, 1), Resort::Ask);
    }

    #[test]
    fn less_than_three_heartbeats_is_no_bound() {
        let closed = |millis| StatusPolicy::FailClosed(Duration::from_millis(millis)).is_sound(true);
        assert!(!closed(14_999) && closed(15_000) && StatusPolicy::BoundedByTtl.is_sound(false));
    }
}
