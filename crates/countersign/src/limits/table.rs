//! Buckets by key, in memory whose size is fixed: a flood of keys costs no more.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::bucket::{Bucket, Instant, Rate};

/// Keys that share a place in the table, and compete for it.
const WAYS: usize = 8;
/// How long an exhausted bucket is not announced again.
const ANNOUNCE_EVERY_SECONDS: i64 = 60;

/// One budget: a rate, and who has used how much of it.
pub(crate) struct Table {
    rate: Rate,
    /// Keyed: nobody can choose keys that meet.
    hasher: RandomState,
    sets: Vec<Mutex<[Entry; WAYS]>>,
}

#[derive(Clone, Copy)]
struct Entry {
    /// The hash of the key: with 64 bits and a hidden key, no two are the same.
    tag: u64,
    bucket: Bucket,
    announced_until: Instant,
}

/// What a charge did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charge {
    /// A unit was taken; there may be another.
    Taken,
    /// A unit was taken or none was left. `announce`: nobody has heard of it lately.
    Exhausted { announce: bool },
}

const UNUSED: Entry = Entry { tag: 0, bucket: Bucket::FULL, announced_until: Instant::DISTANT_PAST };

impl Table {
    /// A table for `capacity` keys, rounded up to a power of two.
    pub(crate) fn new(rate: Rate, capacity: usize) -> Self {
        let sets = capacity.div_ceil(WAYS).next_power_of_two();
        Self { rate, hasher: RandomState::new(), sets: (0..sets).map(|_| Mutex::new([UNUSED; WAYS])).collect() }
    }

    /// Nanoseconds until the key has a unit; 0: it has one.
    pub(super) fn wait(&self, key: &impl Hash, now: Instant) -> i64 {
        let tag = self.hasher.hash_one(key);
        let Some(set) = self.set(tag) else { return 0 };
        set.iter().find(|entry| entry.tag == tag).map_or(0, |entry| entry.bucket.wait(self.rate, now))
    }

    /// Takes a unit from the key's bucket, whether or not there is one.
    pub(super) fn charge(&self, key: &impl Hash, now: Instant) -> Charge {
        self.update(key, |entry| {
            entry.bucket = entry.bucket.less_one(self.rate, now);
            if entry.bucket.wait(self.rate, now) == 0 { Charge::Taken } else { Charge::Exhausted { announce: entry.announce(now) } }
        })
    }

    /// Takes a unit if there is one; else tells how long to wait, in nanoseconds, and
    /// whether to announce it.
    pub(crate) fn take(&self, key: &impl Hash, now: Instant) -> Result<(), (i64, bool)> {
        self.update(key, |entry| match entry.bucket.wait(self.rate, now) {
            0 => {
                entry.bucket = entry.bucket.less_one(self.rate, now);
                Ok(())
            }
            wait => Err((wait, entry.announce(now))),
        })
    }

    fn update<R>(&self, key: &impl Hash, act: impl FnOnce(&mut Entry) -> R) -> R {
        let tag = self.hasher.hash_one(key);
        let mut unplaced = Entry { tag, ..UNUSED };
        let Some(mut set) = self.set(tag) else { return act(&mut unplaced) };
        // Whoever used least makes room: an exhausted budget is not forgotten because
        // somebody makes up keys.
        let place = match set.iter().position(|entry| entry.tag == tag) {
            Some(place) => set.get_mut(place),
            None => set.iter_mut().min_by_key(|entry| entry.bucket).map(|entry| {
                *entry = unplaced;
                entry
            }),
        };
        act(place.unwrap_or(&mut unplaced))
    }

    fn set(&self, tag: u64) -> Option<MutexGuard<'_, [Entry; WAYS]>> {
        let place = usize::try_from(tag).unwrap_or_default() & (self.sets.len() - 1);
        self.sets.get(place).map(|set| set.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Entry {
    fn announce(&mut self, now: Instant) -> bool {
        let is_due = self.announced_until <= now || self.announced_until > now.plus_seconds(ANNOUNCE_EVERY_SECONDS);
        if is_due {
            self.announced_until = now.plus_seconds(ANNOUNCE_EVERY_SECONDS);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use countersign_protocol::Timestamp;

    use super::*;

    fn at(seconds: i64) -> Instant {
        Instant::of(Timestamp::from_seconds(1_800_000_000 + seconds))
    }

    fn table(capacity: usize) -> Table {
        Table::new(Rate::new(10, 60, 10).unwrap(), capacity)
    }

    #[test]
    fn a_million_made_up_keys_take_no_memory_and_free_nobody() {
        let table = table(4_096);
        let size = |table: &Table| table.sets.capacity() * size_of::<Mutex<[Entry; WAYS]>>();
        let before = size(&table);
        while table.charge(&"attacker", at(0)) == Charge::Taken {}
        for made_up in 0..1_000_000 {
            table.charge(&made_up, at(0));
        }
        assert_eq!((size(&table), before), (512 * 200, 512 * 200));
        assert!(table.wait(&"attacker", at(0)) > 0);
    }

    #[test]
    fn keys_do_not_share_a_bucket() {
        let table = table(64);
        while table.charge(&1, at(0)) == Charge::Taken {}
        for other in 2..60 {
            assert_eq!(table.wait(&other, at(0)), 0);
        }
    }

    #[test]
    fn an_exhausted_budget_is_announced_once_a_minute() {
        let table = table(64);
        let announced = |seconds| (0..50).filter(|_| table.charge(&1, at(seconds)) == Charge::Exhausted { announce: true }).count();
        assert_eq!([0, 1, 59, 60, 61, 119, 120].map(announced), [1, 0, 0, 1, 0, 0, 1]);
    }

    #[test]
    fn of_many_at_once_exactly_the_budget_is_served() {
        let table = table(64);
        let served = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        if table.take(&1, at(0)).is_ok() {
                            served.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(served.into_inner(), 10);
    }
}
