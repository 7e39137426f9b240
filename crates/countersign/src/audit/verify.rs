//! Recomputing the chain.

use super::{ChainHash, RecordedEvent};
use crate::store::{Store, StoreError};

/// A chain that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedChain {
    /// How many events it has.
    pub events: i64,
    /// The last hash. Whoever notes it down can prove later that nothing before it
    /// was changed or removed.
    pub head: ChainHash,
}

/// Why the chain is not whole.
#[derive(Debug, thiserror::Error)]
pub enum ChainFault {
    /// An event's fields do not have its hash.
    #[error("event {seq} was changed, or the one before it: its hash does not fit")]
    Changed {
        /// Its place.
        seq: i64,
    },
    /// An event is not there.
    #[error("event {seq} is missing")]
    Missing {
        /// Its place.
        seq: i64,
    },
    /// The event that was noted down has another hash.
    #[error("event {seq} has the hash {found}, but {noted} was noted down: the log was rewritten")]
    NotAsNoted {
        /// Its place.
        seq: i64,
        /// What it has.
        found: ChainHash,
        /// What it had.
        noted: ChainHash,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Recomputes every hash, and compares one with what was `noted` down before.
/// `progress` hears of every page.
///
/// # Errors
/// [`ChainFault`] at the first event that does not fit.
pub async fn verify(
    store: &Store,
    noted: Option<(i64, ChainHash)>,
    mut progress: impl FnMut(i64),
) -> Result<VerifiedChain, ChainFault> {
    let (count, head) = store.read(|session| Box::pin(async move { session.audit_head().await })).await?;
    let mut chain = Recomputation::new(noted);
    while chain.events() < count {
        let after = chain.events();
        let page = store.read(move |session| Box::pin(async move { session.audit_events_after(after, None, 500).await })).await?;
        if page.is_empty() {
            return Err(ChainFault::Missing { seq: after + 1 });
        }
        for event in page.into_iter().take_while(|event| event.seq <= count) {
            chain.extend(&event)?;
        }
        progress(chain.events());
    }
    chain.finish(count, &head)
}

/// A chain that is being recomputed, event by event from the first.
#[derive(Debug)]
pub(crate) struct Recomputation {
    chain: VerifiedChain,
    noted: Option<(i64, ChainHash)>,
}

impl Recomputation {
    /// Nothing yet; on its way, one hash is compared with what was noted down before.
    pub(crate) fn new(noted: Option<(i64, ChainHash)>) -> Self {
        Self { chain: VerifiedChain { events: 0, head: ChainHash::default() }, noted }
    }

    /// How many events fit so far.
    pub(crate) const fn events(&self) -> i64 {
        self.chain.events
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// [`ChainFault`] when it does not fit.
    pub(crate) fn extend(&mut self, event: &RecordedEvent) -> Result<(), ChainFault> {
        let seq = self.chain.events + 1;
        if event.seq != seq {
            return Err(ChainFault::Missing { seq });
        }
        if event.hash != ChainHash::after(&self.chain.head, event) {
            return Err(ChainFault::Changed { seq });
        }
        self.chain = VerifiedChain { events: seq, head: event.hash.clone() };
        match &self.noted {
            Some((noted_at, hash)) if *noted_at == seq && *hash != event.hash => {
                Err(ChainFault::NotAsNoted { seq, found: event.hash.clone(), noted: hash.clone() })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The whole chain, which ends where the log says.
    ///
    /// # Errors
    /// [`ChainFault`] when events are missing at the end.
    pub(crate) fn finish(self, count: i64, head: &ChainHash) -> Result<VerifiedChain, ChainFault> {
        match self.noted {
            Some((seq, _)) if seq > self.chain.events => Err(ChainFault::Missing { seq }),
            _ if self.chain.events < count => Err(ChainFault::Missing { seq: self.chain.events + 1 }),
            _ if self.chain.head != *head => Err(ChainFault::Changed { seq: count }),
            _ => Ok(self.chain),
        }
    }
}
