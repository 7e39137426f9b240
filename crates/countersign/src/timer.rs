//! Waiting for a point in time; a test's timer does it without waiting.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::{Clock, Timestamp};

/// A wait in progress.
pub type Wait<'t> = Pin<Box<dyn Future<Output = ()> + Send + 't>>;

/// What waits.
pub trait Timer: Send + Sync {
    /// Completes once the clock shows `time` or later.
    fn wait_until(&self, time: Timestamp) -> Wait<'_>;
}

/// Waits by a clock that runs by itself.
pub struct SystemTimer(Arc<dyn Clock>);

impl SystemTimer {
    /// A timer for this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self(clock)
    }
}

impl Timer for SystemTimer {
    fn wait_until(&self, time: Timestamp) -> Wait<'_> {
        Box::pin(async move {
            // Again, because the two clocks need not run alike.
            while let Ok(millis @ 1..) = u64::try_from(time.millis_since(self.0.now())) {
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
        })
    }
}
