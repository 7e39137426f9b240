//! Keys in memory, by what their secrets are found by, and by their ids.

use std::sync::Arc;

use super::ApiKey;
use crate::ids::ApiKeyId;
use crate::lookup_cache::LookupCache;
use crate::metrics::LookupMetrics;
use crate::store::{Store, StoreError};

/// The object id of a change of every key.
pub(crate) const EVERY_KEY: &str = "*";

/// The keys whose secrets were presented lately, or whose tokens, and lookups that turned
/// out to find none. An id is never a lookup: those have no `_`, or a `:`.
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

    /// The key with this id, from memory or else from the store; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn find_by_id(&self, store: &Store, id: &ApiKeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
        self.0.find(id.as_str(), || load_by_id(store, id)).await
    }

    /// The key if it is in memory by this lookup; the store is not asked.
    pub(crate) fn find_in_memory(&self, lookup: &str) -> Option<Arc<ApiKey>> {
        self.0.find_in_memory(lookup).flatten()
    }

    /// How many changes of keys this node has heard of.
    pub(crate) fn changes(&self) -> u64 {
        self.0.changes()
    }

    /// Forgets what a change made stale: a lookup, an id, or everything.
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

async fn load_by_id(store: &Store, id: &ApiKeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
    let id = id.clone();
    let found = store.read(move |session| Box::pin(async move { session.find_api_key(&id).await }));
    Ok(found.await?.map(Arc::new))
}
