//! Keys in memory, by what their secrets are found by.

use std::sync::Arc;

use super::ApiKey;
use crate::lookup_cache::LookupCache;
use crate::metrics::LookupMetrics;
use crate::store::{Store, StoreError};

/// The object id of a change of every key.
pub(crate) const EVERY_KEY: &str = "*";

/// The keys whose secrets were presented lately, and lookups that turned out to find none.
pub(crate) struct ApiKeyCache(LookupCache<String, ApiKey>);

impl ApiKeyCache {
    /// A cache of at most `capacity` secrets.
    pub(crate) fn new(capacity: usize, metrics: LookupMetrics) -> Self {
        Self(LookupCache::new(capacity, metrics))
    }

    /// The key, from memory or else from the store; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn find(&self, store: &Store, lookup: &str) -> Result<Option<Arc<ApiKey>>, StoreError> {
        self.0.find(lookup, || load(store, lookup)).await
    }

    /// Forgets what a change made stale: a lookup, or everything.
    pub(crate) fn apply(&self, object_id: &str) {
        if object_id == EVERY_KEY { self.0.clear() } else { self.0.invalidate(object_id) }
    }

    /// Forgets every key.
    pub(crate) fn clear(&self) {
        self.0.clear();
    }
}

async fn load(store: &Store, lookup: &str) -> Result<Option<Arc<ApiKey>>, StoreError> {
    let lookup = lookup.to_owned();
    let found = store.read(move |session| Box::pin(async move { session.find_api_key_by_lookup(&lookup).await }));
    Ok(found.await?.map(Arc::new))
}
