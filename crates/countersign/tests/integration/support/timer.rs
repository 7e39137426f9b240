//! A timer on the clock of the test.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use countersign::timer::{Timer, Wait};
use countersign_protocol::{Clock, ManualClock, Timestamp};
use tokio::sync::Notify;

/// Moves the clock to where somebody waits for; or, once told to hold, leaves that to
/// the test.
pub(crate) struct TestTimer {
    clock: Arc<ManualClock>,
    holds: AtomicBool,
    waiting: AtomicUsize,
    moved: Notify,
}

impl TestTimer {
    pub(super) fn new(clock: Arc<ManualClock>) -> Self {
        Self { clock, holds: AtomicBool::new(false), waiting: AtomicUsize::new(0), moved: Notify::new() }
    }

    /// From now on the test moves the clock, by [`TestTimer::advance_millis`].
    pub(crate) fn hold(&self) {
        self.holds.store(true, Ordering::SeqCst);
    }

    pub(crate) fn advance_millis(&self, millis: i64) {
        self.clock.advance_millis(millis);
        self.moved.notify_waiters();
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Returns once `number` wait.
    pub(crate) async fn waited_for_by(&self, number: usize) {
        while self.waiting() < number {
            tokio::task::yield_now().await;
        }
    }
}

impl Timer for TestTimer {
    fn wait_until(&self, time: Timestamp) -> Wait<'_> {
        Box::pin(async move {
            if !self.holds.load(Ordering::SeqCst) {
                self.clock.advance_millis(time.millis_since(self.clock.now()).max(0));
                return;
            }
            self.waiting.fetch_add(1, Ordering::SeqCst);
            loop {
                let moved = self.moved.notified();
                if self.clock.now() >= time {
                    break;
                }
                moved.await;
            }
            self.waiting.fetch_sub(1, Ordering::SeqCst);
        })
    }
}
