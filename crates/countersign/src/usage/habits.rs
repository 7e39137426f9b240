//! Who asks for tokens that it still holds. A table of fixed size, found by a hash:
//! nothing is allocated, and a flood of clients costs no more memory.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_protocol::{ClientId, Timestamp};

use crate::limits::{Instant, Rate, Table};

/// Tokens that are remembered: 2.1 MB.
const REMEMBERED: usize = 65_536;
/// Tokens that share a place in the table, and compete for it: those of one owner do.
const WAYS: usize = 8;
/// Clients whose needless requests are remembered for the log.
const CLIENTS: usize = 8_192;
/// How many needless requests of a client are not worth a line: a restart, or several
/// processes that share a credential, look the same.
const WARN_AT: u32 = 10;
/// A client gets one line in this time, in seconds.
const WARN_EVERY_SECONDS: i64 = 3_600;

/// The tokens that were issued last, by hashes of who got them and on which terms.
pub struct Habits {
    /// Keyed: nobody can choose what meets.
    hasher: RandomState,
    sets: Vec<Mutex<[Held; WAYS]>>,
    needless: Option<Table>,
    warned: Option<Table>,
}

#[derive(Clone, Copy)]
struct Held {
    /// Hashes: with 64 bits and a hidden key, no two are the same.
    owner: u64,
    tag: u64,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

const FREE: Held = Held { owner: 0, tag: 0, issued_at: Timestamp::from_millis(0), expires_at: Timestamp::from_millis(0) };

impl Default for Habits {
    fn default() -> Self {
        let sets = (REMEMBERED / WAYS).next_power_of_two();
        // Full again within the time: what is left over is not yet too many.
        let few = Rate::new(WARN_AT - 1, WARN_EVERY_SECONDS, WARN_AT - 1);
        let once = Rate::new(1, WARN_EVERY_SECONDS, 1);
        Self {
            hasher: RandomState::new(),
            sets: (0..sets).map(|_| Mutex::new([FREE; WAYS])).collect(),
            needless: few.map(|rate| Table::new(rate, CLIENTS)),
            warned: once.map(|rate| Table::new(rate, CLIENTS)),
        }
    }
}

impl Habits {
    /// Remembers a token that `owner` is given on these terms. Returns when the one before
    /// it was issued, if most of that one's life is left.
    pub fn hand_out(&self, owner: &impl Hash, terms: &impl Hash, now: Timestamp, expires_at: Timestamp) -> Option<Timestamp> {
        let (owner, tag) = (self.hasher.hash_one(owner), self.hasher.hash_one(terms));
        let mut set = self.set(owner)?;
        let is_same = |held: &Held| held.tag == tag && held.owner == owner;
        let known = set.iter().copied().find(is_same);
        let place = match known {
            Some(_) => set.iter_mut().find(|held| is_same(held)),
            // Whatever ends first makes room.
            None => set.iter_mut().min_by_key(|held| held.expires_at),
        };
        if let Some(place) = place {
            *place = Held { owner, tag, issued_at: now, expires_at };
        }
        known.filter(|held| held.has_most_of_its_life(now)).map(|held| held.issued_at)
    }

    /// Forgets what was handed out to `owner`.
    pub fn forget(&self, owner: &impl Hash) {
        let owner = self.hasher.hash_one(owner);
        if let Some(mut set) = self.set(owner) {
            set.iter_mut().filter(|held| held.owner == owner).for_each(|held| *held = FREE);
        }
    }

    fn set(&self, owner: u64) -> Option<MutexGuard<'_, [Held; WAYS]>> {
        let place = usize::try_from(owner).unwrap_or_default() & (self.sets.len() - 1);
        self.sets.get(place).map(|set| set.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a needless request of this client is worth a line in the log: the tenth
    /// within the hour, once.
    pub fn is_worth_a_line(&self, client: &ClientId, now: Timestamp) -> bool {
        let now = Instant::of(now);
        let (Some(needless), Some(warned)) = (&self.needless, &self.warned) else { return false };
        needless.take(client, now).is_err() && warned.take(client, now).is_ok()
    }
}

impl Held {
    fn has_most_of_its_life(&self, now: Timestamp) -> bool {
        let (left, life) = (self.expires_at.millis_since(now), self.expires_at.millis_since(self.issued_at));
        self.issued_at <= now && left.saturating_mul(2) > life
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn hand_out(habits: &Habits, terms: &str, after: i64) -> bool {
        let now = NOW.plus_seconds(after);
        habits.hand_out(&"owner", &terms, now, now.plus_seconds(600)).is_some()
    }

    #[test]
    fn a_token_with_most_of_its_life_left_was_not_needed_again() {
        let habits = Habits::default();
        assert!(!hand_out(&habits, "a", 0));
        assert!(hand_out(&habits, "a", 299));
        // 300 of the 600 seconds of the one at 299 are over.
        assert!(!hand_out(&habits, "a", 599));
        assert!(!hand_out(&habits, "b", 600));
        assert!(hand_out(&habits, "a", 600));
    }

    #[test]
    fn who_gave_its_token_back_needs_another() {
        let habits = Habits::default();
        assert!(!hand_out(&habits, "a", 0));
        habits.forget(&"somebody else");
        assert!(hand_out(&habits, "a", 1));
        habits.forget(&"owner");
        assert!(!hand_out(&habits, "a", 2));
    }

    #[test]
    fn a_clock_that_was_set_back_accuses_nobody() {
        let habits = Habits::default();
        assert!(!hand_out(&habits, "a", 0));
        assert!(!hand_out(&habits, "a", -10));
    }

    #[test]
    fn a_million_clients_take_no_memory() {
        let habits = Habits::default();
        let size = |habits: &Habits| habits.sets.capacity() * size_of::<Mutex<[Held; WAYS]>>();
        let before = size(&habits);
        for number in 0..1_000_000 {
            habits.hand_out(&number, &number, NOW, NOW.plus_seconds(600));
        }
        assert_eq!(size(&habits), before);
        assert!(before <= 3_000_000, "{before}");
    }

    #[test]
    fn a_client_gets_one_line_an_hour() {
        let habits = Habits::default();
        let client = ClientId::try_from("client-a").unwrap();
        let lines = |after: i64, requests: usize| {
            (0..requests).filter(|_| habits.is_worth_a_line(&client, NOW.plus_seconds(after))).count()
        };
        assert_eq!((lines(0, 9), lines(1, 1), lines(2, 1_000), lines(3_000, 1_000)), (0, 1, 0, 0));
        assert_eq!(lines(3_700, 1_000), 1);
    }
}
