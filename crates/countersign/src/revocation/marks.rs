//! Every mark in memory.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};

use countersign_protocol::{Timestamp, status};

use super::{StoredMark, TokenFacts};

/// The marks of every authorization server, applied as verifiers apply them.
#[derive(Debug, Default)]
pub struct Marks {
    marks: RwLock<status::Marks>,
    /// The latest of all, in milliseconds: tokens issued since are not looked up.
    latest: AtomicI64,
}

impl Marks {
    /// Sets a mark, unless a later one of the same name stands.
    pub fn set(&self, mark: StoredMark) {
        let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        self.latest.fetch_max(mark.not_before.as_millis(), Ordering::SeqCst);
        marks.set(mark);
    }

    /// See [`status::Marks::revoking`].
    pub fn revoking(&self, token: &TokenFacts<'_>, issued_at: Timestamp) -> Option<Timestamp> {
        if issued_at.as_millis() >= self.latest.load(Ordering::SeqCst) {
            return None;
        }
        self.marks.read().unwrap_or_else(PoisonError::into_inner).revoking(token, issued_at)
    }

    /// Forgets the marks before `time`: every token they are about has expired.
    pub fn forget_before(&self, time: Timestamp) {
        self.marks.write().unwrap_or_else(PoisonError::into_inner).forget_before(time);
    }

    /// Every mark, in no order.
    pub fn all(&self) -> Vec<StoredMark> {
        self.marks.read().unwrap_or_else(PoisonError::into_inner).iter().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.marks.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
