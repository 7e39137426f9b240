//! Counters that several nodes share, and when they are not asked.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countersign_protocol::Timestamp;
use tokio::time::Instant;

use super::valkey::Valkey;
use super::wanted::Wanted;
use super::{SharedCounters, Standing};
use crate::store::{CounterAsk, CounterWindow, Store, StoreError};

/// Shared counters. No request waits for them longer than a set time.
pub(super) struct Shared {
    place: Place,
    timeout: Duration,
    pause: Duration,
    /// Not asked before this, because they could not be.
    asleep_until: Mutex<Option<Instant>>,
}

enum Place {
    Database(Store),
    Valkey(Box<Valkey>),
}

impl Shared {
    pub(super) async fn start(
        shared: Option<SharedCounters>,
        store: &Store,
        timeout: Duration,
        pause: Duration,
    ) -> Result<Option<Self>, StoreError> {
        let place = match shared {
            None => return Ok(None),
            Some(SharedCounters::Database) => {
                store.prepare_counter_windows().await?;
                Place::Database(store.clone())
            }
            Some(SharedCounters::Valkey(address)) => Place::Valkey(Box::new(Valkey::new(address, timeout))),
        };
        Ok(Some(Self { place, timeout, pause, asleep_until: Mutex::new(None) }))
    }

    /// Takes all or nothing; `None` when the counters cannot be asked. What was on its
    /// way then may be taken all the same: too much is counted rather than too little.
    pub(super) async fn take(&self, wanted: &[Wanted<'_>], now: Timestamp) -> Option<(bool, Vec<Standing>)> {
        let asks = wanted.iter().map(|wanted| ask(wanted, 0)).collect();
        let (taken, windows) = self.within_time(self.place.take(asks)).await?;
        let standing = |(wanted, window): (&Wanted<'_>, CounterWindow)| Standing {
            used: if taken { window.used.saturating_add(wanted.cost) } else { window.used },
            ends_at: now.plus_millis(window.ends_in),
            window: window.id,
            exceeded: wanted.exceeds(window.used),
            is_counted: true,
        };
        Some((taken, wanted.iter().zip(windows).map(standing).collect()))
    }

    /// Whether what was taken from these windows was given back.
    pub(super) async fn give_back(&self, wanted: &[(Wanted<'_>, i64)]) -> bool {
        let asks = wanted.iter().map(|(wanted, window)| ask(wanted, *window)).collect();
        self.within_time(self.place.give_back(asks)).await.is_some()
    }

    async fn within_time<T>(&self, asking: impl Future<Output = Result<T, Unreachable>>) -> Option<T> {
        let asleep_until = *self.asleep();
        if asleep_until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let answer = tokio::time::timeout(self.timeout, asking).await.unwrap_or(Err(Unreachable::TooSlow));
        match answer {
            Ok(answer) => {
                if asleep_until.is_some() && self.asleep().take().is_some() {
                    tracing::info!("the shared counters are back");
                }
                Some(answer)
            }
            Err(error) => {
                if self.asleep().replace(Instant::now() + self.pause).is_none() {
                    tracing::warn!(error = %crate::log::chain(&error), "the shared counters cannot be asked");
                }
                None
            }
        }
    }

    fn asleep(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.asleep_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why shared counters cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreachable {
    #[error(transparent)]
    Database(#[from] StoreError),
    #[error("the server of the counters cannot be reached")]
    Connection(#[from] std::io::Error),
    #[error("the server of the counters does not answer as it should")]
    Server(#[from] redis::RedisError),
    #[error("the counters did not answer in time")]
    TooSlow,
}

impl Place {
    async fn take(&self, asks: Vec<CounterAsk>) -> Result<(bool, Vec<CounterWindow>), Unreachable> {
        match self {
            Self::Database(store) => Ok(store.take_counter_windows(asks).await?),
            Self::Valkey(valkey) => valkey.take(&asks).await,
        }
    }

    async fn give_back(&self, asks: Vec<CounterAsk>) -> Result<(), Unreachable> {
        match self {
            Self::Database(store) => Ok(store.give_back_counter_windows(asks).await?),
            Self::Valkey(valkey) => valkey.give_back(&asks).await,
        }
    }
}

/// A cost beyond the limit is refused whatever it is: it is kept small enough to add.
fn ask(wanted: &Wanted<'_>, window: i64) -> CounterAsk {
    let limit = wanted.limit;
    let cost = wanted.cost.min(limit.saturating_add(1));
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    CounterAsk { counter: wanted.counter(), cost: number(cost), limit: number(limit), millis: wanted.rule.millis(), window }
}
