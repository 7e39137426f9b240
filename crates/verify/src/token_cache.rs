//! Tokens that were verified a moment ago: bounded, and read without a lock.
//!
//! A table of small sets of slots. A seeded hash of the whole token names the set,
//! the slot's tag sorts out the others, and the token is then compared in full.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ahash::RandomState;
use arc_swap::ArcSwapOption;

use countersign_protocol::Timestamp;

/// Longest token that is kept: bounds the memory of the table.
const MAX_CACHED_TOKEN_BYTES: usize = 4 * 1024;
/// Slots of a set: their tags fill one cache line.
const WAYS: usize = 8;
/// Slots per entry: with half of the slots empty a set is hardly ever full.
const SLOTS_PER_ENTRY: usize = 2;
/// How far the hand looks for an entry to evict.
const MAX_STEPS: usize = 64;

/// Remembers a `T` for each token.
pub(crate) struct TokenCache<T> {
    hasher: RandomState,
    sets: Box<[Set<T>]>,
    capacity: usize,
    occupied: AtomicUsize,
    hand: AtomicUsize,
}

struct Set<T> {
    tags: [AtomicU64; WAYS],
    slots: [ArcSwapOption<Entry<T>>; WAYS],
}

struct Entry<T> {
    token: Box<str>,
    value: T,
    life: Life,
    origin: Origin,
}

/// How long an entry lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

/// What an entry rests on: a key set of an issuer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The issuer's place in the list of the verifier.
    pub(crate) issuer: u16,
    /// The number of the key set with the key that verified the token.
    pub(crate) key_set: u64,
}

impl Life {
    /// From `now` for `seconds`, and not beyond `end`.
    pub(crate) fn new(now: Timestamp, seconds: i64, end: Timestamp) -> Self {
        Self { from: now, until: end.min(now.plus_seconds(seconds)) }
    }

    fn includes(self, now: Timestamp) -> bool {
        // A clock that was set back must not lengthen an entry's life.
        self.from <= now && now < self.until
    }
}

impl<T> Entry<T> {
    /// Whether `origin` is news that ends this entry.
    fn is_outdated_by(&self, origin: Origin) -> bool {
        self.origin.issuer == origin.issuer && self.origin.key_set != origin.key_set
    }
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self { tags: Default::default(), slots: Default::default() }
    }
}

impl<T: Clone> TokenCache<T> {
    /// A table of at most `capacity` tokens; 0 keeps none.
    pub(crate) fn new(capacity: usize) -> Self {
        let sets = capacity.saturating_mul(SLOTS_PER_ENTRY).div_ceil(WAYS);
        Self {
            hasher: RandomState::new(),
            sets: (0..sets).map(|_| Set::default()).collect(),
            capacity,
            occupied: AtomicUsize::new(0),
            hand: AtomicUsize::new(0),
        }
    }

    /// What is remembered of the token, if its life is not over and what it rests
    /// on still holds according to `holds`.
    pub(crate) fn find(&self, token: &str, now: Timestamp, holds: impl FnOnce(Origin) -> bool) -> Option<T> {
        let hash = self.hasher.hash_one(token);
        let set = self.set(hash)?;
        for (tag, slot) in set.tags.iter().zip(&set.slots) {
            if tag.load(Ordering::Acquire) != hash {
                continue;
            }
            let entry = slot.load();
            if let Some(entry) = entry.as_ref().filter(|entry| *entry.token == *token) {
                return (entry.life.includes(now) && holds(entry.origin)).then(|| entry.value.clone());
            }
        }
        None
    }

    /// Remembers `value` from now, the begin of `life`, until its end.
    pub(crate) fn insert(&self, token: &str, value: &T, life: Life, origin: Origin) {
        if life.until <= life.from || token.len() > MAX_CACHED_TOKEN_BYTES {
            return;
        }
        let hash = self.hasher.hash_one(token);
        let Some(set) = self.set(hash) else { return };
        let Some((tag, slot)) = set.place(token, hash, life.from, origin) else { return };
        if slot.load().is_none() && self.occupied.load(Ordering::Relaxed) >= self.capacity {
            self.evict_one();
        }
        let entry = Entry { token: token.into(), value: value.clone(), life, origin };
        let previous = slot.swap(Some(Arc::new(entry)));
        tag.store(hash, Ordering::Release);
        if previous.is_none() {
            self.occupied.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes out the next entry that the hand meets.
    fn evict_one(&self) {
        for _ in 0..MAX_STEPS {
            let position = self.hand.fetch_add(1, Ordering::Relaxed) % (self.sets.len() * WAYS).max(1);
            let slot = self.sets.get(position / WAYS).and_then(|set| set.slots.get(position % WAYS));
            if slot.is_some_and(|slot| slot.load().is_some() && slot.swap(None).is_some()) {
                self.occupied.fetch_sub(1, Ordering::Relaxed);
                return;
            }
        }
    }

    /// The set of a hash: its upper bits, spread over the number of sets.
    fn set(&self, hash: u64) -> Option<&Set<T>> {
        let index = (u128::from(hash) * self.sets.len() as u128) >> 64;
        self.sets.get(usize::try_from(index).ok()?)
    }
}

impl<T> Set<T> {
    /// Where to put `token`: over its own old entry, else into a slot that is
    /// empty or dead, else over the entry that dies first.
    fn place(&self, token: &str, hash: u64, now: Timestamp, origin: Origin) -> Option<(&AtomicU64, &ArcSwapOption<Entry<T>>)> {
        let rank = |tag: &AtomicU64, slot: &ArcSwapOption<Entry<T>>| match slot.load().as_ref() {
            Some(entry) if tag.load(Ordering::Relaxed) == hash && *entry.token == *token => (0, Timestamp::default()),
            Some(entry) if !entry.life.includes(now) || entry.is_outdated_by(origin) => (1, Timestamp::default()),
            None => (2, Timestamp::default()),
            Some(entry) => (3, entry.life.until),
        };
        self.tags.iter().zip(&self.slots).min_by_key(|(tag, slot)| rank(tag, slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    const LATE: i64 = 9_999;

    fn origin(key_set: u64) -> Origin {
        Origin { issuer: 0, key_set }
    }

    /// Remembers a token that expires at `exp` for at most a minute.
    fn insert(cache: &TokenCache<i64>, token: &str, exp: i64, now: Timestamp) {
        cache.insert(token, &exp, Life::new(now, 60, Timestamp::from_seconds(exp)), origin(1));
    }

    fn find(cache: &TokenCache<i64>, token: &str, now: Timestamp) -> Option<i64> {
        cache.find(token, now, |own| own == origin(1))
    }

    fn entries(cache: &TokenCache<i64>) -> usize {
        let counted = cache.sets.iter().flat_map(|set| &set.slots).filter(|slot| slot.load().is_some()).count();
        assert_eq!(counted, cache.occupied.load(Ordering::Relaxed));
        counted
    }

    #[test]
    fn an_entry_dies_60_seconds_after_the_verification() {
        let cache = TokenCache::new(10);
        insert(&cache, "token", LATE, NOW);
        assert!(find(&cache, "token", NOW).is_some());
        assert!(find(&cache, "token", NOW.plus_millis(59_999)).is_some());
        assert!(find(&cache, "token", NOW.plus_seconds(60)).is_none());
    }

    #[test]
    fn an_entry_dies_at_exp_if_that_is_earlier() {
        let cache = TokenCache::new(10);
        insert(&cache, "token", 1_010, NOW);
        assert!(find(&cache, "token", NOW.plus_millis(9_999)).is_some());
        assert!(find(&cache, "token", NOW.plus_seconds(10)).is_none());
        insert(&cache, "dead", 1_000, NOW);
        assert_eq!(entries(&cache), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_lengthen_a_life() {
        let cache = TokenCache::new(10);
        insert(&cache, "token", LATE, NOW);
        assert!(find(&cache, "token", NOW.plus_millis(-1)).is_none());
    }

    #[test]
    fn an_entry_dies_with_its_key_set() {
        let cache = TokenCache::new(10);
        insert(&cache, "token", LATE, NOW);
        let now_holds = |current: u64| move |own: Origin| own == origin(current);
        assert!(cache.find("token", NOW, now_holds(1)).is_some());
        assert!(cache.find("token", NOW, now_holds(2)).is_none());
        // The key sets of another issuer are no news.
        let entry = cache.set(cache.hasher.hash_one("token")).unwrap().slots.iter().find_map(ArcSwapOption::load_full).unwrap();
        assert!(entry.is_outdated_by(origin(2)) && !entry.is_outdated_by(Origin { issuer: 1, key_set: 2 }));
    }

    #[test]
    fn the_whole_token_is_compared() {
        let cache = TokenCache::new(10);
        insert(&cache, "token", LATE, NOW);
        for other in ["toke", "tokenx", "tokeN", ""] {
            assert!(find(&cache, other, NOW).is_none(), "{other}");
        }
        // The same tag with another token behind it.
        let hash = cache.hasher.hash_one("other");
        for tag in &cache.set(hash).unwrap().tags {
            tag.store(hash, Ordering::Relaxed);
        }
        assert!(find(&cache, "other", NOW).is_none());
    }

    #[test]
    fn the_bound_holds_and_live_tokens_find_room() {
        let cache = TokenCache::new(100);
        for number in 0..10_000 {
            insert(&cache, &format!("token {number}"), LATE, NOW);
            assert!(cache.occupied.load(Ordering::Relaxed) <= 100);
            assert!(find(&cache, &format!("token {number}"), NOW).is_some(), "{number}");
        }
        assert_eq!(entries(&cache), 100);
        assert!(find(&cache, "token 0", NOW).is_none());
    }

    #[test]
    fn nearly_all_of_as_many_tokens_as_the_bound_stay() {
        let cache = TokenCache::new(10_000);
        (0..10_000).for_each(|number| insert(&cache, &format!("token {number}"), LATE, NOW));
        let kept = (0..10_000).filter(|number| find(&cache, &format!("token {number}"), NOW).is_some()).count();
        assert!(kept > 9_500, "{kept}");
    }

    #[test]
    fn a_token_takes_one_slot_however_often_it_is_verified() {
        let cache = TokenCache::new(10);
        for seconds in 0..300 {
            insert(&cache, "token", LATE, NOW.plus_seconds(seconds));
        }
        assert_eq!(entries(&cache), 1);
    }

    #[test]
    fn no_capacity_keeps_nothing_and_long_tokens_are_not_kept() {
        let none = TokenCache::new(0);
        insert(&none, "token", LATE, NOW);
        assert!(find(&none, "token", NOW).is_none());
        let cache = TokenCache::new(10);
        insert(&cache, &"x".repeat(MAX_CACHED_TOKEN_BYTES + 1), LATE, NOW);
        assert_eq!(entries(&cache), 0);
    }
}
