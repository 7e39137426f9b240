//! The state of a feed at a verifier: a snapshot and every record since, each following the
//! one before. Without I/O.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use countersign_protocol::jose::Claims;
use countersign_protocol::status::{ChainDigest, Contents, Position, Record, Snapshot, StatusList};
use countersign_protocol::{ErrorCode, Timestamp};
use std::sync::Arc;

use super::known::Known;
use super::{Freshness, StatusState};

/// How far the clock may be behind when something was heard before it is said to have been
/// set back, in milliseconds.
const SET_BACK_MILLIS: i64 = 1_000;

/// What was heard, and until when it is complete.
#[derive(Debug)]
pub(super) struct Mirror {
    known: ArcSwapOption<Known>,
    /// Where the feed goes on; `None`: a snapshot is needed.
    at: Mutex<Option<(Position, ChainDigest)>>,
    /// Everything revoked until then is known, in milliseconds.
    fresh_as_of: AtomicI64,
    /// When that was heard by this clock, in milliseconds.
    heard_at: AtomicI64,
    records: AtomicU64,
    snapshots: AtomicU64,
    last_delay: AtomicI64,
}

/// A record does not follow the one before: something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("something is missing before this record")]
pub(super) struct Gap;

impl Default for Mirror {
    fn default() -> Self {
        Self {
            known: ArcSwapOption::empty(),
            at: Mutex::default(),
            fresh_as_of: AtomicI64::new(0),
            heard_at: AtomicI64::new(0),
            records: AtomicU64::new(0),
            snapshots: AtomicU64::new(0),
            last_delay: AtomicI64::new(-1),
        }
    }
}

impl Mirror {
    /// Goes on from a snapshot. One that is older than what is known takes nothing back; its
    /// age and its place are taken all the same.
    pub(super) fn install(&self, snapshot: &Snapshot, now: Timestamp) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match &*self.known() {
            Some(known) => known.and(snapshot, now),
            None => Known::default().and(snapshot, now),
        };
        self.known.store(Some(Arc::new(known)));
        self.heard(snapshot.as_of, now);
        self.snapshots.fetch_add(1, Ordering::Relaxed);
        *at = Some((snapshot.position, snapshot.head));
    }

    /// Applies a record that follows what is known; returns the delay of its news.
    pub(super) fn apply(&self, record: &Record, digest: ChainDigest, now: Timestamp) -> Result<(), Gap> {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        let follows = at.is_some_and(|(position, head)| record.follows(position, head));
        if !follows && CHECKS_GAPS.get() {
            // What comes after does not follow either.
            *at = None;
            return Err(Gap);
        }
        self.add(&record.contents, record.as_of, now);
        self.heard(record.as_of, now);
        self.records.fetch_add(1, Ordering::Relaxed);
        if !record.contents.is_empty() {
            self.last_delay.store(now.millis_since(record.as_of).max(0), Ordering::Relaxed);
        }
        *at = Some((record.position, digest));
        Ok(())
    }

    /// Adds news that were verified and are not known to be all there are.
    pub(super) fn add(&self, news: &Contents, as_of: Timestamp, now: Timestamp) {
        let known = self.known.load();
        let next = known.as_ref().and_then(|known| known.after(news, as_of, now));
        if let Some(next) = next {
            self.known.store(Some(Arc::new(next)));
        }
    }

    /// Adds what a status list says.
    pub(super) fn merge(&self, list_id: &str, list: &StatusList, expires_at: Timestamp) {
        // Not beside a record that is being applied.
        let _at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.known.load().as_ref().and_then(|known| known.merge(list_id, list, expires_at));
        if let Some(next) = next {
            self.known.store(Some(Arc::new(next)));
        }
    }

    /// The feed cannot be continued: a snapshot is needed.
    pub(super) fn lose_place(&self) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether a record was applied already.
    pub(super) fn has(&self, record: Position) -> bool {
        self.position().is_some_and(|own| own.epoch == record.epoch && record.seq <= own.seq)
    }

    /// Where the feed goes on.
    pub(super) fn position(&self) -> Option<Position> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).map(|(position, _)| position)
    }

    fn heard(&self, as_of: Timestamp, now: Timestamp) {
        self.fresh_as_of.store(as_of.as_millis(), Ordering::Release);
        self.heard_at.store(now.as_millis(), Ordering::Release);
    }

    /// What is known; `None`: nothing yet.
    fn known(&self) -> Guard<Option<Arc<Known>>> {
        self.known.load()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known().is_none()
    }

    /// Whether nothing known revokes a token of an issuer whose feed is that of `server`; `None`:
    /// nothing is known.
    pub(super) fn check(&self, claims: &Claims, key_id: Option<&str>, server: &str) -> Option<Result<(), ErrorCode>> {
        self.known().as_ref().map(|known| known.check(claims, key_id, server))
    }

    /// How old what is known is, in milliseconds.
    pub(super) fn staleness_millis(&self, now: Timestamp) -> i64 {
        if self.is_empty() {
            return i64::MAX;
        }
        let heard_at = Timestamp::from_millis(self.heard_at.load(Ordering::Acquire));
        if now.millis_since(heard_at) < -SET_BACK_MILLIS {
            // The clock was set back: how long ago that was nobody knows.
            return i64::MAX;
        }
        let as_of = Timestamp::from_millis(self.fresh_as_of.load(Ordering::Acquire));
        // What is heard late is as old as it says; what is not heard grows old by this clock.
        now.millis_since(as_of).max(now.millis_since(heard_at)).max(0)
    }

    pub(super) fn state(&self, now: Timestamp) -> StatusState {
        let staleness = self.staleness_millis(now);
        let millis = |millis: i64| u64::try_from(millis).ok().map(Duration::from_millis);
        StatusState {
            freshness: Freshness::of(staleness),
            staleness: (!self.is_empty()).then(|| millis(staleness)).flatten(),
            records: self.records.load(Ordering::Relaxed),
            snapshots: self.snapshots.load(Ordering::Relaxed),
            last_delay: millis(self.last_delay.load(Ordering::Relaxed)),
        }
    }
}

/// Whether gaps are looked for. Off only where a test shows that it notices.
pub(super) struct GapCheck;

pub(super) const CHECKS_GAPS: GapCheck = GapCheck;

impl GapCheck {
    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the same shape as in tests")]
    const fn get(&self) -> bool {
        true
    }

    #[cfg(test)]
    fn get(&self) -> bool {
        !IGNORES_GAPS.get()
    }
}

#[cfg(test)]
thread_local! {
    pub(super) static IGNORES_GAPS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}
