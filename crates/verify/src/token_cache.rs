//! Tokens that were verified a moment ago: bounded, and read without a lock.
//!
//! A table of small sets of slots. A seeded hash of the whole token names the set,
//! the slot's tag sorts out the others, and the token is then compared in full.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ahash::RandomState;
use arc_swap::ArcSwapOption;

use countersign_protocol::Timestamp;

use crate::Verified;

/// Longest life of an entry, in seconds: what revocation may cost at most.
pub(crate) const MAX_LIFE_SECONDS: i64 = 60;
/// Longest token that is kept: bounds the memory of the table.
const MAX_CACHED_TOKEN_BYTES: usize = 4 * 1024;
/// Slots of a set: their tags fill one cache line.
const WAYS: usize = 8;
/// Slots per entry: with half of the slots empty a set is hardly ever full.
const SLOTS_PER_ENTRY: usize = 2;
/// How far the hand looks for an entry to evict.
const MAX_STEPS: usize = 64;

pub(crate) struct TokenCache {
    hasher: RandomState,
    sets: Box<[Set]>,
    capacity: usize,
    occupied: AtomicUsize,
    hand: AtomicUsize,
}

#[derive(Default)]
struct Set {
    tags: [AtomicU64; WAYS],
    slots: [ArcSwapOption<Entry>; WAYS],
}

struct Entry {
    token: Box<str>,
    verified: Verified,
    verified_at: Timestamp,
    dies_at: Timestamp,
    /// The key set that holds the key which verified the token.
    key_set: u64,
}

impl Entry {
    fn is_live(&self, now: Timestamp, key_set: u64) -> bool {
        // A clock that was set back must not lengthen an entry's life.
        self.key_set == key_set && self.verified_at <= now && now < self.dies_at
    }
}

impl TokenCache {
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

    /// The token as it was verified, if that is not too long ago and its key is
    /// still in the set.
    pub(crate) fn find(&self, token: &str, now: Timestamp, key_set: u64) -> Option<Verified> {
        let hash = self.hasher.hash_one(token);
        let set = self.set(hash)?;
        for (tag, slot) in set.tags.iter().zip(&set.slots) {
            if tag.load(Ordering::Acquire) != hash {
                continue;
            }
            let entry = slot.load();
            if let Some(entry) = entry.as_ref().filter(|entry| *entry.token == *token) {
                return entry.is_live(now, key_set).then(|| entry.verified.clone());
            }
        }
        None
    }

    /// Remembers a token that was just verified.
    pub(crate) fn insert(&self, token: &str, verified: &Verified, now: Timestamp, key_set: u64) {
        let dies_at = verified.expires_at().min(now.plus_seconds(MAX_LIFE_SECONDS));
        if dies_at <= now || token.len() > MAX_CACHED_TOKEN_BYTES {
            return;
        }
        let hash = self.hasher.hash_one(token);
        let Some(set) = self.set(hash) else { return };
        let Some((tag, slot)) = set.place(token, hash, now, key_set) else { return };
        if slot.load().is_none() && self.occupied.load(Ordering::Relaxed) >= self.capacity {
            self.evict_one();
        }
        let entry = Entry { token: token.into(), verified: verified.clone(), verified_at: now, dies_at, key_set };
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
    fn set(&self, hash: u64) -> Option<&Set> {
        let index = (u128::from(hash) * self.sets.len() as u128) >> 64;
        self.sets.get(usize::try_from(index).ok()?)
    }
}

impl Set {
    /// Where to put `token`: over its own old entry, else into a slot that is
    /// empty or dead, else over the entry that dies first.
    fn place(&self, token: &str, hash: u64, now: Timestamp, key_set: u64) -> Option<(&AtomicU64, &ArcSwapOption<Entry>)> {
        let rank = |tag: &AtomicU64, slot: &ArcSwapOption<Entry>| match slot.load().as_ref() {
            Some(entry) if tag.load(Ordering::Relaxed) == hash && *entry.token == *token => (0, Timestamp::default()),
            Some(entry) if !entry.is_live(now, key_set) => (1, Timestamp::default()),
            None => (2, Timestamp::default()),
            Some(entry) => (3, entry.dies_at),
        };
        self.tags.iter().zip(&self.slots).min_by_key(|(tag, slot)| rank(tag, slot))
    }
}

#[cfg(test)]
mod tests {
    use countersign_protocol::jose::Claims;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn verified(exp: i64) -> Verified {
        let claims = format!(r#"{{"iss":"i","aud":"a","exp":{exp}}}"#);
        Verified::new(Claims::parse(claims.as_bytes()).unwrap(), None).unwrap()
    }

    fn entries(cache: &TokenCache) -> usize {
        let counted = cache.sets.iter().flat_map(|set| &set.slots).filter(|slot| slot.load().is_some()).count();
        assert_eq!(counted, cache.occupied.load(Ordering::Relaxed));
        counted
    }

    #[test]
    fn an_entry_dies_60_seconds_after_the_verification() {
        let cache = TokenCache::new(10);
        cache.insert("token", &verified(9_999), NOW, 1);
        assert!(cache.find("token", NOW, 1).is_some());
        assert!(cache.find("token", NOW.plus_millis(59_999), 1).is_some());
        assert!(cache.find("token", NOW.plus_seconds(60), 1).is_none());
    }

    #[test]
    fn an_entry_dies_at_exp_if_that_is_earlier() {
        let cache = TokenCache::new(10);
        cache.insert("token", &verified(1_010), NOW, 1);
        assert!(cache.find("token", NOW.plus_millis(9_999), 1).is_some());
        assert!(cache.find("token", NOW.plus_seconds(10), 1).is_none());
        cache.insert("dead", &verified(1_000), NOW, 1);
        assert_eq!(entries(&cache), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_lengthen_a_life() {
        let cache = TokenCache::new(10);
        cache.insert("token", &verified(9_999), NOW, 1);
        assert!(cache.find("token", NOW.plus_millis(-1), 1).is_none());
    }

    #[test]
    fn an_entry_dies_with_its_key_set() {
        let cache = TokenCache::new(10);
        cache.insert("token", &verified(9_999), NOW, 1);
        assert!(cache.find("token", NOW, 2).is_none());
    }

    #[test]
    fn the_whole_token_is_compared() {
        let cache = TokenCache::new(10);
        cache.insert("token", &verified(9_999), NOW, 1);
        for other in ["toke", "tokenx", "tokeN", ""] {
            assert!(cache.find(other, NOW, 1).is_none(), "{other}");
        }
        // The same tag with another token behind it.
        let hash = cache.hasher.hash_one("other");
        for tag in &cache.set(hash).unwrap().tags {
            tag.store(hash, Ordering::Relaxed);
        }
        assert!(cache.find("other", NOW, 1).is_none());
    }

    #[test]
    fn the_bound_holds_and_live_tokens_find_room() {
        let cache = TokenCache::new(100);
        let one = verified(9_999);
        for number in 0..10_000 {
            cache.insert(&format!("token {number}"), &one, NOW, 1);
            assert!(cache.occupied.load(Ordering::Relaxed) <= 100);
            assert!(cache.find(&format!("token {number}"), NOW, 1).is_some(), "{number}");
        }
        assert_eq!(entries(&cache), 100);
        assert!(cache.find("token 0", NOW, 1).is_none());
    }

    #[test]
    fn nearly_all_of_as_many_tokens_as_the_bound_stay() {
        let cache = TokenCache::new(10_000);
        let one = verified(9_999);
        (0..10_000).for_each(|number| cache.insert(&format!("token {number}"), &one, NOW, 1));
        let kept = (0..10_000).filter(|number| cache.find(&format!("token {number}"), NOW, 1).is_some()).count();
        assert!(kept > 9_500, "{kept}");
    }

    #[test]
    fn a_token_takes_one_slot_however_often_it_is_verified() {
        let cache = TokenCache::new(10);
        for seconds in 0..300 {
            cache.insert("token", &verified(9_999), NOW.plus_seconds(seconds), 1);
        }
        assert_eq!(entries(&cache), 1);
    }

    #[test]
    fn no_capacity_keeps_nothing_and_long_tokens_are_not_kept() {
        let none = TokenCache::new(0);
        none.insert("token", &verified(9_999), NOW, 1);
        assert!(none.find("token", NOW, 1).is_none());
        let cache = TokenCache::new(10);
        cache.insert(&"x".repeat(MAX_CACHED_TOKEN_BYTES + 1), &verified(9_999), NOW, 1);
        assert_eq!(entries(&cache), 0);
    }
}
