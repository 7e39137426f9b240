//! Counters of this process: exact, and in memory whose size is bounded.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_protocol::Timestamp;

use super::wanted::Wanted;
use super::{OnUnreachable, Standing};

/// Requests of different shards do not wait for each other.
const SHARDS: usize = 64;

/// The windows that have begun.
pub(super) struct Windows {
    /// Keyed: nobody can choose subjects that meet. Two hashes make 128 bits, of which
    /// no two counters have the same.
    hashers: [RandomState; 2],
    shards: Vec<Mutex<Shard>>,
    /// Most windows of a shard.
    room: usize,
}

#[derive(Default)]
struct Shard {
    windows: HashMap<u128, Window, BuildHasherDefault<Tag>>,
    /// No window of a full shard ends before.
    next_end: i64,
}

#[derive(Clone, Copy)]
struct Window {
    used: u64,
    ends_at: i64,
}

/// What is hashed already.
#[derive(Default)]
struct Tag(u64);

type Locked<'a> = (usize, MutexGuard<'a, Shard>);

impl Windows {
    /// Room for so many windows, rounded up.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            hashers: [RandomState::new(), RandomState::new()],
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            room: capacity.div_ceil(SHARDS).max(1),
        }
    }

    /// Takes all or nothing; whether it did, and how each counter stands then.
    pub(super) fn take(&self, wanted: &[Wanted<'_>], now: Timestamp) -> (bool, Vec<Standing>) {
        let now = now.as_millis();
        let tags: Vec<u128> = wanted.iter().map(|wanted| self.tag(wanted)).collect();
        let mut locked = self.lock(&tags);
        let mut standings = Vec::with_capacity(wanted.len());
        for (wanted, tag) in wanted.iter().zip(&tags) {
            let Some(shard) = find(&mut locked, *tag) else { continue };
            standings.push(shard.look(*tag, wanted, now, self.room));
        }
        let passes = |(wanted, standing): (&Wanted<'_>, &Standing)| {
            !standing.exceeded && (standing.is_counted || wanted.rule.on_unreachable == OnUnreachable::Allow)
        };
        if !wanted.iter().zip(&standings).all(passes) {
            return (false, standings);
        }
        for ((wanted, tag), standing) in wanted.iter().zip(&tags).zip(&mut standings) {
            if standing.is_counted && wanted.cost > 0 {
                standing.used = standing.used.saturating_add(wanted.cost);
                let window = Window { used: standing.used, ends_at: standing.window };
                find(&mut locked, *tag).and_then(|shard| shard.windows.insert(*tag, window));
            }
        }
        (true, standings)
    }

    /// Gives back what was taken from a window, unless that has ended.
    pub(super) fn give_back(&self, wanted: &Wanted<'_>, window: i64) {
        let tag = self.tag(wanted);
        for (_, shard) in &mut self.lock(&[tag]) {
            if let Some(found) = shard.windows.get_mut(&tag).filter(|found| found.ends_at == window) {
                found.used = found.used.saturating_sub(wanted.cost);
            }
        }
    }

    /// How many windows are held.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().windows.len()).sum()
    }

    fn tag(&self, wanted: &Wanted<'_>) -> u128 {
        let key = (wanted.subject, wanted.rule.name.as_str(), wanted.rule.duration_seconds);
        let [high, low] = &self.hashers;
        u128::from(high.hash_one(key)) << 64 | u128::from(low.hash_one(key))
    }

    /// Locks each shard once and in one order for everybody: nobody waits for who waits
    /// for them.
    fn lock(&self, tags: &[u128]) -> Vec<Locked<'_>> {
        let mut numbers: Vec<usize> = tags.iter().map(|tag| shard_of(*tag)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let lock = |number: usize| Some((number, self.shards.get(number)?.lock().unwrap_or_else(PoisonError::into_inner)));
        numbers.into_iter().filter_map(lock).collect()
    }
}

impl Shard {
    fn look(&mut self, tag: u128, wanted: &Wanted<'_>, now: i64, room: usize) -> Standing {
        let new_end = now.saturating_add(wanted.rule.millis());
        let held = self.windows.get(&tag).copied();
        // One that lasts longer than its length was begun before the clock was set back.
        let live = held.filter(|window| now < window.ends_at && window.ends_at <= new_end);
        let (used, window) = live.map_or((0, new_end), |window| (window.used, window.ends_at));
        let is_counted = held.is_some() || wanted.cost == 0 || self.has_room(now, room);
        Standing { used, ends_at: Timestamp::from_millis(window), window, exceeded: wanted.exceeds(used), is_counted }
    }

    /// Whether another window may begin. Only what has ended makes room.
    fn has_room(&mut self, now: i64, room: usize) -> bool {
        if self.windows.len() >= room && now >= self.next_end {
            self.windows.retain(|_, window| now < window.ends_at);
            self.next_end = self.windows.values().map(|window| window.ends_at).min().unwrap_or(0);
        }
        self.windows.len() < room
    }
}

impl Hasher for Tag {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u128(&mut self, tag: u128) {
        self.0 = tag as u64;
    }
}

fn shard_of(tag: u128) -> usize {
    (tag >> 64) as usize % SHARDS
}

fn find<'a>(locked: &'a mut [Locked<'_>], tag: u128) -> Option<&'a mut Shard> {
    let number = shard_of(tag);
    locked.iter_mut().find(|(held, _)| *held == number).map(|(_, shard)| &mut **shard)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::counters::LimitRule;
    use crate::entropy::{Entropy, SeededEntropy, random};

    fn rule(name: &str, limit: u32, on_unreachable: OnUnreachable) -> LimitRule {
        LimitRule { name: name.to_owned(), limit, duration_seconds: 10, auto_apply: false, on_unreachable }
    }

    fn wanted<'a>(subject: &'a str, rule: &'a LimitRule, cost: u64) -> Wanted<'a> {
        Wanted { subject, rule, cost, limit: rule.limit.into() }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + millis)
    }

    #[test]
    fn of_64_threads_on_a_limit_of_10_exactly_10_pass() {
        let windows = Arc::new(Windows::new(1_000));
        let passed = Arc::new(AtomicUsize::new(0));
        let barrier = Arc::new(std::sync::Barrier::new(64));
        std::thread::scope(|scope| {
            for number in 0..64 {
                let (windows, passed, barrier) = (Arc::clone(&windows), Arc::clone(&passed), Arc::clone(&barrier));
                scope.spawn(move || {
                    let (a, b) = (rule("a", 10, OnUnreachable::Deny), rule("b", 1_000, OnUnreachable::Deny));
                    // Half of them name the counters the other way round.
                    let mut asks = vec![wanted("key_1", &a, 1), wanted("client", &b, 1)];
                    if number % 2 == 0 {
                        asks.reverse();
                    }
                    barrier.wait();
                    for _ in 0..100 {
                        if windows.take(&asks, at(0)).0 {
                            passed.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        assert_eq!(passed.load(Ordering::SeqCst), 10);
        let b = rule("b", 1_000, OnUnreachable::Deny);
        let (_, standing) = windows.take(&[wanted("client", &b, 0)], at(0));
        assert_eq!(standing[0].used, 10, "who was refused by one counter was counted by the other");
    }

    #[test]
    fn a_window_begins_with_its_first_request_and_lasts_as_long_as_the_rule_says() {
        let (windows, rule) = (Windows::new(10), rule("a", 2, OnUnreachable::Deny));
        let take = |millis, cost| {
            let (taken, standings) = windows.take(&[wanted("key_1", &rule, cost)], at(millis));
            (taken, standings[0].used, standings[0].ends_at)
        };
        assert_eq!(take(0, 0), (true, 0, at(10_000)));
        assert_eq!(take(5_000, 1), (true, 1, at(15_000)), "looking does not begin a window");
        assert_eq!(take(14_999, 1), (true, 2, at(15_000)));
        assert_eq!(take(14_999, 1), (false, 2, at(15_000)));
        assert_eq!(take(15_000, 3), (false, 0, at(25_000)));
        assert_eq!(take(16_000, 2), (true, 2, at(26_000)));
        assert_eq!(take(-60_000, 1), (true, 1, at(-50_000)), "the clock was set back");
    }

    #[test]
    fn it_counts_as_a_simple_model_does() {
        let entropy = SeededEntropy::new(7);
        let rules: Vec<LimitRule> = (0..4).map(|n| rule(&format!("r{n}"), 3 + n, OnUnreachable::Deny)).collect();
        let (windows, mut model, mut now) = (Windows::new(1_000), HashMap::<(usize, usize), (u64, i64)>::new(), 0);
        let subjects = ["s0", "s1", "s2"];
        for _ in 0..20_000 {
            let dice: [u8; 8] = random(&entropy as &dyn Entropy);
            now += i64::from(dice[0]) * 4;
            let mut picked: Vec<(usize, usize, u64)> = (0..usize::from(dice[1] % 4))
                .map(|n| (usize::from(dice[2 + n]) % 3, usize::from(dice[2 + n] >> 4) % 4, u64::from(dice[5 + n] % 4)))
                .collect();
            picked.sort_unstable();
            picked.dedup_by_key(|(subject, rule, _)| (*subject, *rule));
            let asks: Vec<Wanted<'_>> =
                picked.iter().map(|(subject, rule, cost)| wanted(subjects[*subject], &rules[*rule], *cost)).collect();
            let before = |model: &HashMap<_, (u64, i64)>, key| {
                model.get(&key).copied().filter(|(_, end)| now < *end).unwrap_or((0, now + 10_000))
            };
            let fits = picked.iter().all(|(s, r, cost)| before(&model, (*s, *r)).0 + cost <= u64::from(rules[*r].limit));
            let (taken, standings) = windows.take(&asks, at(now));
            assert_eq!(taken, fits);
            for ((s, r, cost), standing) in picked.iter().zip(&standings) {
                let (used, end) = before(&model, (*s, *r));
                let used = if fits { used + cost } else { used };
                assert_eq!((standing.used, standing.ends_at), (used, at(end)));
                if fits && *cost > 0 {
                    model.insert((*s, *r), (used, end));
                }
            }
            if fits && dice[7].is_multiple_of(5) {
                for ((s, r, cost), (asked, standing)) in picked.iter().zip(asks.iter().zip(&standings)) {
                    windows.give_back(asked, standing.window);
                    model.entry((*s, *r)).and_modify(|(used, end)| *used -= if now < *end { *cost } else { 0 });
                }
            }
        }
    }

    #[test]
    fn what_is_given_back_after_the_window_has_ended_does_not_widen_the_next() {
        let (windows, rule) = (Windows::new(10), rule("a", 2, OnUnreachable::Deny));
        let ask = [wanted("key_1", &rule, 2)];
        let first = windows.take(&ask, at(0)).1[0].window;
        assert!(windows.take(&ask, at(10_000)).0);
        windows.give_back(&ask[0], first);
        assert!(!windows.take(&ask, at(10_001)).0);
    }

    #[test]
    fn a_full_memory_forgets_no_window_that_runs() {
        let windows = Windows::new(SHARDS);
        let (deny, allow) = (rule("a", 1, OnUnreachable::Deny), rule("a", 1, OnUnreachable::Allow));
        let names: Vec<String> = (0..2_000).map(|n| format!("key_{n}")).collect();
        let passed: Vec<&String> = names.iter().filter(|name| windows.take(&[wanted(name, &deny, 1)], at(0)).0).collect();
        assert_eq!((passed.len(), windows.len()), (SHARDS, SHARDS));
        assert!(passed.iter().all(|name| windows.take(&[wanted(name, &deny, 1)], at(1)).1[0].exceeded));
        let refused = names.iter().find(|name| !passed.contains(name)).unwrap();
        let (taken, standings) = windows.take(&[wanted(refused, &allow, 1)], at(1));
        assert!(taken && !standings[0].is_counted);
        assert!(windows.take(&[wanted(refused, &deny, 1)], at(10_000)).0, "what has ended makes room");
    }
}
