//! Clients in memory: bounded, with negative entries, invalidated exactly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_protocol::ClientId;
use quick_cache::sync::Cache;

use super::Client;
use crate::metrics::ClientCacheMetrics;
use crate::store::{Store, StoreError};

/// Loads that overlapped a change before the answer is no longer kept.
const MAX_ROUNDS: usize = 3;
/// Longest wait for a client.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// The clients that were asked for lately, and those that turned out not to exist.
pub struct ClientCache {
    entries: Cache<ClientId, Option<Arc<Client>>>,
    /// Counts invalidations, so that a load that began before one is not kept.
    invalidations: AtomicU64,
    metrics: ClientCacheMetrics,
}

impl ClientCache {
    /// A cache of at most `capacity` clients.
    pub fn new(capacity: usize, metrics: ClientCacheMetrics) -> Self {
        Self { entries: Cache::new(capacity), invalidations: AtomicU64::new(0), metrics }
    }

    /// The client, from memory or else from the store; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(&self, store: &Store, id: &ClientId) -> Result<Option<Arc<Client>>, StoreError> {
        if let Some(found) = self.entries.get(id) {
            self.metrics.hits.inc();
            return Ok(found);
        }
        // On the heap: most of the time it is not needed, and it is large.
        Box::pin(self.find_or_load(store, id)).await
    }

    async fn find_or_load(&self, store: &Store, id: &ClientId) -> Result<Option<Arc<Client>>, StoreError> {
        for _ in 0..MAX_ROUNDS {
            let before = self.invalidations.load(Ordering::SeqCst);
            // Whoever waits for another's load must not wait for a row of failures.
            let mut is_miss = false;
            let loaded = async {
                is_miss = true;
                load(store, id).await
            };
            let found = tokio::time::timeout(MAX_WAIT, self.entries.get_or_insert_async(id, loaded)).await;
            if is_miss { &self.metrics.misses } else { &self.metrics.hits }.inc();
            let found = found.map_err(StoreError::timed_out)??;
            // Whoever invalidates first counts and then removes. If the count moved
            // while we loaded, what we inserted may be older than the change.
            if self.invalidations.load(Ordering::SeqCst) == before {
                return Ok(found);
            }
            self.entries.remove(id);
        }
        self.metrics.misses.inc();
        // Other clients change all the time: this answer is right, and not kept.
        load(store, id).await
    }

    /// The client if it is in memory; the store is not asked.
    pub fn find_in_memory(&self, id: &ClientId) -> Option<Arc<Client>> {
        self.entries.get(id).flatten()
    }

    /// How many changes of clients this node has heard of.
    pub fn changes(&self) -> u64 {
        self.invalidations.load(Ordering::SeqCst)
    }

    /// Forgets one client.
    pub fn invalidate(&self, id: &ClientId) {
        self.counted(|entries| drop(entries.remove(id)));
    }

    /// Forgets every client.
    pub fn clear(&self) {
        self.counted(Cache::clear);
    }

    /// Counts before, for loads that are on their way, and after, for those who counted
    /// meanwhile and found the old entry still there.
    fn counted(&self, forget: impl FnOnce(&Cache<ClientId, Option<Arc<Client>>>)) {
        self.invalidations.fetch_add(1, Ordering::SeqCst);
        forget(&self.entries);
        self.invalidations.fetch_add(1, Ordering::SeqCst);
    }
}

async fn load(store: &Store, id: &ClientId) -> Result<Option<Arc<Client>>, StoreError> {
    let id = id.clone();
    let found = store.read(move |session| Box::pin(async move { session.find_client(&id).await }));
    Ok(found.await?.map(Arc::new))
}
