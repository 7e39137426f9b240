//! Key ids that the issuer does not have: they cost at most one fetch in 30 seconds.

use std::collections::{HashMap, VecDeque};

use ahash::RandomState;

use countersign_protocol::Timestamp;

use super::freshness::is_within;

/// Shortest time between two fetches for the sake of unknown key ids.
const COOLDOWN_SECONDS: i64 = 30;
/// How long a key id stays known to be unknown.
const NEGATIVE_SECONDS: i64 = 30;
/// Most key ids known to be unknown.
const MAX_NEGATIVE: usize = 1024;

/// What is remembered about unknown key ids: their seeded hashes, so that a long
/// made-up id takes no more room than a short one.
#[derive(Default)]
pub(crate) struct UnknownKeys {
    hasher: RandomState,
    since: HashMap<u64, Timestamp, RandomState>,
    order: VecDeque<u64>,
    fetched_at: Option<Timestamp>,
}

impl UnknownKeys {
    /// Whether `key_id` was not in a set fetched for it within the last 30 seconds.
    pub(crate) fn contains(&self, key_id: &str, now: Timestamp) -> bool {
        let hash = self.hasher.hash_one(key_id);
        self.since.get(&hash).is_some_and(|since| is_within(now, *since, NEGATIVE_SECONDS))
    }

    /// Remembers that `key_id` is not in the set that was fetched for it. The
    /// oldest entry makes room.
    pub(crate) fn insert(&mut self, key_id: &str, now: Timestamp) {
        let hash = self.hasher.hash_one(key_id);
        if self.since.insert(hash, now).is_some() {
            self.order.retain(|other| *other != hash);
        }
        self.order.push_back(hash);
        if self.order.len() > MAX_NEGATIVE
            && let Some(oldest) = self.order.pop_front()
        {
            self.since.remove(&oldest);
        }
    }

    /// Whether a fetch for the sake of an unknown key id is too recent for another.
    pub(crate) fn is_cooling_down(&self, now: Timestamp) -> bool {
        self.fetched_at.is_some_and(|at| is_within(now, at, COOLDOWN_SECONDS))
    }

    /// Starts the cooldown.
    pub(crate) const fn cool_down(&mut self, now: Timestamp) {
        self.fetched_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    #[test]
    fn a_key_id_is_forgotten_after_30_seconds() {
        let mut unknown = UnknownKeys::default();
        unknown.insert("a", NOW);
        assert!(unknown.contains("a", NOW.plus_millis(29_999)));
        assert!(!unknown.contains("a", NOW.plus_seconds(30)));
        assert!(!unknown.contains("b", NOW));
    }

    #[test]
    fn the_oldest_of_1025_is_evicted() {
        let mut unknown = UnknownKeys::default();
        for number in 0..1024 {
            unknown.insert(&number.to_string(), NOW);
        }
        assert!(unknown.contains("0", NOW) && unknown.contains("1023", NOW));
        // A key id that is there already evicts nothing and becomes the youngest.
        unknown.insert("0", NOW);
        assert!(unknown.contains("1", NOW));
        unknown.insert("1024", NOW);
        assert!(unknown.contains("0", NOW) && !unknown.contains("1", NOW) && unknown.contains("2", NOW));
        assert_eq!((unknown.since.len(), unknown.order.len()), (1024, 1024));
    }

    #[test]
    fn the_cooldown_lasts_30_seconds() {
        let mut unknown = UnknownKeys::default();
        assert!(!unknown.is_cooling_down(NOW));
        unknown.cool_down(NOW);
        assert!(unknown.is_cooling_down(NOW.plus_millis(29_999)));
        assert!(!unknown.is_cooling_down(NOW.plus_seconds(30)));
        assert!(!unknown.is_cooling_down(NOW.plus_millis(-1)));
    }
}
