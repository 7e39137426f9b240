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
    let mut chain = VerifiedChain { events: 0, head: ChainHash::default() };
    while chain.events < count {
        let after = chain.events;
        let page = store.read(move |session| Box::pin(async move { session.audit_events_after(after, None, 500).await })).await?;
        if page.is_empty() {
            return Err(ChainFault::Missing { seq: after + 1 });
        }
        for event in page.into_iter().take_while(|event| event.seq <= count) {
            chain = chain.extended_by(&event)?;
            match &noted {
                Some((seq, hash)) if *seq == event.seq && *hash != event.hash => {
                    return Err(ChainFault::NotAsNoted { seq: *seq, found: event.hash, noted: hash.clone() });
                }
                Some(_) | None => {}
            }
        }
        progress(chain.events);
    }
    match noted {
        Some((seq, _)) if seq > chain.events => Err(ChainFault::Missing { seq }),
        _ if chain.head != head => Err(ChainFault::Changed { seq: count }),
        _ => Ok(chain),
    }
}

impl VerifiedChain {
    fn extended_by(&self, event: &RecordedEvent) -> Result<Self, ChainFault> {
        let seq = self.events + 1;
        if event.seq != seq {
            return Err(ChainFault::Missing { seq });
        }
        if event.hash != ChainHash::after(&self.head, event) {
            return Err(ChainFault::Changed { seq });
        }
        Ok(Self { events: seq, head: event.hash.clone() })
    }
}
