//! Objects of one kind in memory: bounded, with negative entries, invalidated exactly.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::Equivalent;
use quick_cache::sync::Cache;

use crate::metrics::LookupMetrics;
use crate::store::StoreError;

/// Loads that overlapped a change before the answer is no longer kept.
const MAX_ROUNDS: usize = 3;
/// Longest wait for an object.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// The objects that were asked for lately, and those that turned out not to exist.
pub(crate) struct LookupCache<K, V> {
    entries: Cache<K, Option<Arc<V>>>,
    /// Counts invalidations, so that a load that began before one is not kept.
    invalidations: AtomicU64,
    metrics: LookupMetrics,
}

impl<K: Hash + Eq + Clone, V> LookupCache<K, V> {
    /// A cache of at most `capacity` objects.
    pub(crate) fn new(capacity: usize, metrics: LookupMetrics) -> Self {
        Self { entries: Cache::new(capacity), invalidations: AtomicU64::new(0), metrics }
    }

    /// The object, from memory or else from `load`; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn find<Q, F>(&self, key: &Q, load: impl Fn() -> F) -> Result<Option<Arc<V>>, StoreError>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
        F: Future<Output = Result<Option<Arc<V>>, StoreError>>,
    {
        if let Some(found) = self.entries.get(key) {
            self.metrics.hits.inc();
            return Ok(found);
        }
        // On the heap: most of the time it is not needed, and it is large.
        Box::pin(self.find_or_load(key, load)).await
    }

    async fn find_or_load<Q, F>(&self, key: &Q, load: impl Fn() -> F) -> Result<Option<Arc<V>>, StoreError>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
        F: Future<Output = Result<Option<Arc<V>>, StoreError>>,
    {
        for _ in 0..MAX_ROUNDS {
            let before = self.invalidations.load(Ordering::SeqCst);
            // Whoever waits for another's load must not wait for a row of failures.
            let mut is_miss = false;
            let loaded = async {
                is_miss = true;
                load().await
            };
            let found = tokio::time::timeout(MAX_WAIT, self.entries.get_or_insert_async(key, loaded)).await;
            if is_miss { &self.metrics.misses } else { &self.metrics.hits }.inc();
            let found = found.map_err(StoreError::timed_out)??;
            // Whoever invalidates first counts and then removes. If the count moved
            // while we loaded, what we inserted may be older than the change.
            if self.invalidations.load(Ordering::SeqCst) == before {
                return Ok(found);
            }
            self.entries.remove(key);
        }
        self.metrics.misses.inc();
        // Others change all the time: this answer is right, and not kept.
        load().await
    }

    /// The object if it is in memory: `Some(None)` if it is known not to exist.
    pub(crate) fn find_in_memory<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<Option<Arc<V>>> {
        self.entries.get(key)
    }

    /// How many changes of such objects this node has heard of.
    pub(crate) fn changes(&self) -> u64 {
        self.invalidations.load(Ordering::SeqCst)
    }

    /// Forgets one object.
    pub(crate) fn invalidate<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) {
        self.counted(|entries| drop(entries.remove(key)));
    }

    /// Forgets every object.
    pub(crate) fn clear(&self) {
        self.counted(Cache::clear);
    }

    /// Counts before, for loads that are on their way, and after, for those who counted
    /// meanwhile and found the old entry still there.
    fn counted(&self, forget: impl FnOnce(&Cache<K, Option<Arc<V>>>)) {
        self.invalidations.fetch_add(1, Ordering::SeqCst);
        forget(&self.entries);
        self.invalidations.fetch_add(1, Ordering::SeqCst);
    }
}
